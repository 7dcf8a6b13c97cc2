"""The types of references that a configured pipeline asks CRDS for, and by what header.

Steps of spec2 take some by the headers of other members, which may select other files
than that of the science exposure; no product records them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jwst.assign_wcs import AssignWcsStep
from jwst.targ_centroid import TargCentroidStep
from stpipe import Pipeline

from .nested_steps import CLEANS_MEMBERS, list_nested_pars_types, list_nested_reftypes

__all__ = ["TARGET_ACQUISITION", "ReferenceTypes", "list_types", "list_types_of_member"]

TARGET_ACQUISITION = "target_acquisition"
"""The exptype of the verification image of the LRS; spec2 reads one."""


@dataclass(frozen=True, slots=True)
class ReferenceTypes:
    """The types that are selected by one header."""

    references: tuple[str, ...] = ()
    """Of references, sorted."""
    pars: tuple[str, ...] = ()
    """Of the parameter references of steps that steps make inside, sorted."""


def list_types(pipeline: Pipeline, header: Mapping[str, Any]) -> ReferenceTypes:
    """List the types that a pipeline and its steps ask for by the science's header.

    `Tso3Pipeline` names two of them, and its steps ask for more; so do steps that
    steps make inside.
    """
    steps = (getattr(pipeline, name) for name in type(pipeline).step_defs)
    wanted = {k for step in steps if not step.skip for k in step.reference_file_types}
    nested = list_nested_reftypes(pipeline, header)
    return ReferenceTypes(
        tuple(sorted(wanted.union(pipeline.reference_file_types, nested))),
        tuple(sorted(list_nested_pars_types(pipeline, header))),
    )


def list_types_of_member(
    pipeline: Pipeline, exptype: str, header: Mapping[str, Any]
) -> ReferenceTypes:
    """List the types that spec2 asks for by the header of a member.

    `targ_centroid` makes the coordinates of the verification image of the LRS;
    `clean_flicker_noise` cleans backgrounds and leakcals as it does the science.
    The header is that of the science, whose EXP_TYPE backgrounds have too.
    """
    if exptype == TARGET_ACQUISITION:
        centring = getattr(pipeline, "targ_centroid", None)
        if centring is None or centring.skip:
            return ReferenceTypes()
        steps = (AssignWcsStep, TargCentroidStep)
        found = {kind for step in steps for kind in step.reference_file_types}
        own_pars = AssignWcsStep.get_config_reftype()
        return ReferenceTypes(tuple(sorted(found)), (own_pars,))
    cleaning = getattr(pipeline, CLEANS_MEMBERS, None)
    if cleaning is None or cleaning.skip:
        return ReferenceTypes()
    nested = list_nested_reftypes(pipeline, header, within=CLEANS_MEMBERS)
    pars = list_nested_pars_types(pipeline, header, within=CLEANS_MEMBERS)
    return ReferenceTypes(
        tuple(sorted(nested.union(cleaning.reference_file_types))), tuple(sorted(pars))
    )
