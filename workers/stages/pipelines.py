"""A pipeline of `jwst`, configured as `Pipeline.call` would, and what it consists of.

``Pipeline().run()`` ignores ``pars-*`` files, and ``Pipeline.call`` keeps the instance
to itself; this does what ``call`` does and keeps the instance, so that its effective
parameters can be told before it runs.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jwst.pipeline import (
    Detector1Pipeline,
    Spec2Pipeline,
    Spec3Pipeline,
    Tso3Pipeline,
)
from stpipe import Pipeline, config_parser
from stpipe.config_parser import ValidationError

from ..contract import Parameters, Stage
from ..errors import ParameterError

__all__ = [
    "PLUMBING",
    "configure",
    "get_parameters",
    "get_spec",
    "is_harmless",
    "list_pars_types",
    "list_steps",
]

_PIPELINES: Mapping[Stage, type[Pipeline]] = {
    Stage.DETECTOR1: Detector1Pipeline,
    Stage.SPEC2: Spec2Pipeline,
    Stage.SPEC3: Spec3Pipeline,
    Stage.TSO3: Tso3Pipeline,
}

PLUMBING = frozenset(
    {
        "class",
        "config_file",
        "input_dir",
        "maximum_cores",
        "name",
        "output_dir",
        "output_ext",
        "output_file",
        "output_use_index",
        "output_use_model",
        "search_output_file",
    }
)
"""Parameters that say where files go and who computes, not what comes out."""

_VALUES = frozenset({"boolean", "float", "float_list", "int_list", "integer", "option"})
"""Types of parameters that no file, place or code can be given to."""

_TEXTS = frozenset(
    {
        *("debug_spaxel", "exptime_key", "fillval", "good_bits", "kernel_size"),
        *("ignore_region_max", "ignore_region_min", "orders", "scale", "slit_names"),
        *("snr", "source_dec", "source_ids", "source_ra", "source_type"),
    }
)
"""Parameters of the types string and list that name none (jwst 3.0.0)."""

_RECORDED_AS = {
    "dark_current": "dark_sub",
    "master_background_mos": "master_background",
    "resample_spec": "resample",
}
"""Steps that record their status under another name than their alias (jwst 3.0.0)."""


def configure(
    stage: Stage, header: Mapping[str, Any], overrides: Parameters
) -> Pipeline:
    """Make the pipeline of a stage with the parameters that apply to an exposure.

    Steps compute on one core: jobs are what runs in parallel.

    Precedence, low to high: code defaults, ``pars-*`` of the steps, ``pars-*`` of the
    pipeline, `overrides` (stpipe, ``Step.build_config``).

    Raises
    ------
    ParameterError
        `overrides` name a step or parameter that the pipeline does not have, or one
        that takes a file, a place or code.
    """
    cls = _PIPELINES[stage]
    _check_names(cls, overrides)
    config = cls.get_config_from_reference(dict(header), crds_observatory="jwst")
    config_parser.merge_config(config, config_parser.ConfigObj(dict(overrides)))
    config.pop("class", None)
    try:
        pipeline = cls.from_config_section(config, name=config.get("name"))
    except ValidationError as error:
        raise ParameterError(
            f"{cls.__name__} refuses its parameters: {error}"
        ) from error
    for name in cls.step_defs:
        step = getattr(pipeline, name)
        if hasattr(step, "maximum_cores"):
            step.maximum_cores = "none"
    return pipeline


def get_parameters(pipeline: Pipeline) -> Parameters:
    """Return the effective parameters of a pipeline and, below ``steps``, of its steps.

    Where files go is left out.
    """
    parameters: Parameters = json.loads(json.dumps(_prune(pipeline.get_pars())))
    return parameters


def get_spec(stage: Stage) -> Mapping[str, Any]:
    """Return the checks of configobj that stpipe declares for a stage.

    Those of the pipeline are by parameter, those of its steps below ``steps``.
    """
    spec: Mapping[str, Any] = _PIPELINES[stage].load_spec_file()
    return spec


def list_steps(pipeline: Pipeline) -> Mapping[str, str]:
    """Map the name of each step of a pipeline to its name under ``meta.cal_step``."""
    aliases = (
        (name, cls.class_alias or name)
        for name, cls in type(pipeline).step_defs.items()
    )
    return {name: _RECORDED_AS.get(alias, alias) for name, alias in aliases}


def list_pars_types(stage: Stage) -> tuple[str, ...]:
    """List the types of parameter references of a stage's pipeline and its steps."""
    return tuple(sorted(set(_walk_pars_types(_PIPELINES[stage]))))


def _walk_pars_types(cls: Any) -> Iterator[str]:
    yield cls.get_config_reftype()
    for step in getattr(cls, "step_defs", {}).values():
        yield from _walk_pars_types(step)


def _check_names(cls: type[Pipeline], overrides: Parameters) -> None:
    """Refuse what the pipeline does not have, and what names a file or code."""
    refused = sorted(_find_refused(cls.__name__, cls.load_spec_file(), overrides))
    if refused:
        raise ParameterError(
            f"A recipe cannot set {', '.join(refused)}: it sets neither files, hooks "
            "nor places, and no text that Rewebb does not know."
        )


def _find_refused(where: str, spec: Any, overrides: Parameters) -> Iterator[str]:
    _check_known(where, set(overrides) - {"steps"}, set(spec))
    for name in sorted(set(overrides) - {"steps"}):
        if not is_harmless(name, spec[name]):
            yield f"{where}.{name} ({spec[name].partition('(')[0]})"
    steps = overrides.get("steps", {})
    assert isinstance(steps, Mapping)
    of_steps = spec.get("steps", {})
    _check_known(f"{where} steps", set(steps), set(of_steps))
    for name, parameters in steps.items():
        assert isinstance(parameters, Mapping)
        yield from _find_refused(f"{where}.{name}", of_steps[name], parameters)


def is_harmless(name: str, spec: str) -> bool:
    """Return whether neither name nor type of a parameter allows a file or code."""
    return spec.partition("(")[0].strip() in _VALUES or name in _TEXTS


def _check_known(where: str, given: set[str], known: set[str]) -> None:
    if unknown := sorted(given - known):
        raise ParameterError(
            f"{where} has no {', '.join(unknown)}; it has {', '.join(sorted(known))}."
        )


def _prune(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _prune(value) if isinstance(value, Mapping) else value
        for name, value in sorted(parameters.items())
        if name not in PLUMBING
    }
