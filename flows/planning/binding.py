"""A planned job becomes a job, with its fingerprint, when its inputs are known.

A fingerprint takes in everything that can change a pixel and nothing else. In: stage,
content of the inputs with their names and exptypes, edits of copies of them, product
name, effective parameters, sha1 of every reference and ``pars-*`` file, versions of
the calibration code. Not in: paths, hosts, runs, dates, memory, the name of the
context, and why something is a member.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from workers.contract import (
    CONTENT_VERSION,
    EXTRACT1D,
    Caveat,
    CaveatKind,
    Edit,
    FileHash,
    Input,
    Job,
    Parameters,
    Product,
    Resolved,
)
from workers.parameters import flatten_parameters

from ..associations import document_name, to_json_text
from .brought import is_unread, list_brought_members
from .graph import PlannedInput, PlannedJob

__all__ = [
    "BindingError",
    "Made",
    "NothingToMakeError",
    "ResolvedSet",
    "bind_job",
    "list_caveats",
    "take_fingerprint",
]


class BindingError(Exception):
    """A planned job cannot become a job; the message says what is missing."""


class NothingToMakeError(BindingError):
    """There is no data for a job, and that is not an error."""


@dataclass(frozen=True, slots=True)
class ResolvedSet:
    """All that was resolved for a run."""

    context: str
    """CRDS context."""
    crds_path: str
    """The CRDS cache."""
    versions: Mapping[str, str]
    """Versions of the calibration code on the workers."""
    by_key: Mapping[str, Resolved]
    """By key of the planned job."""
    overrides: Mapping[str, Parameters]
    """What the recipe sets, by key of the planned job."""
    recipe: str
    """Name of the recipe."""
    raw: Mapping[str, FileHash]
    """Hashes of raw files and of what else comes from the archive, by path."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a producer has made, or why it has made nothing."""

    folder: str
    """Absolute folder of the products."""
    products: Mapping[str, Product]
    """By name."""
    without: str | None = None
    """Why jobs go on without its products: no data on the detector, or a failure that
    the user allows."""
    partial: bool = False
    """Whether going on without them is a caveat: what should be there is not."""
    caveats: tuple[Caveat, ...] = ()
    """What this run's plan knows of it."""


def bind_job(
    planned: PlannedJob, resolved: ResolvedSet, made: Mapping[str, Made]
) -> Job:
    """Make the job of a planned job from what each producer made, by key.

    Raises
    ------
    NothingToMakeError
        No science member has data on its detector.
    BindingError
        A science input is missing, or a producer did not make what is needed.
    """
    own = resolved.by_key.get(planned.key)
    if own is None:
        raise BindingError(
            f"references and parameters follow {planned.exposure.name}, but: "
            f"{planned.exposure.defect}"
        )
    kept, left_out = _split_inputs(planned, made)
    _check_science(kept, left_out, made)
    association = planned.association
    if association is not None:
        missing = {file.name for file in left_out}
        members = (m for m in association.members if m.expname not in missing)
        brought = list_brought_members(planned.stage, kept)
        association = replace(association, members=(*members, *brought))
    job = Job(
        stage=planned.stage,
        name=planned.name,
        program=planned.exposure.program,
        exp_type=planned.exposure.exp_type,
        fingerprint="",
        inputs=tuple(_bind_input(file, resolved.raw, made) for file in kept),
        association=to_json_text(association) if association else None,
        association_name=document_name(association) if association else None,
        overrides=resolved.overrides.get(planned.key, {}),
        parameters=own.parameters,
        references=own.references,
        pars=own.pars,
        context=resolved.context,
        mappings=own.mappings,
        crds_path=resolved.crds_path,
        versions=resolved.versions,
        edits=_keep_edits(planned, kept, own.parameters),
        origins=_list_origins(own, resolved.overrides.get(planned.key, {}), resolved),
    )
    return replace(job, fingerprint=take_fingerprint(job))


def _list_origins(
    own: Resolved, overrides: Parameters, resolved: ResolvedSet
) -> Mapping[str, str]:
    """List what sets each parameter that is no default; the recipe wins."""
    given = dict.fromkeys(flatten_parameters(overrides), f"recipe {resolved.recipe}")
    return {**own.origins, **given}


