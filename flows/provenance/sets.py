"""Sets: what many jobs have in common, recorded once by the hash of all of it."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from workers.contract import Job, ReferenceFile
from workers.parameters import flatten_parameters

from .insertion import insert_missing
from .rows import to_record, to_values
from .schema import (
    ReferenceKind,
    SQLBase,
    SQLJob,
    SQLParameter,
    SQLParameterSet,
    SQLReference,
    SQLReferenceSet,
    SQLReferenceUse,
    SQLVersion,
    SQLVersionSet,
)
from .sessions import batches, select_in

__all__ = ["JobSets", "LoadedSets", "load_sets", "load_uses_of", "record_sets"]

_Rows = Mapping[type[SQLBase], Sequence[Mapping[str, object]]]
"""Rows by table, in the order in which they are inserted."""
_Use = tuple[ReferenceKind, str, ReferenceFile | None]
"""What a file is to a job, its type, and the file; None where the rules say N/A."""
_T = TypeVar("_T")

_to_json = json.JSONEncoder(sort_keys=True).encode

_DEFAULT = "default"
"""Origin of a parameter that nothing sets."""

_RECIPE = "recipe"
"""Origin of one that a recipe of unknown name sets."""


@dataclass(frozen=True, slots=True)
class JobSets:
    """The sets of a job, by their hashes: columns of its row."""

    parameters_sha256: str
    """Parameters, what the recipe sets of them, and their origins."""
    versions_sha256: str
    """Versions of the calibration code."""
    references_sha256: str
    """References and parameter references."""
    mappings_sha256: str
    """Mappings."""


@dataclass(frozen=True, slots=True)
class LoadedSets:
    """What sets hold, by hash."""

    parameters: Mapping[str, SQLParameterSet]
    """Parameters."""
    versions: Mapping[str, Mapping[str, str]]
    """Versions by distribution."""
    uses: Mapping[str, Sequence[_Use]]
    """References, parameter references and mappings, in their order."""


def record_sets(session: Session, jobs: Iterable[Job]) -> Sequence[JobSets]:
    """Record the sets of jobs that are not there yet; give those of each job."""
    pairs = [(_hash_sets(job), job) for job in jobs]
    _add(
        *(session, SQLParameterSet, _to_parameter_rows),
        {sets.parameters_sha256: job for sets, job in pairs},
    )
    _add(
        *(session, SQLVersionSet, _to_version_rows),
        {sets.versions_sha256: job.versions for sets, job in pairs},
    )
    references = {one.references_sha256: partial(_list_uses, job) for one, job in pairs}
    mappings = {one.mappings_sha256: partial(_list_mappings, job) for one, job in pairs}
    _add(session, SQLReferenceSet, _to_reference_rows, references | mappings)
    return [sets for sets, _ in pairs]


def load_sets(
    session: Session, rows: Iterable[SQLJob], *, has_mappings: bool = True
) -> LoadedSets:
    """Load the sets of jobs, in a few queries for all.

    Parameters
    ----------
    has_mappings
        Whether the mappings are among them, which are the most.
    """
    jobs = tuple(rows)
    key = SQLParameterSet.sha256
    wanted = {job.parameters_sha256 for job in jobs}
    parameters = select_in(session, select(SQLParameterSet), key, wanted)
    versions = defaultdict[str, dict[str, str]](dict)
    of = SQLVersion.set_sha256
    wanted = {job.versions_sha256 for job in jobs}
    for row in select_in(session, select(SQLVersion), of, wanted):
        versions[row.set_sha256][row.name] = row.version
    wanted = {job.references_sha256 for job in jobs}
    if has_mappings:
        wanted |= {job.mappings_sha256 for job in jobs}
    return LoadedSets(
        parameters={row.sha256: row for row in parameters},
        versions=versions,
        uses=load_uses_of(session, wanted),
    )


def load_uses_of(session: Session, wanted: Iterable[str]) -> dict[str, list[_Use]]:
    """Load the files of sets, by the hash of the set; an empty set has no entry."""
    same = (
        SQLReference.sha1 == SQLReferenceUse.sha1,
        SQLReference.name == SQLReferenceUse.name,
    )
    query = (
        select(SQLReferenceUse, SQLReference.size_bytes)
        .outerjoin(SQLReference, and_(*same))
        .order_by(SQLReferenceUse.position)
    )
    found = defaultdict[str, list[_Use]](list)
    for batch in batches(wanted):
        of_batch = query.where(SQLReferenceUse.set_sha256.in_(batch))
        for row, size_bytes in session.execute(of_batch).tuples():
            file = None
            if row.name is not None:
                file = to_record(ReferenceFile, row, size_bytes=size_bytes)
            found[row.set_sha256].append((row.kind, row.reftype, file))
    return found


def _hash_sets(job: Job) -> JobSets:
    return JobSets(
        parameters_sha256=_hash([job.parameters, job.overrides, job.origins]),
        versions_sha256=_hash(job.versions),
        references_sha256=_hash([*map(_to_facts, _list_uses(job))]),
        mappings_sha256=_hash([*map(_to_facts, _list_mappings(job))]),
    )


def _hash(value: object) -> str:
    return hashlib.sha256(_to_json(value).encode()).hexdigest()


def _to_facts(use: _Use) -> tuple[object, ...]:
    kind, reftype, file = use
    if file is None:
        return (kind, reftype)
    return (kind, reftype, file.name, file.sha1, file.size_bytes, file.mtime_ns)


def _list_uses(job: Job) -> Sequence[_Use]:
    taken = [(ReferenceKind.REFERENCE, use.reftype, use.file) for use in job.references]
    pars = [(ReferenceKind.PARS, use.reftype, use.file) for use in job.pars]
    return [*taken, *pars]


def _list_mappings(job: Job) -> Sequence[_Use]:
    return [(ReferenceKind.MAPPING, "", file) for file in job.mappings]


def _add(
    session: Session,
    table: type[SQLParameterSet | SQLVersionSet | SQLReferenceSet],
    make: Callable[[str, _T], _Rows],
    by_hash: Mapping[str, _T],
) -> None:
    """Add the sets that a table does not have, with the rows that `make` makes."""
    known: set[str] = set()
    for batch in batches(by_hash):
        known.update(
            session.scalars(select(table.sha256).where(table.sha256.in_(batch)))
        )
    new: dict[type[SQLBase], list[Mapping[str, object]]] = defaultdict(list)
    for sha256 in by_hash.keys() - known:
        for each, rows in make(sha256, by_hash[sha256]).items():
            new[each] += rows
    for each, rows in new.items():
        insert_missing(session, each, rows)


def _to_parameter_rows(sha256: str, job: Job) -> _Rows:
    effective = flatten_parameters(job.parameters)
    origins: Mapping[str, str] | None = job.origins
    if origins is None:
        # That of the rest can be read from files of a cache, if it is there.
        origins = dict.fromkeys(flatten_parameters(job.overrides), _RECIPE)
    rest = None if job.origins is None else _DEFAULT
    return {
        SQLParameterSet: [to_values(SQLParameterSet, job, sha256=sha256)],
        SQLParameter: [
            {
                "set_sha256": sha256,
                "name": name,
                "value": json.dumps(value),
                "origin": origins.get(name, rest),
            }
            for name, value in effective.items()
        ],
    }


def _to_version_rows(sha256: str, versions: Mapping[str, str]) -> _Rows:
    return {
        SQLVersionSet: [{"sha256": sha256}],
        SQLVersion: [
            {"set_sha256": sha256, "name": name, "version": version}
            for name, version in versions.items()
        ],
    }


def _to_reference_rows(sha256: str, list_them: Callable[[], Sequence[_Use]]) -> _Rows:
    uses = list_them()
    files = [file for _, _, file in uses if file]
    return {
        SQLReference: [to_values(SQLReference, file) for file in files],
        SQLReferenceSet: [{"sha256": sha256}],
        SQLReferenceUse: [
            {
                "set_sha256": sha256,
                "position": position,
                "kind": kind,
                "reftype": reftype,
                "name": file and file.name,
                "sha1": file and file.sha1,
                "mtime_ns": file and file.mtime_ns,
            }
            for position, (kind, reftype, file) in enumerate(uses)
        ],
    }
