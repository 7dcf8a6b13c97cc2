"""Questions that go through indexes, however large the tables are.

Asked of the planners of both backends, with tables that are large enough for them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from outcomes import make_chain, make_job, make_outcome, make_run, make_run_job
from postgresql import has_locale, running_server
from sqlalchemy import Engine, event, text

from flows.models.products import Cone, ProductQuery
from flows.provenance import Database, make_engine, upgrade
from workers.contract import CaveatKind, ProductFacts, SourceFacts, Stage

COPIES = 1500
"""Of a chain of five jobs."""

KEYS = {
    "reference_set": "sha256",
    "reference": "sha1 name",
    "reference_use": "set_sha256 sha1 name",
    "job": "fingerprint name references_sha256",
    "job_input": "fingerprint name sha256 content_sha256",
    "attempt": "id fingerprint",
    "product": "fingerprint name attempt_id sha256 content_sha256",
    "product_facts": "fingerprint product target target_key",
    "product_source": "fingerprint product name",
    "step_status": "attempt_id",
    "caveat": "attempt_id",
    "run_job": "key name fingerprint",
}
"""The tables that grow with an archive, and what differs in each copy.

All jobs of a stage have one set of mappings: who asks which jobs have a set, and does
not say which set, gets them all for an answer of PostgreSQL's planner.
"""

_SERIES = (
    "WITH RECURSIVE series (n) AS "  # noqa: S608
    f"(SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {COPIES})"
)


def grow(engine: Engine, database: Database) -> None:
    """Record a chain, and copy its rows."""
    *others, last = make_chain()
    source = SourceFacts("1", "", 10.0, 0.0, "", 1e-6, 5e-6)
    name = last.products[0].name
    facts = ProductFacts(name, "spectrum", 2, target="M 31", sources=(source,))
    outcomes = [*others, replace(last, facts=(facts,))]
    run = make_run()
    database.runs.start_run(run)
    database.jobs.record_outcomes(outcomes, run_id=run.id)
    jobs = [
        replace(make_run_job(one.job.name), stage=one.job.stage, fingerprint=key)
        for one in outcomes
        for key in [one.job.fingerprint]
    ]
    database.runs.set_jobs(run.id, jobs)
    with engine.begin() as connection:
        for table, keys in KEYS.items():
            rows = connection.execute(text(f"SELECT * FROM {table} LIMIT 0"))  # noqa: S608
            columns = [*rows.keys()]
            values = ", ".join(_copy(engine, name, keys.split()) for name in columns)
            into = f"INSERT INTO {table} ({', '.join(columns)})"
            connection.execute(
                text(f"{_SERIES} {into} SELECT {values} FROM {table}, series")  # noqa: S608
            )
    with engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()


def _copy(engine: Engine, column: str, keys: list[str]) -> str:
    """Say what a column of a copy holds."""
    is_sqlite = engine.dialect.name == "sqlite"
    values = {
        "ra_deg": "ra_deg + n * 0.2",
        "dec_deg": "dec_deg + n * 0.05",
        "program": "CAST(20000 + n AS TEXT)",
        "kind": "'KIND_' || (n % 15)",
        "finished_at": "datetime(finished_at, n || ' seconds')"
        if is_sqlite
        else "finished_at + n * INTERVAL '1 second'",
    }
    return f"{column} || '-' || n" if column in keys else values.get(column, column)


@contextmanager
def heard(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Hear the questions that an engine is asked."""
    asked: list[tuple[str, Any]] = []

    def hear(_: object, __: object, statement: str, given: Any, *___: object) -> None:
        asked.append((statement, given))

    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", hear)


