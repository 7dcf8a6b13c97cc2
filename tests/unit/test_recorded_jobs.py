"""Recorded jobs in the order in which they can be made again, and what came of them."""

from dataclasses import replace
from pathlib import Path

import pytest
from outcomes import make_job, make_outcome, make_product

from flows.errors import UnknownRecordError
from flows.provenance import Database
from flows.reproduction.records import find_records, link
from flows.reproduction.verdict import (
    Verdict,
    join,
    judge_job,
    list_changed_code,
    list_changed_environment,
    list_unproven,
)
from workers.contract import Outcome, Stage, Status
from workers.differences import Difference
from workers.installed import describe_environment

RATE, CAL = (
    make_product(f"jw02736007001_03103_00001_nrs1_{kind}.fits")
    for kind in ("rate", "cal")
)


def make_spec2(fingerprint: str, *, reads: str = RATE.sha256) -> Outcome:
    job = make_job(fingerprint, stage=Stage.SPEC2)
    job = replace(job, inputs=(replace(job.inputs[0], sha256=reads),))
    return make_outcome(job, attempt=fingerprint[:9], products=[CAL])


DETECTOR1 = make_outcome(make_job("1" * 64), products=[RATE])
SPEC2 = make_spec2("2" * 64)


def test_what_makes_an_input_comes_first() -> None:
    first, second = link([SPEC2, DETECTOR1])
    assert [first.outcome, second.outcome] == [DETECTOR1, SPEC2]
    assert second.made_by == {RATE.sha256: first.key}
    assert first.made_by == {}
    assert first.key == "detector1:jw02736007001_03103_00001_nrs1"


def test_jobs_of_one_name_have_keys_of_their_own() -> None:
    keys = {one.key for one in link([SPEC2, make_spec2("3" * 64), DETECTOR1])}
    name = "jw02736007001_03103_00001_nrs1"
    assert keys == {
        *(f"spec2:{name}@22222222", f"spec2:{name}@33333333", f"detector1:{name}"),
    }


def test_a_chain_is_found_in_the_database_and_only_if_it_is_wanted(
    tmp_path: Path,
) -> None:
    with Database.open(f"sqlite:///{tmp_path}/rewebb.db") as database:
        for outcome in (DETECTOR1, SPEC2):
            database.jobs.record_outcome(outcome)
        failed = make_outcome(make_job("4" * 64), attempt="4", status=Status.FAILED)
        database.jobs.record_outcome(failed)
        alone = find_records(database, [SPEC2.job.fingerprint], chain=False)
        chain = find_records(database, [SPEC2.job.fingerprint], chain=True)
        with pytest.raises(UnknownRecordError, match="never succeeded"):
            find_records(database, ["4" * 64], chain=False)
    assert [one.outcome for one in alone] == [SPEC2]
    assert alone[0].made_by == {}
    assert [one.outcome for one in chain] == [DETECTOR1, SPEC2]


def test_products_are_proven_the_same_by_hashes_of_the_same_version() -> None:
    other = replace(CAL, content_sha256="other")
    assert list_unproven(SPEC2, SPEC2) == ()
    assert list_unproven(SPEC2, replace(SPEC2, products=(other,))) == (CAL.name,)
    assert list_unproven(replace(SPEC2, content_version=1), SPEC2) == (CAL.name,)


def test_the_worst_product_is_the_verdict_on_a_job() -> None:
    judged = judge_job("key", SPEC2, "", SPEC2, {})
    assert (judged.verdict, len(judged.products)) == (Verdict.IDENTICAL, 1)
    differences = (Difference("SCI,1", "1 of 9 values differ", 1, 0.5),)
    judged = judge_job("key", SPEC2, "", SPEC2, {CAL.name: differences})
    assert judged.verdict is Verdict.DIFFERENT
    assert judged.products[0].differences == differences
    judged = judge_job("key", SPEC2, "", replace(SPEC2, products=(RATE,)), {})
    assert [one.message for one in judged.products] == [
        *("it was not made now", "it was not made then"),
    ]
    assert judged.verdict is Verdict.DIFFERENT
    judged = judge_job("key", SPEC2, "it is gone", None, {})
    assert (judged.verdict, judged.message) == (Verdict.CANNOT, "it is gone")


def test_the_worst_job_is_the_verdict_on_all() -> None:
    assert join([]) is Verdict.IDENTICAL
    assert join([*Verdict]) is Verdict.CANNOT
    assert join([Verdict.IDENTICAL, Verdict.DIFFERENT]) is Verdict.DIFFERENT


def test_every_package_that_changed_is_named() -> None:
    here = {"jwst": "3.0.1", "numpy": "2.4", "stcal": "1.20.0"}
    assert list_changed_code(make_job(), here) == (
        "jwst was 3.0.0, is 3.0.1",
        "numpy was none, is 2.4",
    )


def test_what_else_changed_on_the_machine_is_named() -> None:
    here = describe_environment()
    assert list_changed_environment(here, here) == ()
    then = replace(
        here,
        distributions={**here.distributions, "jwst": "2.9", "gone": "1"},
        python="3.10.1",
        cpu_flags=("avx2", "avx9"),
    )
    here = replace(here, cpu_flags=("avx2", "fma"))
    assert list_changed_environment(then, here) == (
        "gone was 1, is none",
        f"jwst was 2.9, is {here.distributions['jwst']}",
        f"Python was 3.10.1, is {here.python}",
        "the flag avx9 of the processor was there, is absent",
        "the flag fma of the processor was absent, is there",
    )
