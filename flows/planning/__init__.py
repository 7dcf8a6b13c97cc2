"""Associations, a recipe and what is done already: to a graph of jobs, and why."""

from .binding import BindingError, bind_job
from .chains import chain_exposures
from .explain import explain_difference, flatten_parameters
from .fingerprint import take_fingerprint
from .graph import (
    PlannedInput,
    PlannedJob,
    build_graph,
    narrow_graph,
    place_exposures,
)
from .plan import Binder, Plan, PlanEntry, ResolvedSet, build_plan

__all__ = [
    "Binder",
    "BindingError",
    "Plan",
    "PlanEntry",
    "PlannedInput",
    "PlannedJob",
    "ResolvedSet",
    "bind_job",
    "build_graph",
    "build_plan",
    "chain_exposures",
    "explain_difference",
    "flatten_parameters",
    "narrow_graph",
    "place_exposures",
    "take_fingerprint",
]
