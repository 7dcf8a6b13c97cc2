"""Prints the slots and the memory of a cluster that is given one core and 1 GiB."""

import os
import resource
import sys
from pathlib import Path

from config.clusters import LocalProfile
from flows.execution import open_cluster

__all__ = ["LIMIT_BYTES"]

LIMIT_BYTES = 1 << 30
"""What the process may hold in memory."""


def main() -> None:
    """Give up what this process was given, and open a cluster."""
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    resource.setrlimit(resource.RLIMIT_RSS, (LIMIT_BYTES, LIMIT_BYTES))
    with open_cluster(LocalProfile(), scratch=Path(sys.argv[1])) as cluster:
        sys.stdout.write(f"{cluster.get_slots()} {cluster.get_largest_bytes()}\n")


if __name__ == "__main__":
    main()
