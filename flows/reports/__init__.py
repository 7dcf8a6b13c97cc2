"""What a run came to, for people and for scripts."""

from .run_folder import publish_run_folder
from .summary import JobLine, RunSummary, summarize, tell_caveats

__all__ = [
    "JobLine",
    "RunSummary",
    "publish_run_folder",
    "summarize",
    "tell_caveats",
]
