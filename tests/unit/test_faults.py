"""Faults that tests ask for: which attempt they strike, and what each comes to."""

import pytest
from outcomes import make_job

from config.errors import SettingsError
from config.faults import Fault, FaultKind, find_fault
from config.settings import load_settings
from workers.child import run_in_child
from workers.contract import Status, TimeLimits
from workers.faults import strike
from workers.run import _Answer, _judge, guarded

GIB = 1 << 30
FAULTS = (
    Fault("detector1:*_nrs1", FaultKind.HANG),
    Fault("detector1:*", FaultKind.EXIT, attempt=2),
)


@pytest.mark.parametrize(
    ("key", "attempt", "kind"),
    [
        ("detector1:a_nrs1", 1, FaultKind.HANG),
        ("detector1:a_nrs1", 2, FaultKind.EXIT),
        ("detector1:a_nrs2", 1, None),
        ("spec2:a_nrs1", 1, None),
    ],
)
def test_a_fault_strikes_the_attempts_that_it_names(
    key: str, attempt: int, kind: FaultKind | None
) -> None:
    assert find_fault(FAULTS, key, attempt) is kind


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FaultKind.EXIT, Status.LOST),
        (FaultKind.HANG, Status.TIMED_OUT),
        (FaultKind.EAT_MEMORY, Status.OUT_OF_MEMORY),
        (FaultKind.KILL_CHILD, Status.OUT_OF_MEMORY),
    ],
)
def test_what_goes_wrong_has_the_end_of_its_kind(
    kind: FaultKind, status: Status
) -> None:
    end = run_in_child(strike, kind, limit_bytes=2 * GIB, limits=TimeLimits(2.5))
    _, judged = _judge(make_job(), end, 2 * GIB)
    assert judged is status


def test_an_error_that_is_asked_for_fails_the_job() -> None:
    end = run_in_child(guarded, strike, FaultKind.RAISE)
    assert end.answer.type == "RuntimeError"
    assert not isinstance(end.answer, _Answer)


def test_faults_are_a_setting_of_tests_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told = '[{"job": "spec2:*", "kind": "hang", "attempt": 2}]'
    monkeypatch.setenv("REWEBB_FAULTS", told)
    assert load_settings().faults == (Fault("spec2:*", FaultKind.HANG, 2),)
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with pytest.raises(SettingsError, match="for tests alone"):
        load_settings()


def test_a_fault_without_a_kind_that_there_is_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REWEBB_FAULTS", '[{"job": "spec2:*", "kind": "sulk"}]')
    with pytest.raises(SettingsError, match="faults"):
        load_settings()
