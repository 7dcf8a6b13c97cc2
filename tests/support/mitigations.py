"""Sample programs with defects: what is measured, without advice and with it."""

import fnmatch
from collections.abc import Iterable, Iterator, Mapping

from write_known_issues import Number, load_numbers, load_programs

from config.known_issues import load_known_issues
from config.settings import Settings
from flows.advice import to_fragment_lines
from flows.factory import open_database
from flows.models.measurements import MeasuredProduct
from flows.reports import RunSummary

__all__ = [
    "AS_BEFORE",
    "NOTHING",
    "NUMBERS",
    "REAL_SOURCE",
    "find_measured",
    "find_number",
    "make_recipes",
]

NUMBERS = load_numbers()
"""What is measured."""
REAL_SOURCE = "1345_933"
"""What is a program where a number is measured on the nods of this source."""
AS_BEFORE = 0.1
"""How far numbers may be from those of the docs, relative to them."""
NOTHING = 1e-6
"""What counts as 0."""


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
    asked = {(one.issue, one.alternative): one.recipe for one in numbers}
    for (issue, place), recipe in asked.items():
        lines = to_fragment_lines(issues[issue].mitigation[place - 1])
        yield from [recipe] if recipe else lines


def find_measured(settings: Settings, summary: RunSummary) -> list[MeasuredProduct]:
    """Find what was measured in the products of a run."""
    keys = [job.fingerprint for job in summary.jobs if job.fingerprint]
    with open_database(settings) as database:
        return [*database.measurements.find(keys).values()]


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
