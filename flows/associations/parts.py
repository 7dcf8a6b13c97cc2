"""Associations in the making, which share tuples of members.

A background candidate of thousands of exposures gives every science exposure
thousands of backgrounds. They are one tuple that all share; members are made from it
when they are read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, overload

from workers.contract import Stage

from ..models.associations import Member
from ..names import member_file
from ..stages import STAGES
from .pool import Candidate, PoolRow

__all__ = ["Draft", "MemberList", "Part", "draft_exposure"]


_LEVEL2: Final = STAGES[Stage.SPEC2].asn_types


@dataclass(frozen=True, slots=True)
class Part:
    """Members of one exptype."""

    exptype: str
    """As the pipeline knows them."""
    rows: tuple[PoolRow, ...]
    """Their rows, shared by many associations."""
    suffix: str
    """Product that they stand for: rate, cal, x1d; that of a time series adds
    ``ints``."""
    reason: str
    """Why they are members."""
    but: frozenset[PoolRow] = frozenset()
    """Rows that are not members after all."""
    by_integration: bool = False
    """Whether all are named as time series, whatever they are."""
    tail: str = ""
    """What the names of their products end in, where there is more than one."""

    def __len__(self) -> int:
        """Count the members."""
        return len(self.rows) - len(self.but)

    def members(self) -> Iterator[Member]:
        """Make the members."""
        for row in self.rows:
            if row not in self.but:
                ints = "ints" if row.is_tso or self.by_integration else ""
                name = member_file(row.name + self.tail, self.suffix + ints)
                yield Member(name, self.exptype, row.name, self.reason)


class MemberList(Sequence[Member]):
    """Members that are made when they are read: science first, then by exptype."""

    __slots__ = ("_extra", "_parts")

    def __init__(self, parts: Sequence[Part], extra: tuple[Member, ...] = ()) -> None:
        self._parts = tuple(parts)
        self._extra = extra

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts) + len(self._extra)

    def __iter__(self) -> Iterator[Member]:
        made = [member for part in self._parts for member in part.members()]
        return iter(sorted([*made, *self._extra], key=_science_first))

    @overload
    def __getitem__(self, index: int) -> Member: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Member, ...]: ...
    def __getitem__(self, index: int | slice) -> Member | tuple[Member, ...]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else False

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


def _science_first(member: Member) -> tuple[bool, str, str]:
    return member.exptype != "science", member.exptype, member.expname


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """An association whose members are not made yet."""

    rule: str
    """Name of the official rule."""
    asn_type: str
    """spec2, tso-spec2, spec3 or tso3."""
    candidate: Candidate
    """The candidate whose exposures it associates."""
    product: str
    """Name of its product."""
    parts: tuple[Part, ...]
    """Its members, the science first; none empty."""
    extra: tuple[Member, ...] = ()
    """Members that are not exposures: catalogs, combined images."""

    @property
    def first(self) -> PoolRow:
        """The first science exposure."""
        return self.parts[0].rows[0]

    @property
    def is_level2(self) -> bool:
        """Whether it is of level 2b."""
        return self.asn_type in _LEVEL2

    @property
    def has_background(self) -> bool:
        """Whether a dedicated background is among the members."""
        return any(
            part.exptype == "background" and part.rows[0].kind == "background"
            for part in self.parts
        )

    def __len__(self) -> int:
        """Count the members."""
        counts = (len(part.rows) - len(part.but) for part in self.parts)
        return sum(counts) + len(self.extra)


def draft_exposure(
    rule: str,
    candidate: Candidate,
    row: PoolRow,
    others: Iterable[Part] = (),
    *,
    asn_type: str = "spec2",
    extra: tuple[Member, ...] = (),
) -> Draft:
    """Draft the level-2b association of one exposure; empty parts are left out."""
    science = Part("science", (row,), "rate", f"science of {rule}")
    kept = [part for part in others if len(part.rows) > len(part.but)]
    return Draft(rule, asn_type, candidate, row.name, (science, *kept), extra)
