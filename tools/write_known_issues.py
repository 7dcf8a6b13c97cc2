"""Writes the page of known issues for users, of their files and of what is measured.

    python tools/write_known_issues.py

Tests compare the page with what this makes, and the numbers with what they measure.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from config.known_issues import (
    Fragment,
    IssueStatus,
    KnownIssue,
    load_known_issues,
)
from config.measurements import MeasuredValue, list_measurements
from flows.advice import to_fragment_lines

__all__ = [
    "PAGE",
    "REASONS",
    "Number",
    "find_reason",
    "load_jobs",
    "load_numbers",
    "load_programs",
    "load_unmeasured",
    "make_page",
]

NUMBERS = Path(__file__).parents[1] / "tests" / "data" / "mitigations.toml"

PAGE = Path(__file__).parents[1] / "docs" / "user" / "known-issues.md"

MODES = ("NIRSpec IFU", "NIRSpec MOS", "NIRSpec BOTS", "MIRI MRS")

HEAD = """\
# Known issues

The published known-issues pages as data, one row or paragraph of advice each
(`config/known_issues/*.toml`). `rewebb advise PROGRAM` says which of them apply to a
program, and `rewebb issues show ID` prints one in full: see
[advice on known issues](advice.md).

This page is made from the files by `tools/write_known_issues.py`. *Status* is `open`,
`resolved` (by a version or a context), or `advice`: a choice, or a limit to know of.
*Versions* are those of `jwst` that have the issue. *Recipe* is what mitigates it; where
several things do, the first is recommended. *Measured* is what a
[measurement](measurements.md) gives without and with it in a
[sample program](sample.md) that has the defect (NS-MOS02: on the nods of a real source
whose errors were lost, NS-MOS07: on the same nods, with a bright source
put into them; NS-BOTS05: on the nods of a fixed slit with the false absorption
put into its lower half), as a test finds it again. One number alone is that of a defect
that nothing in a recipe mends. Where there is none, it has one of four reasons:

