"""Which references and parameters a job will use, told without running it.

The answer comes from the raw header of the first science member, as stpipe takes
it from the first science member of an association.
"""

import socket
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from stdatamodels.jwst.datamodels import read_metadata

from ..contract import ErrorInfo, Resolution, Resolved, ResolveItem, ResolveRequest
from ..errors import WorkerError
from ..msa import check_metafile
from ..references import ReferenceCache, pin
from ..versions import calibration_versions
from .expected_products import list_endings
from .nested_steps import list_nested_pars_types, reads_metafile
from .pipelines import (
    configure,
    get_parameters,
    list_pars_types,
    list_reftypes,
)
from .reference_types import (
    list_pars_types_of_member,
    list_reftypes_of_member,
    pick_new,
)

__all__ = ["read_header", "resolve"]


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
    resolved = tuple(_resolve_or_say(item, cache, context) for item in request.items)
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


def _resolve_or_say(item: ResolveItem, cache: ReferenceCache, context: str) -> Resolved:
    try:
        return _resolve_item(item, cache, context)
    except (WorkerError, OSError) as error:
        message = f"{Path(item.exposure).name}: {error}"
        info = ErrorInfo(type(error).__qualname__, message, "")
        return Resolved(item.key, {}, (), (), (), info)


def _resolve_item(item: ResolveItem, cache: ReferenceCache, context: str) -> Resolved:
    header = read_header(item.exposure)
    pars = cache.select_pars(header, list_pars_types(item.stage))
    pipeline = configure(item.stage, header, item.overrides)
    needs_metafile = reads_metafile(pipeline, header)
    if needs_metafile and item.metafile is not None:
        check_metafile(Path(item.metafile), header)
    nested = list_nested_pars_types(pipeline, header) - {use.reftype for use in pars}
    pars += cache.select_pars(header, nested)
    reftypes = list_reftypes(pipeline, header)
    references = cache.select_references(header, reftypes)
    for member in item.members:
        kinds = list_reftypes_of_member(pipeline, member.exptype, header)
        of_pars = list_pars_types_of_member(pipeline, member.exptype, header)
        if kinds or of_pars:
            own = read_header(member.exposure)
            found = cache.select_references(own, kinds)
            references += pick_new(found, references, member)
            pars += pick_new(cache.select_pars(own, of_pars), pars, member)
    instrument = str(header["meta.instrument.name"])
    exp_type = str(header["meta.exposure.type"])
    parameters = get_parameters(pipeline)
    kinds = (*reftypes, *(use.reftype for use in pars))
    return Resolved(
        key=item.key,
        parameters=parameters,
        references=references,
        pars=pars,
        mappings=cache.list_mappings(context, instrument, kinds),
        reads_metafile=needs_metafile,
        endings=list_endings(item.stage, exp_type, parameters),
    )
