"""The grammar of JWST file names.

Exposure names (raw to level 2c)::

    jw{ppppp}{ooo}{vvv}_{gg}{s}{aa}_{eeeee}[-segNNN]_{detector}

Product names (level 3)::

    jw{ppppp}-{o001|c1000|a3001}_{t001|s00001|t001-s000000001}_{instrument}[_{optical}]

Either may be followed by ``_{suffix}`` and ``.{extension}``; an exposure that a
level-3 association has flagged again has its candidate between (``_o001_crf.fits``).
Every number is kept as a string, with its zeros. The grammar is that of
https://jwst-docs.stsci.edu/ (File Naming Conventions and Data Products).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from .errors import FileNameError, IdError

__all__ = [
    "LEVEL2_SUFFIXES",
    "LEVEL3_SUFFIXES",
    "MAX_NAME_BYTES",
    "OBSERVATION_ID",
    "PROGRAM_ID",
    "SUFFIXES",
    "CompanionName",
    "ExposureName",
    "FileName",
    "ProductName",
    "check_file_name",
    "check_folder",
    "check_observations",
    "check_program",
    "format_exposure_name",
    "list_some",
    "member_file",
    "parse_companion_name",
    "parse_exposure_name",
    "parse_file_name",
    "parse_product_name",
    "split_suffix",
    "stem_of",
]

PROGRAM_ID: Final = "[0-9]{5}"
"""Pattern of the id of a program."""

OBSERVATION_ID: Final = "[0-9]{3}"
"""Pattern of the id of an observation."""

MAX_NAME_BYTES: Final = 255
"""Longest file name of the file systems we meet (ext4, XFS, Lustre, GPFS)."""

LEVEL2_SUFFIXES: Final = frozenset(
    [
        *("uncal", "ramp", "rate", "rateints", "bsub", "bsubints"),
        *("cal", "calints", "crf", "crfints", "s2d", "s3d", "x1d", "x1dints"),
    ]
)
"""What detector1 and spec2 write of one exposure, and spec3 flags again (crf)."""

LEVEL3_SUFFIXES: Final = frozenset(
    ["cal", "crf", "crfints", "s2d", "s3d", "x1d", "x1dints", "c1d", "whtlt", "mbsub"]
)
"""What spec3 and tso3 write of one association."""

SUFFIXES: Final = (
    LEVEL2_SUFFIXES | LEVEL3_SUFFIXES | {*("msa", "asn", "pool", "persistence")}
)
"""All product suffixes of spectroscopy."""


@dataclass(frozen=True, slots=True)
class ExposureName:
    """Parts of the name of one detector's exposure, or of one segment of it."""

    program: str
    """Five digits."""
    observation: str
    """Three digits."""
    visit: str
    """Three digits."""
    visit_group: str
    """Two digits."""
    parallel: str
    """One digit; 1 is prime, the others are parallels."""
    activity: str
    """Two characters, base 36."""
    exposure: str
    """Five digits."""
    detector: str
    """Lower case: ``nrs1``, ``mirifulong``."""
    segment: str | None = None
    """Three digits, of a long time series."""


@dataclass(frozen=True, slots=True)
class ProductName:
    """Parts of the name of a level-3 product."""

    program: str
    """Five digits."""
    candidate: str
    """Candidate of the association: ``o001``, ``c1000``, ``a3001``."""
    target: str
    """Target or source: ``t001``, ``s00001``, ``t001-s000000001``."""
    instrument: str
    """Lower case: ``nirspec``."""
    optical: str | None = None
    """Optical elements, slit and subarray: ``clear-prism-s1600a1-sub512``."""


@dataclass(frozen=True, slots=True)
class FileName:
    """A file name, taken apart."""

    of: ExposureName | ProductName
    """What the file is of."""
    suffix: str | None = None
    """Product suffix, one of `SUFFIXES`."""
    extension: str | None = None
    """Without the dot: ``fits``."""
    candidate: str | None = None
    """Candidate of the association that has flagged an exposure again (level 2c)."""


