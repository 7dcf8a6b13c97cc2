"""A plan becomes products: jobs to Dask, and again when memory or a worker failed.

The sole home of `distributed`.
"""

from .cluster import CallError, Cluster, WorkerLostError
from .clusters import open_cluster
from .orchestrator import Decider, Listener, Orchestrator, Progress, to_run_job
from .serving import serve_scheduler, serve_worker
from .standing import Standing, find_standing, list_standing, stand, stop_standing

__all__ = [
    "CallError",
    "Cluster",
    "Decider",
    "Listener",
    "Orchestrator",
    "Progress",
    "Standing",
    "WorkerLostError",
    "find_standing",
    "list_standing",
    "open_cluster",
    "serve_scheduler",
    "serve_worker",
    "stand",
    "stop_standing",
    "to_run_job",
]
