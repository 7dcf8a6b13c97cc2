"""The views, by plain SQL through the drivers: their rows are what the API says."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from outcomes import NOON, make_input, make_job, make_outcome, make_product
from sqlalchemy import Engine, make_url

from flows.provenance import Database
from flows.provenance.views import VIEWS
from workers.contract import Stage

DOC = Path(__file__).parents[2] / "docs" / "operator" / "schema.md"
QUESTIONS = re.findall(r"```sql\n(.*?);\n```", DOC.read_text(), re.DOTALL)

CHAIN = {
    "rate": Stage.DETECTOR1,
    "again": Stage.DETECTOR1,
    "cal": Stage.SPEC2,
    "x1d": Stage.SPEC3,
}
"""Jobs by fingerprint, each a day after the one before; `again` makes a rate anew."""


@pytest.fixture
def chain(database: Database) -> Database:
    """Record a raw file, a rate made twice, and what was made of the newer one."""
    read = {"rate": "raw", "again": "raw", "cal": "again_rate", "x1d": "cal"}
    for day, (key, stage) in enumerate(CHAIN.items()):
        name = "rate.fits" if key in {"rate", "again"} else f"{key}.fits"
        made = replace(make_product(name), sha256=f"sha256-{key}.fits")
        source = replace(make_input(f"{read[key]}.fits"), sha256=f"sha256-{read[key]}")
        if key in {"cal", "x1d"}:
            before = "again" if key == "cal" else "cal"
            source = replace(source, sha256=f"sha256-{before}.fits")
        job = replace(make_job(key, stage=stage, name=f"{stage}"), inputs=(source,))
        at = NOON + timedelta(days=day)
        outcome = make_outcome(job, attempt=key, finished_at=at, products=[made])
        database.jobs.record_outcome(outcome)
    return database


@pytest.fixture
def driver(engine: Engine) -> Iterator[Any]:
    """Connect with the driver alone, as people do."""
    if engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(str(engine.url.database))) as connection:
            yield connection
        return
    url = make_url(str(engine.url.render_as_string(hide_password=False)))
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        yield connection


def ask(driver: Any, query: str) -> Sequence[tuple[Any, ...]]:
    return sorted(driver.execute(query).fetchall(), key=repr)


def test_a_view_has_the_columns_that_the_page_tells(driver: Any) -> None:
    for name, view in VIEWS.items():
        found = driver.execute(f"SELECT * FROM {name}").description  # noqa: S608
        assert [column[0] for column in found] == [*view.columns], name


def test_references_parameter_references_and_mappings_of_products(
    chain: Database, driver: Any
) -> None:
    rows = ask(
        driver, "SELECT fingerprint, kind, reference, sha1 FROM product_reference"
    )
    expected = []
    for key in CHAIN:
        job = chain.jobs.get_job(key).job
        used = [("reference", use.file) for use in job.references if use.file]
        used += [("pars", use.file) for use in job.pars]
        used += [("mapping", file) for file in job.mappings]
        expected += [(key, kind, file.name, file.sha1) for kind, file in used]
    assert rows == sorted(expected)
    assert len(rows) == 16


def test_what_products_were_made_from_down_to_the_raw_file(
    chain: Database, driver: Any
) -> None:
    query = "SELECT product, fingerprint, upstream, made_by FROM product_upstream"
    assert ask(driver, f"{query} WHERE product = 'x1d.fits'") == [
        ("x1d.fits", "x1d", "again_rate.fits", "again"),
        ("x1d.fits", "x1d", "cal.fits", "cal"),
        ("x1d.fits", "x1d", "raw.fits", None),
    ]
    for key in CHAIN:
        lineage = chain.jobs.find_lineage([key])
        read = {(job.fingerprint, f.sha256) for job in lineage for f in job.inputs}
        query = "SELECT read_by, sha256 FROM product_upstream WHERE fingerprint ="
        assert {*ask(driver, f"{query} '{key}'")} == read


def test_parameters_of_products_with_their_origins(
    chain: Database, driver: Any
) -> None:
    query = "SELECT parameter, value, origin FROM product_parameters WHERE product ="
    assert chain.jobs.get_job("cal").job.parameters == {
        "steps": {"jump": {"rejection_threshold": 5.0, "skip": False}}
    }
    assert ask(driver, f"{query} 'cal.fits'") == [
        ("jump.rejection_threshold", "5.0", "recipe nirspec-mos"),
        ("jump.skip", "false", "default"),
    ]


def test_the_newest_products_are_those_that_none_supersedes(
    chain: Database, driver: Any
) -> None:
    newest = ask(driver, "SELECT product, fingerprint, folder FROM newest_products")
    expected = []
    for name in ("cal.fits", "rate.fits", "x1d.fits"):
        first, *_ = chain.jobs.find_products(name=name)
        expected.append((name, first.fingerprint, first.folder))
    assert newest == expected
    assert ask(driver, "SELECT * FROM superseded_products") == [
        ("rate", "rate.fits", "again")
    ]


@pytest.mark.usefixtures("chain")
def test_the_questions_of_the_page_can_be_asked(driver: Any) -> None:
    assert len(QUESTIONS) == 7
    sha1 = "sha1-jwst_nirspec_dark_0001.fits"
    name = "jw01345061001_02101_00001_nrs1_x1d.fits"
    answers = [
        ask(driver, each.replace("57d0...", sha1).replace(name, "x1d.fits"))
        for each in QUESTIONS
    ]
    counts = [4, 0, 3, 3, 4, 3, 0]
    assert [len(rows) for rows in answers] == counts


LOOKED_UP = {
    "products of a file": """SELECT product FROM product_reference
        WHERE sha1 = 'x' AND fingerprint = 'y'""",
    "products of any file of these bytes": """SELECT product FROM product_reference
        WHERE sha1 = 'x'""",
    "files of a name": "SELECT sha1 FROM reference WHERE name = 'x'",
    "parameters of a product": """SELECT * FROM product_parameters
        WHERE product = 'x'""",
    "products of a parameter": """SELECT product FROM product_parameters
        WHERE parameter = 'x' AND origin = 'recipe y'""",
    "the newest product": "SELECT * FROM newest_products WHERE product = 'x'",
    "what supersedes a product": """SELECT * FROM superseded_products
        WHERE product = 'x'""",
    "from a product": QUESTIONS[3],
    "downstream": QUESTIONS[4],
    "where a version was": """SELECT attempt.id FROM attempt
        JOIN distribution USING (environment_sha256)
        WHERE name = 'numpy' AND version = '2.4.0'""",
}
"""Questions that must not read a table whole, however large it is."""


@pytest.mark.parametrize("name", LOOKED_UP)
def test_a_question_is_answered_through_indexes(driver: Any, name: str) -> None:
    is_sqlite = isinstance(driver, sqlite3.Connection)
    if not is_sqlite:
        # Tables of few rows are read whole unless that is forbidden.
        driver.execute("SET enable_seqscan = off")
    explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
    plan = [row[-1] for row in driver.execute(f"{explain} {LOOKED_UP[name]}")]
    whole = [line for line in plan if "Seq Scan" in line or "SCAN " in line]
    # What a recursion has found so far is no table.
    found = ("SCAN made", "SCAN source", "SCAN (subquery")
    assert [line for line in whole if not line.startswith(found)] == []