@dataclass(frozen=True, slots=True)
class CompanionName:
    """Parts of the name of a file that belongs to exposures, and is of none alone."""

    kind: str
    """``msa`` (an MSA metafile), ``pool`` or ``asn`` (of DMS)."""
    program: str
    """Five digits."""
    observation: str
    """Three digits; empty where it is of the whole program."""


_EXPOSURE: Final = re.compile(
    r"jw(?P<program>[0-9]{5})(?P<observation>[0-9]{3})(?P<visit>[0-9]{3})"
    r"_(?P<visit_group>[0-9]{2})(?P<parallel>[0-9])(?P<activity>[0-9a-z]{2})"
    r"_(?P<exposure>[0-9]{5})(?:-seg(?P<segment>[0-9]{3}))?"
    r"_(?P<detector>[a-z][a-z0-9]*)"
)
_PRODUCT: Final = re.compile(
    r"jw(?P<program>[0-9]{5})-(?P<candidate>o[0-9]{3}|[ca][0-9]{4})"
    r"_(?P<target>t[0-9]{3}(?:-[sbv][0-9]{5,9})?|[sbv][0-9]{5,9})"
    r"_(?P<instrument>[a-z]+)(?:_(?P<optical>[a-z0-9]+(?:-[a-z0-9]+)*))?"
)
_LEVEL2C: Final = re.compile(
    r"(?P<stem>.+_[a-z][a-z0-9]*)_(?P<candidate>o[0-9]{3}|[ca][0-9]{4})"
)
_COMPANION: Final = re.compile(
    r"jw(?P<program>[0-9]{5})"
    r"(?:(?P<visited>[0-9]{3})[0-9]{3}(?=.*_msa\.fits)"
    r"|-(?:o(?P<joined>[0-9]{3})|[ca][0-9]{4})(?=.*_asn\.json)"
    r"|(?=.*_pool\.csv))(?:_[a-z0-9-]+)+_(?P<kind>msa|asn|pool)\.[a-z]+"
)
_EXTENSION: Final = re.compile(r"[a-z0-9]+")


def check_program(program: str) -> str:
    """Return the id of a program; raise `IdError` for anything but five digits."""
    if re.fullmatch(PROGRAM_ID, program) is None:
        padded = program.zfill(5)
        is_short = re.fullmatch(PROGRAM_ID, padded) is not None
        hint = (
            f"did you mean {padded}?"
            if is_short
            else ("give the id with its zeros, and a folder of exposures as --archive")
        )
        raise IdError(
            f"expected the id of a program, five digits such as 02736, got "
            f"{program[:80]!r}; {hint}"
        )
    return program


def check_observations(observations: tuple[str, ...]) -> tuple[str, ...]:
    """Return ids of observations; raise `IdError` for anything but three digits."""
    for one in observations:
        if re.fullmatch(OBSERVATION_ID, one) is None:
            raise IdError(
                f"expected ids of observations, three digits each such as 007, got "
                f"{one[:80]!r}; give them with their zeros, comma-separated"
            )
    return observations


def parse_exposure_name(name: str) -> ExposureName:
    """Take the name of an exposure apart; it has no suffix and no extension.

    Raises
    ------
    FileNameError
        The name is not that of an exposure.
    """
    match = _EXPOSURE.fullmatch(name)
    if match is None or match["detector"] in SUFFIXES:
        raise FileNameError(
            f"not the name of an exposure: expected "
            f"jwPPPPPOOOVVV_GGSAA_EEEEE[-segNNN]_detector, got {name!r}"
        )
    return ExposureName(**match.groupdict())


def format_exposure_name(name: ExposureName) -> str:
    """Put the name of an exposure together."""
    segment = "" if name.segment is None else f"-seg{name.segment}"
    return (
        f"jw{name.program}{name.observation}{name.visit}"
        f"_{name.visit_group}{name.parallel}{name.activity}"
        f"_{name.exposure}{segment}_{name.detector}"
    )


def parse_product_name(name: str) -> ProductName:
    """Take the name of a level-3 product apart; it has no suffix and no extension.

    Raises
    ------
    FileNameError
        The name is not that of a level-3 product.
    """
    match = _PRODUCT.fullmatch(name)
    if match is None or match["optical"] in SUFFIXES:
        raise FileNameError(
            f"not the name of a level-3 product: expected "
            f"jwPPPPP-oOOO_tTTT_instrument[_optical], got {name!r}"
        )
    return ProductName(**match.groupdict())


