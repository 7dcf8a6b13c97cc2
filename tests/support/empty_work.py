"""A job that calibrates nothing: what is left is what the service itself costs."""

from pathlib import Path
from typing import Any

from astropy.io import fits

import workers.run
from workers.contract import Job, Stage

__all__ = ["answer_empty"]

_SUFFIXES = {Stage.DETECTOR1: "rate", Stage.SPEC2: "cal", Stage.SPEC3: "s3d"}


def answer_empty(job: Job, **given: Any) -> str:
    """Run a job as workers do, but for what its child does."""
    from flows.execution.worker_side import answer_on_worker  # not in children

    workers.run._calibrate = _make_product
    return answer_on_worker(job, **given)


def _make_product(job: Job, scratch: Path, *_: object) -> workers.run._Answer:
    path = scratch / workers.run.PUBLISH / f"{job.name}_{_SUFFIXES[job.stage]}.fits"
    fits.PrimaryHDU(header=fits.Header({"NAME": job.name})).writeto(path)
    (scratch / workers.run.PUBLISH / workers.run.LOG_NAME).touch()
    return workers.run._Answer((workers.run._describe(path),))
