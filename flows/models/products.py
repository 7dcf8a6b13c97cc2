"""Products as they are asked for and found."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from typing import Final

from workers.contract import CaveatKind, Product, ProductFacts, SourceFacts, Stage

from ..errors import QueryError
from .notebook import tell_fields

__all__ = [
    "Cone",
    "FoundProduct",
    "Period",
    "ProductPlace",
    "ProductQuery",
    "Span",
    "parse_caveat",
    "parse_span",
]

_LONGEST_UM: Final = 1e6
"""More than any instrument sees."""

_LONGEST_D: Final = 1e7
"""Days from the first of MJD to any time that matters."""

_MOST: Final = 200
"""How often an option may be given."""

_LONGEST: Final = 500
"""Characters of a name."""

_MOST_FOUND: Final = 2**31
"""More than any database holds."""

_VERSION: Final = re.compile(r"[0-9A-Za-z.+!_-]+")
"""Of packages."""

_KIND: Final = re.compile(r"[a-z][a-z0-9-]{0,29}")
"""Suffixes of products."""


@dataclass(frozen=True, slots=True)
class Cone:
    """A circle on the sky, its edge included."""

    ra_deg: float
    """Right ascension of its centre, ICRS."""
    dec_deg: float
    """Declination of its centre, ICRS."""
    radius_deg: float
    """Its radius."""

    def __post_init__(self) -> None:
        """Refuse what is nowhere on the sky.

        Raises
        ------
        QueryError
            A number is not finite, or out of its range.
        """
        # Comparisons with nan are false.
        is_place = 0 <= self.ra_deg <= 360 and -90 <= self.dec_deg <= 90
        if not (is_place and 0 < self.radius_deg <= 180):
            raise QueryError(
                "Expected RA 0-360, DEC -90-90, RADIUS above 0 and at most 180 "
                f"degrees, got {self.ra_deg:g}, {self.dec_deg:g}, {self.radius_deg:g}."
            )


@dataclass(frozen=True, slots=True)
class Span:
    """Wavelengths, both ends included."""

    first_um: float
    """The shortest."""
    last_um: float
    """The longest."""

    def __post_init__(self) -> None:
        """Refuse what is no span.

        Raises
        ------
        QueryError
            The ends are no wavelengths, or in the other order.
        """
        if not 0 < self.first_um <= self.last_um <= _LONGEST_UM:
            raise QueryError(
                "Expected two wavelengths in um, the shorter one first, above 0 and at "
                f"most {_LONGEST_UM:g}, got {self.first_um:g} and {self.last_um:g}."
            )


@dataclass(frozen=True, slots=True)
class Period:
    """A time span, both ends included."""

    first_mjd: float
    """Its begin (MJD, UTC)."""
    last_mjd: float
    """Its end (MJD, UTC)."""

    def __post_init__(self) -> None:
        """Refuse what is no time span.

        Raises
        ------
        QueryError
            The ends are no times, or in the other order.
        """
        if not -_LONGEST_D <= self.first_mjd <= self.last_mjd <= _LONGEST_D:
            raise QueryError("Expected two times, the earlier one first.")


@dataclass(frozen=True, slots=True)
class ProductPlace:
    """Where a product is among all, the newest first."""

    finished_at: datetime
    """When its attempt ended; UTC."""
    fingerprint: str
    """The job that made it."""
    name: str
    """Name of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductQuery:
    """What products are asked for: any of each field, and all that is given."""

    references: tuple[str, ...] = ()
    """References, parameter references or mappings, by name or sha1."""
    contexts: tuple[str, ...] = ()
    """CRDS contexts that they were made in."""
    jwst: tuple[str, ...] = ()
    """Versions of jwst that made them."""
    recipes: tuple[str, ...] = ()
    """Names of recipes of runs that made or reused them."""
    exposures: tuple[str, ...] = ()
    """Names of exposures that their jobs read a file of."""
    caveats: tuple[CaveatKind, ...] = ()
    """What a scientist must know of their jobs."""
    issues: tuple[str, ...] = ()
    """Ids of known issues that apply to them."""
    targets: tuple[str, ...] = ()
    """Names of targets, whatever the case; ``*`` stands for anything."""
    near: tuple[Cone, ...] = ()
    """Circles that hold a source of theirs, or touch a footprint."""
    waves: tuple[Span, ...] = ()
    """Wavelengths of which they hold some; with `near` of the same source."""
    periods: tuple[Period, ...] = ()
    """Time spans in which they were observed, or part of them."""
    programs: tuple[str, ...] = ()
    """Five digits each."""
    stages: tuple[Stage, ...] = ()
    """What made them."""
    kinds: tuple[str, ...] = ()
    """Suffixes: ``x1d``, ``s3d``."""
    beginnings: tuple[str, ...] = ()
    """How their names begin."""
    jobs: tuple[str, ...] = ()
    """Fingerprints of the jobs that made them."""
    after: ProductPlace | None = None
    """Only those that come after this one, the newest first."""
    is_downstream: bool = False
    """Whether they may be made from the references by way of other products."""
    is_newest: bool = False
    """Whether only the newest is wanted of those of a name."""
    limit: int | None = None
    """How many are wanted at most, the newest first."""

    def __post_init__(self) -> None:
        """Refuse what nothing can be found by.

        Raises
        ------
        QueryError
            Says what is wrong.
        """
        for name in ("references", "contexts", "jwst", "recipes", "exposures"):
            _check_texts(name, getattr(self, name))
        for name in ("issues", "targets", "programs", "kinds", "beginnings", "jobs"):
            _check_texts(name, getattr(self, name))
        for name in ("caveats", "near", "waves", "periods", "stages"):
            _check_count(name, getattr(self, name))
        for version in self.jwst:
            if not _VERSION.fullmatch(version):
                raise QueryError(f"Expected a version such as 3.0.0, got {version!r}.")
        for kind in self.kinds:
            if not _KIND.fullmatch(kind):
                raise QueryError(
                    f"Expected a kind of products such as x1d or s3d, got {kind!r}."
                )
        self._check_choices()

    def _check_choices(self) -> None:
        if self.is_downstream and not self.references:
            raise QueryError(
                "Say of which reference the products downstream are wanted."
            )
        if self.is_newest and self.after is not None:
            raise QueryError("The newest of each name are not found in parts.")
        if self.limit is not None and not 0 < self.limit < _MOST_FOUND:
            raise QueryError(
                f"Expected a limit of 1 or more products, got {self.limit}."
            )


