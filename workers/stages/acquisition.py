"""The references that spec2 of the LRS takes for its verification image itself.

`targ_centroid` makes the coordinates of that image by the image's own header, which may
select other files than the spectra do; no product records them.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from jwst.assign_wcs import AssignWcsStep
from jwst.targ_centroid import TargCentroidStep
from stpipe import Pipeline

from ..contract import ParsUse, ReferenceFile, ReferenceUse

__all__ = [
    "list_pars_types_of_acquisition",
    "list_reftypes_of_acquisition",
    "pick_new",
]

_Use = TypeVar("_Use", ReferenceUse, ParsUse)


def list_reftypes_of_acquisition(pipeline: Pipeline) -> tuple[str, ...]:
    """List the reference types; none where no image is read."""
    step = getattr(pipeline, "targ_centroid", None)
    if step is None or step.skip:
        return ()
    steps = AssignWcsStep, TargCentroidStep
    return tuple(sorted({kind for each in steps for kind in each.reference_file_types}))


def list_pars_types_of_acquisition(pipeline: Pipeline) -> tuple[str, ...]:
    """List the types of parameter references; `AssignWcsStep.call` takes them."""
    is_read = bool(list_reftypes_of_acquisition(pipeline))
    return (AssignWcsStep.get_config_reftype(),) if is_read else ()


def pick_new(uses: Iterable[_Use], taken: Iterable[_Use]) -> tuple[_Use, ...]:
    """Name files of the image that are not those of the spectra."""
    known: set[ReferenceFile | None] = {use.file for use in taken}
    return tuple(
        replace(use, reftype=f"{use.reftype} of target_acquisition")
        for use in uses
        if use.file not in {None, *known}
    )
