"""What a run came to, for people and for scripts."""

from .found import QueryResult, find_products
from .known_issues import advise_recorded
from .obscore import write_votable
from .run_folder import publish_run_folder
from .summary import JobLine, RunSummary, summarize, tell_caveats

__all__ = [
    "JobLine",
    "QueryResult",
    "RunSummary",
    "advise_recorded",
    "find_products",
    "publish_run_folder",
    "summarize",
    "tell_caveats",
    "write_votable",
]
