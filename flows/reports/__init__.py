"""What a run came to, for people and for scripts."""

from .changes import (
    Changed,
    ProductChange,
    Versions,
    compare_versions,
    find_changes,
    pair_jobs,
    pair_runs,
    pair_with_files,
    say_change,
    say_changes,
)
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
from .obscore import count_samples, make_table, name_product, write_votable
from .pictures import (
    ShownProduct,
    find_pictures,
    list_shown,
    read_numbers,
    read_picture,
)
from .progress import RunningJob, RunProgress, find_progress
from .publishing import WrittenReport, publish_report
from .run_folder import publish_run_folder
from .summary import JobLine, RunSummary, summarize, tell_caveats, tell_kept

__all__ = [
    "FINAL_KINDS",
    "Changed",
    "Exported",
    "JobDifference",
    "JobLine",
    "ProductChange",
    "ProductDifference",
    "QueryResult",
    "RunDifference",
    "RunProgress",
    "RunSummary",
    "RunningJob",
    "Sameness",
    "ShownProduct",
    "Versions",
    "WrittenReport",
    "advise_recorded",
    "compare_jobs",
    "compare_products",
    "compare_runs",
    "compare_versions",
    "count_samples",
    "export_run",
    "find_changes",
    "find_pictures",
    "find_products",
    "find_progress",
    "keep_affected",
    "list_shown",
    "make_table",
    "name_product",
    "name_target",
    "pair_jobs",
    "pair_runs",
    "pair_with_files",
    "publish_report",
    "publish_run_folder",
    "read_numbers",
    "read_picture",
    "say_change",
    "say_changes",
    "summarize",
    "tell_caveats",
    "tell_kept",
    "to_dot",
    "write_votable",
]
