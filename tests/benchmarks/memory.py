"""What memory jobs took, what they were estimated to take, and the line that fits.

    python tests/benchmarks/memory.py DATA_FOLDER...

Reads the attempts that succeeded. The line of a stage and EXP_TYPE goes through the
largest peaks: its slope is fitted where jobs read different amounts, else that of
``config/memory.toml`` is kept; its base lies so high that every estimate is `MARGIN`
over its peak. What is printed last is what a table of memory.toml should say.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from flows.provenance.outcomes import find_outcomes, load_outcome
from workers.contract import METAFILE, Outcome, Stage, Status
from workers.memory import estimate_bytes

MARGIN = 1.25
"""What an estimate is over a peak, at least."""

SPREAD = 1.5
"""How far apart the largest and the smallest input must be for a slope."""

FLOOR_BYTES = 0.3e9
"""What a process holds that has imported everything and read nothing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One attempt."""

    stage: Stage
    exp_type: str
    input_bytes: int
    peak_bytes: int

    @property
    def estimated_bytes(self) -> int:
        """What is estimated now."""
        return estimate_bytes(
            self.stage, exp_type=self.exp_type, input_bytes=self.input_bytes
        )


def measure(folder: Path) -> Iterator[Measured]:
    """Read what the jobs of a data folder took."""
    for path in find_outcomes(folder):
        outcome = load_outcome(path)
        if outcome.status is Status.SUCCEEDED and outcome.usage.peak_bytes:
            job = outcome.job
            peak_bytes = outcome.usage.peak_bytes
            yield Measured(job.stage, job.exp_type, count_bytes(outcome), peak_bytes)


def count_bytes(outcome: Outcome) -> int:
    """Count what a job read, as the plan does."""
    read = (file for file in outcome.job.inputs if file.exptype != METAFILE)
    return sum(Path(file.path).stat().st_size for file in read)


def fit(measured: Sequence[Measured]) -> tuple[float, float]:
    """Fit base and slope, margin included."""
    sizes = np.array([one.input_bytes for one in measured], float)
    peaks = MARGIN * np.array([one.peak_bytes for one in measured])
    slope = find_slope(measured[0])
    if sizes.max() > SPREAD * sizes.min():
        slope = max(0.0, float(np.polyfit(sizes, peaks, 1)[0]))
    return max(MARGIN * FLOOR_BYTES, float((peaks - slope * sizes).max())), slope


def find_slope(one: Measured) -> float:
    """Find the slope that is estimated with now."""
    size_bytes = 10**9
    low, high = (
        estimate_bytes(one.stage, exp_type=one.exp_type, input_bytes=n * size_bytes)
        for n in (1, 2)
    )
    return (high - low) / size_bytes


def group(measured: Iterable[Measured]) -> Mapping[tuple[Stage, str], list[Measured]]:
    """Group attempts by stage and EXP_TYPE."""
    groups: dict[tuple[Stage, str], list[Measured]] = defaultdict(list)
    for one in sorted(measured, key=lambda one: (one.stage, one.exp_type)):
        groups[one.stage, one.exp_type].append(one)
    return groups


def make_table(groups: Mapping[tuple[Stage, str], list[Measured]]) -> Table:
    """Make a row a stage and EXP_TYPE."""
    table = Table(title=f"Memory of jobs; fitted with {MARGIN - 1:.0%} of margin")
    for name in ("job", "n", "input MB", "peak GB", "estimate / peak", "fitted"):
        table.add_column(name, justify="left" if name == "job" else "right")
    for (stage, exp_type), measured in groups.items():
        base_bytes, slope = fit(measured)
        ratios = [one.estimated_bytes / one.peak_bytes for one in measured]
        table.add_row(
            f"{stage}.{exp_type}",
            str(len(measured)),
            tell([one.input_bytes / 1e6 for one in measured], ".1f"),
            tell([one.peak_bytes / 1e9 for one in measured], ".2f"),
            tell(ratios, ".2f"),
            f"{base_bytes / 1e9:.2f}e9 + {slope:.1f}",
        )
    return table


def tell(values: Sequence[float], form: str) -> str:
    """Return the range of values."""
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def main() -> None:
    """Print the table of all data folders that are named."""
    folders = [Path(name) for name in sys.argv[1:]]
    measured = [one for folder in folders for one in measure(folder)]
    Console(width=120).print(make_table(group(measured)))


if __name__ == "__main__":
    main()
