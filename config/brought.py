"""Files that users bring, as recipes name them: by content, never by path.

``rewebb put FILE`` checks a file, keeps it in the data folder under its sha256, and
prints what to paste into a recipe.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from .match import Match

__all__ = ["BROUGHT_KINDS", "BroughtFile", "BroughtKind", "explain_brought"]

BroughtKind = Literal["background-spectrum", "extract1d", "bad-pixels"]
"""What a file is: a 1-D background, apertures of the extraction, or bad pixels."""

BROUGHT_KINDS: Final[tuple[BroughtKind, ...]] = get_args(BroughtKind)
"""What they can be."""

_KIND_OF: Final[Mapping[str, BroughtKind]] = {
    "override_extract1d": "extract1d",
    "user_background": "background-spectrum",
    "user_supplied_dq": "bad-pixels",
}
"""What parameters of steps take that name a path, and that no recipe sets."""


class BroughtFile(BaseModel):
    """A file that `rewebb put` has kept, for the jobs of some exposures.

    Of two that are the same kind of file for one job, the later one is used.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    kind: BroughtKind
    """What it is: `background-spectrum` is the `user_background` of spec3, and for the
    MSA of spec2; `extract1d` takes the place of the reference of `extract_1d`; and
    `bad-pixels` is the `user_supplied_dq` of detector1."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """Hash of its bytes, as `rewebb put` prints it."""
    match: Match = Match()
    """Exposures that it is for."""
    stage: Literal["spec2", "spec3", "tso3"] | None = None
    """Of `extract1d`, the stage whose spectra are extracted with it; none means all."""

    @model_validator(mode="after")
    def _check_stage(self) -> Self:
        """Refuse a stage where there is no choice."""
        if self.stage is not None and self.kind != "extract1d":
            raise ValueError(f"a file of kind {self.kind} has no choice of a stage")
        return self

    def describe(self) -> str:
        """Write it down: ``background-spectrum 3f2a9c01b7d4, for target STAR``."""
        where = f" in {self.stage}" if self.stage else ""
        return f"{self.kind} {self.sha256[:12]}{where}, for {self.match.describe()}"

    def fits(self, facts: Mapping[str, str]) -> bool:
        """Return whether it is for an exposure of these facts (`match.FACTS`)."""
        return self.match.fits(facts)


def explain_brought(parameters: Iterable[str]) -> str:
    """Say how a recipe names files for dotted parameters; empty if for none."""
    last = (name.rpartition(".")[2] for name in parameters)
    kinds = sorted({_KIND_OF[name] for name in last if name in _KIND_OF})
    if not kinds:
        return ""
    return (
        f" A file of your own is put by `rewebb put` and named in [[files]], of kind "
        f"{' or '.join(kinds)}."
    )
