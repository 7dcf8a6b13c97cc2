"""What was made, from what, by whom: the index of the store, and the runs."""

from .comparing import CACHES, compare
from .database import Database
from .engine import make_engine
from .environments import find_environments, load_environment
from .migration import upgrade
from .outcomes import find_outcomes, load_outcome, parse_outcome
from .read_only import open_read_only
from .records import Records, load_journal, load_measured, load_seen
from .store import Store, set_aside

__all__ = [
    "CACHES",
    "Database",
    "Records",
    "Store",
    "compare",
    "find_environments",
    "find_outcomes",
    "load_environment",
    "load_journal",
    "load_measured",
    "load_outcome",
    "load_seen",
    "make_engine",
    "open_read_only",
    "parse_outcome",
    "set_aside",
    "upgrade",
]
