"""Sample programs with defects: what is measured, without advice and with it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from write_known_issues import Number, load_numbers, load_programs

from config.known_issues import load_known_issues
from flows.advice import to_fragment_lines
from workers.stages.measurements import measure

__all__ = ["NUMBERS", "make_recipes", "measure_number"]

NUMBERS = load_numbers()
"""What is measured."""


def make_recipes(program: str) -> Mapping[str, str]:
    """Write the recipes of a program: without advice, and with all that is tested."""
    advised = "\n".join(_list_advice(program))
    return {
        "before": f'title = "Without"\n{load_programs()[program]}',
        "after": f'title = "With"\nextends = "before.toml"\n{advised}\n',
    }


def _list_advice(program: str) -> Iterator[str]:
    issues = {issue.id: issue for issue in load_known_issues()}
    numbers = [number for number in NUMBERS if number.program == program]
    for issue, place in dict.fromkeys((one.issue, one.alternative) for one in numbers):
        yield from to_fragment_lines(issues[issue].mitigation[place - 1])


def measure_number(folder: Path, number: Number, part: str) -> float:
    """Measure a number in the first product that it is of."""
    path = min(folder.glob(number.product))
    wanted = number.measurement, part, number.unit
    found = {(one.name, one.part, one.unit): one for one in measure(path)}[wanted]
    assert found.value is not None, found.why
    return found.value
