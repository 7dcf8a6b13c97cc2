"""Leases of programs in the database."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import pytest
from outcomes import NOON, make_run, make_run_job

from flows.errors import LeaseHeldError
from flows.models.runs import JobState, Lease, RunState
from flows.provenance import Database
from flows.provenance.leases import IsAlive

_TTL = timedelta(minutes=10)
_EXPIRED = NOON + _TTL

_CONTENDER = """
import sys
from datetime import UTC, datetime, timedelta
from flows.errors import LeaseHeldError
from flows.provenance import Database, make_engine, upgrade

url, owner = sys.argv[1:]
engine = make_engine(url)
upgrade(engine)
print("ready", flush=True)
sys.stdin.readline()
try:
    Database(engine).leases.acquire_lease(
        "02736", owner=owner, host="h", pid=1, ttl=timedelta(hours=1),
        now=datetime.now(UTC), is_alive=lambda host, pid: True,
    )
    print("won")
except LeaseHeldError:
    print("held")
engine.dispose()
"""


def acquire(
    database: Database,
    owner: str,
    *,
    host: str = "node1",
    minutes: float = 0,
    is_alive: IsAlive = lambda _host, _pid: True,
) -> Lease:
    return database.leases.acquire_lease(
        "02736",
        owner=owner,
        host=host,
        pid=4242,
        ttl=_TTL,
        now=NOON + timedelta(minutes=minutes),
        is_alive=is_alive,
    )


def is_acquired(database: Database, owner: str, minutes: float) -> bool:
    try:
        acquire(database, owner, minutes=minutes)
    except LeaseHeldError:
        return False
    return True


def test_a_lease_is_held_against_others_and_says_by_whom(
    database: Database,
) -> None:
    lease = acquire(database, "me")
    said = r"02736.* process 4242 on node1 \(owner me\).*until 2026-11-20 12:10:00 UTC"
    with pytest.raises(LeaseHeldError, match=said):
        acquire(database, "you", minutes=9.9)
    assert database.leases.get_lease("02736") == lease


def test_who_holds_a_lease_can_be_asked_to_stop(database: Database) -> None:
    lease = acquire(database, "me")
    assert lease.cancelled_by is None
    assert database.leases.cancel_lease("02736", owner="me", by="you on node2")
    renewed = database.leases.renew_lease("02736", owner="me", ttl=_TTL, now=NOON)
    assert renewed.cancelled_by == "you on node2"


def test_who_lost_a_lease_is_not_asked_to_stop(database: Database) -> None:
    acquire(database, "me")
    acquire(database, "you", minutes=10)
    assert not database.leases.cancel_lease("02736", owner="me", by="you")
    lease = database.leases.get_lease("02736")
    assert lease is not None
    assert lease.cancelled_by is None


def test_who_takes_a_lease_over_is_not_asked_to_stop(database: Database) -> None:
    acquire(database, "me")
    database.leases.cancel_lease("02736", owner="me", by="you")
    acquire(database, "you", minutes=10)
    lease = database.leases.get_lease("02736")
    assert lease is not None
    assert lease.cancelled_by is None


def test_leases_of_programs_do_not_meet(database: Database) -> None:
    acquire(database, "me")
    lease = database.leases.acquire_lease(
        "01345",
        owner="you",
        host="node1",
        pid=1,
        ttl=_TTL,
        now=NOON,
        is_alive=lambda _host, _pid: True,
    )
    assert database.leases.get_lease("01345") == lease


def test_an_expired_lease_is_taken_over(database: Database) -> None:
    acquire(database, "me")
    taken = acquire(database, "you", host="node2", minutes=10)
    assert database.leases.get_lease("02736") == taken


def test_the_lease_of_a_dead_process_of_this_host_is_taken_over(
    database: Database,
) -> None:
    acquire(database, "me")
    asked = []
    acquire(database, "you", is_alive=lambda *process: bool(asked.append(process)))
    assert asked == [("node1", 4242)]


def test_processes_of_another_host_are_not_judged(database: Database) -> None:
    acquire(database, "me")
    with pytest.raises(LeaseHeldError):
        acquire(database, "you", host="node2", is_alive=lambda _host, _pid: False)


def test_the_owner_may_take_its_lease_again(database: Database) -> None:
    acquire(database, "me")
    again = acquire(database, "me", minutes=1)
    assert database.leases.get_lease("02736") == again


def test_a_renewed_lease_holds_longer(database: Database) -> None:
    acquire(database, "me")
    renewed = database.leases.renew_lease("02736", owner="me", ttl=_TTL, now=_EXPIRED)
    assert renewed.acquired_at == NOON
    assert renewed.expires_at == _EXPIRED + _TTL
    with pytest.raises(LeaseHeldError):
        acquire(database, "you", minutes=19)


def test_a_lost_lease_cannot_be_renewed(database: Database) -> None:
    acquire(database, "me")
    acquire(database, "you", minutes=11)
    with pytest.raises(LeaseHeldError, match=r"is lost: .*owner you"):
        database.leases.renew_lease("02736", owner="me", ttl=_TTL, now=NOON)
    database.leases.release_lease("02736", owner="you")
    with pytest.raises(LeaseHeldError, match="released"):
        database.leases.renew_lease("02736", owner="me", ttl=_TTL, now=NOON)


def test_a_lease_is_released_by_its_owner_alone(database: Database) -> None:
    lease = acquire(database, "me")
    database.leases.release_lease("02736", owner="you")
    assert database.leases.get_lease("02736") == lease
    database.leases.release_lease("02736", owner="me")
    database.leases.release_lease("02736", owner="me")
    assert database.leases.get_lease("02736") is None


def test_of_many_threads_one_gets_the_lease_each_time_it_is_free(
    database: Database,
) -> None:
    with ThreadPoolExecutor(4) as pool:
        for turn in range(15):
            owners = [f"{turn}-{number}" for number in range(4)]
            won = list(pool.map(is_acquired, [database] * 4, owners, [turn * 10] * 4))
            assert sum(won) == 1
            lease = database.leases.get_lease("02736")
            assert lease is not None
            assert lease.owner == owners[won.index(True)]


def test_of_two_processes_one_gets_the_lease(database_url: str) -> None:
    # They also make the database, both at once.
    with ExitStack() as stack:
        contenders = [
            stack.enter_context(start_contender(database_url, owner)) for owner in "ab"
        ]
        assert sorted(race(contenders)) == ["held", "won"]


def start_contender(url: str, owner: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _CONTENDER, url, owner],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def race(contenders: Sequence[subprocess.Popen[str]]) -> list[str]:
    for contender in contenders:
        assert contender.stdout is not None
        assert contender.stdout.readline() == "ready\n"
    for contender in contenders:
        assert contender.stdin is not None
        contender.stdin.write("go\n")
        contender.stdin.flush()
    return [contender.communicate(timeout=60)[0].strip() for contender in contenders]


def test_after_a_dead_orchestrator_no_row_stays_running(
    database: Database,
) -> None:
    acquire(database, "dead")
    database.runs.start_run(make_run())
    database.runs.set_jobs(
        "run-1", [make_run_job("a", JobState.RUNNING), make_run_job("b")]
    )
    acquire(database, "next", is_alive=lambda _host, _pid: False)
    assert database.runs.interrupt_dead_runs("02736", now=NOON) == ("run-1",)
    assert [run.state for run in database.runs.list_runs()] == [RunState.INTERRUPTED]
    states = {job.state for job in database.runs.get_run_jobs("run-1")}
    assert states == {JobState.INTERRUPTED}
    assert database.runs.interrupt_dead_runs("02736", now=NOON) == ()
