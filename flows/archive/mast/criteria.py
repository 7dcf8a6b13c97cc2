"""A query in the words of MAST, and again on what it answers.

How the server compares (case, ends of ranges, columns that are no criteria) is not
known for sure. So it is asked for no less than what is wanted, and every row is looked
at again. Conditions are strings: a comma is an "or", ``*`` stands for anything.
"""

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from flows.archive.listing import FileKind, Query
from flows.archive.matching import (
    has_target,
    is_either,
    is_taken_between,
    tuple_of,
)
from flows.errors import ArchiveError

from .datasets import Dataset

__all__ = ["fits", "to_conditions"]

_INSTRUMENTS: Final = "MIRI,NIRCAM,NIRISS,NIRSPEC"
"""Asked for where none is: MAST wants a criterion beside a cone, and guide stars are
no science."""

_FORMS: Final = {
    "instrument": (re.compile("[A-Za-z]+"), "letters"),
    "exposure type": (re.compile("[A-Za-z0-9_-]+"), "letters, digits, '_' and '-'"),
}
"""What may be asked for; anything else could be an operator of the search."""

_EXPOSURE_KINDS: Final = frozenset({FileKind.UNCAL, FileKind.RATE})
"""Kinds that exposures can be listed as."""

_DAY: Final = timedelta(days=1)
"""By so much more time is asked for on both sides."""


def to_conditions(query: Query) -> dict[str, str]:
    """Put a query, but for its cone, in the words of MAST.

    Returns
    -------
    dict
        Conditions by column; everything that fits the query fits them.

    Raises
    ------
    ArchiveError
        The query asks for what cannot be.
    """
    if query.kind not in _EXPOSURE_KINDS:
        raise ArchiveError(
            f"expected a search for uncal or rate, got one for {query.kind}"
        )
    conditions = {"instrume": _join("instrument", tuple_of(query.instrument))}
    conditions["instrume"] = conditions["instrume"] or _INSTRUMENTS
    conditions["program"] = _number(tuple_of(query.program))
    conditions["observtn"] = _number(query.observations)
    conditions["exp_type"] = _join("exposure type", query.exp_types)
    conditions["targprop"] = _to_wildcards(query.target or "")
    conditions["date_obs"] = _to_days(query.taken_from, query.taken_until)
    return {column: value for column, value in conditions.items() if value}


def fits(dataset: Dataset, query: Query) -> bool:
    """Tell whether a dataset is what a query asks for; its cone is left to MAST.

    A dataset of level 3 may not say what only exposures have. It is only looked at for
    pools and associations, which are kept if they belong to exposures.
    """
    return query.program in {None, dataset.program} and (
        not dataset.is_exposure or _fits_exposure(dataset, query)
    )


def _fits_exposure(dataset: Dataset, query: Query) -> bool:
    """Tell whether an exposure is what a query asks for."""
    return (
        is_either(dataset.observation, query.observations)
        and is_either(dataset.instrument, tuple_of(query.instrument))
        and is_either(dataset.exp_type, query.exp_types)
        and _has_optics(dataset.optics, query.optics)
        and has_target(dataset.target, query.target)
        and is_taken_between(dataset.taken, query.taken_from, query.taken_until)
        and query.access in {None, dataset.access}
    )


def _join(what: str, values: Collection[str]) -> str:
    """Say that any of these is wanted."""
    form, told = _FORMS[what]
    for value in values:
        if form.fullmatch(value) is None:
            raise ArchiveError(f"expected {what} of {told}, got {value!r}")
    return ",".join(value.upper() for value in values)


def _number(ids: Collection[str]) -> str:
    """Say that any of these is wanted; MAST has numbers where we have digits."""
    return ",".join(str(int(one)) for one in ids)


def _to_wildcards(target: str) -> str:
    """Let stand what is no operator; TARGPROP is upper case."""
    return re.sub(r"[^A-Z0-9_+ -]+", "*", target.upper())


def _to_days(since: datetime | None, until: datetime | None) -> str:
    """Ask for whole days."""
    first = since and f"{since.astimezone(UTC) - _DAY:%Y-%m-%d}"
    last = until and f"{until.astimezone(UTC) + _DAY:%Y-%m-%d}"
    if first and last:
        return f"{first}..{last}"
    return f">={first}" if first else f"<={last}" if last else ""


def _has_optics(optics: str, wanted: Collection[str]) -> bool:
    """Tell whether any of the elements is wanted."""
    elements = re.split(r"[;,/\s]+", optics)
    return not wanted or any(is_either(one, wanted) for one in elements)
