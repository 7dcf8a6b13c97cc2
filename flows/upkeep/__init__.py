"""Upkeep: the site, the database and the disk, between runs."""

from .auditing import Ask, audit
from .checking import check, find_damaged_files
from .collecting import Collected, collect, look
from .disk import BY, By, measure_disk
from .doctor import Check, CheckState
from .examining import examine
from .rebuilding import Rebuilt, rebuild

__all__ = [
    "BY",
    "Ask",
    "By",
    "Check",
    "CheckState",
    "Collected",
    "Rebuilt",
    "audit",
    "check",
    "collect",
    "examine",
    "find_damaged_files",
    "look",
    "measure_disk",
    "rebuild",
]
