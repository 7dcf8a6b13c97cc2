"""The tables, one a module; no logic. Used by `flows.provenance` alone."""

from ._attempt import SQLAttempt
from ._base import SQLBase
from ._caveat import SQLCaveat
from ._fetched_file import SQLFetchedFile
from ._job import SQLJob
from ._job_input import SQLJobInput
from ._job_reference import SQLJobReference
from ._known_file import SQLKnownFile
from ._known_reference import SQLKnownReference
from ._lease import SQLLease
from ._product import SQLProduct
from ._raw_content import SQLRawContent
from ._run import SQLRun
from ._run_job import SQLRunJob
from ._step_status import SQLStepStatus

__all__ = [
    "SQLAttempt",
    "SQLBase",
    "SQLCaveat",
    "SQLFetchedFile",
    "SQLJob",
    "SQLJobInput",
    "SQLJobReference",
    "SQLKnownFile",
    "SQLKnownReference",
    "SQLLease",
    "SQLProduct",
    "SQLRawContent",
    "SQLRun",
    "SQLRunJob",
    "SQLStepStatus",
]
