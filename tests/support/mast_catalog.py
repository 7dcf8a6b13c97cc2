"""What the MAST server lists of a folder: one row per exposure, and its products."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from astropy.io import fits

__all__ = [
    "COLUMNS",
    "DEFAULT_COLUMNS",
    "PROPOSAL_CYCLES",
    "Catalog",
    "FileSet",
    "access_of",
    "public_date",
]

Row = dict[str, Any]

PROPOSAL_CYCLES = {"99090": 2, "99022": 2}
"""Of programs; others are of the first."""
Header = Mapping[str, Any]

_KEYWORDS = {
    "targprop": "TARGPROP",
    "targname": "TARGNAME",
    "targtype": "TARGTYPE",
    "targ_ra": "TARG_RA",
    "targ_dec": "TARG_DEC",
    "instrume": "INSTRUME",
    "exp_type": "EXP_TYPE",
    "date_obs": "DATE-BEG",
    "duration": "DURATION",
    "pi_name": "PI_NAME",
    "proposal_type": "CATEGORY",
    "visit_id": "VISIT_ID",
    "bkgdtarg": "BKGDTARG",
    "is_psf": "IS_PSF",
    "filter": "FILTER",
    "template": "TEMPLATE",
    "subarray": "SUBARRAY",
    "obs_id": "OBS_ID",
    "crds_ctx": "CRDS_CTX",
    "cal_ver": "CAL_VER",
    "expstart": "EXPSTART",
}
"""Search columns that are keywords of the header."""

DEFAULT_COLUMNS = (
    *("ArchiveFileID", "fileSetName", "productLevel", "targprop", "targ_ra"),
    *("targ_dec", "instrume", "exp_type", "opticalElements", "date_obs"),
    *("duration", "program", "observtn", "visit", "publicReleaseDate", "pi_name"),
    *("proposal_type", "proposal_cycle", "targtype", "access", "ang_sep"),
)
"""What MAST gives if no columns are asked for (STScI notebook, June 2024)."""

_INTEGERS = {"ArchiveFileID", "program", "observtn", "visit", "proposal_cycle"}
_FLOATS = {"targ_ra", "targ_dec", "duration", "ang_sep", "expstart"}
_DATES = {"date_obs", "publicReleaseDate"}

COLUMNS = {
    name: "INTEGER"
    if name in _INTEGERS
    else "FLOAT"
    if name in _FLOATS
    else "DATETIME"
    if name in _DATES
    else "VARCHAR"
    for name in ("search_pos", *DEFAULT_COLUMNS, *_KEYWORDS, "search_key")
}
"""Search columns and their types."""

_FILE_SET = re.compile(
    r"(?P<set>jw(?P<program>\d{5})(?P<observation>\d{3})(?P<visit>\d{3})"
    r"_\w{5}_\d{5})(?:-seg\d{3})?_(?P<detector>[a-z0-9]+)_(?P<suffix>[a-z0-9]+)\.fits"
)
_JUNK = ("_rateints.fits", "_cal.fits", "_x1d.fits", "_rate.jpg", "_rate_thumb.jpg")
"""Products that are listed though nobody can have them; rates are not made up."""

_LEVELS = {"_uncal": "1b", "_rate": "2a", "_cal": "2b", "_x1d": "2b"}


@dataclass
class FileSet:
    """One row of the search, and the files behind it."""

    name: str
    program: str
    observation: str
    row: Row
    products: dict[str, int] = field(default_factory=dict)
    """Sizes by file name."""


class Catalog:
    """What is in a folder, and what else the real archive would list beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._headers: dict[tuple[str, int, int], Header] = {}
        self._found: dict[str, Path] = {}

    def find(self, name: str) -> Path | None:
        """Find one file; the folder is only looked through if it is a new one."""
        if name not in self._found or not self._found[name].is_file():
            self._found = self.files()
        return self._found.get(name)

    def files(self) -> dict[str, Path]:
        """Find everything that can be had, by name."""
        return {path.name: path for path in self._folder.rglob("*") if path.is_file()}

    def file_sets(self, exclusive: Mapping[str, datetime]) -> list[FileSet]:
        """List the file sets of the folder.

        Parameters
        ----------
        exclusive
            When the file sets whose names begin like this become public.
        """
        files = self.files()
        sets: dict[str, FileSet] = {}
        headers: dict[str, list[Header]] = {}
        raw: set[str] = set()
        for name, path in sorted(files.items()):
            match = _FILE_SET.fullmatch(name)
            if match is None:
                continue
            raw.add(name)
            file_set = sets.setdefault(match["set"], _new(match))
            headers.setdefault(match["set"], []).append(self._header(path))
            file_set.products[name] = path.stat().st_size
        others = {name: path for name, path in files.items() if name not in raw}
        for name, file_set in sets.items():
            _fill(file_set, headers[name], others)
        everything = [*sets.values(), *_combined(sets.values(), others)]
        for number, file_set in enumerate(everything):
            date = public_date(file_set.name, exclusive)
            file_set.row["publicReleaseDate"] = date.strftime("%Y-%m-%dT%H:%M:%S")
            file_set.row["access"] = access_of(file_set.name, exclusive)
            file_set.row["ArchiveFileID"] = 85_000_000 + number
        return everything

    def _header(self, path: Path) -> Header:
        status = path.stat()
        key = (str(path), status.st_size, status.st_mtime_ns)
        if key not in self._headers:
            try:
                self._headers[key] = dict(fits.getheader(path))
            except OSError:
                self._headers[key] = {}
        return self._headers[key]


