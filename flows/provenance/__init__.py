"""What was made, from what, by whom: the index of the store, and the runs."""

from .database import Database
from .engine import make_engine
from .looking import open_to_look
from .migration import upgrade
from .outcomes import find_outcomes, load_outcome, parse_outcome
from .store import Store, find_damaged, set_aside

__all__ = [
    "Database",
    "Store",
    "find_damaged",
    "find_outcomes",
    "load_outcome",
    "make_engine",
    "open_to_look",
    "parse_outcome",
    "set_aside",
    "upgrade",
]
