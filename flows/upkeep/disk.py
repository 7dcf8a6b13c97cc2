"""Disk use: how much of the data folder is of what; a file with several links once."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePath
from stat import S_ISREG
from typing import Final, Literal

from workers.job_layout import STORE

from ..layout import RAW, RUNS, get_run_folder
from ..models.retention import KeptJob
from ..provenance import Database

__all__ = ["BY", "By", "measure_disk"]

By = Literal["program", "run", "stage", "kind"]
"""What the use of the disk is told by."""

BY: Final = ("program", "run", "stage", "kind")
"""The same, in order."""


def measure_disk(data_dir: Path, database: Database, by: By) -> Mapping[str, int]:
    """Measure the bytes on the disk, by program, run, stage or kind of product.

    By run, a product is counted for the newest run that has it. What is of none is
    counted by the folder that it is in, in brackets.
    """
    jobs = {job.fingerprint: job for job in database.retention.list_jobs()}
    runs = {
        get_run_folder(run).name: f"{run.program} {run.id[:8]}"
        for run in database.runs.list_runs(limit=None)
    }
    used: Counter[str] = Counter()
    seen: set[tuple[int, int]] = set()
    for path in _list_files(data_dir, first=RUNS if by == "run" else STORE):
        with suppress(FileNotFoundError):  # of a run that is under way
            status = path.lstat()
            key = (status.st_dev, status.st_ino)
            if key not in seen and S_ISREG(status.st_mode):
                seen.add(key)
                place = path.relative_to(data_dir).parts
                name = _name(by, place, jobs, runs) or f"({place[0]})"
                used[name] += status.st_blocks * _BLOCK_BYTES
    return dict(used.most_common())


_BLOCK_BYTES: Final = 512
"""Of which `stat` counts."""


def _list_files(data_dir: Path, *, first: str) -> Iterator[Path]:
    """Go through all files, the newest run first, and one folder before the others."""
    folders = sorted(data_dir.iterdir(), key=lambda path: path.name != first)
    for folder in folders:
        if not folder.is_dir():
            yield folder
            continue
        files = (path for path in folder.rglob("*") if not path.is_dir())
        yield from sorted(files, key=_age, reverse=True)


def _age(path: Path) -> str:
    """Order the files of runs by the names of their folders, which begin with times."""
    return path.parent.name


def _name(
    by: By,
    place: tuple[str, ...],
    jobs: Mapping[str, KeptJob],
    runs: Mapping[str, str],
) -> str | None:
    """Name what a file is of; None if it is of nothing of the kind."""
    top, *below = place
    job = jobs.get(below[1]) if top == STORE and len(below) == _IN_STORE else None
    match by:
        case "run":
            is_run = top == RUNS and len(below) > 1
            return runs.get(below[1].removesuffix(".jsonl")) if is_run else None
        case "program" if job is not None:
            return job.program
        case "program":
            return below[0] if top in {RAW, RUNS} and below else None
        case "stage":
            return job.stage if job else None
        case "kind":
            name = place[-1]
            is_made = job is not None and name in job.products
            is_file = is_made or top in {RAW, RUNS}
            ending = PurePath(name).stem.rpartition("_")[2]
            return ending if is_file and name.endswith(".fits") else None


_IN_STORE: Final = 3
"""Names on the way from the store to a file of a job."""