@dataclass(frozen=True, slots=True)
class FoundProduct:
    """A product that was found."""

    product: Product
    """The file."""
    kind: str
    """Its suffix: ``x1d``."""
    folder: str
    """Where it is, relative to the data folder."""
    fingerprint: str
    """The job that made it."""
    stage: Stage
    """Stage of the job."""
    job_name: str
    """Product name of the job."""
    program: str
    """Five digits."""
    exp_type: str
    """EXP_TYPE of the science exposures of the job."""
    context: str
    """CRDS context it was made in."""
    jwst: str
    """Version of jwst that made it."""
    attempt: str
    """The attempt that made it."""
    finished_at: datetime
    """When the attempt ended; UTC."""
    facts: ProductFacts | None = None
    """What it is of; None of products of older versions."""
    separation_deg: float | None = None
    """How far the nearest of `sources` is from the centre of a circle: its place."""
    sources: tuple[SourceFacts, ...] = ()
    """The sources that fit what is asked of place and wavelength; all if nothing is."""
    issues: Mapping[str, str] = field(default_factory=dict)
    """How the known issues stand that are asked for and apply, by id."""

    @property
    def place(self) -> ProductPlace:
        """Where it is among all."""
        return ProductPlace(self.finished_at, self.fingerprint, self.product.name)

    def _repr_html_(self) -> str:
        fields = {
            "made by": f"{self.stage}:{self.job_name}",
            "program": self.program,
            "sources": ", ".join(source.name for source in self.sources),
            "context": self.context,
            "jwst": self.jwst,
            "made": self.finished_at,
            "bytes": self.product.size_bytes,
            "sha256": self.product.sha256,
            "folder": self.folder,
            "fingerprint": self.fingerprint,
            "known issues": ", ".join(f"{n} {how}" for n, how in self.issues.items()),
        }
        return tell_fields(self.product.name, fields)


def parse_caveat(text: str) -> CaveatKind:
    """Read the name of a caveat, in whatever case, with - or _.

    Raises
    ------
    QueryError
        There is none of that name; says which is the nearest.
    """
    word = text.strip().upper().replace("-", "_")
    if word in set(CaveatKind):
        return CaveatKind(word)
    close = get_close_matches(word[:_LONGEST], list(CaveatKind), n=1)
    hint = (
        f"did you mean {close[0]}?" if close else f"there are {', '.join(CaveatKind)}"
    )
    raise QueryError(f"There is no caveat {text[:80]}; {hint}")


def parse_span(text: str) -> Span:
    """Read two wavelengths in um, ``2.1,2.4``.

    Raises
    ------
    QueryError
        They are no numbers, or no span.
    """
    try:
        first_um, last_um = (float(part) for part in text.split(","))
    except ValueError as error:
        raise QueryError(
            f"Expected two wavelengths in um such as 2.1,2.4, got {text[:80]!r}."
        ) from error
    return Span(first_um, last_um)


def _check_count(name: str, values: tuple[object, ...]) -> None:
    if len(values) > _MOST:
        raise QueryError(
            f"Expected at most {_MOST} {name}, got {len(values)}: ask in parts."
        )


def _check_texts(name: str, values: tuple[str, ...]) -> None:
    _check_count(name, values)
    for value in values:
        if not value.strip() or len(value) > _LONGEST or not value.isprintable():
            raise QueryError(
                f"Expected {name} of 1 to {_LONGEST} printable characters, got "
                f"{value[:40]!r}."
            )