{reasons}
"""

REASONS = {
    "resolved": "the pipeline of today, or a context of today, does not have the issue",
    "by hand": "what to do about it no recipe says, as `rewebb advise` tells",
    "nothing mends it": "nothing is known that does, as `rewebb advise` tells",
    "a choice": "what the recipe says depends on the science, and mends no defect",
}
"""Why there is no number of an issue."""


@dataclass(frozen=True, slots=True)
class Number:
    """What a sample program shows without what an issue advises, and with it."""

    issue: str
    """Id of the issue."""
    alternative: int
    """Which of its mitigations, counted from 1; 0 where it has none."""
    program: str
    """The mode of the sample program, or the real source that it is measured on."""
    product: str
    """Pattern of the files, of which the first is measured."""
    measurement: str
    """Name of the measurement, or of what a test takes by itself."""
    parts: tuple[str, str]
    """Of what in the file: before and after."""
    unit: str
    """Which of its numbers."""
    before: float
    """Without."""
    after: float | None = None
    """With it; None where nothing mends the issue."""
    factor: float | None = None
    """How many times nearer to the ideal it must come at least; likewise."""
    run: int = 1
    """Which of the runs with advice: what does not go together has runs of its own."""
    recipe: str = ""
    """The mitigation with the values of the program, where its own are examples."""

    @property
    def is_mended(self) -> bool:
        """Whether something in a recipe mends the issue."""
        return self.alternative > 0

    @property
    def value(self) -> MeasuredValue:
        """What the registry says of it; what a test takes by itself is ideally 0."""
        kind = list_measurements().get(self.measurement)
        own = MeasuredValue(unit=self.unit, ideal=0)
        return next(v for v in kind.values if v.unit == self.unit) if kind else own


def load_numbers() -> tuple[Number, ...]:
    """Load what is measured."""
    listed = _load()["numbers"]
    return tuple(Number(**{**one, "parts": tuple(one["parts"])}) for one in listed)


def load_programs() -> Mapping[str, str]:
    """Load what recipes say without advice, by the mode of the sample program."""
    return {each["mode"]: each["before"] for each in _load()["programs"]}


def load_jobs() -> Mapping[str, tuple[str, ...]]:
    """Load the jobs that are wanted, by the mode of the program; none means all."""
    return {each["mode"]: tuple(each.get("jobs", ())) for each in _load()["programs"]}


def load_unmeasured() -> tuple[tuple[str, str], ...]:
    """Load what programs show that has no number: their modes, and ids of issues."""
    programs = _load()["programs"]
    return tuple((p["mode"], one) for p in programs for one in p.get("shows", ()))


def _load() -> dict[str, Any]:
    return tomllib.loads(NUMBERS.read_text())


def find_reason(issue: KnownIssue) -> str | None:
    """Find why there is no number of an issue; None where there should be one."""
    if issue.status is IssueStatus.RESOLVED:
        return "resolved"
    if issue.mitigation:
        return "a choice" if issue.status is IssueStatus.ADVICE else None
    return "by hand" if issue.by_hand else "nothing mends it"


def make_page() -> str:
    """Make the page: a table for each mode."""
    issues = sorted(load_known_issues(), key=_find_place)
    measured = {number.issue for number in load_numbers()}
    left = [find_reason(issue) for issue in issues if issue.id not in measured]
    reasons = (
        f"- *{reason}* ({left.count(reason)} issues): {meaning}"
        for reason, meaning in REASONS.items()
    )
    lines = [HEAD.format(reasons=";\n".join(reasons) + ".")]
    for mode, of_mode in groupby(issues, key=lambda issue: issue.mode):
        listed = [*of_mode]
        lines += [f"## {mode}", "", f"[The page of STScI]({listed[0].link})", ""]
        lines += ["| issue | | status | versions | recipe | measured |"]
        lines += ["|---|---|---|---|---|---|"]
        lines += [*map(_to_row, listed), ""]
    return "\n".join(lines)


def _find_place(issue: KnownIssue) -> tuple[int, bool, str]:
    """Order by mode; the numbered rows of the page come before its paragraphs."""
    return MODES.index(issue.mode), not issue.id[-1].isdigit(), issue.id


def _to_row(issue: KnownIssue) -> str:
    recipe = "<br>or ".join(map(_to_cell, issue.mitigation))
    cells = (
        *(
            issue.id,
            issue.title,
            issue.status,
            ", ".join(_list_versions(issue)) or "all",
        ),
        *(recipe or ("by hand" if issue.by_hand else "-"), _tell_numbers(issue)),
    )
    return f"| {' | '.join(cells)} |"


def _tell_numbers(issue: KnownIssue) -> str:
    """Tell what is measured of an issue, and of which alternative if there are some."""
    numbers = [number for number in load_numbers() if number.issue == issue.id]
    if not numbers:
        return f"*{find_reason(issue)}*"
    return "<br>".join(_tell(number, len(issue.mitigation)) for number in numbers)


def _tell(number: Number, alternatives: int) -> str:
    unit = "" if number.unit == "1" else f" {number.unit}"
    which = f" (alternative {number.alternative})" if alternatives > 1 else ""
    change = "" if number.after is None else f" to {number.after:.3g}"
    return f"{number.measurement} {number.before:.3g}{change}{unit}{which}"


def _list_versions(issue: KnownIssue) -> Iterator[str]:
    versions, before = issue.versions, issue.contexts.holds_before
    if versions.holds:
        yield f"`{versions.holds}`"
    if versions.fixed_with:
        yield f"`<{versions.fixed_in}`, or without a `{versions.fixed_with}` reference"
    if before:
        yield f"contexts before `{before}`"


def _to_cell(fragment: Fragment) -> str:
    """Give the lines of a fragment, without those that only say of what they are."""
    since = f" (jwst `{fragment.jwst}`)" if fragment.jwst else ""
    skipped = ("[", "exp_types", "match", "sha256")
    lines = [one for one in to_fragment_lines(fragment) if not one.startswith(skipped)]
    return ", ".join(f"`{line}`" for line in lines if line) + since


if __name__ == "__main__":
    PAGE.write_text(make_page())
