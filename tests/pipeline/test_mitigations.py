"""What known issues advise, on sample programs that show them: before and after."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from mitigations import (
    AS_BEFORE,
    NOTHING,
    NUMBERS,
    REAL_SOURCE,
    find_measured,
    find_number,
    make_recipes,
)
from processing import make_settings, process
from write_known_issues import Number

from config.measurements import list_measurements
from flows.models.measurements import MeasuredProduct
from flows.models.runs import RunState
from flows.run import Request
from workers.sample import Mode, SampleSet


@dataclass(frozen=True, slots=True)
class Runs:
    """What the products of two runs of a program gave."""

    before: Sequence[MeasuredProduct]
    """Without what issues advise."""
    after: Sequence[MeasuredProduct]
    """With it."""


def _run_twice(mode: Mode) -> object:
    """Make the fixture of a program that was processed without advice, and with it."""

    @pytest.fixture(scope="module", name=mode.name.lower())
    def give(sample: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Runs:
        folder = tmp_path_factory.mktemp(mode)
        settings = make_settings(sample, folder / "data", measure=True)
        found = []
        for name, text in make_recipes(mode).items():
            path = folder / f"{name}.toml"
            path.write_text(text)
            summary = process(settings, Request(mode.program, recipe=str(path)))
            assert summary.state is RunState.SUCCEEDED
            found.append(find_measured(settings, summary))
        return Runs(*found)

    return give


nirspec_ifu_flawed = _run_twice(Mode.NIRSPEC_IFU_FLAWED)
nirspec_bots_flawed = _run_twice(Mode.NIRSPEC_BOTS_FLAWED)
miri_mrs_flawed = _run_twice(Mode.MIRI_MRS_FLAWED)
nirspec_mos_flawed = _run_twice(Mode.NIRSPEC_MOS_FLAWED)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(
            number,
            marks=()
            if number.program == Mode.NIRSPEC_BOTS_FLAWED
            else pytest.mark.slow,
            id=f"{number.issue}-{number.alternative}",
        )
        for number in NUMBERS
        if number.program != REAL_SOURCE
    ],
)
def test_what_an_issue_advises_improves_what_shows_it(
    request: pytest.FixtureRequest, number: Number
) -> None:
    fixture = Mode(number.program).name.lower()
    runs: Runs = request.getfixturevalue(fixture)
    measured = zip((runs.before, runs.after), number.parts, strict=True)
    before, after = (find_number(each, number, part) for each, part in measured)
    (value,) = [
        value
        for value in list_measurements()[number.measurement].values
        if value.unit == number.unit
    ]
    left, was = abs(after - value.ideal), abs(before - value.ideal)
    assert was > number.factor * left
    told = (number.before, number.after)
    assert (before, after) == pytest.approx(told, rel=AS_BEFORE, abs=NOTHING)