def take_fingerprint(job: Job) -> str:
    """Hash what decides the result of a job; `Job.fingerprint` is ignored."""
    facts = {
        "content_version": CONTENT_VERSION,
        "stage": job.stage,
        "name": job.name,
        "inputs": [
            (file.name, file.exptype, file.content_sha256) for file in job.inputs
        ],
        "parameters": job.parameters,
        "references": {
            use.reftype: use.file.sha1 if use.file else None for use in job.references
        },
        "pars": {use.reftype: use.file.sha1 for use in job.pars},
        "versions": dict(job.versions),
    }
    if job.edits:
        facts["edits"] = [(each.file, each.edit, each.values) for each in job.edits]
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def list_caveats(
    planned: PlannedJob, resolved: ResolvedSet, made: Mapping[str, Made]
) -> tuple[Caveat, ...]:
    """List what a scientist must know of a job and the plan knows before it runs.

    It comes from the plan alone, never from what a reused product was made with: a
    product may be reused by a run that has more, or fewer, files than the run that
    made it. Each caveat is listed once.
    """
    kept, left_out = _split_inputs(planned, made)
    partial = _list_partial(planned, left_out, made)
    here = f"jwst {resolved.versions.get('jwst')} in {resolved.context}"
    elsewhere = _list_elsewhere(kept, made, here)
    return tuple(dict.fromkeys([*partial, *elsewhere]))


def _split_inputs(
    planned: PlannedJob, made: Mapping[str, Made]
) -> tuple[list[PlannedInput], list[PlannedInput]]:
    """Separate the inputs that are there from those that the job goes on without."""
    kept: list[PlannedInput] = []
    left_out: list[PlannedInput] = []
    for file in planned.inputs:
        without = file.producer is not None and made[file.producer].without
        (left_out if without else kept).append(file)
    return kept, left_out


def _check_science(
    kept: list[PlannedInput], left_out: list[PlannedInput], made: Mapping[str, Made]
) -> None:
    if any(file.exptype == "science" for file in kept):
        return
    science = [
        (file, made[file.producer or ""])
        for file in left_out
        if file.exptype == "science"
    ]
    why = "; ".join(f"{file.name}: {source.without}" for file, source in science)
    if any(source.partial for _, source in science):
        raise BindingError(f"no science input is left: {why}")
    raise NothingToMakeError(f"no data: {why}")


def _keep_edits(
    planned: PlannedJob, kept: Iterable[PlannedInput], parameters: Parameters
) -> tuple[Edit, ...]:
    """Keep the edits of files that the job reads.

    Detector1 may read no metafile, and a job may extract no spectra.
    """
    names = {file.name for file in kept}
    if not is_unread(planned.stage, EXTRACT1D, parameters):
        names.add(EXTRACT1D)
    return tuple(each for each in planned.edits if each.file in names)


def _bind_input(
    file: PlannedInput,
    raw: Mapping[str, FileHash],
    made: Mapping[str, Made],
) -> Input:
    found: FileHash | Product | None
    if file.producer is None:
        path = file.path or ""
        found = raw.get(path)
        if found is None:
            raise BindingError(f"{file.path} was not hashed")
    else:
        source = made[file.producer]
        path = f"{source.folder}/{file.name}"
        found = source.products.get(file.name)
        if found is None:
            raise BindingError(
                f"{file.producer} made no {file.name}, only "
                f"{', '.join(sorted(source.products)) or 'nothing'}"
            )
    if file.sha256 and found.sha256 != file.sha256:
        raise BindingError(
            f"{path} is not the file that the recipe names: expected sha256 "
            f"{file.sha256}, the workers see {found.sha256}"
        )
    return Input(
        name=file.name,
        path=path,
        exptype=file.exptype,
        reason=file.reason,
        sha256=found.sha256,
        content_sha256=found.content_sha256,
    )


def _list_partial(
    planned: PlannedJob, left_out: Iterable[PlannedInput], made: Mapping[str, Made]
) -> Iterator[Caveat]:
    """List what should be there and is not, with why."""
    wanting = {file.name: made[file.producer or ""] for file in left_out}
    wanting |= {key: made[key] for key in planned.doubts}
    messages = [
        *planned.lacking,
        *(
            f"made without {name} ({source.without})"
            for name, source in wanting.items()
            if source.partial
        ),
    ]
    yield from (Caveat(CaveatKind.PARTIAL, message) for message in messages)
    for key in planned.producers:
        yield from _pass_on(made[key], CaveatKind.PARTIAL)


def _list_elsewhere(
    kept: Iterable[PlannedInput], made: Mapping[str, Made], here: str
) -> Iterator[Caveat]:
    """List inputs that were not calibrated as this job is, and how they were."""
    by_making: dict[str, list[str]] = {}
    inherited: list[Caveat] = []
    for file in kept:
        if file.calibrated is not None:
            software = file.calibrated.software or "of an unknown version"
            context = file.calibrated.context or "an unknown context"
            making = f"jwst {software} in {context}"
            by_making.setdefault(making, []).append(file.name)
        elif file.producer is not None:
            inherited += _pass_on(made[file.producer], CaveatKind.MIXED_PROVENANCE)
    by_making.pop(here, None)
    for making, names in by_making.items():
        message = f"{', '.join(names)}: calibrated elsewhere with {making}, used with "
        yield Caveat(CaveatKind.MIXED_PROVENANCE, message + here)
    yield from inherited


def _pass_on(made: Made, kind: CaveatKind) -> Iterator[Caveat]:
    return (caveat for caveat in made.caveats if caveat.kind is kind)
