"""One search: all rows that fit, all their products, and of these what we use.

How the server compares (case, ends of ranges, columns that are no criteria) is not
known for sure. So it is asked for no less than what is wanted, and every row is looked
at again. Conditions are strings: a comma is an "or", ``*`` stands for anything.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Final, Protocol, TypeVar

from ...errors import ArchiveError
from ...models.exposures import UnusableFile
from ...names import list_some
from ..headers import to_unusable
from ..selection import fits, refuse_other_kinds
from ..source import Listing, Query
from .client import MastClient, MastLimits, Row, read_pages
from .products import Dataset, choose_files, dataset_from_row, find_unlisted

__all__ = ["Ask", "Search", "to_conditions"]

_Answer = TypeVar("_Answer")

_INSTRUMENTS: Final = "MIRI,NIRCAM,NIRISS,NIRSPEC"
"""Asked for where none is: MAST wants a criterion beside a cone, and guide stars are
no science."""

_DAY: Final = timedelta(days=1)
"""By so much more time is asked for on both sides."""


class Ask(Protocol):
    """Calls something that asks a server, until there is an answer."""

    def __call__(self, what: str, call: Callable[[], _Answer]) -> _Answer:
        """Call it, or raise `ArchiveError`."""
        ...


class Search:
    """Asks for what fits a query.

    `where` is how messages call the source; `client` asks once, `ask` again where that
    makes sense, with `parallel` requests at a time.
    """

    def __init__(
        self,
        query: Query,
        where: str,
        client: MastClient,
        ask: Ask,
        *,
        limits: MastLimits,
        parallel: int,
    ) -> None:
        self._query = query
        self._where = where
        self._client = client
        self._ask = ask
        self._limits = limits
        self._parallel = parallel
        given = ((one.name, getattr(query, one.name)) for one in fields(query))
        asked = ", ".join(f"{name} {value}" for name, value in given if value)
        self._what = f"search for {asked}"

    def run(self) -> Listing:
        """List everything; what is no name of a dataset is refused."""
        read = [(row, dataset_from_row(row)) for row in self._list_rows()]
        found = [dataset for _, dataset in read if dataset is not None]
        listing = self._list_files(
            {d.name: d for d in found if _is_asked_for(d, self._query)}
        )
        unread = sorted({str(row.get("fileSetName")) for row, d in read if d is None})
        refused = (f"{name[:80]!r}: expected the name of a dataset" for name in unread)
        return replace(listing, refused=(*listing.refused, *refused))

    def _list_rows(self) -> Sequence[Row]:
        conditions, cone = to_conditions(self._query), self._query.cone
        rows = self._limits.page_rows
        return read_pages(
            lambda first: self._ask(
                f"{self._what}, rows {first} to {first + rows - 1}",
                lambda: self._client.search(conditions, cone, first=first),
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
            f"got none of {list_some(missing)}, asked for {self._limits.rounds} times."
            f"{told} Try again later."
        )

    def _reject(self, dataset: Dataset) -> UnusableFile:
        """Set an exposure aside of which no files are listed."""
        reason = (
            f"{self._where} knows the exposure, but listed no files of it, asked for "
            f"{self._limits.rounds} times; run again later"
        )
        path = Path(f"{dataset.name}_{self._query.kind}.fits")
        return to_unusable(path, dataset, reason)

    def _list_products(self, names: Sequence[str]) -> list[Row]:
        """Ask for the products of datasets, in parallel."""
        size = self._limits.batch_datasets
        batches = [names[first : first + size] for first in range(0, len(names), size)]
        with ThreadPoolExecutor(self._parallel) as pool:
            return list(chain.from_iterable(pool.map(self._list_batch, batches)))

    def _list_batch(self, names: Sequence[str]) -> list[Row]:
        what = f"{self._what}, products of {list_some(names)}"
        return self._ask(what, lambda: self._client.list_products(names))


def to_conditions(query: Query) -> dict[str, str]:
    """Put a query, but for its cone, in the words of MAST, by column.

    Everything that fits the query fits them. A query for what cannot be is an error.
    """
    refuse_other_kinds(query)
    instruments = [query.instrument] if query.instrument else []
    conditions = {
        "instrume": _join("an instrument of letters", instruments, "[A-Za-z]+")
        or _INSTRUMENTS,
        # MAST has numbers where we have digits.
        "program": str(int(query.program)) if query.program else "",
        "observtn": ",".join(str(int(one)) for one in query.observations),
        "exp_type": _join(
            "an exposure type of letters, digits, '_' and '-'",
            query.exp_types,
            "[A-Za-z0-9_-]+",
        ),
        "proposal_cycle": ",".join(map(str, query.cycles)),
        # What may be an operator becomes a wildcard; TARGPROP is upper case.
        "targprop": re.sub(r"[^A-Z0-9_+ -]+", "*", (query.target or "").upper()),
        "date_obs": _to_days(query.taken_from, query.taken_until),
    }
    return {column: value for column, value in conditions.items() if value}


def _is_asked_for(dataset: Dataset, query: Query) -> bool:
    """Return whether a dataset is what a query asks for; its cone is left to MAST.

    A dataset of level 3 may not say what only exposures have. It is only looked at for
    pools and associations, which are kept if they belong to exposures.
    """
    if dataset.is_exposure:
        return fits(dataset, query)
    return query.program in {None, dataset.program}


def _join(what: str, values: Collection[str], form: str) -> str:
    """Say that any of these is wanted; anything else could be an operator."""
    for value in values:
        if re.fullmatch(form, value) is None:
            raise ArchiveError(f"expected {what}, got {value!r}")
    return ",".join(value.upper() for value in values)


def _to_days(since: datetime | None, until: datetime | None) -> str:
    """Ask for whole days."""
    first = since and f"{since.astimezone(UTC) - _DAY:%Y-%m-%d}"
    last = until and f"{until.astimezone(UTC) + _DAY:%Y-%m-%d}"
    if first and last:
        return f"{first}..{last}"
    return f">={first}" if first else f"<={last}" if last else ""