def parse_companion_name(name: str) -> CompanionName:
    """Take the name of an MSA metafile, of a pool or of an association apart.

    Parameters
    ----------
    name
        ``jw02736007001_01_msa.fits``, ``jw02736_20240614t123456_pool.csv`` or
        ``jw02736-o007_20240614t123456_spec2_00001_asn.json``.

    Raises
    ------
    FileNameError
        The name is hostile, or of another file.
    """
    match = _COMPANION.fullmatch(check_file_name(name))
    if match is None:
        raise FileNameError(
            f"expected the name of an MSA metafile, a pool or an association, got "
            f"{name!r}"
        )
    observation = match["visited"] or match["joined"] or ""
    return CompanionName(match["kind"], match["program"], observation)


def parse_file_name(name: str) -> FileName:
    """Take a bare file name apart, with or without suffix and extension.

    Raises
    ------
    FileNameError
        The name is hostile, or not of the JWST grammar.
    """
    body, dot, extension = check_file_name(name).partition(".")
    if dot and _EXTENSION.fullmatch(extension) is None:
        raise FileNameError(f"expected one plain extension, got {name!r}")
    stem, suffix = split_suffix(body)
    if stem[7:8] == "-":
        return FileName(parse_product_name(stem), suffix, extension or None)
    level2c = _LEVEL2C.fullmatch(stem)
    stem, candidate = level2c.group("stem", "candidate") if level2c else (stem, None)
    return FileName(parse_exposure_name(stem), suffix, extension or None, candidate)


def split_suffix(body: str) -> tuple[str, str | None]:
    """Split a name without extension into its stem and its suffix, if it has one."""
    stem, _, suffix = body.rpartition("_")
    return (stem, suffix) if stem and suffix in SUFFIXES else (body, None)


def stem_of(name: str) -> str:
    """Check a file name, and return it without suffix and extension."""
    return split_suffix(check_file_name(name).partition(".")[0])[0]


def member_file(stem: str, suffix: str) -> str:
    """Name the FITS product of an exposure: ``{stem}_{suffix}.fits``."""
    return f"{stem}_{suffix}.fits"


def list_some(names: Sequence[str], most: int = 3) -> str:
    """List the first names of many, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


_REFUSALS: Final[tuple[tuple[Callable[[str], bool], str], ...]] = (
    (lambda name: not name, "it is empty"),
    (lambda name: len(name) > MAX_NAME_BYTES, "it is longer than 255 bytes"),
    (lambda name: "\0" in name, "it holds a NUL"),
    (lambda name: "/" in name or "\\" in name, "it holds a path separator"),
    (lambda name: ".." in name, "it holds '..'"),
    (lambda name: name.startswith("."), "it starts with a dot"),
    (lambda name: name.startswith("-"), "it starts with a dash, like an option"),
    (
        lambda name: re.fullmatch(r"[A-Za-z0-9._+-]+", name) is None,
        "it holds other than letters, digits, '.', '_', '+' and '-'",
    ),
)
"""What makes a name from a server, a header or an association unsafe in a path. The
last entry leaves ASCII only, so that characters and bytes are the same."""


def check_file_name(name: str) -> str:
    """Return a file name from a server, a header or an association unchanged.

    Raises
    ------
    FileNameError
        It could lead out of its folder, or is not a plain file name.
    """
    for is_refused, why in _REFUSALS:
        if is_refused(name):
            raise FileNameError(f"refused the file name {name[:80]!r}: {why}")
    return name


def check_folder(folder: str) -> str:
    """Return a folder of a record, relative to the data folder, unchanged.

    Raises
    ------
    FileNameError
        It is not strictly below the data folder, or one of its parts is refused.
    """
    if folder.startswith("/") or not folder.strip("/"):
        raise FileNameError(
            f"refused the folder {folder[:80]!r}: it is not below the data folder"
        )
    for part in folder.split("/"):
        check_file_name(part)
    return folder
