"""What MAST is asked, in its own words: searches page by page, product lists, whoami.

The requests are those of `MastMissions` of astroquery 0.4.11, which a contract test
holds them against. astroquery itself is not used: it knows no timeout, takes its server
from class attributes that are made at import, keeps state between calls, and has an
HTTP stack of its own (``facts/associations-mast-crds.md``, part B).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from workers.errors import AccessDeniedError, TransientTransferError

from ...errors import ArchiveError
from ...models.products import Cone
from .products import SEARCH_COLUMNS

if TYPE_CHECKING:
    from workers.transfer.http import HttpClient

__all__ = ["MastClient", "MastLimits", "Page", "Row", "read_pages"]

_Value = TypeVar("_Value")

Row = Mapping[str, object]
"""Cells by column."""

_API: Final = "/search/jwst/api/v0.1"

_SORT_BY: Final = ("fileSetName", "ArchiveFileID")
"""Pages only fit together if the rows keep one order."""

_ROUNDS: Final = 3
"""So often all pages are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MastLimits:
    """How much MAST is asked for at once, and how long it may take."""

    page_rows: int = 2000
    """Rows of one page of a search; one row is an exposure of all detectors."""
    batch_datasets: int = 200
    """Datasets whose products are asked for at once; MAST takes up to 1000, and lists
    some thirty products of each."""
    silent_s: float = 180.0
    """How long the server may be silent; searches of 90 s are reported."""
    answer_s: float = 600.0
    """How long one answer to a search may take."""
    rounds: int = 4
    """So often the products of a dataset are asked for that none are listed of: "MAST
    sometimes doesn't return all products" (facts B1)."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a search."""

    rows: Sequence[Row]
    """Its rows."""
    total: int
    """How many rows there are on all pages."""


class MastClient:
    """Asks MAST; one try each. Can be shared by threads.

    All methods raise `TransferError` if there is no answer, and a transient one if it
    is not what MAST answers. The token of `http` goes with `whoami` alone: what is
    searched is public.
    """

    def __init__(self, server_url: str, http: "HttpClient", limits: MastLimits) -> None:
        self._server_url = server_url
        self._http = http
        self._limits = limits

    def search(
        self, conditions: Mapping[str, str], cone: Cone | None, *, first: int
    ) -> Page:
        """Ask for a page of a search, from a row on, counted from 0."""
        question = {
            "limit": self._limits.page_rows,
            "offset": first,
            "select_cols": [*SEARCH_COLUMNS, "fileSetName"],
            "conditions": [{column: value} for column, value in conditions.items()],
            "sort_by": list(_SORT_BY),
        }
        if cone is not None:
            question["target"] = [f"{cone.ra_deg} {cone.dec_deg}"]
            question["radius"] = cone.radius_deg * 3600
            question["radius_units"] = "arcseconds"
        return self._ask(f"{_API}/search", question, _to_page)

    def list_products(self, names: Sequence[str]) -> list[Row]:
        """List the products of datasets; at most 1000."""
        question = {"dataset_ids": list(names)}
        return self._ask(f"{_API}/post_list_products", question, _to_products)

    def whoami(self) -> str | None:
        """Ask whose the token is; None if MAST knows nobody."""
        try:
            return self._ask("/whoami", None, _to_user)
        except AccessDeniedError:
            return None

    def _ask(
        self, path: str, question: object, to_value: Callable[[Any], _Value]
    ) -> _Value:
        """Ask; an answer that is cut or garbled may be a good one next time."""
        url = f"{self._server_url}{path}"
        answer = self._http.ask_json(
            url,
            question,
            with_token=question is None,
            silent_s=self._limits.silent_s,
            answer_s=self._limits.answer_s,
        )
        try:
            return to_value(answer)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TransientTransferError(
                f"{url}: expected an answer as MAST gives it, got {str(answer)[:80]!r} "
                f"({type(error).__name__}: {error})"
            ) from error


def read_pages(ask: Callable[[int], Page], *, what: str) -> tuple[Row, ...]:
    """Read all pages; if rows are lost, doubled or changing, once more from the first.

    `ask` gives the page that begins with a row, counted from 0.

    Raises
    ------
    ArchiveError
        The pages never gave every row once.
    """
    problems = []
    for _ in range(_ROUNDS):
        rows, total = _read_once(ask)
        problem = _find_problem(rows, total)
        if problem is None:
            return tuple(rows)
        problems.append(problem)
    raise ArchiveError(
        f"{what}: expected every row once, got in {_ROUNDS} rounds over all pages: "
        f"{'; '.join(problems)}. Try again later."
    )


def _read_once(ask: Callable[[int], Page]) -> tuple[list[Row], int]:
    """Read until there are as many rows as the first page says, or no more come."""
    page = ask(0)
    rows, total = list(page.rows), page.total
    while page.rows and len(rows) < total:
        page = ask(len(rows))
        rows += page.rows
        total = page.total
    return rows, total


def _find_problem(rows: Sequence[Row], total: int) -> str | None:
    counts = Counter((row.get("ArchiveFileID"), row.get("fileSetName")) for row in rows)
    double = sorted(str(name) for (_, name), n in counts.items() if n > 1)
    if len(rows) != total or double:
        told = f", of which {', '.join(double[:3])} came twice" if double else ""
        return f"{len(rows)} rows of {total}{told}"
    return None


def _to_page(answer: Any) -> Page:
    return Page(list(map(_to_row, answer["results"])), int(answer["totalResults"]))


def _to_products(answer: Any) -> list[Row]:
    """Read a product list; MAST puts some into a list of their own."""
    products = answer["products"]
    if products and isinstance(products[0], list):
        products = products[0]
    return list(map(_to_row, products))


def _to_row(row: Any) -> Row:
    """See that a row is one."""
    return dict(row.items())


def _to_user(answer: Any) -> str | None:
    return None if answer["anon"] else str(answer["attrib"].get("display_name", ""))
