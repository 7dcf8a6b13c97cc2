"""Jobs of associations: their graph, what is done already, and the plan of a run."""

from .binding import ResolvedSet, take_fingerprint
from .brought import is_unread, plan_files
from .edits import describe_edit, plan_edits
from .explain import explain_difference, flatten_parameters
from .graph import PlannedJob, build_graph
from .graph_changes import chain_exposures, keep_jobs, narrow_graph, place_exposures
from .parameter_checks import find_problems
from .plan import Binder, Plan, PlanEntry, build_plan
from .recipe_fit import find_unmatched_sets, find_unmet_choices, refuse_divided

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
    "find_problems",
    "find_unmatched_sets",
    "find_unmet_choices",
    "flatten_parameters",
    "is_unread",
    "keep_jobs",
    "narrow_graph",
    "place_exposures",
    "plan_edits",
    "plan_files",
    "refuse_divided",
    "take_fingerprint",
]
