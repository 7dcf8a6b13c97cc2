"""Sample programs with defects: what is measured, without advice and with it."""

import fnmatch
from collections.abc import Iterable, Iterator, Mapping

from write_known_issues import Number, load_numbers, load_programs

from config.known_issues import load_known_issues
from flows.advice import to_fragment_lines
from flows.models.measurements import MeasuredProduct

__all__ = ["NUMBERS", "find_number", "make_recipes"]

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


def find_number(
    measured: Iterable[MeasuredProduct], number: Number, part: str
) -> float:
    """Find a number that the first product gave which it is of."""
    by_name = {each.product: each for each in measured}
    first = by_name[min(fnmatch.filter(by_name, number.product))]
    wanted = number.measurement, part, number.unit
    found = {(one.name, one.part, one.unit): one for one in first.numbers}[wanted]
    assert found.value is not None, found.why
    return found.value
