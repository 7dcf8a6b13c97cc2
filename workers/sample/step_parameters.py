"""Parameter references (``pars-*``) of both contexts.

Every kind that is here has rules by exposure type, with N/A for the modes that take
the defaults of the code, as in the real contexts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .library import EXP_TYPE, Library
from .publishing import DATE

__all__ = ["EXP_TYPES", "PARAMETERS", "StepParameters", "add_parameters"]

_Value = bool | float | str
"""What a step parameter can be."""

EXP_TYPES: Mapping[str, tuple[str, ...]] = {
    "NIRSPEC": ("NRS_IFU", "NRS_BRIGHTOBJ", "NRS_FIXEDSLIT", "NRS_MSASPEC"),
    "MIRI": ("MIR_MRS", "MIR_LRS-FIXEDSLIT", "MIR_LRS-SLITLESS", "MIR_TACONFIRM"),
}
"""Exposure types of the sample programs, by instrument."""


@dataclass(frozen=True, slots=True)
class StepParameters:
    """What one file sets, for one exposure type."""

    class_name: str
    """Full name of the step or pipeline."""
    exp_type: str
    """Exposure type it is for."""
    own: Mapping[str, _Value] = field(default_factory=dict)
    """Parameters of the class itself."""
    steps: Mapping[str, Mapping[str, _Value]] = field(default_factory=dict)
    """Parameters of the steps of a pipeline, by class."""
    contexts: tuple[int, ...] = (1, 2)
    """Contexts that select the file."""


_SELFCAL = "jwst.badpix_selfcal.BadpixSelfcalStep"
_JUMP = "jwst.jump.JumpStep"

PARAMETERS = (
    StepParameters(_JUMP, "NRS_IFU", {"rejection_threshold": 5.0}),
    StepParameters(_JUMP, "NRS_BRIGHTOBJ", {"rejection_threshold": 6.0}),
    # A pipeline's file wins over a step's.
    StepParameters(
        "jwst.pipeline.Detector1Pipeline",
        "NRS_BRIGHTOBJ",
        steps={_JUMP: {"rejection_threshold": 8.0}},
    ),
    StepParameters(_SELFCAL, "NRS_IFU", {"skip": False, "flagfrac_upper": 0.001}),
    StepParameters(
        "jwst.pipeline.Spec2Pipeline",
        "NRS_IFU",
        steps={_SELFCAL: {"flagfrac_upper": 0.0015}},
        contexts=(1,),
    ),
    StepParameters(
        "jwst.pipeline.Spec2Pipeline",
        "NRS_IFU",
        steps={_SELFCAL: {"flagfrac_upper": 0.003}},
        contexts=(2,),
    ),
    # The default kernel of 7 by 7 takes 8 GB.
    StepParameters(
        "jwst.outlier_detection.OutlierDetectionStep",
        "NRS_IFU",
        {"kernel_size": "3 3"},
    ),
    StepParameters(_JUMP, "MIR_MRS", {"find_showers": True}),
    # Backgrounds are subtracted in spec3. By band there would be two spectra of a
    # background, and master_background takes one.
    StepParameters(
        "jwst.pipeline.Spec2Pipeline",
        "MIR_MRS",
        steps={
            "jwst.background.BackgroundStep": {"skip": True},
            "jwst.cube_build.CubeBuildStep": {"output_type": "multi"},
        },
    ),
    StepParameters(
        "jwst.outlier_detection.OutlierDetectionStep",
        "MIR_MRS",
        {"kernel_size": "11 1"},
    ),
    StepParameters("jwst.extract_1d.Extract1dStep", "MIR_MRS", {"ifu_autocen": True}),
)
"""Every parameter file. Context 2 differs in what it takes for a bad pixel of the IFU:
it flags the brightest 0.3 % of the self-calibration instead of 0.15 %."""


def _short(class_name: str) -> str:
    return class_name.rpartition(".")[2]


def _step_tree(class_name: str, parameters: Mapping[str, _Value]) -> dict[str, Any]:
    return {
        "class": class_name,
        "name": _short(class_name),
        "parameters": dict(parameters),
    }


def _make_tree(parameters: StepParameters, instrument: str) -> dict[str, Any]:
    tree = _step_tree(parameters.class_name, parameters.own)
    if parameters.steps:
        tree["steps"] = [
            {**_step_tree(name, values), "name": _step_name(name)}
            for name, values in parameters.steps.items()
        ]
    tree["meta"] = {
        "author": "Rewebb",
        "date": DATE,
        "description": f"Parameters of {_short(parameters.class_name)} of a sample",
        "exposure": {"type": parameters.exp_type},
        "instrument": {"name": instrument},
        "origin": "Rewebb",
        "pedigree": "DUMMY",
        "reftype": f"pars-{_short(parameters.class_name).lower()}",
        "telescope": "JWST",
        "useafter": "2022-01-01T00:00:00",
    }
    return tree


def _step_name(class_name: str) -> str:
    """Return the name of a step in its pipelines: mostly that of its package."""
    package = class_name.split(".")[1]
    return {"background": "bkg_subtract"}.get(package, package)


def add_parameters(library: Library) -> None:
    """Publish the files for an instrument."""
    for each in PARAMETERS:
        if each.exp_type in EXP_TYPES[library.instrument]:
            kind = f"pars-{_short(each.class_name).lower()}"
            name = library.add_asdf(kind, _make_tree(each, library.instrument))
            choices = {EXP_TYPE: [each.exp_type]}
            library.offer(kind, name, choices, contexts=each.contexts)
