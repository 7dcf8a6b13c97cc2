"""Jobs as rows and back; no database in sight."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from workers.contract import (
    Input,
    Job,
    ParsUse,
    ReferenceFile,
    ReferenceUse,
    Stage,
)

from .schema import SQLJob, SQLJobInput, SQLJobReference

__all__ = ["from_job", "input_rows", "reference_rows", "to_job"]

_REFERENCE, _PARS, _MAPPING = "reference", "pars", "mapping"


def from_job(job: Job) -> SQLJob:
    """Make the row of a job."""
    return SQLJob(
        fingerprint=job.fingerprint,
        stage=job.stage.value,
        name=job.name,
        program=job.program,
        exp_type=job.exp_type,
        context=job.context,
        parameters=job.parameters,
        overrides=job.overrides,
        association=job.association,
        association_name=job.association_name,
        versions=job.versions,
        crds_path=job.crds_path,
    )


def input_rows(job: Job) -> Iterator[SQLJobInput]:
    """Make the rows of what a job reads."""
    for position, file in enumerate(job.inputs):
        yield SQLJobInput(
            fingerprint=job.fingerprint,
            position=position,
            name=file.name,
            path=file.path,
            exptype=file.exptype,
            reason=file.reason,
            sha256=file.sha256,
            content_sha256=file.content_sha256,
        )


def reference_rows(job: Job) -> Iterator[SQLJobReference]:
    """Make the rows of the references, parameter references and mappings of a job."""
    files = chain(
        ((_REFERENCE, use.reftype, use.file) for use in job.references),
        ((_PARS, use.reftype, use.file) for use in job.pars),
        ((_MAPPING, "", file) for file in job.mappings),
    )
    for position, (kind, reftype, file) in enumerate(files):
        yield SQLJobReference(
            fingerprint=job.fingerprint,
            kind=kind,
            position=position,
            reftype=reftype,
            name=file.name if file else None,
            sha1=file.sha1 if file else None,
            size_bytes=file.size_bytes if file else None,
            mtime_ns=file.mtime_ns if file else None,
        )


def to_job(
    row: SQLJob,
    inputs: Iterable[SQLJobInput],
    references: Sequence[SQLJobReference],
) -> Job:
    """Make a job of its rows, each kind in the order of their positions."""
    return Job(
        stage=Stage(row.stage),
        name=row.name,
        program=row.program,
        exp_type=row.exp_type,
        fingerprint=row.fingerprint,
        inputs=tuple(_to_input(item) for item in inputs),
        association=row.association,
        association_name=row.association_name,
        overrides=row.overrides,
        parameters=row.parameters,
        references=tuple(_to_reference_uses(references)),
        pars=tuple(_to_pars_uses(references)),
        context=row.context,
        mappings=tuple(file for _, file in _files(references, _MAPPING)),
        crds_path=row.crds_path,
        versions=row.versions,
    )


def _to_input(row: SQLJobInput) -> Input:
    return Input(
        name=row.name,
        path=row.path,
        exptype=row.exptype,
        reason=row.reason,
        sha256=row.sha256,
        content_sha256=row.content_sha256,
    )


def _to_reference_uses(rows: Iterable[SQLJobReference]) -> Iterator[ReferenceUse]:
    for row in rows:
        if row.kind == _REFERENCE:
            yield ReferenceUse(reftype=row.reftype, file=_to_file(row))


def _to_pars_uses(rows: Iterable[SQLJobReference]) -> Iterator[ParsUse]:
    for row, file in _files(rows, _PARS):
        yield ParsUse(reftype=row.reftype, file=file)


def _files(
    rows: Iterable[SQLJobReference], kind: str
) -> Iterator[tuple[SQLJobReference, ReferenceFile]]:
    for row in rows:
        if row.kind == kind and (file := _to_file(row)):
            yield row, file


def _to_file(row: SQLJobReference) -> ReferenceFile | None:
    if row.name is None:
        return None
    assert row.sha1 is not None
    assert row.size_bytes is not None
    assert row.mtime_ns is not None
    return ReferenceFile(row.name, row.sha1, row.size_bytes, row.mtime_ns)
