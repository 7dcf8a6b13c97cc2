"""Rows of a search: one dataset is an exposure of all detectors, or a level-3 one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from flows.archive.listing import Access

__all__ = ["SEARCH_COLUMNS", "Dataset", "access_of", "dataset_from_row"]

SEARCH_COLUMNS: Final = (
    *("ArchiveFileID", "fileSetName", "productLevel", "program", "observtn"),
    *("instrume", "exp_type", "opticalElements", "targprop", "date_obs"),
    *("access", "publicReleaseDate"),
)
"""Columns that we ask for: all are of the default output, as STScI shows it in
``mast_notebooks`` (Querying_MAST_for_JWST_Metadata, June 2024)."""

_NAME: Final = re.compile(
    r"jw(?P<program>[0-9]{5})"
    r"(?:(?P<observation>[0-9]{3})[0-9]{3}_[0-9a-z]{5}_[0-9]{5}(?:-seg[0-9]{3})?"
    r"|-(?P<candidate>[a-z0-9]+)(?:_[a-z0-9-]+)*)"
)
"""``jw02736007001_03103_00001`` or, of level 3, ``jw02736-o007_t001_nirspec``."""

_PUBLIC: Final = "PUBLIC"
"""What ``access`` says of what everybody may have."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a row of a search tells."""

    name: str
    """``fileSetName``, of a known form."""
    program: str
    """Five digits."""
    observation: str
    """Three digits; empty where it is of level 3."""
    levels: frozenset[str]
    """Levels of the products that there are: ``1b``, ``2a``; empty if not told."""
    instrument: str
    """INSTRUME."""
    exp_type: str
    """EXP_TYPE."""
    optics: str
    """``F115W;CLEAR, F444W;CLEAR``."""
    target: str
    """TARGPROP."""
    taken: datetime | None
    """Begin of the exposure, UTC."""
    access: Access
    """Who may have it."""
    public_from: datetime | None
    """When it becomes, or became, public."""

    @property
    def is_exposure(self) -> bool:
        """Whether it is an exposure, and not combined from several."""
        return bool(self.observation)


def dataset_from_row(row: Mapping[str, object]) -> Dataset | None:
    """Read a row of a search; give None where its name is of no known form."""
    match = _NAME.fullmatch(_text(row, "fileSetName"))
    if match is None:
        return None
    return Dataset(
        name=match[0],
        program=match["program"],
        observation=match["observation"] or "",
        levels=frozenset(re.findall(r"\w+", _text(row, "productLevel"))),
        instrument=_text(row, "instrume").upper(),
        exp_type=_text(row, "exp_type").upper(),
        optics=_text(row, "opticalElements"),
        target=_text(row, "targprop"),
        taken=_time(row, "date_obs"),
        access=access_of(row),
        public_from=_time(row, "publicReleaseDate"),
    )


def access_of(row: Mapping[str, object]) -> Access:
    """Read who may have a dataset or a product; what is not told is taken for public.

    The server has the last word when the file is asked for.
    """
    told = _text(row, "access").upper()
    return Access.PUBLIC if told in {"", _PUBLIC} else Access.EXCLUSIVE


def _text(row: Mapping[str, object], column: str) -> str:
    """Read a cell; the recorded answers pad some with blanks."""
    value = row.get(column)
    return "" if value is None else str(value).strip()


def _time(row: Mapping[str, object], column: str) -> datetime | None:
    """Read a time, which is UTC without saying so."""
    try:
        return datetime.fromisoformat(_text(row, column)).replace(tzinfo=UTC)
    except ValueError:
        return None
