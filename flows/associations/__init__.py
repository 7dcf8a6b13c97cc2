"""Exposures to associations: pure, deterministic, nothing left out silently."""

from .build import associate_rows
from .choose_rows import ChosenRows, choose_rows
from .difference import Difference, compare_documents
from .document import document_name, name_documents, to_json_text
from .options import (
    AssociationOptions,
    DeclaredCandidate,
    MemberChoice,
    options_of,
)
from .pool import read_pool
from .repair import repair
from .rows import Candidate, PoolRow

__all__ = [
    "AssociationOptions",
    "Candidate",
    "ChosenRows",
    "DeclaredCandidate",
    "Difference",
    "MemberChoice",
    "PoolRow",
    "associate_rows",
    "choose_rows",
    "compare_documents",
    "document_name",
    "name_documents",
    "options_of",
    "read_pool",
    "repair",
    "to_json_text",
]
