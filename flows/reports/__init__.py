"""What a run came to, for people and for scripts."""

from .known_issues import advise_recorded
from .run_folder import publish_run_folder
from .summary import JobLine, RunSummary, summarize, tell_caveats

__all__ = [
    "JobLine",
    "RunSummary",
    "advise_recorded",
    "publish_run_folder",
    "summarize",
    "tell_caveats",
]
