"""Which parameters the pipelines have, and what they accept, as stpipe declares it."""

from collections.abc import Mapping
from typing import Any

from configobj.validate import Validator

from ..contract import CodeSpecs, ParameterSpec, Stage, StepSpec
from ..versions import calibration_versions
from .pipelines import get_spec, is_harmless

__all__ = ["list_specs"]


def list_specs() -> CodeSpecs:
    """List the parameters of the pipelines of all stages, and of their steps."""
    stages = {stage: _describe_step(get_spec(stage)) for stage in Stage}
    return CodeSpecs(calibration_versions(), stages)


def _describe_step(spec: Mapping[str, Any]) -> StepSpec:
    return StepSpec(
        parameters={
            name: _describe(name, check)
            for name, check in spec.items()
            if isinstance(check, str)
        },
        steps={n: _describe_step(step) for n, step in spec.get("steps", {}).items()},
    )


def _describe(name: str, check: str) -> ParameterSpec:
    kind = check.partition("(")[0].strip()
    # A validator hands the arguments of a check to the function of its name.
    options, span = Validator({kind: _give_arguments}).check(check, "")
    return ParameterSpec(
        kind=kind,
        default=_find_default(check),
        options=options if kind == "option" else (),
        minimum=_to_number(span.get("min")),
        maximum=_to_number(span.get("max")),
        can_be_set=is_harmless(name, check),
    )


def _give_arguments(
    _: object, *options: str, **span: str
) -> tuple[tuple[str, ...], Mapping[str, str]]:
    return options, span


def _find_default(check: str) -> Any:
    """Return the default of a check, as it is written; None without one."""
    kind = check.partition("(")[0].strip()
    validator = Validator({kind: lambda value, *_, **__: value})
    try:
        return validator.get_default_value(check)
    except KeyError:
        return None


def _to_number(text: str | None) -> float | None:
    return None if text is None else float(text)
