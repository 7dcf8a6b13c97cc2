"""What it costs to pin what jobs may use of a processor: a plain script, both ways.

    python tests/benchmarks/pins.py [SAMPLE_FOLDER]

Both ways take turns, twice each, and CPU time is compared. Nothing is asserted: on a
machine without AVX-512 both may be the same code.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import plain_script
from chain import Calls, open_sample
from processing import make_request, make_settings, process
from rich.console import Console
from rich.table import Table

from workers.sample import Mode, SampleSet

MODES = (Mode.NIRSPEC_BOTS_PRISM, Mode.NIRSPEC_IFU_PRISM)
ROUNDS = 2


def run(calls: Calls, sample: SampleSet, *, is_pinned: bool) -> float:
    """Run the script to its end, and give its CPU time."""
    before = os.times()
    script = plain_script.start(
        calls.list,
        calls.folder,
        crds_path=sample.crds,
        context=sample.contexts[0],
        is_pinned=is_pinned,
    )
    if script.wait() != 0:
        sys.exit(f"The plain script failed: see {calls.folder}/script.log.")
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def measure(sample: SampleSet, mode: Mode, folder: Path) -> tuple[float, float]:
    """Return the smaller CPU time of each way."""
    calls = Calls(folder / "plain", mode.recipe)
    settings = make_settings(sample, folder / "data")
    process(settings, make_request(mode), on_planned=calls.take)
    taken = [
        [run(calls, sample, is_pinned=way) for way in (True, False)]
        for _ in range(ROUNDS)
    ]
    pinned, free = zip(*taken, strict=True)
    return min(pinned), min(free)


def iterate_rows(sample: SampleSet, folder: Path) -> Iterator[tuple[str, ...]]:
    """Return a row for each program."""
    for mode in MODES:
        pinned_s, free_s = measure(sample, mode, folder / mode)
        ratio = pinned_s / free_s
        yield str(mode), f"{pinned_s:.1f} s", f"{free_s:.1f} s", f"{ratio:.2f}"


def main() -> None:
    """Measure and print the table."""
    table = Table(title="CPU time of a plain script, pinned to x86-64-v3 and not")
    for name in ("program", "pinned", "not", "ratio"):
        table.add_column(name, justify="left" if name == "program" else "right")
    with open_sample() as (sample, folder):
        for row in iterate_rows(sample, folder):
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
