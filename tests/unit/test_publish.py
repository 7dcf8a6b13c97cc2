from collections.abc import Callable
from pathlib import Path

import pytest
from outcomes import make_job, make_outcome

from flows.provenance.outcomes import load_outcome
from workers.contract import Outcome, Status
from workers.run import _publish

Make = Callable[..., Outcome]


@pytest.fixture
def publish(tmp_path: Path) -> Make:
    """Publish an attempt that made one product and a log."""

    def publish_attempt(attempt: str, status: Status = Status.SUCCEEDED) -> Outcome:
        made = tmp_path / "scratch" / attempt
        made.mkdir(parents=True)
        for name in ("a_rate.fits", "job.log"):
            (made / name).write_text(attempt)
        outcome = make_outcome(make_job(), attempt=attempt, status=status)
        _publish(outcome, made, tmp_path / "target")
        return outcome

    return publish_attempt


def test_all_that_was_made_is_published_with_the_outcome(
    tmp_path: Path, publish: Make
) -> None:
    outcome = publish("one")
    target = tmp_path / "target"
    assert {path.name for path in target.iterdir()} == {
        "a_rate.fits",
        "job.log",
        "outcome.json",
    }
    assert load_outcome(target / "outcome.json") == outcome


def test_of_a_job_published_twice_the_first_stays(
    tmp_path: Path, publish: Make
) -> None:
    first = publish("one")
    publish("two")
    assert load_outcome(tmp_path / "target" / "outcome.json") == first
    assert (tmp_path / "target" / "a_rate.fits").read_text() == "one"


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.SUCCEEDED])
def test_a_failure_leaves_log_and_outcome_only(
    tmp_path: Path, publish: Make, status: Status
) -> None:
    publish("one", status)
    names = {path.name for path in (tmp_path / "target").iterdir()}
    assert names == {"job.log", "outcome.json"}


def test_a_place_that_is_taken_by_something_else_is_an_error(
    tmp_path: Path, publish: Make
) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "stray").touch()
    with pytest.raises(OSError, match="target"):
        publish("one")
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["stray"]
