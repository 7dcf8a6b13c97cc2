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
from .graph_changes import (
    chain_exposures,
    keep_jobs,
    keep_stage,
    narrow_graph,
    place_exposures,
)
from .limits import Limits
from .parameter_checks import find_problems
from .plan import Binder, Plan, PlanEntry, build_plan
from .reasons import Cause, Nearest, Reason, find_nearest, list_reasons, say_reasons
from .recipe_fit import find_unmatched_sets, find_unmet_choices, refuse_divided
from .sampling import Kind, SampledJob, choose_sample, find_sample_cost_s
from .schedule import PlanCost, sum_costs
from .stale import JudgedJob, Staleness, judge_plan
from .workload import IFU, count_workload

__all__ = [
    "IFU",
    "Binder",
    "Cause",
    "Difference",
    "DifferenceKind",
    "Estimate",
    "JudgedJob",
    "Kind",
    "Limits",
    "Nearest",
    "Plan",
    "PlanCost",
    "PlanEntry",
    "PlannedInput",
    "PlannedJob",
    "Reason",
    "ResolvedSet",
    "SampledJob",
    "Staleness",
    "build_graph",
    "build_plan",
    "chain_exposures",
    "choose_sample",
    "count_workload",
    "describe_edit",
    "estimate",
    "explain_difference",
    "find_nearest",
    "find_problems",
    "find_sample_cost_s",
    "find_unmatched_sets",
    "find_unmet_choices",
    "is_unread",
    "judge_plan",
    "keep_jobs",
    "keep_stage",
    "list_changed_inputs",
    "list_differences",
    "list_reasons",
    "list_renamed",
    "narrow_graph",
    "place_exposures",
    "plan_edits",
    "plan_files",
    "refuse_divided",
    "say_reasons",
    "sum_costs",
    "take_fingerprint",
]
