"""Rows and records: a column for each field, a field for each column."""

from collections.abc import Set as AbstractSet
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from outcomes import make_run

import flows.provenance
from flows.models.exposures import FetchedFile, KnownExposure, Program
from flows.models.runs import Lease, Run, RunJob
from flows.provenance.rows import to_record, to_row
from flows.provenance.schema import (
    SQLAttempt,
    SQLBase,
    SQLCaveat,
    SQLEnvironment,
    SQLExposure,
    SQLFetchedFile,
    SQLJob,
    SQLJobInput,
    SQLKnownFile,
    SQLKnownReference,
    SQLLease,
    SQLProduct,
    SQLProductFacts,
    SQLProductSource,
    SQLProgram,
    SQLRun,
    SQLRunJob,
    SQLStepStatus,
)
from workers.contract import (
    Caveat,
    FileHash,
    Input,
    Job,
    Outcome,
    Product,
    ProductFacts,
    ReferenceFile,
    SourceFacts,
    StepStatus,
    Usage,
)
from workers.installed import Environment

_OTHER_FIELDS = {
    Run: {"recipe_text", "notes"},
    Job: {
        *("inputs", "references", "pars", "mappings"),
        *("parameters", "overrides", "origins", "versions"),
    },
    Outcome: {
        *("attempt", "job", "usage", "products", "steps", "caveats", "error"),
        *("record_version", "facts"),
    },
    ProductFacts: {"sources"},
    FileHash: {"error", "pixels_sha256", "cards"},
    Environment: {"distributions"},
}
"""Fields that are in a table of their own, or in columns of other names."""

_OTHER_COLUMNS = {
    SQLRunJob: {"run_id", "key"},
    SQLJob: {
        *("parameters_sha256", "versions_sha256"),
        *("references_sha256", "mappings_sha256"),
    },
    SQLJobInput: {"fingerprint", "position"},
    SQLAttempt: {
        *("id", "fingerprint", "run_id", "is_stored"),
        *("error_type", "error_message", "error_traceback"),
        *("elapsed_s", "cpu_s", "peak_bytes", "granted_bytes"),
    },
    SQLProduct: {"fingerprint", "attempt_id"},
    SQLCaveat: {"attempt_id", "position"},
    SQLStepStatus: {"attempt_id", "position"},
    SQLProductFacts: {"fingerprint", "target_key"},
    SQLProductSource: {"fingerprint", "product", "position", "radius_deg"},
    SQLKnownFile: {"content_version"},
    SQLKnownReference: {"crds_path", "first_seen_at"},
}
"""Columns that are not fields of the record."""

_PAIRS: list[tuple[type[Any], type[SQLBase]]] = [
    (Run, SQLRun),
    (RunJob, SQLRunJob),
    (Job, SQLJob),
    (Input, SQLJobInput),
    (Outcome, SQLAttempt),
    (Product, SQLProduct),
    (Caveat, SQLCaveat),
    (StepStatus, SQLStepStatus),
    (FileHash, SQLKnownFile),
    (ReferenceFile, SQLKnownReference),
    (FetchedFile, SQLFetchedFile),
    (Lease, SQLLease),
    (Environment, SQLEnvironment),
    (Program, SQLProgram),
    (KnownExposure, SQLExposure),
    (ProductFacts, SQLProductFacts),
    (SourceFacts, SQLProductSource),
]


def _names(record: type[Any]) -> AbstractSet[str]:
    return {field.name for field in fields(record)}


def _columns(table: type[SQLBase]) -> AbstractSet[str]:
    return set(table.__table__.columns.keys())


@pytest.mark.parametrize(("record", "table"), _PAIRS)
def test_every_field_has_its_column_and_every_column_its_field(
    record: type[Any], table: type[SQLBase]
) -> None:
    mapped = _names(record) - _OTHER_FIELDS.get(record, set())
    assert mapped == _columns(table) - _OTHER_COLUMNS.get(table, set())


@pytest.mark.parametrize(("record", "table"), _PAIRS)
def test_a_column_has_the_type_of_its_field(
    record: type[Any], table: type[SQLBase]
) -> None:
    of_record, of_table = get_type_hints(record), get_type_hints(table)
    for name in _names(record) & _columns(table):
        assert get_args(of_table[name]) == (of_record[name],), name


def test_what_an_attempt_took_is_in_columns_of_its_row() -> None:
    assert _names(Usage) <= _columns(SQLAttempt)


def test_a_column_without_a_field_is_an_error() -> None:
    with pytest.raises(AttributeError, match="owner"):
        to_row(SQLLease, make_run())


def test_a_field_without_a_column_is_an_error() -> None:
    with pytest.raises(AttributeError, match="owner"):
        to_record(Lease, to_row(SQLRun, make_run()))


def test_a_column_of_the_run_that_no_query_asks_for_is_named_by_the_schema_alone() -> (
    None
):
    """So one column more touches the schema, the record and a revision."""
    package = Path(flows.provenance.__file__).parent
    modules = {*package.glob("*.py"), *package.glob("schema/*.py")}
    modules.remove(package / "prov_export.py")  # it tells of records, and asks nothing
    found = [path for path in modules if "requested_by" in path.read_text()]
    assert found == [package / "schema" / "runs.py"]
