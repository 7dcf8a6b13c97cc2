"""What of an association is a choice, and what the official rules choose."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["AssociationOptions"]


@dataclass(frozen=True, slots=True)
class AssociationOptions:
    """Choices of a recipe; the defaults are those of the official rules."""

    backgrounds: Literal["same-program", "none"] = "same-program"
    """Which dedicated backgrounds a science exposure gets. The link is made in the
    observing proposal and is in no header, so it is guessed: the background
    observation of the same program and mode that is nearest in time."""
    selfcal: bool = False
    """Whether the other exposures of the mode become ``selfcal`` members, for
    `badpix_selfcal`. No official rule ever does that."""
    imprints_as_science: bool = False
    """Whether leakcals get an association of their own (Asn_Lv2SpecImprint). The
    official rules do it, but there is no spectrum in a leakcal."""
