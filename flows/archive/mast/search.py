"""One search: all rows that fit, all their products, and of these what we use."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from flows.archive.listing import Listing, Query
from flows.errors import ArchiveError
from flows.models.exposures import UnusableFile

from .criteria import fits, to_conditions
from .datasets import Dataset, dataset_from_row
from .pages import Row, read_pages
from .products import choose_files, find_unlisted

if TYPE_CHECKING:
    from .client import MastClient

__all__ = ["Ask", "Search", "SearchLimits"]

_Answer = TypeVar("_Answer")


class Ask(Protocol):
    """Calls something that asks a server, until there is an answer."""

    def __call__(self, what: str, call: Callable[[], _Answer]) -> _Answer:
        """Call it, or raise `ArchiveError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLimits:
    """How much a search asks for at once, and how long it waits."""

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


class Search:
    """Asks for what fits a query.

    Parameters
    ----------
    where
        How messages call the source.
    client
        Asks once.
    ask
        Asks again where that makes sense.
    limits
        How much at once.
    parallel
        Most requests at a time.
    """

    def __init__(
        self,
        query: Query,
        where: str,
        client: "MastClient",
        ask: Ask,
        *,
        limits: SearchLimits,
        parallel: int,
    ) -> None:
        self._query = query
        self._where = where
        self._client = client
        self._ask = ask
        self._limits = limits
        self._parallel = parallel
        self._what = f"search for {_tell(query)}"

    def run(self) -> Listing:
        """List everything; what is no name of a dataset is refused.

        Raises
        ------
        ArchiveError
            There was no, or no whole, answer; it says what was tried.
        """
        read = [(row, dataset_from_row(row)) for row in self._list_rows()]
        found = [dataset for _, dataset in read if dataset is not None]
        listing = self._list_files({d.name: d for d in found if fits(d, self._query)})
        unread = sorted({str(row.get("fileSetName")) for row, d in read if d is None})
        refused = (f"{name[:80]!r}: expected the name of a dataset" for name in unread)
        return replace(listing, refused=(*listing.refused, *refused))

    def _list_rows(self) -> Sequence[Row]:
        conditions, cone = to_conditions(self._query), self._query.cone
        client, rows = self._client, self._limits.page_rows
        return read_pages(
            lambda first: self._ask(
                f"{self._what}, rows {first} to {first + rows - 1}",
                lambda: client.search(conditions, cone, first=first, rows=rows),
            ),
            what=f"{self._where}: {self._what}",
        )

    def _list_files(self, datasets: Mapping[str, Dataset]) -> Listing:
        """Ask for all products; again for those of datasets that none came of.

        An exposure of which none ever come is unlisted, unless that is all there is.
        """
        kind, products = self._query.kind, list[Row]()
        missing: Sequence[str] = sorted(datasets)
        for _ in range(self._limits.rounds):
            products += self._list_products(missing)
            listing = choose_files(products, datasets, kind)
            missing = find_unlisted(listing, datasets.values(), kind)
            if not missing:
                return listing
        if any(file.kind is kind for file in listing):
            lost = tuple(self._reject(datasets[name]) for name in missing)
            return replace(listing, unlisted=lost)
        told = f" Refused: {'; '.join(listing.refused)}." if listing.refused else ""
        raise ArchiveError(
            f"{self._where}: {self._what}: expected {kind} files of every exposure, "
            f"got none of {_some(missing)}, asked for {self._limits.rounds} times."
            f"{told} Try again later."
        )

    def _reject(self, dataset: Dataset) -> UnusableFile:
        """Set an exposure aside of which no files are listed."""
        name = f"{dataset.name}_{self._query.kind}.fits"
        return UnusableFile(
            path=Path(name),
            program=dataset.program,
            observation=dataset.observation,
            reason=(
                f"{name}: {self._where} knows the exposure, but listed no files of it, "
                f"asked for {self._limits.rounds} times; run again later"
            ),
        )

    def _list_products(self, names: Sequence[str]) -> list[Row]:
        """Ask for the products of datasets, in parallel."""
        size = self._limits.batch_datasets
        batches = [names[first : first + size] for first in range(0, len(names), size)]
        with ThreadPoolExecutor(self._parallel) as pool:
            return list(chain.from_iterable(pool.map(self._list_batch, batches)))

    def _list_batch(self, names: Sequence[str]) -> list[Row]:
        what = f"{self._what}, products of {_some(names)}"
        return self._ask(what, lambda: self._client.list_products(names))


def _tell(query: Query) -> str:
    """Say what is asked for."""
    given = ((one.name, getattr(query, one.name)) for one in fields(query))
    return ", ".join(f"{name} {value}" for name, value in given if value)


def _some(names: Sequence[str]) -> str:
    """Name some of many."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
