"""Members put in, left out and counted, by the tuple."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from .options import MemberChoice
from .parts import Part
from .rows import PoolRow

__all__ = ["is_dedicated", "keep_one_imprint", "leave_out", "take_once"]


def is_dedicated(part: Part) -> bool:
    """Tell whether members are dedicated backgrounds."""
    return part.exptype == "background" and part.rows[0].kind == "background"


def take_once(parts: Iterable[Part]) -> list[Part]:
    """Let no exposure be a member twice: who is first stays."""
    kept: list[Part] = []
    by_exptype: dict[str, set[PoolRow]] = defaultdict(set)
    for part in parts:
        others = [rows for rows in by_exptype.values() if rows]
        repeated = {
            row for row in part.rows for rows in others if row in rows
        } - part.but
        left = replace(part, but=part.but | repeated) if repeated else part
        if len(left):
            kept.append(left)
        by_exptype[part.exptype] |= set(part.rows) - left.but
    return kept


def keep_one_imprint(parts: Iterable[Part]) -> list[Part]:
    """Keep one leakcal: spec2 of jwst 3.0.0 crashes on several of the MSA."""
    kept: list[Part] = []
    has_one = False
    for part in parts:
        if part.exptype != "imprint":
            kept.append(part)
        elif not has_one:
            first = next(row for row in part.rows if row not in part.but)
            kept.append(replace(part, rows=(first,), but=frozenset()))
            has_one = True
    return kept


def leave_out(part: Part, choice: MemberChoice) -> Iterator[Part]:
    """Leave members out; science stays."""
    if part.exptype == "science" or choice.exptype not in {"*", part.exptype}:
        yield part
        return
    left = frozenset(r for r in part.rows if fnmatchcase(r.name, choice.exposure))
    edited = replace(part, but=part.but | left)
    if len(edited):
        yield edited