def _new(match: re.Match[str]) -> FileSet:
    row: Row = {
        "fileSetName": match["set"],
        "program": int(match["program"]),
        "observtn": int(match["observation"]),
        "visit": int(match["visit"]),
        "proposal_cycle": PROPOSAL_CYCLES.get(match["program"], 1),
    }
    return FileSet(match["set"], match["program"], match["observation"], row)


def _fill(file_set: FileSet, headers: list[Header], files: Mapping[str, Path]) -> None:
    """Say what the headers tell, and add what only the real archive has."""
    first = headers[0]
    row = file_set.row
    row.update({column: first.get(key) for column, key in _KEYWORDS.items()})
    observed = f"{first.get('DATE-OBS')}T{first.get('TIME-OBS')}"
    row["date_obs"] = observed if "None" not in observed else first.get("DATE-BEG")
    row["opticalElements"] = ", ".join(dict.fromkeys(map(_optics, headers)))
    for name in list(file_set.products):
        if name.endswith("_uncal.fits"):
            stem = name.removesuffix("_uncal.fits")
            for ending in _JUNK:
                file_set.products.setdefault(stem + ending, 20160)
    visit = file_set.name[:13]
    for number, suffix in enumerate(("gs-acq1", "gs-fg", "gs-track"), 1):
        file_set.products[f"{visit}_{suffix}_202406112000{number}_uncal.fits"] = 2880
    for metafile in {header.get("MSAMETFL") for header in headers} & files.keys():
        file_set.products[str(metafile)] = files[str(metafile)].stat().st_size
    _add_texts(file_set, files, "2")
    levels = (_LEVELS.get(_suffix(name)) for name in file_set.products)
    row["productLevel"] = ", ".join(sorted({level for level in levels if level}))


def _combined(sets: Iterable[FileSet], files: Mapping[str, Path]) -> Iterator[FileSet]:
    """Return a level-3 file set for every observation."""
    firsts: dict[tuple[str, str], FileSet] = {}
    for file_set in sets:
        firsts.setdefault((file_set.program, file_set.observation), file_set)
    for (program, observation), first in firsts.items():
        instrument = str(first.row["instrume"] or "nirspec").lower()
        name = f"jw{program}-o{observation}_t001_{instrument}"
        row = {**first.row, "fileSetName": name, "productLevel": "3", "visit": None}
        products = {f"{name}_clear-prism_{suffix}.fits": 2880 for suffix in ("s3d",)}
        combined = FileSet(name, program, observation, row, products)
        _add_texts(combined, files, "3")
        yield combined


def _add_texts(file_set: FileSet, files: Mapping[str, Path], level: str) -> None:
    """Add the pool, and the associations of the observation and level."""
    of = (
        f"o{file_set.observation}" if level == "2" else f"(o{file_set.observation}|c.*)"
    )
    wanted = re.compile(
        rf"jw{file_set.program}(_\w+_pool\.csv|-{of}_\w+_[a-z-]+{level}_\d+_asn\.json)"
    )
    for name, path in files.items():
        if wanted.fullmatch(name):
            file_set.products[name] = path.stat().st_size


def public_date(name: str, exclusive: Mapping[str, datetime]) -> datetime:
    """Say when a file set or a file becomes, or became, public."""
    plain = name.replace("-o", "")
    dates = [
        date for begin, date in exclusive.items() if plain.startswith(f"jw{begin}")
    ]
    return max(dates, default=datetime(2024, 1, 1, tzinfo=UTC)).astimezone(UTC)


def access_of(name: str, exclusive: Mapping[str, datetime]) -> str:
    """Say who may have a file set or a file."""
    is_exclusive = public_date(name, exclusive) > datetime.now(UTC)
    return "EXCLUSIVE_ACCESS" if is_exclusive else "PUBLIC"


def _optics(header: Header) -> str:
    keys = ("FILTER", "PUPIL", "GRATING", "BAND")
    values = [str(header[key]) for key in keys if key in header]
    return ";".join(value for value in values if value not in {"N/A", "NONE", ""})


def _suffix(name: str) -> str:
    is_science = name.endswith(".fits") and "_gs-" not in name
    return f"_{name.rpartition('_')[2].partition('.')[0]}" if is_science else ""
