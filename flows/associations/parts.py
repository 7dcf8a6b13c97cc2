"""Associations as they are being made: members by the tuple, shared and unexpanded.

A background candidate of thousands of exposures gives every science exposure
thousands of backgrounds. They are one tuple, shared by all; members are made of it
when they are read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, overload

from flows.models.associations import Member
from flows.names import member_file
from flows.stages import STAGES
from workers.contract import Stage

from .rows import Candidate, PoolRow

__all__ = ["Draft", "MemberList", "Part"]

_SCIENCE_FIRST: Final = {"science": ""}
"""What sorts before all other exptypes."""


@dataclass(frozen=True, slots=True)
class Part:
    """Members of one exptype."""

    exptype: str
    """As the pipeline knows them."""
    rows: tuple[PoolRow, ...]
    """Who they are; shared by many associations."""
    suffix: str
    """Product that they stand for: rate, cal, x1d; that of a time series adds
    ``ints``."""
    reason: str
    """Why they are members."""
    but: frozenset[PoolRow] = frozenset()
    """Those of the rows that are not meant."""
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
    """Members that are made when they are read: science first, then by exptype.

    Parameters
    ----------
    parts
        What they are made of.
    extra
        Members that are no exposures: catalogs, combined images.
    """

    __slots__ = ("_extra", "_parts")

    def __init__(self, parts: Sequence[Part], extra: tuple[Member, ...] = ()) -> None:
        self._parts = tuple(parts)
        self._extra = extra

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts) + len(self._extra)

    def __iter__(self) -> Iterator[Member]:
        made = [member for part in self._parts for member in part.members()]
        return iter(sorted([*made, *self._extra], key=_order))

    @overload
    def __getitem__(self, index: int) -> Member: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Member, ...]: ...
    def __getitem__(self, index: int | slice) -> Member | tuple[Member, ...]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(
            one == two for one, two in zip(self, other, strict=True)
        )

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


def _order(member: Member) -> tuple[str, str]:
    """Order members."""
    kind = _SCIENCE_FIRST.get(member.exptype, member.exptype)
    return kind, member.expname


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """An association whose members are not made yet."""

    rule: str
    """Name of the official rule."""
    asn_type: str
    """spec2, tso-spec2, spec3 or tso3."""
    candidate: Candidate
    """What it is of."""
    product: str
    """Name of its product."""
    parts: tuple[Part, ...]
    """Its members, the science first; none empty."""
    extra: tuple[Member, ...] = ()
    """Members that are no exposures."""

    @property
    def first(self) -> PoolRow:
        """The first science exposure."""
        return self.parts[0].rows[0]

    @property
    def is_level2(self) -> bool:
        """Whether it is of level 2b."""
        return self.asn_type in STAGES[Stage.SPEC2].asn_types

    @property
    def has_background(self) -> bool:
        """Whether a dedicated background is among the members."""
        return any(
            row.kind == "background"
            for part in self.parts
            if part.exptype == "background"
            for row in part.rows[:1]
        )

    def __len__(self) -> int:
        """Count the members."""
        return sum(len(part) for part in self.parts) + len(self.extra)
