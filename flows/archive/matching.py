"""How single values are compared with what a query asks for, whoever gives them."""

import re
from collections.abc import Collection
from datetime import datetime

__all__ = ["has_target", "is_either", "is_taken_between", "tuple_of"]


def tuple_of(value: str | None) -> tuple[str, ...]:
    """Make a tuple of what may not be asked for."""
    return () if value is None else (value,)


def is_either(value: object, wanted: Collection[str]) -> bool:
    """Tell whether a value is one of those that are wanted, whatever its case."""
    return not wanted or str(value).upper() in {one.upper() for one in wanted}


def has_target(value: object, wanted: str | None) -> bool:
    """Compare the names of targets; only ``*`` is special (``[KAG2008] 13`` is not)."""
    if wanted is None:
        return True
    pattern = ".*".join(re.escape(part) for part in wanted.split("*"))
    return isinstance(value, str) and bool(
        re.fullmatch(pattern, value, re.IGNORECASE | re.DOTALL)
    )


def is_taken_between(
    taken: datetime | None, since: datetime | None, until: datetime | None
) -> bool:
    """Tell whether an exposure began in a time, its begin included, its end not."""
    if since is None and until is None:
        return True
    return taken is not None and not (
        (since is not None and taken < since) or (until is not None and taken >= until)
    )
