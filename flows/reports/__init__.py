"""What a run came to, for people and for scripts."""

from .differences import (
    JobDifference,
    ProductDifference,
    RunDifference,
    Sameness,
    compare_jobs,
    compare_products,
    compare_runs,
)
from .export import FINAL_KINDS, Exported, export_run, name_target
from .found import QueryResult, find_products, keep_affected
from .known_issues import advise_recorded
from .lineage import to_dot
from .obscore import write_votable
from .run_folder import publish_run_folder
from .summary import JobLine, RunSummary, summarize, tell_caveats, tell_kept

__all__ = [
    "FINAL_KINDS",
    "Exported",
    "JobDifference",
    "JobLine",
    "ProductDifference",
    "QueryResult",
    "RunDifference",
    "RunSummary",
    "Sameness",
    "advise_recorded",
    "compare_jobs",
    "compare_products",
    "compare_runs",
    "export_run",
    "find_products",
    "keep_affected",
    "name_target",
    "publish_run_folder",
    "summarize",
    "tell_caveats",
    "tell_kept",
    "to_dot",
    "write_votable",
]
