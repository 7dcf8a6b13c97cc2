"""What it saves to do once what spec2 repeats for members: Rewebb beside plain calls.

    python tests/benchmarks/repeated_steps.py [SAMPLE_FOLDER]

Four nods of the NIRSpec IFU are each other's background, with `badpix_selfcal` and
`clean_flicker_noise`. Both ways make the same products of the same rates; what is
compared is how often each step did its work, how long both took by the logs, and the
CPU time of spec2. Nothing is asserted: the gain grows with the number of nods.
"""

import os
import re
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from chain import Calls, open_sample, run_plain
from processed import find_outcomes
from processing import make_settings, process
from rich.console import Console
from rich.table import Table

from flows.run import Request
from workers.contract import Stage
from workers.sample import Mode, SampleSet

MODE = Mode.NIRSPEC_IFU_NOD
RECIPE = """
title = "Bad pixels and 1/f noise of all nods"
[products]
exposure_cubes = "needed"
[[parameters]]
stage = "spec2"
exp_types = ["NRS_IFU"]
steps.badpix_selfcal.skip = false
steps.clean_flicker_noise.skip = false
"""
WORK = {
    "images cleaned": "Cleaning image",
    "searches for bad pixels": "new bad pixels flagged",
}
"""What logs say when a step has done its work."""
TAKEN = "were found by another job"
"""What a log says of a search that was not made."""
STEP = re.compile(
    r"(?P<at>\S+ [\d:,]+) .*Step (badpix_selfcal|clean_flicker_noise) "
    r"(?P<what>running|done)"
)
"""A line in which a step begins or ends, with its time."""


def clock_steps(log: str) -> float:
    """Add up the wall time of both steps by the lines in which they begin and end."""
    taken_s = 0.0
    for line in log.splitlines():
        if found := STEP.match(line):
            at = datetime.fromisoformat(found["at"].replace(",", "."))
            if found["what"] == "running":
                begun = at
            else:
                taken_s += (at - begun).total_seconds()
    return taken_s


def measure(
    sample: SampleSet, folder: Path
) -> tuple[tuple[float, str], tuple[float, str]]:
    """Return CPU time and logs of spec2, through Rewebb and by plain calls."""
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    settings = make_settings(sample, folder / "data")
    calls = Calls(folder / "plain", str(recipe))
    request = Request(MODE.program, recipe=str(recipe))
    summary = process(settings, request, on_planned=calls.take)
    made = settings.data_dir / summary.folder
    for rate in made.glob("*_rate.fits"):
        os.link(rate, calls.folder / rate.name)
    calls.list = [call for call in calls.list if call.pipeline == "Spec2Pipeline"]
    before = os.times()
    run_plain(calls, sample)
    after = os.times()
    plain_s = sum(after[2:4]) - sum(before[2:4])
    spec2 = [
        one
        for one in find_outcomes(settings.data_dir).values()
        if one.job.stage is Stage.SPEC2
    ]
    logs = [(settings.data_dir / one.folder / "job.log").read_text() for one in spec2]
    ours = sum(one.usage.cpu_s for one in spec2), "".join(logs)
    return ours, (plain_s, (calls.folder / "script.log").read_text())


def main() -> None:
    """Measure and print the table."""
    table = Table(title=f"spec2 of four nods ({MODE}), steps on members done once")
    for name in ("", "Rewebb", "plain", "ratio"):
        table.add_column(name, justify="right" if name else "left")
    with open_sample() as (sample, folder):
        (ours_s, ours), (plain_s, plain) = measure(sample, folder)
    for name, words in WORK.items():
        counts = ours.count(words), plain.count(words)
        done = counts[0] - (ours.count(TAKEN) if "pixels" in name else 0)
        table.add_row(name, str(done), str(counts[1]), f"{done / counts[1]:.2f}")
    rows = {
        "both steps, wall time": (clock_steps(ours), clock_steps(plain)),
        "spec2, CPU time": (ours_s, plain_s),
    }
    for name, (one_s, other_s) in rows.items():
        ratio = f"{one_s / other_s:.2f}"
        table.add_row(name, f"{one_s:.1f} s", f"{other_s:.1f} s", ratio)
    Console().print(table)


if __name__ == "__main__":
    main()
