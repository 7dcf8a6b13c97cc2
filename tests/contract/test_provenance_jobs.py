"""Jobs, attempts and products in the database."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from math import inf
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcomes import (
    NOON,
    make_input,
    make_job,
    make_outcome,
    make_product,
    make_reference,
    make_run,
    outcomes,
)
from sqlalchemy import Engine, select, text

from flows.errors import DatabaseError, UnknownRecordError
from flows.models.jobs import Content, OtherReference
from flows.provenance import Database
from flows.provenance.schema import SQLBase
from workers.contract import (
    Edit,
    ErrorInfo,
    FileHash,
    Outcome,
    ReferenceUse,
    Stage,
    Status,
)

_ON_ONE_DATABASE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=25,
)

_TABLES = SQLBase.metadata.sorted_tables


def read_tables(engine: Engine) -> Mapping[str, Sequence[str]]:
    with engine.connect() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in _TABLES
        }


def _one_success(outcome: Outcome) -> str:
    """Return a key that lets one success of a job through, as many as are stored."""
    if outcome.status is Status.SUCCEEDED:
        return outcome.job.fingerprint
    return outcome.attempt


def empty_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in reversed(_TABLES):
            connection.execute(table.delete())


@given(outcome=outcomes())
@_ON_ONE_DATABASE
def test_an_outcome_comes_back_as_it_was_recorded(
    database: Database, engine: Engine, outcome: Outcome
) -> None:
    empty_tables(engine)
    database.jobs.record_outcome(outcome)
    record = database.jobs.get_job(outcome.job.fingerprint)
    assert record.job == outcome.job
    assert [attempt.outcome for attempt in record.attempts] == [outcome]


@given(
    items=st.lists(
        outcomes(),
        max_size=4,
        unique_by=(lambda item: item.attempt, _one_success),
    ),
    data=st.data(),
)
@_ON_ONE_DATABASE
def test_the_order_of_recording_makes_no_difference(
    engine: Engine, items: Sequence[Outcome], data: st.DataObject
) -> None:
    database = Database(engine)
    tables = []
    for order in (items, data.draw(st.permutations([*items, *items[:2]]))):
        empty_tables(engine)
        for outcome in order:
            database.jobs.record_outcome(outcome)
        tables.append(read_tables(engine))
    empty_tables(engine)
    database.jobs.record_outcomes(items)
    assert tables[0] == tables[1] == read_tables(engine)


def test_an_outcome_recorded_twice_is_there_once(
    database: Database, engine: Engine
) -> None:
    database.runs.start_run(make_run())
    database.jobs.record_outcome(make_outcome(), run_id="run-1")
    once = read_tables(engine)
    database.jobs.record_outcome(make_outcome())
    assert read_tables(engine) == once


def test_an_outcome_recorded_by_many_at_once_is_there_once(
    database: Database, engine: Engine
) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(database.jobs.record_outcome, [make_outcome()] * 12))
    assert len(read_tables(engine)["attempt"]) == 1


def test_attempts_recorded_at_once_leave_one_success_and_its_products(
    database: Database,
) -> None:
    attempts = [make_outcome(attempt=str(uuid4())) for _ in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(database.jobs.record_outcome, attempts))
    (product,) = database.jobs.find_products()
    (done,) = database.jobs.find_outcomes([product.fingerprint]).values()
    assert done.attempt == product.attempt


def test_a_failure_after_a_success_leaves_the_products(database: Database) -> None:
    success = make_outcome()
    later = NOON + timedelta(days=1)
    failure = make_outcome(attempt="x", status=Status.LOST, finished_at=later)
    database.jobs.record_outcome(success)
    database.jobs.record_outcome(failure)
    (found,) = database.jobs.find_outcomes([success.job.fingerprint]).values()
    assert (found.attempt, found.products) == (success.attempt, success.products)
    record = database.jobs.get_job(success.job.fingerprint)
    assert [attempt.outcome for attempt in record.attempts] == [success, failure]


def test_the_job_is_told_as_the_success_saw_it_that_was_recorded_last(
    database: Database,
) -> None:
    old, new = make_job(context="jwst_1463.pmap"), make_job(context="jwst_1464.pmap")
    database.jobs.record_outcome(make_outcome(old, finished_at=NOON + timedelta(1)))
    database.jobs.record_outcome(make_outcome(new, attempt="b"))
    database.jobs.record_outcome(
        make_outcome(old, attempt="c", status=Status.FAILED, finished_at=NOON)
    )
    assert database.jobs.get_job(old.fingerprint).job == new


def test_a_job_is_found_by_the_beginning_of_its_fingerprint(
    database: Database,
) -> None:
    for fingerprint in ("aab", "aac", "aa"):
        database.jobs.record_outcome(
            make_outcome(make_job(fingerprint), attempt=fingerprint)
        )
    assert database.jobs.get_job("aab").job.fingerprint == "aab"
    assert database.jobs.get_job("aa").job.fingerprint == "aa"
    for wrong in ("a", "b", "a%", "_"):
        with pytest.raises(UnknownRecordError, match="fingerprint begins with"):
            database.jobs.get_job(wrong)


def test_the_run_of_an_attempt_is_kept_when_the_store_is_read_again(
    database: Database,
) -> None:
    database.runs.start_run(make_run())
    database.jobs.record_outcome(make_outcome(), run_id="run-1")
    database.jobs.record_outcome(make_outcome())
    assert database.jobs.get_job("ff").attempts[0].run_id == "run-1"


def test_an_outcome_of_an_unknown_run_is_refused_whole(
    database: Database, engine: Engine
) -> None:
    empty = read_tables(engine)
    with pytest.raises(DatabaseError, match="cannot be used"):
        database.jobs.record_outcome(make_outcome(), run_id="never-started")
    assert read_tables(engine) == empty


def test_only_jobs_that_succeeded_are_found(database: Database) -> None:
    for number in range(1100):
        status = Status.FAILED if number % 10 else Status.SUCCEEDED
        if number < 20:
            job = make_job(f"f{number}")
            database.jobs.record_outcome(
                make_outcome(job, attempt=str(number), status=status)
            )
    found = database.jobs.find_outcomes(f"f{number}" for number in range(1100))
    assert sorted(found) == ["f0", "f10"]
    assert found["f10"].caveats == make_outcome().caveats
    assert found["f10"].finished_at == NOON


def test_a_success_without_data_is_found_without_products(
    database: Database,
) -> None:
    database.jobs.record_outcome(make_outcome(products=[]))
    (found,) = database.jobs.find_outcomes(["f" * 64]).values()
    assert found.products == ()


def test_products_are_found_by_name_and_hash_newest_first(
    database: Database,
) -> None:
    for day, fingerprint in enumerate(["old", "new"]):
        outcome = make_outcome(
            make_job(fingerprint),
            attempt=fingerprint,
            finished_at=NOON + timedelta(days=day),
            products=[make_product("a.fits"), make_product(f"{fingerprint}.fits")],
        )
        database.jobs.record_outcome(outcome)
    assert [p.fingerprint for p in database.jobs.find_products(name="a.fits")] == [
        "new",
        "old",
    ]
    assert [
        p.attempt for p in database.jobs.find_products(sha256="sha256-old.fits")
    ] == ["old"]
    assert database.jobs.find_products(name="a.fits", sha256="sha256-old.fits") == ()


def test_earlier_jobs_are_the_successes_of_the_product_newest_first(
    database: Database,
) -> None:
    for day, fingerprint in enumerate(["first", "second", "third", "failed"]):
        status = Status.FAILED if fingerprint == "failed" else Status.SUCCEEDED
        outcome = make_outcome(
            make_job(fingerprint),
            attempt=fingerprint,
            status=status,
            finished_at=NOON + timedelta(days=day),
        )
        database.jobs.record_outcome(outcome)
    name = make_job().name
    found = database.jobs.find_earlier_jobs(Stage.DETECTOR1, name)
    assert found == (make_job("third"), make_job("second"), make_job("first"))
    assert database.jobs.find_earlier_jobs(Stage.SPEC2, name) == ()
    assert database.jobs.find_job("second") == make_job("second")
    assert database.jobs.find_job("secon") is None


def test_files_of_other_bytes_are_found_that_jobs_of_the_program_used(
    database: Database,
) -> None:
    file = make_reference("photom_1.fits")
    tampered = replace(file, sha1="tampered")
    for name, used in {"good": file, "bad": tampered}.items():
        job = replace(
            make_job(name),
            crds_path=f"/crds/{name}",
            references=(ReferenceUse("photom", used), ReferenceUse("dark", None)),
        )
        database.jobs.record_outcome(make_outcome(job, attempt=name))
    assert database.jobs.find_other_references("02736", [file]) == (
        OtherReference("photom_1.fits", "tampered", "/crds/bad"),
    )
    assert database.jobs.find_other_references("02736", [tampered]) == (
        OtherReference("photom_1.fits", file.sha1, "/crds/good"),
    )
    assert database.jobs.find_other_references("01345", [file]) == ()
    assert database.jobs.find_other_references("02736", [make_reference("other")]) == ()


def test_contents_are_those_of_raw_files_and_of_products(
    database: Database,
) -> None:
    """Also of a raw file that was changed in its place."""
    raw = [
        FileHash("/raw/a", 1, n, f"s{n}", f"c{n}", None, f"p{n}", {"NGROUPS": f"{n}"})
        for n in (1, 2)
    ]
    for file in raw:
        database.files.remember_files([file])
    product = replace(make_product("b.fits"), pixels_sha256="p3")
    old = make_product("old.fits")
    database.jobs.record_outcome(make_outcome(products=[product, old]))
    files = [
        *(replace(make_input("a"), content_sha256=f.content_sha256) for f in raw),
        *(
            replace(
                make_input(p.name), sha256=p.sha256, content_sha256=p.content_sha256
            )
            for p in (product, old)
        ),
    ]
    assert database.jobs.find_contents(files) == {
        "c1": Content("p1", {"NGROUPS": "1"}),
        "c2": Content("p2", {"NGROUPS": "2"}),
        product.content_sha256: Content("p3", None),
    }


def test_what_jobs_have_in_common_is_there_once(
    database: Database, engine: Engine
) -> None:
    jobs = [make_job(f"f{number}") for number in range(3)]
    recipe = {"jump.rejection_threshold": "recipe other"}
    jobs.append(replace(make_job("f3"), origins=recipe))
    database.jobs.record_outcomes([make_outcome(j, attempt=j.name) for j in jobs[:1]])
    database.jobs.record_outcomes(
        [make_outcome(j, attempt=j.fingerprint) for j in jobs]
    )
    counts = {name: len(rows) for name, rows in read_tables(engine).items()}
    assert (counts["job"], counts["attempt"]) == (4, 5)
    assert (counts["parameter_set"], counts["parameter"]) == (2, 4)
    assert (counts["version_set"], counts["version"]) == (1, 2)
    assert (counts["reference_set"], counts["reference_use"]) == (2, 5)
    assert counts["reference"] == 4
    assert database.jobs.get_job("f3").job == jobs[3]


def test_a_parameter_has_its_origin(database: Database, engine: Engine) -> None:
    steps = {"jump": {"skip": False, "threshold": 5.0, "flag": None}}
    origins = {"jump.threshold": "recipe mine", "jump.skip": "pars jump_1.asdf"}
    for key, known in (("new", origins), ("old", None)):
        job = replace(make_job(key), parameters={"steps": steps}, origins=known)
        job = replace(job, overrides={"steps": {"jump": {"threshold": 5.0}}})
        database.jobs.record_outcome(make_outcome(job, attempt=key))
    query = """SELECT fingerprint, parameter.name, value, origin FROM job
    JOIN parameter ON set_sha256 = parameters_sha256 ORDER BY 1 DESC, 2"""
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(query))]
    assert rows == [
        ("old", "jump.flag", "null", None),
        ("old", "jump.skip", "false", None),
        ("old", "jump.threshold", "5.0", "recipe"),
        ("new", "jump.flag", "null", "default"),
        ("new", "jump.skip", "false", "pars jump_1.asdf"),
        ("new", "jump.threshold", "5.0", "recipe mine"),
    ]


def test_jobs_are_followed_to_those_that_made_what_they_read(
    database: Database,
) -> None:
    stages = {"1" * 64: Stage.DETECTOR1, "2" * 64: Stage.SPEC2, "3" * 64: Stage.SPEC3}
    before = "raw"
    for minutes, (fingerprint, stage) in enumerate(stages.items()):
        job = replace(
            make_job(fingerprint, stage=stage, context=f"jwst_000{minutes + 1}.pmap"),
            inputs=(make_input(before),),
        )
        before = f"{stage}.fits"
        outcome = make_outcome(
            job,
            attempt=before,
            finished_at=NOON + timedelta(minutes=minutes),
            products=[make_product(before)],
        )
        database.jobs.record_outcome(outcome)
    found = database.jobs.find_lineage(["2" * 64])
    assert [job.stage for job in found] == [Stage.SPEC2, Stage.DETECTOR1]
    job = database.jobs.get_job("2" * 64).job
    assert (found[0].parameters, found[0].versions) == (job.parameters, job.versions)
    assert found[0].references == {"dark": True, "photom": False}
    (raw,) = found[1].inputs
    assert (raw.name, raw.exptype, raw.content_sha256) == (
        *("raw", "science"),
        "content-raw",
    )
    assert len(database.jobs.find_lineage(["3" * 64])) == len(stages)
    assert database.jobs.find_lineage(["4" * 64]) == ()
    assert database.jobs.find_last_making() == ("3.0.0", "jwst_0003.pmap")


def test_what_a_job_edits_and_which_files_of_users_it_reads_is_told(
    database: Database,
) -> None:
    mine = replace(make_input("mine"), exptype="background-spectrum")
    edit = Edit("extract1d", "set-cube-aperture", {"radius_factor": 2})
    job = replace(make_job(), inputs=(make_input("raw"), mine), edits=(edit,))
    database.jobs.record_outcome(make_outcome(job))
    [found] = database.jobs.find_lineage([job.fingerprint])
    assert found.changes == {"background-spectrum", "set-cube-aperture"}


def test_cards_of_raw_files_are_found_by_their_content(database: Database) -> None:
    cards = {"with": {"EXP_TYPE": "'NRS_IFU'"}, "without": {}}
    database.files.remember_files(
        [
            FileHash(f"/{c}", 1, 2, f"sha-{c}", c, pixels_sha256="p", cards=given)
            for c, given in cards.items()
        ]
    )
    found = database.jobs.find_cards(["with", "without", "other"])
    assert found == {"with": cards["with"]}


def test_nothing_was_made_with_anything_yet(database: Database) -> None:
    database.jobs.record_outcome(make_outcome(status=Status.FAILED))
    assert database.jobs.find_last_making() is None


def test_text_that_no_database_holds_is_shown_escaped(database: Database) -> None:
    error = ErrorInfo("E", "NUL \x00 and surrogate \udc80", "é \x00")
    outcome = replace(make_outcome(status=Status.FAILED), error=error)
    database.jobs.record_outcome(outcome)
    stored = database.jobs.get_job("ff").attempts[0].outcome.error
    assert stored == ErrorInfo("E", "NUL \\x00 and surrogate \\udc80", "é \\x00")


def test_an_infinite_parameter_is_recorded(database: Database) -> None:
    job = replace(make_job(), parameters={"maximum": inf})
    database.jobs.record_outcome(make_outcome(job))
    assert database.jobs.get_job("ff").job.parameters == {"maximum": inf}


def test_what_attempts_at_a_product_took_is_found_whatever_their_fingerprint(
    database: Database,
) -> None:
    statuses = [Status.OUT_OF_MEMORY, Status.SUCCEEDED, Status.LOST, Status.FAILED]
    for number, status in enumerate(statuses):
        outcome = make_outcome(
            make_job(f"{number}" * 64),
            attempt=f"attempt-{number}",
            status=status,
            finished_at=NOON + timedelta(minutes=number),
        )
        usage = replace(outcome.usage, peak_bytes=number)
        database.jobs.record_outcome(replace(outcome, usage=usage))
    found = database.jobs.find_usages(Stage.DETECTOR1, make_job().name)
    assert [(status, usage.peak_bytes) for status, usage in found] == [
        (Status.SUCCEEDED, 1),
        (Status.OUT_OF_MEMORY, 0),
    ]
    assert database.jobs.find_usages(Stage.SPEC2, make_job().name) == ()
