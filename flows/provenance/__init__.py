"""What was made, from what, by whom: the index of the store, and the runs."""

from .database import Database
from .engine import make_engine
from .environments import find_environments, load_environment
from .migration import upgrade
from .outcomes import find_outcomes, load_outcome, parse_outcome
from .read_only import open_read_only
from .store import Store, find_damaged, set_aside

__all__ = [
    "Database",
    "Store",
    "find_damaged",
    "find_environments",
    "find_outcomes",
    "load_environment",
    "load_outcome",
    "make_engine",
    "open_read_only",
    "parse_outcome",
    "set_aside",
    "upgrade",
]
