"""What is asked for: words of a form or an address become a query."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from workers.contract import Stage

from ..archive import parse_cone
from ..errors import QueryError
from ..models.products import (
    FoundProduct,
    ProductPlace,
    ProductQuery,
    parse_caveat,
    parse_span,
)
from ..names import check_program
from ..reports import keep_affected
from .site import Site

__all__ = ["MOST_FOUND", "Asked", "format_place", "parse_place"]

MOST_FOUND: Final = 200
"""Products of a page."""

_ISSUE_PIECE: Final = 50
"""Products of which known issues are evaluated for a page."""

_Words = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=300)]], Field(max_length=20)
]


class Asked(BaseModel):
    """What products are asked for: any of each word, and all that is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: _Words = []
    """Name of the target; ``*`` stands for anything."""
    near: _Words = []
    """Circle: ``RA,DEC,RADIUS``, in degrees or as 10h0m0s,+2d0m0s,2arcsec."""
    wave: _Words = []
    """Two wavelengths in um, ``2.1,2.4``."""
    program: _Words = []
    """Program id, five digits."""
    name: _Words = []
    """How the names of files begin."""
    kind: _Words = []
    """Suffix: ``x1d``, ``s3d``."""
    stage: _Words = []
    """Stage that made them."""
    reference: _Words = []
    """Reference, parameter reference or mapping, by name or sha1."""
    downstream: bool = False
    """Also what was made of products of the reference."""
    context: _Words = []
    """CRDS context."""
    jwst: _Words = []
    """Version of jwst."""
    recipe: _Words = []
    """Name of a recipe."""
    exposure: _Words = []
    """Name of an exposure that their jobs read a file of."""
    caveat: _Words = []
    """A caveat: ``ALL_NAN``."""
    issue: _Words = []
    """A known issue that applies: ``NS-IFU05``."""
    newest: bool = False
    """Of each name only the newest."""
    after: Annotated[str, Field(max_length=400)] = ""
    """Only what follows a product, as the last page says."""
    limit: Annotated[int, Field(ge=1, le=MOST_FOUND)] = 50
    """At most this many."""

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, given: object) -> object:
        """Drop the fields of a form that were left empty."""
        if not isinstance(given, dict):
            return given
        kept = {
            name: [one for one in value if one != ""]
            if isinstance(value, list)
            else value
            for name, value in given.items()
        }
        return {name: value for name, value in kept.items() if value not in ("", [])}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for in particular."""
        return not self.model_dump(exclude={"after", "limit"}, exclude_defaults=True)

    def list_pairs(self, **changes: object) -> list[tuple[str, object]]:
        """List what an address is made of that asks for the same but for changes."""
        values = self.model_dump(exclude_defaults=True) | changes
        return [
            (name, one)
            for name, value in values.items()
            for one in (value if isinstance(value, list) else [value])
            if one != ""
        ]

    def find(self, site: Site) -> tuple[tuple[FoundProduct, ...], str]:
        """Find products, and the place after which the next page begins.

        Known issues are evaluated for some products at a time, so such a page may have
        few although others follow.

        Raises
        ------
        QueryError, IdError
            As `to_query`; or what is asked for is not known.
        """
        query = self.to_query()
        if not query.issues:
            found = site.database.products.find(query)
            is_full = len(found) == query.limit and not query.is_newest
            return found, format_place(found[-1].place) if is_full else ""
        piece = replace(query, issues=(), is_newest=False, limit=_ISSUE_PIECE)
        looked = site.database.products.find(piece)
        affected = keep_affected(
            looked, query.issues, database=site.database, issues=site.issues
        )
        is_full = len(looked) == _ISSUE_PIECE
        return tuple(affected), format_place(looked[-1].place) if is_full else ""

    def to_query(self) -> ProductQuery:
        """Turn it into a query.

        Raises
        ------
        QueryError, IdError
            It is no query; says which word is not understood.
        """
        for program in self.program:
            check_program(program)
        return ProductQuery(
            references=tuple(self.reference),
            contexts=tuple(self.context),
            jwst=tuple(self.jwst),
            recipes=tuple(self.recipe),
            exposures=tuple(self.exposure),
            caveats=tuple(map(parse_caveat, self.caveat)),
            issues=tuple(self.issue),
            targets=tuple(self.target),
            near=tuple(map(parse_cone, self.near)),
            waves=tuple(map(parse_span, self.wave)),
            programs=tuple(self.program),
            stages=tuple(map(_parse_stage, self.stage)),
            kinds=tuple(self.kind),
            beginnings=tuple(self.name),
            after=parse_place(self.after) if self.after else None,
            is_downstream=self.downstream,
            is_newest=self.newest,
            limit=self.limit,
        )


def format_place(place: ProductPlace) -> str:
    """Write the place of a product for an address."""
    return f"{place.finished_at.isoformat()}~{place.fingerprint}~{place.name}"


def parse_place(text: str) -> ProductPlace:
    """Read the place of a product in an address.

    Raises
    ------
    QueryError
        It is none.
    """
    time, _, rest = text.partition("~")
    fingerprint, is_there, name = rest.partition("~")
    try:
        at = datetime.fromisoformat(time)
    except ValueError as error:
        raise QueryError(f"No product has the place {text[:40]!r}.") from error
    if not is_there or at.tzinfo is None or not text.isprintable():
        raise QueryError(f"No product has the place {text[:40]!r}.")
    return ProductPlace(at, fingerprint, name)


def _parse_stage(text: str) -> Stage:
    if text in set(Stage):
        return Stage(text)
    raise QueryError(f"There is no stage {text[:80]}; there are {', '.join(Stage)}.")
