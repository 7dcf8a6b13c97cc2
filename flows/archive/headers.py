"""Exposures from the primary headers of raw files, wherever these are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from flows.models.exposures import Exposure, UnusableFile
from flows.names import ExposureName, format_exposure_name

from .rawfile import RawFile
from .roles import HeaderValue, role_of

__all__ = ["to_exposure", "to_unusable"]

_IDENTITY: Final = (
    ("PROGRAM", "program"),
    ("OBSERVTN", "observation"),
    ("VISIT", "visit"),
)
"""Keywords that must agree with the part of the file name; only the first must be
there."""


def to_exposure(
    path: Path, name: ExposureName, file: RawFile, *, size_bytes: int, mtime_ns: int
) -> Exposure | UnusableFile:
    """Put together what name, file and header tell, or say why it is no exposure.

    Parameters
    ----------
    path
        Where the file is, or will be.
    name
        What its name says.
    file
        What its headers say.
    """
    if objection := _objection(name, file.header):
        return to_unusable(path, name, objection)
    return Exposure(
        name=format_exposure_name(name),
        program=name.program,
        observation=name.observation,
        visit=name.visit,
        path=path,
        size_bytes=size_bytes,
        mtime_ns=mtime_ns,
        exp_type=str(file.header["EXP_TYPE"]).upper(),
        role=role_of(file.header),
        header=file.header,
        defect=file.defect,
    )


def to_unusable(path: Path, name: ExposureName, reason: str) -> UnusableFile:
    """Set a file aside."""
    return UnusableFile(
        path=path,
        program=name.program,
        observation=name.observation,
        reason=f"{path.name}: {reason}",
    )


def _objection(name: ExposureName, header: Mapping[str, HeaderValue]) -> str | None:
    """Say what in the header forbids to take the file for what its name says."""
    for keyword, part in _IDENTITY:
        expected, got = getattr(name, part), header.get(keyword)
        if got != expected and (got is not None or keyword == "PROGRAM"):
            return f"expected {keyword} {expected!r} as in the file name, got {got!r}"
    if not isinstance(header.get("EXP_TYPE"), str):
        return f"expected EXP_TYPE in the header, got {header.get('EXP_TYPE')!r}"
    return None
