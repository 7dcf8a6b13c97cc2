"""How long the sample programs take through Rewebb, and by a plain script.

    python tests/benchmarks/chain.py [SAMPLE_FOLDER]

The plain script makes the same pipeline calls in one process, one after the other.
The command `rewebb run` is measured too, for several programs one after the other and
at once, every job reused: the difference is what starting Prefect and Dask costs.
Nothing is asserted: times depend on the machine and on what else it does.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import plain_script
from commands import BIN
from processing import make_request, make_settings, process, write_calls
from rich.console import Console
from rich.table import Table

from config.settings import Settings
from flows.provenance.outcomes import find_outcomes, load_outcome
from flows.run import Planned
from workers.sample import Mode, SampleSet, make_sample

CORES = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """What one program took."""

    mode: Mode
    rewebb_s: float
    """Wall time through Rewebb, start of the cluster included."""
    cpu_s: float
    """CPU time of all jobs."""
    plain_s: float
    """Wall time of the plain script."""
    again_s: float
    """Wall time through Rewebb when every job is reused."""


class Calls:
    """The calls of a plain script, taken from the plan of Rewebb."""

    def __init__(self, folder: Path, recipe: str) -> None:
        self.folder = folder
        self.recipe = recipe
        self.list: list[plain_script.PipelineCall] = []

    def take(self, planned: Planned) -> None:
        """Write associations and list calls."""
        self.list = write_calls(planned, self.recipe, self.folder)


def measure(sample: SampleSet, mode: Mode, folder: Path) -> Measured:
    """Process a program both ways, one after the other."""
    settings = make_settings(sample, folder / "data")
    calls = Calls(folder / "plain", mode.recipe)
    request = make_request(mode)
    rewebb_s = clock(lambda: process(settings, request, on_planned=calls.take))
    again_s = clock(lambda: process(settings, request))
    plain_s = clock(lambda: run_plain(calls, sample))
    return Measured(mode, rewebb_s, count_cpu_s(settings), plain_s, again_s)


def clock(work: Callable[[], object]) -> float:
    """Measure wall time."""
    started_s = time.monotonic()
    work()
    return time.monotonic() - started_s


def run_plain(calls: Calls, sample: SampleSet) -> None:
    """Run the plain script to its end."""
    script = plain_script.start(
        calls.list,
        calls.folder,
        crds_path=sample.crds,
        context=sample.contexts[0],
    )
    if script.wait() != 0:
        sys.exit(f"The plain script failed: see {calls.folder}/script.log.")


def count_cpu_s(settings: Settings) -> float:
    """Add up the CPU time of all jobs of a data folder."""
    outcomes = find_outcomes(settings.data_dir)
    return sum(load_outcome(path).usage.cpu_s for path in outcomes)


def measure_commands(
    sample: SampleSet, programs: Sequence[str], data_dir: Path
) -> tuple[float, float]:
    """Measure a command for each program, and one for all; their jobs are done."""
    environment = {
        **os.environ,
        "CRDS_PATH": str(sample.crds),
        "REWEBB_ARCHIVE": str(sample.archive),
        "REWEBB_DATA_DIR": str(data_dir),
        "REWEBB_SLOTS": str(CORES),
    }

    def run(*arguments: str) -> None:
        command = [BIN / "rewebb", *arguments, "--json"]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

    run("db", "rebuild")
    run("run", *programs)  # hashes raw files
    each_s = sum(clock(partial(run, "run", program)) for program in programs)
    return each_s, clock(partial(run, "run", *programs))


def make_table(measured: list[Measured]) -> Table:
    """Make the table of all programs and their sum."""
    table = Table(title=f"Sample programs on {CORES} slots")
    for name in ("program", "Rewebb", "plain", "ratio", "cores busy", "again"):
        table.add_column(name, justify="left" if name == "program" else "right")
    for row in [*iterate_rows(measured)]:
        table.add_row(*row)
    return table


def iterate_rows(measured: list[Measured]) -> Iterator[tuple[str, ...]]:
    """Return a row for each program, and one for all."""
    for one in measured:
        yield make_row(str(one.mode), [one])
    yield make_row("all", measured)


def make_row(name: str, measured: list[Measured]) -> tuple[str, ...]:
    """Give times, their ratio, and the share of the cores that jobs kept busy."""
    rewebb_s, plain_s, cpu_s, again_s = (
        sum(getattr(one, field) for one in measured)
        for field in ("rewebb_s", "plain_s", "cpu_s", "again_s")
    )
    return (
        name,
        f"{rewebb_s:.1f} s",
        f"{plain_s:.1f} s",
        f"{rewebb_s / plain_s:.2f}",
        f"{cpu_s / (rewebb_s * CORES):.0%}",
        f"{again_s:.1f} s",
    )


@contextmanager
def open_sample() -> Iterator[tuple[SampleSet, Path]]:
    """Open a sample, made if none is named, and a folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="rewebb-bench-") as name:
        folder = Path(name)
        where = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "sample"
        yield make_sample(where), folder


def main() -> None:
    """Measure all programs and print the table."""
    console = Console()
    with open_sample() as (sample, folder):
        psutil.cpu_percent()
        measured = [measure(sample, mode, folder / mode) for mode in Mode.list_usual()]
        others = psutil.cpu_percent()
        official = [mode for mode in Mode.list_usual() if mode.recipe == "official"]
        for mode in official:
            store = folder / mode / "data" / "store"
            shutil.copytree(
                store,
                folder / "all" / "store",
                copy_function=os.link,
                dirs_exist_ok=True,
            )
        programs = [mode.program for mode in official]
        each_s, all_s = measure_commands(sample, programs, folder / "all")
    console.print(make_table(measured))
    console.print(
        f"`rewebb run` of {len(programs)} programs, every job reused: {each_s:.1f} s "
        f"one after the other, {all_s:.1f} s at once."
    )
    console.print(
        "ratio: Rewebb over plain. again: every job reused. cores busy: CPU time of the"
        f" jobs over {CORES} x wall time. The machine was {others:.0f} % busy."
    )


if __name__ == "__main__":
    main()
