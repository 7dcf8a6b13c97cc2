"""A planned job becomes a job when its inputs are known."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from flows.associations import document_name, to_json_text
from flows.models.associations import Association
from workers.contract import (
    Caveat,
    FileHash,
    Input,
    Job,
    Parameters,
    Product,
    Resolved,
)

from .fingerprint import take_fingerprint
from .graph import PlannedInput, PlannedJob

__all__ = ["BindingError", "Made", "NothingToMakeError", "bind_job", "split_inputs"]


class BindingError(Exception):
    """A planned job cannot become a job; the message says for want of what."""


class NothingToMakeError(BindingError):
    """There is no data for a job, and nothing is wrong with that."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a producer has made, or why it has made nothing."""

    folder: str
    """Absolute folder of the products."""
    products: Mapping[str, Product]
    """By name."""
    without: str | None = None
    """Why its products are to be done without: no data on the detector, or a failure
    that the user allows."""
    partial: bool = False
    """Whether doing without is a caveat: what should be there is not."""
    caveats: tuple[Caveat, ...] = ()
    """What this run's plan knows of it."""


def bind_job(
    planned: PlannedJob,
    *,
    resolved: Resolved,
    overrides: Parameters,
    raw: Mapping[str, FileHash],
    made: Mapping[str, Made],
    context: str,
    crds_path: str,
    versions: Mapping[str, str],
) -> Job:
    """Make the job of a planned job, with its fingerprint.

    Parameters
    ----------
    overrides
        Parameters that the recipe sets.
    raw
        Hashes of files of the archive, by path.
    made
        What each producer made, by key.

    Raises
    ------
    NothingToMakeError
        No science member has data on its detector.
    BindingError
        A science input is not there, or a producer did not make what is needed.
    """
    kept, left_out = split_inputs(planned, made)
    _refuse_without_science(kept, left_out, made)
    inputs = tuple(_bind_input(file, raw, made) for file in kept)
    association = _without(planned.association, {file.name for file in left_out})
    job = Job(
        stage=planned.stage,
        name=planned.name,
        program=planned.exposure.program,
        exp_type=planned.exposure.exp_type,
        fingerprint="",
        inputs=inputs,
        association=to_json_text(association) if association else None,
        association_name=document_name(association) if association else None,
        overrides=overrides,
        parameters=resolved.parameters,
        references=resolved.references,
        pars=resolved.pars,
        context=context,
        mappings=resolved.mappings,
        crds_path=crds_path,
        versions=versions,
    )
    return replace(job, fingerprint=take_fingerprint(job))


def split_inputs(
    planned: PlannedJob, made: Mapping[str, Made]
) -> tuple[list[PlannedInput], list[PlannedInput]]:
    """Part the inputs into those there are and those to be done without."""
    kept: list[PlannedInput] = []
    left_out: list[PlannedInput] = []
    for file in planned.inputs:
        without = file.producer is not None and made[file.producer].without
        (left_out if without else kept).append(file)
    return kept, left_out


def _refuse_without_science(
    kept: list[PlannedInput], left_out: list[PlannedInput], made: Mapping[str, Made]
) -> None:
    if any(file.exptype == "science" for file in kept):
        return
    science = [file for file in left_out if file.exptype == "science"]
    if any(made[file.producer or ""].partial for file in science):
        raise BindingError(f"no science input is left: {_why(science, made)}")
    raise NothingToMakeError(f"no data: {_why(science, made)}")


def _why(left_out: list[PlannedInput], made: Mapping[str, Made]) -> str:
    reasons = (f"{file.name}: {made[file.producer or ''].without}" for file in left_out)
    return "; ".join(reasons)


def _bind_input(
    file: PlannedInput,
    raw: Mapping[str, FileHash],
    made: Mapping[str, Made],
) -> Input:
    if file.producer is None:
        found = raw.get(file.path or "")
        if found is None:
            raise BindingError(f"{file.path} was not hashed")
        return _input(file, found.path, found.sha256, found.content_sha256)
    source = made[file.producer]
    product = source.products.get(file.name)
    if product is None:
        raise BindingError(
            f"{file.producer} made no {file.name}, only "
            f"{', '.join(sorted(source.products)) or 'nothing'}"
        )
    path = f"{source.folder}/{file.name}"
    return _input(file, path, product.sha256, product.content_sha256)


def _input(file: PlannedInput, path: str, sha256: str, content: str) -> Input:
    return Input(
        name=file.name,
        path=path,
        exptype=file.exptype,
        reason=file.reason,
        sha256=sha256,
        content_sha256=content,
    )


def _without(association: Association | None, names: set[str]) -> Association | None:
    if association is None:
        return None
    members = tuple(m for m in association.members if m.expname not in names)
    return replace(association, members=members)
