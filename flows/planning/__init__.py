"""Jobs of associations: their graph, what is done already, and the plan of a run."""

from .binding import ResolvedSet, take_fingerprint
from .brought import is_unread, plan_files
from .costs import Estimate, estimate
from .differences import (
    Difference,
    DifferenceKind,
    list_changed_inputs,
    list_differences,
    list_renamed,
)
from .edits import describe_edit, plan_edits
from .explain import explain_difference
from .graph import PlannedInput, PlannedJob, build_graph
from .graph_changes import chain_exposures, keep_jobs, narrow_graph, place_exposures
from .limits import Limits
from .parameter_checks import find_problems
from .plan import Binder, Plan, PlanEntry, build_plan
from .recipe_fit import find_unmatched_sets, find_unmet_choices, refuse_divided
from .schedule import PlanCost, sum_costs
from .workload import IFU, count_workload

__all__ = [
    "IFU",
    "Binder",
    "Difference",
    "DifferenceKind",
    "Estimate",
    "Limits",
    "Plan",
    "PlanCost",
    "PlanEntry",
    "PlannedInput",
    "PlannedJob",
    "ResolvedSet",
    "build_graph",
    "build_plan",
    "chain_exposures",
    "count_workload",
    "describe_edit",
    "estimate",
    "explain_difference",
    "find_problems",
    "find_unmatched_sets",
    "find_unmet_choices",
    "is_unread",
    "keep_jobs",
    "list_changed_inputs",
    "list_differences",
    "list_renamed",
    "narrow_graph",
    "place_exposures",
    "plan_edits",
    "plan_files",
    "refuse_divided",
    "sum_costs",
    "take_fingerprint",
]
