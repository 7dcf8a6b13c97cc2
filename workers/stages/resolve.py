"""Which references and parameters a job will use, told without running it.

The answer comes from the raw header of the first science member, as stpipe takes
it from the first science member of an association.
"""

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from stdatamodels.jwst.datamodels import read_metadata
from stpipe import Pipeline

from ..contract import (
    EXTRACT1D,
    Edit,
    ErrorInfo,
    Parameters,
    ParsUse,
    ReferenceFile,
    ReferenceUse,
    Resolution,
    Resolved,
    ResolveItem,
    ResolveMember,
    ResolveRequest,
)
from ..edits import check_edits
from ..errors import WorkerError
from ..msa import check_metafile
from ..references import ReferenceCache, locate_reference, pin
from ..versions import calibration_versions
from .cubes import predict_cubes
from .expected_products import list_endings
from .nested_steps import reads_metafile
from .parameter_files import find_origins
from .pipelines import configure, get_parameters, list_pars_types
from .reference_types import TARGET_ACQUISITION, list_types, list_types_of_member

__all__ = ["read_header", "resolve"]

_Use = TypeVar("_Use", ReferenceUse, ParsUse)


class _Pipelines:
    """Pipelines by what configures them, which jobs of a batch have in common.

    A header has a say in parameters by the ``pars-*`` files that it selects alone.
    """

    def __init__(self) -> None:
        self._made: dict[str, Pipeline] = {}

    def find(
        self, item: ResolveItem, header: Mapping[str, Any], pars: Iterable[ParsUse]
    ) -> Pipeline:
        """Find the pipeline of a job, configured for one that is like it."""
        files = [(use.reftype, use.file.name, use.file.sha1) for use in pars]
        key = json.dumps((item.stage, item.overrides, files), sort_keys=True)
        if key not in self._made:
            self._made[key] = configure(item.stage, header, item.overrides)
        return self._made[key]


def resolve(request: ResolveRequest) -> Resolution:
    """Resolve a batch of jobs in one context.

    Raises
    ------
    CrdsCacheError
        The cache or the context cannot be used; what is wrong with a single job
        is in its `Resolved.error`.
    """
    pin(crds_path=request.crds_path, context=request.context)
    cache = ReferenceCache(request.known)
    context = cache.get_context()
    pipelines = _Pipelines()
    resolved = tuple(
        _resolve_or_say(item, cache, context, pipelines) for item in request.items
    )
    host = socket.gethostname()
    return Resolution(context, calibration_versions(), resolved, host)


@lru_cache(maxsize=64)
def read_header(path: str) -> Mapping[str, Any]:
    """Read the metadata of a file as CRDS takes it, by ``meta.`` keys.

    Raises
    ------
    WorkerError
        The file has no metadata, or none that can be read.
    """
    try:
        header: Mapping[str, Any] = read_metadata(path, flatten=True)
    except (KeyError, ValueError) as error:
        raise WorkerError(
            f"expected the metadata of a JWST file, got {error}"
        ) from error
    return header


def _resolve_or_say(
    item: ResolveItem, cache: ReferenceCache, context: str, pipelines: _Pipelines
) -> Resolved:
    try:
        return _resolve_item(item, cache, context, pipelines)
    except (WorkerError, OSError) as error:
        message = f"{Path(item.exposure).name}: {error}"
        info = ErrorInfo(type(error).__qualname__, message, "")
        return Resolved(item.key, {}, (), (), (), info)


def _resolve_item(
    item: ResolveItem, cache: ReferenceCache, context: str, pipelines: _Pipelines
) -> Resolved:
    header = read_header(item.exposure)
    asked = {*list_pars_types(item.stage)}
    pars = cache.select_pars(header, sorted(asked))
    pipeline = pipelines.find(item, header, pars)
    needs_metafile = reads_metafile(pipeline, header)
    if needs_metafile and item.metafile is not None:
        check_metafile(Path(item.metafile), header)
    types = list_types(pipeline, header)
    asked.update(types.references, types.pars)
    pars += cache.select_pars(header, {*types.pars} - {use.reftype for use in pars})
    own_pars = pars
    references = cache.select_references(header, types.references)
    exp_type = str(header["meta.exposure.type"])
    check_edits(
        [edit for edit in item.edits if not _is_idle(edit, pipeline)],
        metafile=Path(item.metafile) if needs_metafile and item.metafile else None,
        exposure=Path(item.exposure),
        apertures=locate_reference(references, EXTRACT1D),
        exp_type=exp_type,
    )
    for member in item.members:
        wanted = list_types_of_member(pipeline, member.exptype, header)
        if wanted.references or wanted.pars:
            asked.update(wanted.references, wanted.pars)
            own = read_header(member.exposure)
            found = cache.select_references(own, wanted.references)
            references += _pick_new(found, references, member)
            pars += _pick_new(cache.select_pars(own, wanted.pars), pars, member)
    instrument = str(header["meta.instrument.name"])
    parameters = get_parameters(pipeline)
    return Resolved(
        key=item.key,
        parameters=parameters,
        references=references,
        pars=pars,
        mappings=cache.list_mappings(context, instrument, asked),
        origins=find_origins(pipeline, own_pars),
        reads_metafile=needs_metafile,
        endings=list_endings(item.stage, exp_type, parameters),
        cubes=_predict_cubes(item, header, parameters, references),
    )


def _predict_cubes(
    item: ResolveItem,
    header: Mapping[str, Any],
    parameters: Parameters,
    references: Iterable[ReferenceUse],
) -> tuple[tuple[int, int, int], ...]:
    """Predict the cubes of a job; none if it builds none, or lacks their reference."""
    steps: Any = parameters.get("steps", {})
    cubepar = locate_reference(references, "cubepar")
    if cubepar is None or steps.get("cube_build", {}).get("skip"):
        return ()
    headers = [read_header(path) for path in item.science] or [header]
    return predict_cubes(headers, steps["cube_build"], cubepar)


def _is_idle(edit: Edit, pipeline: Pipeline) -> bool:
    """Return whether an edit is of apertures with which nothing is extracted."""
    step = getattr(pipeline, "extract_1d", None)
    return edit.file == EXTRACT1D and (step is None or step.skip)


def _pick_new(
    uses: Iterable[_Use], taken: Iterable[_Use], member: ResolveMember
) -> tuple[_Use, ...]:
    """Pick the files of a member that are not used yet, and name whose they are."""
    known: set[ReferenceFile | None] = {use.file for use in taken}
    # Backgrounds may be several; spec2 reads one verification image.
    whose = member.exptype
    if whose != TARGET_ACQUISITION:
        whose = Path(member.exposure).name.rpartition("_")[0]
    return tuple(
        replace(use, reftype=f"{use.reftype} of {whose}")
        for use in uses
        if use.file not in {None, *known}
    )
