"""Exposures to associations: pure, deterministic, nothing left out silently."""

from .build import build_associations
from .document import document_name, to_json_text
from .options import AssociationOptions

__all__ = [
    "AssociationOptions",
    "build_associations",
    "document_name",
    "to_json_text",
]
