"""A job that calibrates nothing: what is left is what the service itself costs."""

import time
from pathlib import Path
from typing import Any

import psutil
from astropy.io import fits

import workers.run
from workers.contract import Job, Stage

__all__ = ["TAKEN_BYTES", "answer_empty", "answer_large"]

TAKEN_BYTES = 10**9
"""Resident memory that a large job comes to."""

_BITE_BYTES = 1 << 25
_PAUSE_S = 0.01
_SUFFIXES = {Stage.DETECTOR1: "rate", Stage.SPEC2: "cal", Stage.SPEC3: "s3d"}


def answer_empty(job: Job, **given: Any) -> str:
    """Run a job as workers do, but for what its child does."""
    from flows.execution.worker_side import answer_on_worker  # not in children

    workers.run._calibrate = _make_product
    return answer_on_worker(job, **given)


def answer_large(job: Job, **given: Any) -> str:
    """Run a job likewise whose child takes `TAKEN_BYTES`."""
    from flows.execution.worker_side import answer_on_worker  # not in children

    workers.run._calibrate = _take_memory
    return answer_on_worker(job, **given)


def _take_memory(job: Job, scratch: Path, *_: object) -> workers.run._Answer:
    held = []
    while psutil.Process().memory_info().rss < TAKEN_BYTES:
        held.append(b"x" * _BITE_BYTES)  # zeros would take no memory yet
        time.sleep(_PAUSE_S)
    return _make_product(job, scratch)


def _make_product(job: Job, scratch: Path, *_: object) -> workers.run._Answer:
    path = scratch / workers.run.PUBLISH / f"{job.name}_{_SUFFIXES[job.stage]}.fits"
    fits.PrimaryHDU(header=fits.Header({"NAME": job.name})).writeto(path)
    (scratch / workers.run.PUBLISH / workers.run.LOG_NAME).touch()
    return workers.run._Answer((workers.run.describe(path),))
