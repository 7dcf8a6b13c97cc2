"""Exposures to associations: pure, deterministic, nothing left out silently."""

from .build import associate_rows
from .document import (
    Difference,
    compare_documents,
    document_name,
    name_documents,
    to_json_text,
)
from .exposure_types import EXPOSURE_TYPES
from .headers import name_of_target, read_headers
from .pool import PoolRow, read_pool
from .program_rows import choose_rows

__all__ = [
    "EXPOSURE_TYPES",
    "Difference",
    "PoolRow",
    "associate_rows",
    "choose_rows",
    "compare_documents",
    "document_name",
    "name_documents",
    "name_of_target",
    "read_headers",
    "read_pool",
    "to_json_text",
]
