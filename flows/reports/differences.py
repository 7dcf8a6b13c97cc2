"""How two jobs, with all that they were made of, or two runs differ, and why."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from workers.contract import Input, Job, Product
from workers.differences import Difference as ArrayDifference
from workers.differences import compare_files

from ..models.jobs import Content
from ..models.lineage import Lineage
from ..models.runs import Run
from ..planning import (
    Difference,
    list_changed_inputs,
    list_differences,
    list_renamed,
)
from ..provenance import Database

__all__ = [
    "JobDifference",
    "ProductDifference",
    "RunDifference",
    "Sameness",
    "compare_jobs",
    "compare_products",
    "compare_runs",
]


@dataclass(frozen=True, slots=True)
class JobDifference:
    """How a job differs from the one in its place."""

    key: str
    """``stage:name`` of the second."""
    fingerprints: tuple[str, str]
    """Of the first and the second."""
    differences: tuple[Difference, ...]
    """What a fingerprint takes in."""
    names: tuple[str, ...]
    """References of the same bytes that have another name, and the context."""


class Sameness(StrEnum):
    """How alike two products are."""

    IDENTICAL = "IDENTICAL"
    """Byte by byte."""
    SAME_CONTENT = "SAME_CONTENT"
    """Pixels and science metadata are equal; dates or paths are not."""
    SAME_PIXELS = "SAME_PIXELS"
    """Only metadata differ."""
    DIFFERENT = "DIFFERENT"
    """Pixels differ."""
    ONLY_FIRST = "ONLY_FIRST"
    """The second job made none of this name."""
    ONLY_SECOND = "ONLY_SECOND"
    """The first job made none of this name."""


@dataclass(frozen=True, slots=True)
class ProductDifference:
    """How alike two products of one name are."""

    name: str
    """Canonical file name."""
    sameness: Sameness
    """How alike they are."""
    arrays: tuple[ArrayDifference, ...] = ()
    """What differs, by extension; empty where it was not looked at."""
    why_not: str = ""
    """Why it was not looked at, where a file cannot be read."""

    @property
    def has_same_pixels(self) -> bool:
        """Whether both are there, and no pixel differs."""
        same = (Sameness.IDENTICAL, Sameness.SAME_CONTENT, Sameness.SAME_PIXELS)
        return self.sameness in same


@dataclass(frozen=True, slots=True)
class RunDifference:
    """How two runs differ."""

    settings: Mapping[str, tuple[str, str]]
    """Context, recipe, versions and what was asked for, where they differ."""
    recipe: tuple[str, ...]
    """Lines of a unified diff of the texts of the recipes."""
    same: tuple[str, ...]
    """Keys of jobs of one fingerprint."""
    only: tuple[tuple[str, ...], tuple[str, ...]]
    """Keys of jobs that only the first, and only the second have."""
    unknown: tuple[str, ...]
    """Keys of jobs that have no fingerprint, or no attempt, in one of the runs."""
    jobs: tuple[JobDifference, ...]
    """The others."""


def compare_jobs(
    database: Database, first: str, second: str
) -> tuple[JobDifference, ...]:
    """Compare two jobs, and the jobs that made what differs of what they read.

    The last ones are the causes: what they read themselves is the same, or unknown.

    Parameters
    ----------
    first, second
        Fingerprints.
    """
    before, after = (database.lineages.trace([one]) for one in (first, second))
    due, seen = [(first, second)], set[tuple[str, str]]()
    found: list[JobDifference] = []
    while due:
        pair = due.pop(0)
        if pair in seen or pair[0] == pair[1]:
            continue
        seen.add(pair)
        jobs = before.makings[pair[0]].job, after.makings[pair[1]].job
        found.append(_compare(database, *jobs))
        due += _find_makers(list_changed_inputs(*jobs), before, after)
    return tuple(found)


def _find_makers(
    changed: Iterator[tuple[Input, Input]], before: Lineage, after: Lineage
) -> Iterator[tuple[str, str]]:
    for old, new in changed:
        makers = before.makers.get(old.sha256), after.makers.get(new.sha256)
        if makers[0] is not None and makers[1] is not None:
            yield makers[0], makers[1]


def compare_products(
    before: Sequence[tuple[str, Product, Path]],
    after: Sequence[tuple[str, Product, Path]],
    *,
    reads: bool = True,
) -> tuple[ProductDifference, ...]:
    """Compare products of two jobs by their hashes, and read those that differ.

    Parameters
    ----------
    before, after
        Products, each with what it is paired by and where it is.
    reads
        Whether files are read where hashes differ.
    """
    first, second = (
        {key: (product, path) for key, product, path in each}
        for each in (before, after)
    )
    found: list[ProductDifference] = []
    for key in sorted({*first, *second}):
        one, other = first.get(key), second.get(key)
        sameness = _judge(one and one[0], other and other[0])
        difference = ProductDifference(key, sameness)
        if reads and one and other and sameness in _READ:
            difference = _read(difference, one[1], other[1])
        found.append(difference)
    return tuple(found)


def _read(found: ProductDifference, one: Path, other: Path) -> ProductDifference:
    try:
        return replace(found, arrays=compare_files(one, other))
    except OSError as error:
        return replace(found, why_not=str(error))


_READ = frozenset({Sameness.SAME_PIXELS, Sameness.DIFFERENT})


def compare_runs(database: Database, first: Run, second: Run) -> RunDifference:
    """Compare what two runs were asked for, and their jobs by stage and name."""
    before, after = (
        {job.key: job.fingerprint for job in database.runs.get_run_jobs(run.id)}
        for run in (first, second)
    )
    both = [key for key in before if key in after]
    same = [key for key in both if before[key] and before[key] == after[key]]
    changed = {
        key: (before[key] or "", after[key] or "") for key in both if key not in same
    }
    known = database.lineages.trace(
        [one for pair in changed.values() for one in pair], up=False
    ).makings
    pairs = {
        key: (known[pair[0]].job, known[pair[1]].job)
        for key, pair in changed.items()
        if pair[0] in known and pair[1] in known
    }
    return RunDifference(
        settings=_compare_settings(first, second),
        recipe=tuple(
            difflib.unified_diff(
                first.recipe_text.splitlines(),
                second.recipe_text.splitlines(),
                first.recipe_name,
                second.recipe_name,
                lineterm="",
                n=1,
            )
        ),
        same=tuple(same),
        only=(
            tuple(key for key in before if key not in after),
            tuple(key for key in after if key not in before),
        ),
        unknown=tuple(key for key in changed if key not in pairs),
        jobs=tuple(_compare(database, *pair) for pair in pairs.values()),
    )


def _compare_settings(first: Run, second: Run) -> dict[str, tuple[str, str]]:
    before, after = (
        {
            "context": run.context,
            "recipe": run.recipe_name,
            **{f"version of {name}": v for name, v in run.environment.items()},
            **{f"asked for {name}": str(v) for name, v in run.request.items()},
        }
        for run in (first, second)
    )
    return {
        name: pair
        for name in dict.fromkeys((*before, *after))
        for pair in [(before.get(name, "-"), after.get(name, "-"))]
        if pair[0] != pair[1]
    }


def _compare(database: Database, before: Job, after: Job) -> JobDifference:
    changed = [file for pair in list_changed_inputs(before, after) for file in pair]
    contents: Mapping[str, Content] = database.jobs.find_contents(changed)
    differences = tuple(list_differences(before, after, contents))
    names = [*list_renamed(before, after)]
    if before.context != after.context:
        names.append(f"context {before.context} -> {after.context}")
    return JobDifference(
        key=f"{after.stage}:{after.name}",
        fingerprints=(before.fingerprint, after.fingerprint),
        differences=differences,
        names=tuple(names),
    )


def _judge(first: Product | None, second: Product | None) -> Sameness:
    if first is None:
        return Sameness.ONLY_SECOND
    if second is None:
        return Sameness.ONLY_FIRST
    if first.sha256 == second.sha256:
        return Sameness.IDENTICAL
    if first.content_sha256 == second.content_sha256:
        return Sameness.SAME_CONTENT
    if first.pixels_sha256 and first.pixels_sha256 == second.pixels_sha256:
        return Sameness.SAME_PIXELS
    return Sameness.DIFFERENT
