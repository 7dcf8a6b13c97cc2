"""Measurements of products in the database."""

from dataclasses import replace
from datetime import timedelta

import pytest
from outcomes import NOON, make_job, make_outcome

from flows.errors import DatabaseError
from flows.models.measurements import MeasuredProduct
from flows.provenance import Database
from workers.contract import Measurement

JOB = make_job()
NAME = "a_x1d.fits"
NUMBERS = (
    Measurement("nan-fraction", NAME, "1 FLUX", 0.1 + 0.2, "1", 2048),
    Measurement("absorption-spikes", NAME, "1", None, "pixel", 0, "It has \x00 bytes"),
)
MEASURED = MeasuredProduct(JOB.fingerprint, NAME, "abc", "def", NOON, NUMBERS)


def test_numbers_come_back_as_they_were_taken(database: Database) -> None:
    database.jobs.record_outcome(make_outcome(JOB))
    database.measurements.record(MEASURED)
    ((key, found),) = database.measurements.find([JOB.fingerprint]).items()
    assert key == (JOB.fingerprint, NAME)
    assert found.numbers[0] == NUMBERS[0]
    assert found.numbers[1].value is None
    assert replace(found, numbers=()) == replace(MEASURED, numbers=())
    assert database.measurements.find(["another"]) == {}


def test_what_is_measured_again_takes_the_place_of_older_numbers(
    database: Database,
) -> None:
    database.jobs.record_outcome(make_outcome(JOB))
    database.measurements.record(MEASURED)
    newer = replace(
        MEASURED, measured_at=NOON + timedelta(hours=1), numbers=NUMBERS[:1]
    )
    database.measurements.record(newer)
    database.measurements.record(newer)
    assert [*database.measurements.find([JOB.fingerprint]).values()] == [newer]


def test_the_numbers_outlive_a_job_that_is_done_again(database: Database) -> None:
    database.jobs.record_outcome(make_outcome(JOB))
    database.measurements.record(replace(MEASURED, numbers=NUMBERS[:1]))
    again = make_outcome(JOB, attempt="00000000-0000-0000-0000-000000000002")
    database.jobs.record_outcome(again)
    assert len(database.measurements.find([JOB.fingerprint])) == 1


def test_a_job_that_is_not_recorded_has_no_numbers(database: Database) -> None:
    with pytest.raises(DatabaseError):
        database.measurements.record(MEASURED)
