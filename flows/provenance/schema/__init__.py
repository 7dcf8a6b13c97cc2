"""The tables, by subject; no logic. Used by `flows.provenance` alone.

A column has the name and the type of the field that it holds (`rows`). A new one takes
a line here with what it means, a field of the record, and a revision in `migrations`;
`tools/schema_docs.py` writes docs/operator/schema.md from it.
"""

from .attempts import SQLAttempt, SQLCaveat, SQLProduct, SQLStepStatus
from .environments import SQLDistribution, SQLEnvironment
from .files import SQLFetchedFile, SQLKnownFile, SQLKnownReference, SQLRawContent
from .jobs import SQLJob, SQLJobInput
from .measurements import SQLMeasuredProduct, SQLMeasurement
from .observed import SQLExposure, SQLProductFacts, SQLProductSource, SQLProgram
from .remembered import SQLKnownHeader, SQLResolution, SQLResolutionAnswer
from .row import ReferenceKind, SQLBase
from .runs import SQLLease, SQLRecipe, SQLRun, SQLRunExport, SQLRunJob, SQLRunNote
from .sets import (
    SQLParameter,
    SQLParameterSet,
    SQLReference,
    SQLReferenceSet,
    SQLReferenceUse,
    SQLVersion,
    SQLVersionSet,
)

__all__ = [
    "ReferenceKind",
    "SQLAttempt",
    "SQLBase",
    "SQLCaveat",
    "SQLDistribution",
    "SQLEnvironment",
    "SQLExposure",
    "SQLFetchedFile",
    "SQLJob",
    "SQLJobInput",
    "SQLKnownFile",
    "SQLKnownHeader",
    "SQLKnownReference",
    "SQLLease",
    "SQLMeasuredProduct",
    "SQLMeasurement",
    "SQLParameter",
    "SQLParameterSet",
    "SQLProduct",
    "SQLProductFacts",
    "SQLProductSource",
    "SQLProgram",
    "SQLRawContent",
    "SQLRecipe",
    "SQLReference",
    "SQLReferenceSet",
    "SQLReferenceUse",
    "SQLResolution",
    "SQLResolutionAnswer",
    "SQLRun",
    "SQLRunExport",
    "SQLRunJob",
    "SQLRunNote",
    "SQLStepStatus",
    "SQLVersion",
    "SQLVersionSet",
]
