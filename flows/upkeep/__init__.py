"""Upkeep: the database and the disk, between runs."""

from .auditing import audit
from .checking import check, find_damaged_files
from .rebuilding import Rebuilt, rebuild

__all__ = ["Rebuilt", "audit", "check", "find_damaged_files", "rebuild"]
