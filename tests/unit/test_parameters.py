"""Which parameters of the installed jwst a recipe can set, and how pars files apply."""

from collections.abc import Iterator
from typing import Any

import pytest

from config.recipe import _FORBIDDEN
from workers.contract import Parameters, Stage
from workers.errors import ParameterError
from workers.stages.pipelines import _PIPELINES, _VALUES, _check_names, is_harmless

FILES = {"input_file", "output_file", "is_string_or_datamodel", "is_datamodel"}


def walk(spec: Any, *where: str) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """List every parameter of a pipeline: its steps, its name and what stpipe says."""
    for name in spec.scalars:
        yield where, name, spec[name]
    for step in spec.get("steps", {}):
        yield from walk(spec["steps"][step], *where, step)


def list_parameters(stage: Stage) -> list[tuple[tuple[str, ...], str, str]]:
    return list(walk(_PIPELINES[stage].load_spec_file()))


def set_one(where: tuple[str, ...], name: str) -> Parameters:
    overrides: dict[str, Any] = {name: "x"}
    for step in reversed(where):
        overrides = {"steps": {step: overrides}}
    return overrides


def kind_of(spec: str) -> str:
    return spec.partition("(")[0].strip()


@pytest.mark.parametrize("stage", Stage)
def test_no_parameter_of_any_step_that_takes_a_file_can_be_set(stage: Stage) -> None:
    found = list_parameters(stage)
    refused = [(where, name) for where, name, spec in found if kind_of(spec) in FILES]
    assert len(refused) > 20
    for where, name in refused:
        with pytest.raises(ParameterError, match=f"{name}.*neither files"):
            _check_names(_PIPELINES[stage], set_one(where, name))


@pytest.mark.parametrize("name", ["pre_hooks", "post_hooks", "bkg_list"])
def test_hooks_and_lists_of_files_cannot_be_set(name: str) -> None:
    with pytest.raises(ParameterError, match=name):
        _check_names(_PIPELINES[Stage.SPEC2], set_one(("bkg_subtract",), name))


def test_texts_and_lists_are_known_to_be_harmless_or_are_refused() -> None:
    """One that a new jwst adds is refused, until somebody has looked at it."""
    found = {
        (name, kind_of(spec))
        for stage in Stage
        for _, name, spec in list_parameters(stage)
        if kind_of(spec) not in _VALUES | FILES
    }
    harmless = {name for name, kind in found if is_harmless(name, f"{kind}()")}
    assert {kind for _, kind in found} == {"string", "list", "force_list"}
    assert {name for name, _ in found if not _FORBIDDEN.fullmatch(name)} == harmless
    assert not is_harmless("a_new_one", "string(default=None)")


def test_values_can_be_set() -> None:
    steps = {"extract_1d": {"soss_rtol": 0.1}, "cube_build": {"output_type": "multi"}}
    _check_names(_PIPELINES[Stage.SPEC2], {"steps": steps})
