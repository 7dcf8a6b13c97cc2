"""What a run came to, for people and for scripts."""

from .summary import JobLine, RunSummary, summarize
from .run_folder import name_run_folder, publish_run_folder

__all__ = [
    "JobLine",
    "RunSummary",
    "name_run_folder",
    "publish_run_folder",
    "summarize",
]
