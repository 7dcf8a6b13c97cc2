"""What a run costs of which every job is done: nothing changed, and a new context.

    python tests/benchmarks/nothing_to_do.py [EXPOSURES [SAMPLE_FOLDER]]

The archive is one program of EXPOSURES exposures (1 000 by default, 9 990 at most), ten
an observation, with the headers of a sample exposure of the IFU and hardly any pixels.
One observation is resolved by workers, which is also timed; the others are given the
same answers, and all jobs products of a few bytes. Then come real runs, step by step.
Nothing is asserted: times depend on the machine and on what else it does.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import numpy as np
from astropy.io import fits
from commands import BIN
from outcomes import make_outcome
from processing import make_settings
from rich.console import Console
from rich.table import Table

from config.recipe import load_recipe
from config.settings import Settings
from flows.execution import Cluster, Listener
from flows.factory import Services, open_services
from flows.models.runs import JobState
from flows.run import Planned, Request, make_plan, prepare, resolve, run_program
from workers.contract import (
    Job,
    Outcome,
    Product,
    Resolution,
    ResolveRequest,
    to_json,
)
from workers.job_layout import OUTCOME_NAME, get_store_folder
from workers.sample import Mode, SampleSet, make_sample

PROGRAM = "99100"
EXPOSURES = 1_000
PLACES = 10
"""Exposures of an observation."""
BATCH = 500

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Taken:
    """What a step took."""

    elapsed_s: float
    """Wall time."""
    cpu_s: float
    """CPU time of this process."""


class Steps:
    """How long each step of a run takes."""

    def __init__(self) -> None:
        self._started = _look()
        self._steps: dict[str, Taken] = {}

    def __call__(self, name: str, work: Callable[[], _Value]) -> _Value:
        """Take a step."""
        started = _look()
        try:
            return work()
        finally:
            self._steps[name] = _since(started)

    def finish(self) -> dict[str, Taken]:
        """Give all times, with those of what is no step, and of all."""
        total = _since(self._started)
        steps = self._steps.values()
        other = Taken(
            total.elapsed_s - sum(one.elapsed_s for one in steps),
            total.cpu_s - sum(one.cpu_s for one in steps),
        )
        return {**self._steps, "other": other, "all": total}


def _look() -> Taken:
    return Taken(time.monotonic(), time.process_time())


def _since(then: Taken) -> Taken:
    now = _look()
    return Taken(now.elapsed_s - then.elapsed_s, now.cpu_s - then.cpu_s)


@dataclass
class Templates:
    """A cluster that resolves one observation, and answers the same for others."""

    notes: tuple[str, ...] = ()
    asked: int = 0
    asked_s: float = 0.0

    def get_slots_to_come(self) -> int:
        """Count the slots."""
        return 1

    def get_largest_bytes(self) -> int:
        """Return the memory of a node."""
        return 1 << 40

    def map(
        self, work: Callable[[object], object], batches: Sequence[object], **_: object
    ) -> list[object]:
        """Do the work here."""
        return [
            self._resolve(work, batch)
            if isinstance(batch, ResolveRequest) and batch.items
            else work(batch)
            for batch in batches
        ]

    def _resolve(
        self, work: Callable[[object], object], request: ResolveRequest
    ) -> object:
        first = re.sub(r"(jw\d{5})\d{3}", r"\g<1>001", request.items[0].exposure)
        begin = Path(first).name[:10]
        own = [item for item in request.items if begin in item.exposure]
        started_s = time.monotonic()
        answer = work(replace(request, items=tuple(own)))
        self.asked, self.asked_s = len(own), time.monotonic() - started_s
        assert isinstance(answer, Resolution), answer
        by_kind = {one.key.partition(":")[0]: one for one in answer.resolved}
        return replace(
            answer,
            resolved=tuple(
                replace(by_kind[item.stage.value], key=item.key)
                for item in request.items
            ),
        )


def write_archive(folder: Path, template: Path, exposures: int) -> None:
    """Write raw files that differ in observation and place alone."""
    folder.mkdir()
    with fits.open(template) as hdus:
        header, tree = hdus[0].header, hdus["ASDF"].copy()
        pixels = fits.ImageHDU(np.zeros((1, 1, 2, 2), np.uint16), name="SCI")
    for number in range(exposures):
        observation, place = divmod(number, PLACES)
        name = f"jw{PROGRAM}{observation + 1:03d}001_03101_{place + 1:05d}_nrs1"
        own = header.copy()
        own.update(
            PROGRAM=PROGRAM,
            OBSERVTN=f"{observation + 1:03d}",
            VISIT_ID=f"{PROGRAM}{observation + 1:03d}001",
            FILENAME=f"{name}_uncal.fits",
            NUMDTHPT=PLACES,
            PATT_NUM=place + 1,
            EXPOSURE=place + 1,
        )
        path = folder / f"{name}_uncal.fits"
        fits.HDUList([fits.PrimaryHDU(header=own), pixels, tree]).writeto(path)


def finish_jobs(services: Services, request: Request, cluster: Cluster) -> int:
    """Give products to all jobs of a program, stage by stage; return how many."""
    drawn = prepare(
        request,
        load_recipe(request.recipe),
        services.archive,
        data_dir=services.data_dir,
        get_specs=lambda: sys.exit("The recipe is checked."),
    )
    resolved = resolve(drawn, services, lambda: cluster)
    while True:
        planned = make_plan(resolved, services)
        due = [e.job for e in planned.plan.entries if e.state is JobState.DUE and e.job]
        if not due:
            break
        for begin in range(0, len(due), BATCH):
            made = [_publish(services, job) for job in due[begin : begin + BATCH]]
            services.database.jobs.record_outcomes(made)
    return len(drawn.graph)


def _publish(services: Services, job: Job) -> Outcome:
    """Leave what a job leaves, without working."""
    endings = {"detector1": ("rate", "rateints"), "spec2": ("cal",)}
    folder = services.data_dir / get_store_folder(job.fingerprint)
    folder.mkdir(parents=True)
    if job.association is not None and job.association_name is not None:
        (folder / job.association_name).write_text(job.association)
    names = [f"{job.name}_{end}.fits" for end in endings.get(job.stage, ("s3d", "x1d"))]
    products = [_write(folder / name) for name in names]
    outcome = make_outcome(job, attempt=job.fingerprint[:32], products=products)
    outcome = replace(outcome, folder=str(get_store_folder(job.fingerprint)))
    (folder / OUTCOME_NAME).write_text(to_json(outcome))
    return outcome


def _write(path: Path) -> Product:
    content = path.name.encode()
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    status = path.stat()
    return Product(path.name, status.st_size, status.st_mtime_ns, sha256, sha256)


@contextmanager
def _ignore(_: Planned) -> Iterator[Listener]:
    yield lambda _: None


def run(settings: Settings, request: Request) -> dict[str, Taken]:
    """Run a program of which nothing is due, and time its steps."""
    steps = Steps()
    summary = run_program(settings, request, watch=_ignore, step=steps)
    assert {job.state for job in summary.jobs} == {JobState.REUSED}
    return steps.finish()


def run_command(settings: Settings, program: str) -> float:
    """Time the command, with its Prefect server."""
    environment = {
        **os.environ,
        "CRDS_PATH": str(settings.crds_path),
        "CRDS_CONTEXT": str(settings.crds_context),
        "REWEBB_ARCHIVE": str(settings.archive),
        "REWEBB_DATA_DIR": str(settings.data_dir),
    }
    started_s = time.monotonic()
    command = [BIN / "rewebb", "run", program, "--json"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started_s


def measure(sample: SampleSet, folder: Path, exposures: int, console: Console) -> None:
    """Make the archive, and measure runs over it."""
    archive = folder / "archive"
    write_archive(archive, sample.list_raw(Mode.NIRSPEC_IFU_PRISM)[0], exposures)
    settings = make_settings(sample, folder / "data")
    settings = settings.model_copy(update={"archive": str(archive)})
    request = Request(PROGRAM, recipe="official")
    templates = Templates()
    with open_services(settings) as services:
        jobs = finish_jobs(services, request, templates)  # type: ignore[arg-type]  # it has what is asked of it
    runs = {"first": run(settings, request), "again": run(settings, request)}
    table = Table(title=f"{exposures} exposures, {jobs} jobs, nothing is due")
    for name in ("step", *runs, "CPU", "CPU a job"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for step, again in runs["again"].items():
        times = [f"{each[step].elapsed_s:.2f} s" for each in runs.values()]
        own = (f"{again.cpu_s:.2f} s", f"{1000 * again.cpu_s / jobs:.2f} ms")
        table.add_row(step, *times, *own)
    console.print(table)
    asked_ms = 1000 * templates.asked_s / templates.asked
    size_mb = (settings.data_dir / "rewebb.db").stat().st_size / 1e6
    console.print(
        f"To ask a worker for {templates.asked} jobs takes {asked_ms:.0f} ms a job. "
        f"The command takes {run_command(settings, PROGRAM):.1f} s. "
        f"The database has {size_mb:.0f} MB."
    )


def main() -> None:
    """Measure, and print the table."""
    exposures = int(sys.argv[1]) if len(sys.argv) > 1 else EXPOSURES
    with tempfile.TemporaryDirectory(prefix="rewebb-bench-") as name:
        folder = Path(name)
        where = Path(sys.argv[2]) if len(sys.argv) > 2 else folder / "sample"
        measure(make_sample(where), folder, exposures, Console())


if __name__ == "__main__":
    main()
