"""A run as a chain of frozen values, without Prefect.

find -> associate -> draw -> fetch -> prefetch -> resolve -> plan -> execute -> report
(with `measure` and `picture` before the last, where a site asks for them): each step
is a function from the value before it to the next, with the archive, the services or
the cluster passed in. `chain` holds the order; the commands `plan`, `asn`, `advise` and
`refs sync` are prefixes of it.
"""

from .advising import Advised, Making, advise_drawn, advise_found, advise_resolved
from .cancelling import cancel_run
from .chain import (
    Step,
    advise_only,
    judge_only,
    plan_only,
    prepare,
    run_program,
)
from .check import NodeReport, check_cluster
from .graph import Drawn, draw, fetch
from .jobs import Planned, execute, make_plan, plan_unfetched
from .lease import hold_lease, is_alive
from .measuring import (
    Measured,
    ProductFile,
    list_products_of,
    measure_recorded,
)
from .picturing import Pictured, draw_recorded
from .program import Associated, Found, Request, associate, find, find_brought
from .record import Recording, make_run
from .resolution import ResolvedGraph, list_items, resolve
from .retrying import Retry, find_last_ends, plan_retry
from .rules import CrdsFolder
from .shared import ASKING, Shared
from .specs import ask_specs, find_specs
from .staleness import (
    RecordedProgram,
    StaleProgram,
    find_recorded,
    has_same_rules,
)

__all__ = [
    "ASKING",
    "Advised",
    "Associated",
    "CrdsFolder",
    "Drawn",
    "Found",
    "Making",
    "Measured",
    "NodeReport",
    "Pictured",
    "Planned",
    "ProductFile",
    "RecordedProgram",
    "Recording",
    "Request",
    "ResolvedGraph",
    "Retry",
    "Shared",
    "StaleProgram",
    "Step",
    "advise_drawn",
    "advise_found",
    "advise_only",
    "advise_resolved",
    "ask_specs",
    "associate",
    "cancel_run",
    "check_cluster",
    "draw",
    "draw_recorded",
    "execute",
    "fetch",
    "find",
    "find_brought",
    "find_last_ends",
    "find_recorded",
    "find_specs",
    "has_same_rules",
    "hold_lease",
    "is_alive",
    "judge_only",
    "list_items",
    "list_products_of",
    "make_plan",
    "make_run",
    "measure_recorded",
    "plan_only",
    "plan_retry",
    "plan_unfetched",
    "prepare",
    "resolve",
    "run_program",
]
