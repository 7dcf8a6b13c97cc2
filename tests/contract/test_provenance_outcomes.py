import json
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from outcomes import NOON, make_job, make_outcome, make_product, outcomes

from flows.errors import OutcomeError
from flows.provenance import find_outcomes, load_outcome, parse_outcome
from workers.contract import Outcome, ProductFacts, SourceFacts, to_json


@given(outcomes())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_outcome_survives_its_file(tmp_path: Path, outcome: Outcome) -> None:
    path = tmp_path / "outcome.json"
    path.write_text(to_json(outcome))
    assert load_outcome(path) == outcome


def test_an_infinite_parameter_survives_its_file(tmp_path: Path) -> None:
    job = replace(make_job(), parameters={"maximum": inf, "whole": 1, "real": 1.0})
    path = tmp_path / "outcome.json"
    path.write_text(to_json(make_outcome(job)))
    read = load_outcome(path).job.parameters
    assert read == job.parameters
    assert [type(value) for value in read.values()] == [float, float, int]


def test_records_read_back_can_be_hashed_where_they_could_before(
    tmp_path: Path,
) -> None:
    path = tmp_path / "outcome.json"
    path.write_text(to_json(make_outcome()))
    outcome = load_outcome(path)
    assert len({outcome.products, outcome.steps, outcome.caveats}) == 3


def test_what_the_first_version_mixed_into_an_outcome_is_left_out(
    tmp_path: Path,
) -> None:
    """It wrote what was known before the job ran, which held of one run."""
    outcome = make_outcome()
    record = json.loads(to_json(outcome))
    del record["record_version"]
    said = ["made without x_rate.fits"]
    record["job"] |= {"partial": said, "elsewhere": []}
    record["caveats"] += [{"kind": "PARTIAL", "message": said[0]}]
    path = tmp_path / "outcome.json"
    path.write_text(json.dumps(record))
    assert load_outcome(path) == outcome


@pytest.mark.parametrize(
    ("text", "cause"),
    [("{", "its text"), ("{}", "job"), (None, "No such file")],
)
def test_a_damaged_outcome_is_named(
    tmp_path: Path, text: str | None, cause: str
) -> None:
    path = tmp_path / "outcome.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(OutcomeError, match=cause) as caught:
        load_outcome(path)
    assert str(path) in str(caught.value)


def test_times_are_utc_with_or_without_its_mark_and_stay_as_they_are_on_disk() -> None:
    outcome = make_outcome(finished_at=NOON)
    text = to_json(outcome)
    assert '"finished_at": "2026-11-20T12:00:00+00:00"' in text
    assert to_json(parse_outcome(text, source="text")) == text
    assert parse_outcome(text.replace("+00:00", ""), source="text") == outcome


OUT = ["../..", "/etc", "", ".", "store/../../x", "store//x", "a\\b", "store/.", "~"]
"""Folders that lead out of the data folder, or are none."""


@pytest.mark.parametrize("folder", OUT)
def test_a_folder_that_leads_out_of_the_data_folder_is_no_outcome(
    tmp_path: Path, folder: str
) -> None:
    path = tmp_path / "outcome.json"
    path.write_text(to_json(replace(make_outcome(), folder=folder)))
    with pytest.raises(OutcomeError, match="refused the f"):
        load_outcome(path)


@pytest.mark.parametrize("name", ["../x_rate.fits", "/etc/passwd", "a/b", "", ".."])
def test_a_product_that_lies_elsewhere_is_no_outcome(tmp_path: Path, name: str) -> None:
    path = tmp_path / "outcome.json"
    path.write_text(to_json(make_outcome(products=[make_product(name)])))
    with pytest.raises(OutcomeError, match="refused the file name"):
        load_outcome(path)


def test_all_outcomes_of_a_data_folder_are_found_successes_first(
    tmp_path: Path,
) -> None:
    names = ["store/ab/abc", "store/cd/cde", "attempts/abc/1", "attempts/abc/2"]
    for name in [*names, "runs/02736/1", "store/ab/abc/deep", "scratch/1"]:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "outcome.json").touch()
    expected = [tmp_path / name / "outcome.json" for name in names]
    assert list(find_outcomes(tmp_path)) == expected


def test_a_data_folder_that_is_not_there_holds_no_outcome(tmp_path: Path) -> None:
    assert list(find_outcomes(tmp_path / "none")) == []


def test_an_outcome_of_before_there_were_facts_has_none(tmp_path: Path) -> None:
    record = json.loads(to_json(make_outcome()))
    del record["facts"]
    path = tmp_path / "outcome.json"
    path.write_text(json.dumps(record | {"record_version": 2}))
    assert load_outcome(path) == make_outcome()


@pytest.mark.parametrize("place", ["facts", "source"])
def test_an_outcome_with_a_fact_that_is_no_number_is_refused(
    tmp_path: Path, place: str
) -> None:
    facts = ProductFacts(
        "a_x1d.fits",
        "spectrum",
        2,
        ra_deg=nan if place == "facts" else 1.0,
        sources=(SourceFacts(dec_deg=nan if place == "source" else 1.0),),
    )
    path = tmp_path / "outcome.json"
    path.write_text(to_json(make_outcome(facts=[facts])))
    with pytest.raises(OutcomeError, match=r"fact of a_x1d\.fits is not finite"):
        load_outcome(path)
