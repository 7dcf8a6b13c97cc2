"""The references that steps of spec2 take for other members, by their own headers.

Those headers may select other files than that of the science exposure; no product
records them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from jwst.assign_wcs import AssignWcsStep
from jwst.targ_centroid import TargCentroidStep
from stpipe import Pipeline

from ..contract import ParsUse, ReferenceFile, ReferenceUse, ResolveMember
from .nested_steps import CLEANS_MEMBERS, list_nested_pars_types, list_nested_reftypes

__all__ = ["list_pars_types_of_member", "list_reftypes_of_member", "pick_new"]

_Use = TypeVar("_Use", ReferenceUse, ParsUse)

_ACQUISITION = "target_acquisition"


def list_reftypes_of_member(
    pipeline: Pipeline, exptype: str, header: Mapping[str, Any]
) -> tuple[str, ...]:
    """List the reference types that a configured spec2 asks for by a member's header.

    `targ_centroid` makes the coordinates of the verification image of the LRS;
    `clean_flicker_noise` cleans backgrounds and leakcals as it does the science.
    The header is that of the science, whose EXP_TYPE backgrounds have too.
    """
    if exptype == _ACQUISITION:
        steps = (AssignWcsStep, TargCentroidStep) if _centres(pipeline) else ()
        return tuple(sorted({k for step in steps for k in step.reference_file_types}))
    cleaning = getattr(pipeline, CLEANS_MEMBERS, None)
    if cleaning is None or cleaning.skip:
        return ()
    nested = list_nested_reftypes(pipeline, header, within=CLEANS_MEMBERS)
    return tuple(sorted(nested.union(cleaning.reference_file_types)))


def list_pars_types_of_member(
    pipeline: Pipeline, exptype: str, header: Mapping[str, Any]
) -> tuple[str, ...]:
    """List the types of parameter references likewise."""
    if exptype == _ACQUISITION:
        return (AssignWcsStep.get_config_reftype(),) if _centres(pipeline) else ()
    return tuple(
        sorted(list_nested_pars_types(pipeline, header, within=CLEANS_MEMBERS))
    )


def _centres(pipeline: Pipeline) -> bool:
    step = getattr(pipeline, "targ_centroid", None)
    return step is not None and not step.skip


def pick_new(
    uses: Iterable[_Use], taken: Iterable[_Use], member: ResolveMember
) -> tuple[_Use, ...]:
    """Pick the files of a member that are not used yet, and name whose they are."""
    known: set[ReferenceFile | None] = {use.file for use in taken}
    # Backgrounds may be several; spec2 reads one verification image.
    whose = member.exptype
    if whose != _ACQUISITION:
        whose = Path(member.exposure).name.rpartition("_")[0]
    return tuple(
        replace(use, reftype=f"{use.reftype} of {whose}")
        for use in uses
        if use.file not in {None, *known}
    )
