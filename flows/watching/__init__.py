"""Watching an archive: what has changed, and which programs are run again."""

from .decide import Basis, Candidate, Cost, Decision, Due, decide
from .judging import judge
from .looking import dump_basis, list_fruitless, look

__all__ = [
    "Basis",
    "Candidate",
    "Cost",
    "Decision",
    "Due",
    "decide",
    "dump_basis",
    "judge",
    "list_fruitless",
    "look",
]
