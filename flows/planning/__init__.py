"""Jobs of associations: their graph, what is done already, and the plan of a run."""

from .binding import ResolvedSet, take_fingerprint
from .edits import describe_edit, plan_edits
from .explain import explain_difference, flatten_parameters
from .graph import PlannedJob, build_graph
from .graph_changes import chain_exposures, narrow_graph, place_exposures
from .plan import Binder, Plan, PlanEntry, build_plan

__all__ = [
    "Binder",
    "Plan",
    "PlanEntry",
    "PlannedJob",
    "ResolvedSet",
    "build_graph",
    "build_plan",
    "chain_exposures",
    "describe_edit",
    "explain_difference",
    "flatten_parameters",
    "narrow_graph",
    "place_exposures",
    "plan_edits",
    "take_fingerprint",
]