KEY = "spec3-raw-dark.fits"
"""Fingerprint of the last job of the chain."""
NAME = "jw02736-o007_s00001"
"""Its product name."""
ASKED: dict[str, Callable[[Database], object]] = {
    "the last making": lambda d: d.jobs.find_last_making(),
    "show a product": lambda d: d.jobs.find_products(name=f"{NAME}_x1d.fits"),
    "show a job": lambda d: d.jobs.get_job(KEY),
    "the beginning of a job": lambda d: d.jobs.find_jobs(KEY[:9]),
    "the beginning of an attempt": lambda d: d.jobs.find_attempts(f"of-{KEY}"[:12]),
    "jobs of a name": lambda d: d.jobs.find_namesakes(Stage.SPEC3, NAME),
    "its last use": lambda d: d.runs.find_last_use(KEY),
    "its caveats": lambda d: d.jobs.find_caveats([KEY]),
    "up": lambda d: d.lineages.trace([KEY]),
    "down": lambda d: d.lineages.trace(["detector1-1-raw-dark.fits"], down=True),
    "earlier jobs": lambda d: d.jobs.find_earlier_jobs(Stage.SPEC3, NAME),
    "users": lambda d: d.products.count_users(["dark.fits"]),
    "usages": lambda d: d.jobs.find_usages(Stage.SPEC3, NAME),
}
FOUND: dict[str, ProductQuery] = {
    "all": ProductQuery(),
    "a reference": ProductQuery(references=("dark.fits",)),
    "downstream": ProductQuery(references=("dark.fits",), is_downstream=True),
    "an exposure": ProductQuery(exposures=("jw02736007001_03103_00001_nrs1",)),
    "a target": ProductQuery(targets=("M 31",)),
    "a place": ProductQuery(near=(Cone(10.0, 0.0, 0.001),)),
    "a caveat": ProductQuery(caveats=(CaveatKind.ALL_NAN,)),
    "a program": ProductQuery(programs=("02736",), kinds=("x1d",)),
}


def test_questions_go_through_indexes(engine: Engine, database: Database) -> None:
    grow(engine, database)
    asked = dict(ASKED)
    for name, query in FOUND.items():
        asked[f"find {name}"] = lambda d, q=query: d.products.find(replace(q, limit=3))
    whole = {}
    for name, ask in asked.items():
        with heard(engine) as questions:
            ask(database)
        assert questions, name
        if found := [line for each in questions for line in explain(engine, *each)]:
            whole[name] = found
    assert whole == {}


def explain(engine: Engine, statement: str, given: Any) -> list[str]:
    """Explain a question, and list the large tables that it reads whole."""
    if not statement.lstrip().startswith(("SELECT", "WITH")):
        return []
    is_sqlite = engine.dialect.name == "sqlite"
    words = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"{words} {statement}", given)
        plan = [str(row[-1]).strip() for row in rows]
    # The newest come first: what is at the end of this index is looked at alone.
    newest = "ix_attempt_finished_at"
    return [
        line
        for line in plan
        if ("Seq Scan" in line or line.startswith("SCAN ")) and newest not in line
        if any(f" {table} " in f"{line} " for table in KEYS)
    ]


@pytest.mark.skipif(
    not has_locale("da_DK"), reason="the package `locales` is not there"
)
def test_beginnings_are_found_in_any_locale() -> None:
    """In Danish `aa` is a letter that comes after `z`."""
    with running_server("da_DK") as url:
        engine = make_engine(url)
        upgrade(engine)
        database = Database(engine)
        jobs = [make_job(fingerprint=each) for each in ("a1", "aa1", "aa2", "b1")]
        database.jobs.record_outcomes([make_outcome(job) for job in jobs])
        with heard(engine) as questions:
            found = [database.jobs.find_jobs(beginning) for beginning in ("a", "aa")]
        with engine.connect() as connection:
            in_danish = text("SELECT 'aa' COLLATE \"default\" > 'b'")
            assert connection.scalar(in_danish)
            assert connection.scalar(text("SELECT max(fingerprint) FROM job")) == "b1"
            connection.execute(text("SET enable_seqscan = off"))
            plan = [
                str(row[0])
                for statement, given in questions
                if statement.startswith("SELECT")
                for row in connection.exec_driver_sql(f"EXPLAIN {statement}", given)
            ]
        engine.dispose()
    assert [list(each) for each in found] == [["a1", "aa1", "aa2"], ["aa1", "aa2"]]
    assert sum("Index Cond: ((fingerprint >=" in line for line in plan) == 2, plan
