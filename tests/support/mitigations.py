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
from workers.sample import Mode

__all__ = [
    "AS_BEFORE",
    "ELSEWHERE",
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
ELSEWHERE = frozenset({REAL_SOURCE, Mode.NIRSPEC_FS_PRISM})
"""Programs whose numbers other tests measure."""
AS_BEFORE = 0.1
"""How far numbers may be from those of the docs, relative to them."""
NOTHING = 1e-6
"""What counts as 0."""


def make_recipes(program: str) -> Mapping[int, str]:
    """Write the recipes of the runs of a program: 0 is the one without advice."""
    mended = [one for one in NUMBERS if one.program == program and one.is_mended]
    recipes = {0: f'title = "Without"\n{load_programs()[program]}'}
    for run in sorted({number.run for number in mended}):
        # Several issues may advise the same.
        of_run = dict.fromkeys(_list_advice(one for one in mended if one.run == run))
        advised = "\n".join(of_run)
        recipes[run] = f'title = "With"\nextends = "0.toml"\n{advised}\n'
    return recipes


def _list_advice(numbers: Iterable[Number]) -> Iterator[str]:
    issues = {issue.id: issue for issue in load_known_issues()}
    for one in numbers:
        lines = to_fragment_lines(issues[one.issue].mitigation[one.alternative - 1])
        yield one.recipe or "\n".join(lines)


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
