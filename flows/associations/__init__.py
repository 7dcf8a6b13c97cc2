"""Exposures to associations: pure, deterministic, nothing left out silently."""

from .build import associate_rows
from .document import (
    Difference,
    compare_documents,
    document_name,
    name_documents,
    to_json_text,
)
from .headers import read_headers
from .pool import PoolRow, read_pool
from .program_rows import choose_rows

__all__ = [
    "Difference",
    "PoolRow",
    "associate_rows",
    "choose_rows",
    "compare_documents",
    "document_name",
    "name_documents",
    "read_headers",
    "read_pool",
    "to_json_text",
]
