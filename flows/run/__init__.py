"""A run as a chain of frozen values, without Prefect.

find -> associate -> draw -> fetch -> prefetch -> resolve -> plan -> execute -> report:
each step is a function from the value before it to the next, with the archive, the
services or the cluster passed in. `chain` holds the order; the commands `plan`, `asn`
and `refs sync` are prefixes of it.
"""

from .chain import Step, plan_only, prepare, run_program
from .graph import Drawn, draw, fetch
from .jobs import Planned, execute, make_plan, plan_unfetched
from .lease import hold_lease
from .program import Associated, Found, Request, associate, find
from .record import Recording, make_run
from .resolution import list_items, resolve
from .shared import Shared
from .specs import ask_specs, find_specs

__all__ = [
    "Associated",
    "Drawn",
    "Found",
    "Planned",
    "Recording",
    "Request",
    "Shared",
    "Step",
    "ask_specs",
    "associate",
    "draw",
    "execute",
    "fetch",
    "find",
    "find_specs",
    "hold_lease",
    "list_items",
    "make_plan",
    "make_run",
    "plan_only",
    "plan_unfetched",
    "prepare",
    "resolve",
    "run_program",
]
