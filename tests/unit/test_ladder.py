"""The retry ladder: the table is the policy, and this walks it."""

from dataclasses import replace

import pytest
from outcomes import make_outcome

from flows.execution.ladder import LADDER, climb, limit_time
from workers.contract import Status, TimeLimits, Usage

LARGEST = 100
"""Memory of the largest node, in bytes."""

WALK = {
    # end: what each next try is granted, of 10 bytes at first
    Status.FAILED: [],
    Status.OUT_OF_MEMORY: [20, 40, LARGEST],
    Status.LOST: [10, 10, 10],
    Status.TIMED_OUT: [10],
    Status.PREEMPTED: [10] * 19,
}
"""With ``max_attempts`` 4."""


def walk(status: Status, *, max_attempts: int) -> list[int]:
    """List what the next tries are granted when each ends so."""
    grants = [10]
    while True:
        granted = grants[-1]
        usage = Usage(1.0, 1.0, peak_bytes=granted + 1, granted_bytes=granted)
        outcome = replace(make_outcome(status=status), usage=usage)
        again = climb(
            outcome,
            tries=len(grants),
            max_attempts=max_attempts,
            largest_bytes=LARGEST,
        )
        if again is None:
            return grants[1:]
        grants.append(again)


def test_the_table_has_every_end_but_success() -> None:
    assert LADDER.keys() == WALK.keys() == {*Status} - {Status.SUCCEEDED}


@pytest.mark.parametrize("status", WALK)
def test_each_end_is_followed_by_what_the_table_says(status: Status) -> None:
    assert walk(status, max_attempts=4) == WALK[status]
    alone = [10] * 19 if status is Status.PREEMPTED else []
    assert walk(status, max_attempts=1) == alone


def test_time_is_limited_by_what_is_predicted_where_that_is_known() -> None:
    assert limit_time(stall_s=900, expected_s=0) == TimeLimits(900, None)
    assert limit_time(stall_s=900, expected_s=60) == TimeLimits(900, 1200)
