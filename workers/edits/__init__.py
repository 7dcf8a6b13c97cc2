"""Edits that a recipe asks for, made in copies of the files that a job reads."""

from .apertures import name_derived
from .files import apply_edits, check_edits
from .metafile import edit_tables
from .tables import MsaTables, find_flaws, read_tables, write_tables

__all__ = [
    "MsaTables",
    "apply_edits",
    "check_edits",
    "edit_tables",
    "find_flaws",
    "name_derived",
    "read_tables",
    "write_tables",
]
