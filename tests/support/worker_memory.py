"""What a worker holds while it runs one job after the other."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from flows.execution import Cluster
from flows.execution.cluster import get_result
from flows.provenance import parse_outcome
from workers.contract import Job, Status

__all__ = ["follow_memory"]

_GRANTED_BYTES = 10**9


def follow_memory(
    cluster: Cluster, work: Callable[..., str], job: Job, *, data_dir: Path, times: int
) -> Iterator[int]:
    """Run a job again and again, and give the memory of its worker after each.

    Parameters
    ----------
    work
        Runs a job on a worker; each is another one by its fingerprint.

    Yields
    ------
    int
        Resident memory of the worker, without its children, in bytes.
    """
    for number in range(times):
        cluster.submit(
            work,
            replace(job, fingerprint=f"{number:064x}"),
            attempt=f"attempt-{number}",
            data_dir=data_dir,
            granted_bytes=_GRANTED_BYTES,
            memory_bytes=_GRANTED_BYTES,
        )
        while not (over := cluster.wait_any()):
            pass
        outcome = parse_outcome(str(get_result(over[0])), source="answer")
        assert outcome.status is Status.SUCCEEDED, outcome.error
        yield _find_worker().memory_info().rss


def _find_worker() -> psutil.Process:
    below: list[Any] = psutil.Process().children(recursive=True)
    (found,) = (p for p in below if "flows.execution.node" in p.cmdline())
    worker: psutil.Process = found
    return worker
