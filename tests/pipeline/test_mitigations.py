"""What known issues advise, on sample programs that show them: before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from mitigations import (
    AS_BEFORE,
    ELSEWHERE,
    NOTHING,
    NUMBERS,
    find_measured,
    find_number,
    make_recipes,
)
from processing import make_settings, process
from write_known_issues import Number, load_jobs, load_unmeasured

from flows.advice import AdviceState
from flows.models.measurements import MeasuredProduct
from flows.models.runs import RunState
from flows.run import Request
from workers.sample import Mode, SampleSet


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of a program told."""

    measured: Sequence[MeasuredProduct]
    """What its products gave."""
    issues: Mapping[str, Sequence[str]]
    """Ids of the issues that apply, by state."""


Runs = Mapping[int, Run]
"""Runs of a program: 0 without what issues advise, others with it."""


def _run_all(mode: Mode) -> object:
    """Make the fixture of a program that was processed without advice, and with it."""

    @pytest.fixture(scope="module", name=mode.name.lower())
    def give(sample: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Runs:
        folder = tmp_path_factory.mktemp(mode)
        settings = make_settings(sample, folder / "data", measure=True)
        runs = {}
        for number, text in make_recipes(mode).items():
            path = folder / f"{number}.toml"
            path.write_text(text)
            request = Request(
                mode.program, ("001",), recipe=str(path), jobs=load_jobs()[mode]
            )
            summary = process(settings, request)
            assert summary.state is RunState.SUCCEEDED
            runs[number] = Run(find_measured(settings, summary), summary.issues)
        return runs

    return give


nirspec_ifu_flawed = _run_all(Mode.NIRSPEC_IFU_FLAWED)
nirspec_bots_flawed = _run_all(Mode.NIRSPEC_BOTS_FLAWED)
nirspec_bots_nrs2_flawed = _run_all(Mode.NIRSPEC_BOTS_NRS2_FLAWED)
miri_mrs_flawed = _run_all(Mode.MIRI_MRS_FLAWED)
nirspec_mos_flawed = _run_all(Mode.NIRSPEC_MOS_FLAWED)


def _list(*, is_mended: bool) -> list[object]:
    """List numbers of the programs; what takes minutes is left to SLOW."""
    return [
        pytest.param(
            number,
            marks=()
            if number.program == Mode.NIRSPEC_BOTS_FLAWED
            else pytest.mark.slow,
            id=f"{number.issue}-{number.alternative}",
        )
        for number in NUMBERS
        if number.program not in ELSEWHERE and number.is_mended is is_mended
    ]


def _find_runs(request: pytest.FixtureRequest, number: Number) -> Runs:
    runs: Runs = request.getfixturevalue(Mode(number.program).name.lower())
    return runs


@pytest.mark.parametrize("number", _list(is_mended=True))
def test_what_an_issue_advises_improves_what_shows_it(
    request: pytest.FixtureRequest, number: Number
) -> None:
    runs = _find_runs(request, number)
    assert number.after is not None
    assert number.factor is not None
    before, after = (
        find_number(runs[run].measured, number, part)
        for run, part in zip((0, number.run), number.parts, strict=True)
    )
    ideal = number.value.ideal
    left, was = abs(after - ideal), abs(before - ideal)
    assert was > number.factor * left
    told = (number.before, number.after)
    assert (before, after) == pytest.approx(told, rel=AS_BEFORE, abs=NOTHING)


@pytest.mark.parametrize("number", _list(is_mended=False))
def test_what_no_recipe_mends_is_there_and_told_of(
    request: pytest.FixtureRequest, number: Number
) -> None:
    runs = _find_runs(request, number)
    found = find_number(runs[0].measured, number, number.parts[0])
    ideal = number.value.ideal
    assert found - ideal == pytest.approx(number.before - ideal, rel=AS_BEFORE)
    for run in runs.values():
        [state] = [state for state, ids in run.issues.items() if number.issue in ids]
        assert state != AdviceState.MITIGATED


@pytest.mark.slow
def test_light_that_nothing_explains_is_in_the_slitlet_that_a_short_lights_alone(
    nirspec_mos_flawed: Runs,
) -> None:
    """Slit 2 is not measured: its source is extended."""
    lit = []
    for run in nirspec_mos_flawed.values():
        [cal] = [one for one in run.measured if one.product.endswith("_cal.fits")]
        found = {
            one.part: one.value
            for one in cal.numbers
            if one.name == "unexpected-light" and one.unit == "1"
        }
        assert found.keys() == {"slit 1", "slit 3", "slit 4"}
        lit.append([part for part, value in found.items() if value and value > 5])
    assert lit == [["slit 4"], []]


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "issue"), load_unmeasured())
def test_what_nothing_mends_and_no_number_tells_of_is_told_of(
    request: pytest.FixtureRequest, mode: str, issue: str
) -> None:
    runs: Runs = request.getfixturevalue(Mode(mode).name.lower())
    for run in runs.values():
        assert issue in run.issues[AdviceState.NOTHING_TO_DO]
