"""A recipe against the parameters that the calibration code has."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from configobj.validate import ValidateError, Validator

from config.recipe import Recipe
from workers.contract import CodeSpecs, ParameterSpec, Stage, StepSpec

from ..associations import EXPOSURE_TYPES

__all__ = ["explain_refusal", "find_problems", "suggest"]

_CHECKS: Final[Mapping[str, Callable[..., object]]] = Validator().functions
"""Checks of the validator of stpipe, by type."""


def find_problems(recipe: Recipe, specs: CodeSpecs) -> tuple[str, ...]:
    """Find what of a recipe the calibration code would refuse, or never look at."""
    problems = []
    version = specs.versions["jwst"]
    if not recipe.jwst.has(version):
        problems.append(
            f"it is for {recipe.jwst.describe()}, and workers have {version}"
        )
    for number, given in enumerate(recipe.parameters, 1):
        found = [
            *_check_exp_types((*given.exp_types, *given.match.exp_type)),
            *_check(
                given.stage,
                {**given.pipeline, "steps": given.steps},
                specs.stages[Stage(given.stage)],
                specs.stages,
            ),
        ]
        problems += [f"{recipe.describe_set(number)}: {problem}" for problem in found]
    return tuple(problems)


def _check_exp_types(given: Iterable[str]) -> Iterator[str]:
    """Find the EXP_TYPEs that JWST does not have; patterns are left to the program."""
    known = [name.upper() for name in EXPOSURE_TYPES]
    for name in given:
        if not set("*?[") & set(name) and name.upper() not in known:
            yield f"there is no EXP_TYPE {name}{suggest(name, known)}"


def _check(
    where: str,
    given: Mapping[str, Any],
    spec: StepSpec,
    stages: Mapping[Stage, StepSpec],
) -> Iterator[str]:
    """Check what is set of a pipeline or step, and below ``steps`` of its steps."""
    for name, value in given.items():
        if name == "steps":
            continue
        if name not in spec.parameters:
            yield f"{where} has no parameter `{name}`{_suggest_parameter(name, spec)}"
        elif refusal := explain_refusal(spec.parameters[name], value):
            yield f"{name} of {where}: {refusal}"
    for name, parameters in given.get("steps", {}).items():
        if name not in spec.steps:
            yield f"{where} has no step `{name}`{_suggest_step(name, spec, stages)}"
        else:
            yield from _check(f"{where}.{name}", parameters, spec.steps[name], stages)


def _suggest_parameter(name: str, spec: StepSpec) -> str:
    having = [step for step, one in spec.steps.items() if name in one.parameters]
    if having:
        return f" (a step has: `steps.{having[0]}.{name}`)"
    known = [name for name, one in spec.parameters.items() if one.can_be_set]
    return suggest(name, known) or f"; it has {', '.join(sorted(known))}"


def _suggest_step(name: str, spec: StepSpec, stages: Mapping[Stage, StepSpec]) -> str:
    having = [stage for stage, one in stages.items() if name in one.steps]
    if having:
        return f", but {' and '.join(having)} {'has' if len(having) == 1 else 'have'}"
    return suggest(name, spec.steps) or f"; it has {', '.join(spec.steps)}"


def suggest(given: str, known: Iterable[str]) -> str:
    """Name what is nearest to a word that is unknown, whatever the case."""
    by_folded = {word.casefold(): word for word in known}
    close = get_close_matches(given.casefold(), by_folded, n=1)
    return f" (did you mean `{by_folded[close[0]]}`?)" if close else ""


def explain_refusal(spec: ParameterSpec, value: object) -> str | None:
    """Explain why a parameter does not accept a value; None if it does."""
    if not spec.can_be_set:
        return f"a recipe cannot set it: {spec.kind} may name a file, a place or code"
    values = value if isinstance(value, list) else [value]
    if any(isinstance(one, float) and not math.isfinite(one) for one in values):
        return f"expected what is finite, got {value!r}"
    if _accepts(spec, value):
        return None
    if spec.kind == "option":
        expected = f"one of {', '.join(spec.options)}"
        hint = suggest(str(value), spec.options)
    else:
        expected, hint = f"{_NAMES.get(spec.kind, spec.kind)}{_tell_span(spec)}", ""
    return f"expected {expected}, got {value!r}{hint}"


def _tell_span(spec: ParameterSpec) -> str:
    what = " values" if spec.kind.endswith("list") else ""
    first, last = spec.minimum, spec.maximum
    if first is not None and last is not None:
        span = f"{first:g}" if first == last else f"{first:g} to {last:g}"
        return f" of {span}{what}" if what else f" from {span}"
    if first is not None:
        return f" of at least {first:g}{what}"
    return f" of at most {last:g}{what}" if last is not None else ""


def _accepts(spec: ParameterSpec, value: object) -> bool:
    check = _CHECKS.get(spec.kind)
    if check is None:
        return False
    span = {"min": spec.minimum, "max": spec.maximum}
    given = {name: limit for name, limit in span.items() if limit is not None}
    try:
        check(value, *spec.options, **given)
    except ValidateError:
        return False
    return True


_NAMES: Final[Mapping[str, str]] = {
    "boolean": "true or false",
    "integer": "an integer",
    "float": "a number",
    "string": "a text",
    "list": "a list",
    "int_list": "a list of integers",
    "float_list": "a list of numbers",
    "string_list": "a list of texts",
    "force_list": "a value or a list",
}
"""What they are called."""
