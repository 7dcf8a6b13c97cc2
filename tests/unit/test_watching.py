"""What a night runs: as data, and over many nights of random archives."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.subscriptions import Budget
from flows.watching import Basis, Candidate, Cost, decide

DAY = datetime(2026, 11, 1, tzinfo=UTC)
BASIS = Basis(10, 2, "aa", "jwst_1584.pmap", "3.0.0", "f" * 64)
DONE = Candidate("ours", "02736", (), "official", DAY, BASIS, done=BASIS)


def make_new(program: str, *, days: int = 0, **changes: Any) -> Candidate:
    """Make a program that was never run."""
    newest = DAY + timedelta(days=days)
    return replace(DONE, program=program, newest=newest, done=None, **changes)


def list_started(*candidates: Candidate, **limits: Any) -> list[str]:
    spent = limits.pop("spent", None)
    started = decide(candidates, Budget(**limits), spent).start
    return [due.candidate.program for due in started]


def test_a_program_of_which_nothing_changed_is_left() -> None:
    decision = decide([DONE], Budget())
    assert (decision.start, decision.later, decision.idle) == ((), (), (DONE,))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"content": "bb"}, "files were replaced in the archive (10 as before)"),
        ({"content": "bb", "files": 12}, "the archive holds 12 files instead of 10"),
        (
            {"content": "bb", "files": 12, "withheld": 0},
            "exclusive access to 2 files ended",
        ),
        ({"context": "jwst_1600.pmap"}, "context jwst_1584.pmap -> jwst_1600.pmap"),
        ({"jwst": "3.1.0"}, "jwst 3.0.0 -> 3.1.0"),
        ({"recipe": "e" * 64}, "recipe ffffffff -> eeeeeeee"),
    ],
)
def test_each_change_starts_a_run_and_says_why(
    changes: dict[str, Any], why: str
) -> None:
    changed = replace(DONE, basis=replace(BASIS, **changes))
    (due,) = decide([changed], Budget()).start
    assert due.reasons == (why,)


def test_in_another_context_what_was_judged_runs_only_if_jobs_are_out_of_date() -> None:
    elsewhere = replace(DONE, basis=replace(BASIS, context="jwst_1600.pmap"))
    current = replace(elsewhere, stale=())
    assert decide([current], Budget()).idle == (current,)
    reason = "reference photom a.fits -> b.fits (3 jobs)"
    (due,) = decide([replace(elsewhere, stale=(reason,))], Budget()).start
    assert due.reasons == ("context jwst_1584.pmap -> jwst_1600.pmap", reason)


def test_a_program_that_was_never_run_is_due() -> None:
    (due,) = decide([make_new("02736")], Budget()).start
    assert due.reasons == ("no run of 02736 with this recipe has come to its end",)


def test_the_newest_science_comes_first() -> None:
    unknown = replace(make_new("01000"), newest=None)
    ours = [unknown, make_new("01345"), make_new("09999", days=3), make_new("02736")]
    assert list_started(*ours) == ["09999", "02736", "01345", "01000"]


@pytest.mark.parametrize(
    "limit", [{"jobs": 25}, {"cpu_hours": 2.5}, {"disk_gb": 2.5}], ids=str
)
def test_a_night_ends_at_each_limit_and_the_rest_is_carried_over(
    limit: dict[str, Any],
) -> None:
    cost = Cost(10, 3600.0, 10**9)
    ours = [make_new(f"0000{n}", days=n, cost=cost) for n in range(5)]
    assert list_started(*ours, **limit) == ["00004", "00003"]
    decision = decide(ours, Budget(**limit))
    later = [due.candidate.program for due in decision.later]
    assert later == ["00002", "00001", "00000"]
    assert list_started(*ours, **limit, spent=cost) == ["00004"]


def test_nothing_overtakes_what_does_not_fit() -> None:
    small = make_new("00001", cost=Cost(1))
    large = make_new("00002", days=1, cost=Cost(90))
    assert list_started(small, large, jobs=100, spent=Cost(50)) == []


def test_what_is_larger_than_the_budget_has_a_night_of_its_own() -> None:
    large = make_new("00002", days=1, cost=Cost(900))
    ours = [make_new("00001", cost=Cost(1)), large]
    assert list_started(*ours, jobs=100) == ["00002"]


def test_a_program_runs_once_a_night_whoever_asks_for_it() -> None:
    first = make_new("02736")
    other = replace(first, subscription="others", recipe="selfcal")
    busy = replace(make_new("01345"), is_under_way=True)
    decision = decide([first, other, busy], Budget())
    assert [due.candidate for due in decision.start] == [first]
    assert [due.candidate for due in decision.later] == [other, busy]


PROGRAMS = st.lists(
    st.tuples(st.integers(0, 99), st.integers(1, 40), st.integers(0, 9)),
    max_size=12,
    unique_by=lambda one: one[0],
)


@given(programs=PROGRAMS, jobs=st.integers(1, 60), kills=st.lists(st.integers(0, 3)))
def test_nights_that_are_interrupted_run_every_program_once_within_the_budget(
    programs: list[tuple[int, int, int]], jobs: int, kills: list[int]
) -> None:
    """A watch that is killed after some starts goes on with what it has spent."""
    waiting = {
        f"{number:05}": make_new(f"{number:05}", days=days, cost=Cost(size))
        for number, size, days in programs
    }
    started: list[str] = []
    interruptions = iter(kills)
    while waiting:
        spent, tonight = Cost(), 0
        while True:
            start = decide([*waiting.values()], Budget(jobs=jobs), spent).start
            most = next(interruptions, None)
            for due in start if most is None else start[:most]:
                program = due.candidate.program
                spent += waiting.pop(program).cost
                started.append(program)
                tonight += 1
            if most is None:
                break
        assert tonight > 0
        assert spent.jobs <= jobs or tonight == 1
    assert sorted(started) == sorted(f"{number:05}" for number, *_ in programs)
