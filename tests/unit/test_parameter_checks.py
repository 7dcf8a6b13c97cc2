"""The rules for values of parameters are those of stpipe, whose validator is asked."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from configobj.validate import ValidateError, Validator
from hypothesis import given
from hypothesis import strategies as st
from installed_specs import get_installed_specs

from flows.planning.parameter_checks import explain_refusal
from flows.run import find_specs
from workers.calls import list_specs
from workers.contract import CodeSpecs, ErrorInfo, ParameterSpec, Stage, StepSpec
from workers.stages.pipelines import get_spec

VALUES: st.SearchStrategy[Any] = st.one_of(
    st.booleans(),
    st.integers(-3, 12),
    st.floats(-3, 12),
    st.sampled_from(
        [float("nan"), float("inf"), "1", "-1", "0.5", "1e3", "yes", "OFF"]
    ),
    st.sampled_from(["", "multi", "band", "None", "3 3", "ivm", "box", "drizzle"]),
    st.lists(
        st.one_of(st.integers(), st.floats(), st.just("2"), st.text()), max_size=3
    ),
)
"""Values of TOML."""


def walk(spec: Any, described: StepSpec) -> Iterator[tuple[str, ParameterSpec]]:
    """List each parameter: what stpipe says of it, and what is made of that."""
    for name, one in described.parameters.items():
        yield spec[name], one
    for name, step in described.steps.items():
        yield from walk(spec["steps"][name], step)


def list_checks() -> list[tuple[str, ParameterSpec]]:
    """List every parameter that can be set, each check once."""
    specs = get_installed_specs()
    pairs = [p for stage in Stage for p in walk(get_spec(stage), specs.stages[stage])]
    return list(
        {check: (check, one) for check, one in pairs if one.can_be_set}.values()
    )


def test_every_parameter_of_every_stage_is_listed() -> None:
    assert len(list_checks()) > 100
    for stage in Stage:
        listed = sum(
            1 for _ in walk(get_spec(stage), get_installed_specs().stages[stage])
        )
        assert listed == _count(get_spec(stage))


def _count(spec: Any) -> int:
    steps = spec.get("steps", {})
    return len(spec.scalars) + sum(_count(steps[name]) for name in steps)


@given(value=VALUES, chance=st.randoms())
def test_a_value_is_refused_if_stpipe_refuses_it(value: Any, chance: Any) -> None:
    """JSON, and so PostgreSQL, has no number that is not finite."""
    check, spec = chance.choice(list_checks())
    values = value if isinstance(value, list) else [value]
    is_finite = all(math.isfinite(one) for one in values if isinstance(one, float))
    try:
        Validator().check(check, value)
        is_refused = False
    except ValidateError:
        is_refused = True
    is_told = explain_refusal(spec, value) is not None
    assert is_told is (is_refused or not is_finite), check


@pytest.mark.parametrize(
    ("spec", "value", "said"),
    [
        (ParameterSpec("integer", 3, minimum=1), 0, "an integer of at least 1, got 0"),
        (
            ParameterSpec("integer", None, maximum=6),
            7,
            "an integer of at most 6, got 7",
        ),
        (
            ParameterSpec("float", 1, minimum=0, maximum=1),
            2,
            "a number from 0 to 1, got 2",
        ),
        (
            ParameterSpec("int_list", None, minimum=1, maximum=3),
            [],
            "a list of integers of 1 to 3 values, got []",
        ),
        (ParameterSpec("is_datamodel", None), "x", "is_datamodel, got 'x'"),
    ],
)
def test_what_is_allowed_is_told(spec: ParameterSpec, value: object, said: str) -> None:
    assert explain_refusal(spec, value) == f"expected {said}"


def test_what_may_name_a_file_cannot_be_set() -> None:
    spec = ParameterSpec("output_file", None, can_be_set=False)
    assert "a recipe cannot set it: output_file" in str(explain_refusal(spec, "x"))


def refuse() -> CodeSpecs:
    pytest.fail("a worker was asked again")


def test_what_was_listed_is_kept_and_no_worker_asked_again(tmp_path: Path) -> None:
    asked = find_specs(tmp_path, get_installed_specs, keep=True)
    assert find_specs(tmp_path, refuse) == asked == get_installed_specs()


def test_a_plan_keeps_nothing(tmp_path: Path) -> None:
    find_specs(tmp_path, get_installed_specs)
    assert list(tmp_path.iterdir()) == []


def test_what_is_damaged_is_asked_again(tmp_path: Path) -> None:
    find_specs(tmp_path, get_installed_specs, keep=True)
    [path] = tmp_path.glob("specs/*.json")
    whole = path.read_text()
    path.write_text(whole[:1000])
    assert find_specs(tmp_path, get_installed_specs, keep=True) == get_installed_specs()
    assert path.read_text() == whole


def test_where_there_is_no_room_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "specs").write_text("no folder")
    assert find_specs(tmp_path, get_installed_specs, keep=True) == get_installed_specs()


def test_workers_elsewhere_are_asked_each_time(tmp_path: Path) -> None:
    find_specs(tmp_path, get_installed_specs, keep=True)
    other = CodeSpecs({"jwst": "2.0.0"}, {})
    assert find_specs(tmp_path, lambda: other, is_foreign=True) == other


def test_a_worker_lists_them_in_a_child() -> None:
    answer = list_specs()
    assert not isinstance(answer, ErrorInfo)
    assert answer == get_installed_specs()
