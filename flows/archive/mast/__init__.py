"""MAST as a source: searches in its own words, files by the byte path of all."""

from .client import MastLimits
from .source import MAST_URL, MastSource

__all__ = ["MAST_URL", "MastLimits", "MastSource"]
