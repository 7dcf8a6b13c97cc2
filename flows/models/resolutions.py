"""What workers have resolved, as it is remembered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Answer", "KnownHeader"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a question; jobs that are alike have answers in common."""

    question: str
    """Hash of what decides on the answer, but for the rules of CRDS."""
    answer_sha256: str
    """Hash of the text."""
    text: str
    """The answer with the rules that it holds for, as JSON."""
    cubes: str
    """Shapes of predicted cubes, which jobs that are alike do not share, as JSON."""
    asked_at: datetime
    """When it was given."""


@dataclass(frozen=True, slots=True)
class KnownHeader:
    """What the headers of a file told when it was read."""

    path: str
    """The file."""
    size_bytes: int
    """Its size by then."""
    mtime_ns: int
    """Its time of last modification by then."""
    software: str
    """Hash of the software that read it."""
    header: Mapping[str, str | int | float | bool]
    """Primary header, as in `Exposure`."""
    defect: str | None
    """What is wrong with the rest of the file, in one sentence."""
