"""Products that are asked for, with the known issues that apply to them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from config.known_issues import KnownIssue

from ..errors import QueryError
from ..models.notebook import tell_rows
from ..models.products import FoundProduct, ProductQuery
from ..provenance import Database, keep_newest
from .known_issues import advise_recorded
from .obscore import make_table

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["QueryResult", "find_products", "keep_affected"]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The products that were found."""

    query: ProductQuery
    """What was asked for."""
    products: tuple[FoundProduct, ...]
    """The products, newest first."""
    data_dir: Path
    """The data folder that they are in."""

    def __len__(self) -> int:
        """Return how many were found."""
        return len(self.products)

    def __iter__(self) -> Iterator[FoundProduct]:
        """Iterate over the products."""
        return iter(self.products)

    def _repr_html_(self) -> str:
        names = ("product", "program", "sources", "context", "jwst", "made")
        rows = [
            (
                *(one.product.name, one.program),
                ", ".join(source.name for source in one.sources),
                *(one.context, one.jwst, one.finished_at),
            )
            for one in self.products
        ]
        return tell_rows(f"{len(rows)} products", names, rows)

    def to_table(self) -> "Table":
        """Make an astropy Table of them: ObsCore 1.1, with columns of ours."""
        folder = self.data_dir.absolute()
        return make_table(
            self.products,
            lambda one: (folder / one.folder / one.product.name).as_uri(),
        )


def find_products(
    database: Database,
    query: ProductQuery,
    *,
    data_dir: Path,
    issues: Sequence[KnownIssue],
) -> QueryResult:
    """Find products, newest first.

    Known issues are evaluated now: what they say today, of the versions, parameters and
    recipe that products were made with.

    Parameters
    ----------
    data_dir
        The data folder of the database.
    issues
        What is published.

    Raises
    ------
    QueryError
        No job has taken a reference that is asked for, or there is no such known issue.
    """
    _find_issues(query.issues, issues)
    found: Iterable[FoundProduct] = database.products.find(query)
    if query.issues:
        found = keep_affected(found, query.issues, database=database, issues=issues)
        found = keep_newest(found) if query.is_newest else found
        found = islice(found, query.limit)
    return QueryResult(query, tuple(found), data_dir)


def _find_issues(
    names: Sequence[str], issues: Iterable[KnownIssue]
) -> tuple[KnownIssue, ...]:
    """Find known issues by their ids, whatever the case."""
    by_id = {issue.id: issue for issue in issues}
    for name in names:
        if name.upper() not in by_id:
            close = get_close_matches(name.upper(), by_id, n=1)
            hint = f"did you mean {close[0]}?" if close else "see `rewebb issues list`"
            raise QueryError(f"There is no known issue {name}; {hint}")
    return tuple(by_id[name.upper()] for name in names)


def keep_affected(
    found: Iterable[FoundProduct],
    names: Sequence[str],
    *,
    database: Database,
    issues: Iterable[KnownIssue],
) -> Iterator[FoundProduct]:
    """Keep the products that a known issue applies to, with how it stands.

    Parameters
    ----------
    names
        Ids of the issues.
    issues
        What is published.

    Raises
    ------
    QueryError
        There is no such known issue.
    """
    asked = _find_issues(names, issues)

    @cache  # a job makes several products
    def judge(fingerprint: str, context: str) -> Mapping[str, str]:
        use = database.runs.find_last_use(fingerprint)
        run = use[0] if use else None
        advice = advise_recorded(
            asked, database, [fingerprint], context=context, run=run
        )
        return {one.issue.id: str(one.state) for one in advice or ()}

    for one in found:
        if any(issue.match.fits_mode(one.exp_type) for issue in asked):
            states = judge(one.fingerprint, one.context)
            if states:
                yield replace(one, issues=states)
