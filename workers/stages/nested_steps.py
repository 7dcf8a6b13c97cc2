"""Steps that steps make inside themselves, and which ask CRDS on their own.

A pipeline does not list them, nor does a product record what they used. Those of
the modes that Rewebb knows are here (jwst 3.0.0); the fence around CRDS stops others.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jwst.assign_wcs import AssignWcsStep
from jwst.extract_1d import Extract1dStep
from jwst.extract_2d import Extract2dStep
from jwst.msaflagopen import MSAFlagOpenStep
from jwst.white_light import WhiteLightStep
from stpipe import Pipeline, Step

__all__ = [
    "CLEANS_MEMBERS",
    "Header",
    "NestedStep",
    "list_nested_pars_types",
    "list_nested_reftypes",
    "reads_metafile",
]

Header = Mapping[str, Any]
"""Metadata of the exposure, by ``meta.`` keys."""


@dataclass(frozen=True, slots=True)
class NestedStep:
    """A step that another one makes."""

    step: type[Step]
    """Its class."""
    takes_pars: bool = False
    """Whether it is made with ``call``, which takes its ``pars-*`` file."""


CLEANS_MEMBERS = "clean_flicker_noise"
"""What spec2 runs on backgrounds and leakcals, too."""


def list_nested_reftypes(
    pipeline: Pipeline, header: Header, *, within: str | None = None
) -> frozenset[str]:
    """List the reference types that steps within all steps, or one, ask for."""
    nested = _list_nested(pipeline, header, within)
    return frozenset(kind for each in nested for kind in each.step.reference_file_types)


def list_nested_pars_types(
    pipeline: Pipeline, header: Header, *, within: str | None = None
) -> frozenset[str]:
    """List the types of parameter references that they ask for."""
    return frozenset(
        each.step.get_config_reftype()
        for each in _list_nested(pipeline, header, within)
        if each.takes_pars
    )


def reads_metafile(pipeline: Pipeline, header: Header) -> bool:
    """Return whether a pipeline reads the metafile of the MSA, if there is one.

    The world coordinates of a slitlet come from it.
    """
    own = getattr(pipeline, "assign_wcs", None)
    nested = (each.step for each in _list_nested(pipeline, header))
    return (own is not None and not own.skip) or AssignWcsStep in nested


def _list_nested(
    pipeline: Pipeline, header: Header, within: str | None = None
) -> Iterator[NestedStep]:
    for name, makes in _MAKERS.items():
        step = getattr(pipeline, name, None)
        if within in {None, name} and step is not None and not step.skip:
            yield from makes(step, header)


def _within_clean_flicker_noise(step: Step, header: Header) -> Iterator[NestedStep]:
    """See ``_make_processed_rate_image`` and ``make_median_image``."""
    exp_type = str(header["meta.exposure.type"])
    if not exp_type.startswith("NRS"):
        return
    is_median = str(step.background_method).lower() == "median_image"
    if step.mask_science_regions or is_median:
        yield NestedStep(AssignWcsStep)
        if exp_type in {"NRS_IFU", "NRS_MSASPEC"}:
            yield NestedStep(MSAFlagOpenStep)
    if is_median and exp_type == "NRS_BRIGHTOBJ":
        yield NestedStep(Extract2dStep)
        yield NestedStep(Extract1dStep, takes_pars=True)
        yield NestedStep(WhiteLightStep)


def _within_picture_frame(step: Step, header: Header) -> Iterator[NestedStep]:
    """See ``correct_picture_frame``."""
    is_nirspec = str(header["meta.exposure.type"]).startswith("NRS")
    is_full = header.get("meta.subarray.name") == "FULL"
    if is_nirspec and is_full and step.mask_science_regions:
        yield NestedStep(AssignWcsStep)
        yield NestedStep(MSAFlagOpenStep)


_MAKERS: Mapping[str, Callable[[Step, Header], Iterator[NestedStep]]] = {
    CLEANS_MEMBERS: _within_clean_flicker_noise,
    "picture_frame": _within_picture_frame,
}
"""What makes steps, by its name in the pipelines.

Both fit a draft of the slopes, too, with the references of the pipeline's own
`ramp_fit`. `targ_centroid` makes a step for its image (`members`), `pixel_replace`
one that needs no references and whose class is a step of the same pipelines."""
