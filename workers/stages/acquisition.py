"""The references that spec2 of the LRS takes for its verification image itself.

`targ_centroid` makes the coordinates of that image by the image's own header, which may
select other files than the spectra do; no product records them.
"""

from collections.abc import Iterable

from jwst.assign_wcs import AssignWcsStep
from jwst.targ_centroid import TargCentroidStep
from stpipe import Pipeline

from ..contract import ReferenceUse

__all__ = ["list_reftypes_of_acquisition", "pick_new"]


def list_reftypes_of_acquisition(pipeline: Pipeline) -> tuple[str, ...]:
    """List the reference types; none where no image is read."""
    step = getattr(pipeline, "targ_centroid", None)
    if step is None or step.skip:
        return ()
    steps = AssignWcsStep, TargCentroidStep
    return tuple(sorted({kind for each in steps for kind in each.reference_file_types}))


def pick_new(
    uses: Iterable[ReferenceUse], taken: Iterable[ReferenceUse]
) -> tuple[ReferenceUse, ...]:
    """Name references of the image that are not those of the spectra."""
    known = {use.file for use in taken}
    return tuple(
        ReferenceUse(f"{use.reftype} of target_acquisition", use.file)
        for use in uses
        if use.file not in {None, *known}
    )
