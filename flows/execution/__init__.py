"""A plan becomes products: jobs to Dask, and again when memory or a worker failed.

The sole home of `distributed`.
"""

from .cluster import CallError, Cluster, WorkerLostError, open_cluster
from .orchestrator import Listener, Orchestrator, Progress, to_run_job

__all__ = [
    "CallError",
    "Cluster",
    "Listener",
    "Orchestrator",
    "Progress",
    "WorkerLostError",
    "open_cluster",
    "to_run_job",
]
