"""Tables of what can be found out again, and is remembered because that takes long."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ..column_types import FREE_TEXT, json_text
from .row import SQLBase

__all__ = ["SQLKnownHeader", "SQLResolution", "SQLResolutionAnswer"]


class SQLResolutionAnswer(SQLBase):
    """What workers resolved, of jobs that are alike."""

    __tablename__ = "resolution_answer"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    """Hash of the text."""
    text: Mapped[str]
    """References, parameters and mappings, and the rules that it holds for, as JSON."""


class SQLResolution(SQLBase):
    """What was asked of a job, and what was answered."""

    __tablename__ = "resolution"

    question: Mapped[str] = mapped_column(primary_key=True)
    """Hash of headers, parameters and software."""
    answer_sha256: Mapped[str] = mapped_column(
        ForeignKey("resolution_answer.sha256"), primary_key=True, index=True
    )
    """The answer; contexts with other rules have others."""
    cubes: Mapped[str]
    """Predicted shapes of its cubes, as JSON."""
    asked_at: Mapped[datetime]
    """When it was answered."""


class SQLKnownHeader(SQLBase):
    """The headers of a raw file, and the state of the file that they hold for."""

    __tablename__ = "known_header"

    path: Mapped[str] = mapped_column(primary_key=True)
    """The file."""
    size_bytes: Mapped[int]
    """Its size."""
    mtime_ns: Mapped[int]
    """Its time of last modification, in ns since 1970."""
    software: Mapped[str]
    """Hash of the software that read it: what other software read says nothing."""
    header: Mapped[Mapping[str, str | int | float | bool]] = mapped_column(json_text())
    """Primary header, as JSON."""
    defect: Mapped[str | None] = mapped_column(FREE_TEXT)
    """What is wrong with the file, if anything."""
