"""MAST as a source: searched with astroquery, read with a byte path of our own."""

from .search import SearchLimits
from .source import MAST_URL, MastSource

__all__ = ["MAST_URL", "MastSource", "SearchLimits"]
