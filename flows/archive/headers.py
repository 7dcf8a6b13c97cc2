"""Exposures from the primary headers of raw files, wherever these are.

Only headers are read, never data.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from workers.outside import open_outside
from workers.transfer.fits_checks import FitsError, read_hdus, read_header

from ..models.exposures import ACQUISITIONS, Exposure, Role, UnusableFile
from ..names import ExposureName, format_exposure_name
from .source import Facts

__all__ = [
    "HeaderValue",
    "RawFile",
    "read_exposure",
    "read_raw_file",
    "read_raw_header",
    "role_of",
    "to_exposure",
    "to_unusable",
]

HeaderValue = str | int | float | bool
"""What a header card holds once it is read."""

_COMMENTARY: Final = frozenset({"", "COMMENT", "HISTORY"})
"""Keywords without a value."""

_IDENTITY: Final = (
    ("PROGRAM", "program"),
    ("OBSERVTN", "observation"),
    ("VISIT", "visit"),
)
"""Keywords that must agree with the part of the file name; only the first must be
there."""

_MODIFIERS: Final = (
    # A PSF reference is science to the level-2b rules, whatever else it says it is.
    ("IS_PSF", Role.SCIENCE),
    ("IS_IMPRT", Role.IMPRINT),
    ("BKGDTARG", Role.BACKGROUND),
)
"""``SPECIAL_EXPOSURE_MODIFIERS`` of ``jwst/associations/lib/dms_base.py`` (jwst
3.0.0): the first that is set wins."""


@dataclass(frozen=True, slots=True)
class RawFile:
    """What the headers of a file tell."""

    header: dict[str, HeaderValue]
    """Primary header; undefined and commentary cards left out."""
    defect: str | None
    """What is wrong with the rest of the file, in one sentence."""


def read_raw_file(path: Path, *, extension: str = "SCI") -> RawFile:
    """Read the primary header of a FITS file and check its structure.

    Parameters
    ----------
    extension
        Name of the extension that it must have.

    Raises
    ------
    FitsError
        It is no FITS file, or its primary header is damaged.
    OSError
        The file cannot be opened or read.
    """
    with open_outside(path) as stream:
        return RawFile(_read_values(stream), _find_defect(stream, extension))


def read_raw_header(begin: bytes) -> RawFile:
    """Read the primary header of a FITS file of which only the begin is there.

    Raises
    ------
    FitsError
        It is no FITS file, or its primary header is damaged or longer than this.
    """
    return RawFile(_read_values(BytesIO(begin)), None)


def read_exposure(
    path: Path, name: ExposureName, *, extension: str = "SCI"
) -> Exposure | UnusableFile:
    """Read a file; tell what exposure it is of, or why it is no exposure.

    Raises what `read_raw_file` does.
    """
    status = path.stat()
    return to_exposure(
        path,
        name,
        read_raw_file(path, extension=extension),
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
    )


def to_exposure(
    path: Path, name: ExposureName, file: RawFile, *, size_bytes: int, mtime_ns: int
) -> Exposure | UnusableFile:
    """Put together what name, file and header tell, or say why it is no exposure.

    `path` is where the file is, or will be.
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


def to_unusable(path: Path, name: ExposureName | Facts, reason: str) -> UnusableFile:
    """Set a file aside."""
    return UnusableFile(
        path=path,
        program=name.program,
        observation=name.observation,
        reason=f"{path.name}: {reason}",
    )


def role_of(header: Mapping[str, HeaderValue]) -> Role:
    """Tell what an exposure is for, as the official rules tell it from its header."""
    if str(header["EXP_TYPE"]).upper() in ACQUISITIONS:
        return Role.TARGET_ACQUISITION
    set_roles = (role for keyword, role in _MODIFIERS if header.get(keyword) is True)
    return next(set_roles, Role.SCIENCE)


def _objection(name: ExposureName, header: Mapping[str, HeaderValue]) -> str | None:
    """Say what in the header forbids to take the file for what its name says."""
    for keyword, part in _IDENTITY:
        expected, got = getattr(name, part), header.get(keyword)
        if got != expected and (got is not None or keyword == "PROGRAM"):
            return f"expected {keyword} {expected!r} as in the file name, got {got!r}"
    if not isinstance(header.get("EXP_TYPE"), str):
        return f"expected EXP_TYPE in the header, got {header.get('EXP_TYPE')!r}"
    return None


def _find_defect(stream: BinaryIO, extension: str) -> str | None:
    """Say what is wrong with the structure of a file."""
    try:
        names = [hdu.name for hdu in read_hdus(stream, whole=True)]
    except FitsError as error:
        return str(error)
    if extension not in names:
        return f"expected an {extension} extension, got only {', '.join(names)}"
    return None


def _read_values(stream: BinaryIO) -> dict[str, HeaderValue]:
    """Read the primary header; of a keyword given twice the first counts."""
    from astropy.io.fits import Header  # 0.3 s: only when needed

    header = read_header(stream, is_first=True) or b""
    values: dict[str, HeaderValue] = {}
    with _readable_cards():
        for card in Header.fromstring(header).cards:
            value = card.value  # once: every look costs as much as the parsing
            if isinstance(value, str | int | float):
                values.setdefault(card.keyword.upper(), value)
    for keyword in _COMMENTARY:
        values.pop(keyword, None)
    return values


@contextmanager
def _readable_cards() -> Iterator[None]:
    """Turn what astropy raises, or warns of, into one error of ours."""
    from astropy.io.fits import VerifyError
    from astropy.utils.exceptions import AstropyUserWarning

    try:
        yield
    except (AstropyUserWarning, LookupError, TypeError, ValueError, VerifyError) as why:
        raise FitsError(
            f"expected readable cards in the primary header, got: {why or 'the end'}"
        ) from why
