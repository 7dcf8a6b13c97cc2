"""A row of any table: what its columns hold, and how constraints are named."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass

from workers.contract import Caveat, CaveatKind, Edit, Parameters, Stage, Status
from workers.workload import Workload

from ...models.runs import JobState, RunState
from ..column_types import UtcDateTime, counts_text, enum_text, json_text

__all__ = ["ReferenceKind", "SQLBase"]

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class ReferenceKind(StrEnum):
    """What a CRDS file is to a job."""

    REFERENCE = "reference"
    """A reference file."""
    PARS = "pars"
    """A parameter reference."""
    MAPPING = "mapping"
    """A mapping of the context."""


def _to_edits(rows: Iterable[tuple[str, str, Parameters]]) -> tuple[Edit, ...]:
    return tuple(Edit(*row) for row in rows)


def _to_caveats(pairs: Iterable[tuple[str, str]]) -> tuple[Caveat, ...]:
    return tuple(Caveat(CaveatKind(kind), message) for kind, message in pairs)


class SQLBase(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """A row. Rows never leave `flows.provenance`."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy reads it from the class
        str: Text(),
        int: BigInteger(),
        datetime: UtcDateTime(),
        Parameters: json_text(),
        Mapping[str, str]: json_text(),
        tuple[str, ...]: json_text(tuple),
        tuple[Caveat, ...]: json_text(_to_caveats),
        tuple[Edit, ...]: json_text(_to_edits),
        Workload: counts_text(Workload),
        CaveatKind: enum_text(CaveatKind),
        JobState: enum_text(JobState),
        ReferenceKind: enum_text(ReferenceKind),
        RunState: enum_text(RunState),
        Stage: enum_text(Stage),
        Status: enum_text(Status),
    }
