"""What was made, from what, by whom: the index of the store, and the runs."""

from .comparing import CACHES, compare
from .database import Database
from .engine import make_engine
from .environments import find_environments, load_environment
from .find import keep_newest
from .migration import HEAD, upgrade
from .outcomes import find_outcomes, load_outcome, parse_outcome
from .prov_export import make_prov_document, write_prov
from .read_only import find_revision, open_read_only, open_to_serve
from .records import Records, load_journal, load_measured, load_seen
from .removed import find_removed, name_removed
from .store import Store, set_aside
from .tags import Tags

__all__ = [
    "CACHES",
    "HEAD",
    "Database",
    "Records",
    "Store",
    "Tags",
    "compare",
    "find_environments",
    "find_outcomes",
    "find_removed",
    "find_revision",
    "keep_newest",
    "load_environment",
    "load_journal",
    "load_measured",
    "load_outcome",
    "load_seen",
    "make_engine",
    "make_prov_document",
    "name_removed",
    "open_read_only",
    "open_to_serve",
    "parse_outcome",
    "set_aside",
    "upgrade",
    "write_prov",
]
