"""A program is held for as long as somebody works at it."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from commands import wait_until
from exposures import bots_program
from fake_cluster import FakeCluster
from plans import DoneStore, make_binder, make_graph, make_resolved

from config.recipe import load_recipe
from config.settings import load_settings
from flows.errors import (
    DatabaseError,
    DataFolderError,
    LeaseHeldError,
    PlanError,
    RunCancelledError,
    RunStateError,
)
from flows.factory import Services, open_services
from flows.layout import get_run_folder
from flows.models.runs import RunState
from flows.planning import Plan, build_plan
from flows.run import (
    Planned,
    Recording,
    Request,
    cancel_run,
    execute,
    hold_lease,
    make_run,
)
from flows.run.jobs import Executed, report
from flows.run.lease import HeldLease
from workers.errors import TreeError

SHORT = timedelta(seconds=0.5)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = load_settings(
        archive=tmp_path, crds_path=tmp_path, data_dir=tmp_path / "data"
    )
    with open_services(settings) as services:
        yield services


def test_a_lease_is_renewed_while_files_are_fetched(services: Services) -> None:
    with hold_lease(services, "99001", ttl=SHORT, renew_s=0.05):
        time.sleep(1.5)
        with (
            pytest.raises(LeaseHeldError),
            hold_lease(services, "99001", ttl=SHORT, renew_s=0.05),
        ):
            pass


def test_a_lease_that_is_given_back_is_free(services: Services) -> None:
    for _ in range(2):
        with hold_lease(services, "99001", ttl=SHORT, renew_s=0.05):
            pass


def test_a_run_is_told_that_somebody_has_cancelled_it(services: Services) -> None:
    with hold_lease(services, "99001", renew_s=0.05) as lease:
        lease.check()
        held = services.database.leases.get_lease("99001")
        assert held is not None
        services.database.leases.cancel_lease("99001", owner=held.owner, by="you")
        wait_until(lambda: is_cancelled(lease))
        with pytest.raises(RunCancelledError, match="cancelled by you; run again"):
            lease.check()


def is_cancelled(lease: HeldLease) -> bool:
    try:
        lease.check()
    except RunCancelledError:
        return True
    return False


@pytest.mark.parametrize("pid", [None, 1])
def test_a_run_that_nobody_runs_any_more_cannot_be_cancelled(
    services: Services, pid: int | None
) -> None:
    run = make_run(Request("99001"), load_recipe("official"))
    if pid is not None:
        services.database.leases.acquire_lease(
            "99001",
            owner="me",
            host="elsewhere",
            pid=pid,
            ttl=timedelta(0),
            now=datetime.now(UTC),
            is_alive=lambda *_: True,
        )
    with pytest.raises(RunStateError, match="has no process any more"):
        cancel_run(services.database, run, by="me")


def test_a_run_that_is_over_cannot_be_cancelled(services: Services) -> None:
    run = make_run(Request("99001"), load_recipe("official"))
    over = replace(run, state=RunState.SUCCEEDED)
    with pytest.raises(RunStateError, match="is SUCCEEDED already"):
        cancel_run(services.database, over, by="me")


def test_a_link_in_the_place_of_scratch_is_refused_and_the_lease_given_back(
    services: Services, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    (precious / "more").mkdir(parents=True)
    link = services.data_dir / "scratch" / "99001"
    link.parent.mkdir()
    link.symlink_to(precious)
    with pytest.raises(TreeError, match="99001"), hold_lease(services, "99001"):
        pass
    assert (precious / "more").is_dir()
    assert services.database.leases.get_lease("99001") is None


def test_what_a_dead_run_has_left_is_cleared(services: Services) -> None:
    left = services.data_dir / "scratch" / "99001" / "attempt" / "work"
    other = services.data_dir / "scratch" / "99002"
    for folder in (left, other):
        folder.mkdir(parents=True)
    with hold_lease(services, "99001"):
        assert not left.parent.parent.exists()
    assert other.is_dir()


def test_a_lease_is_renewed_again_after_the_database_was_away(
    services: Services,
) -> None:
    """Nobody could take it meanwhile, though it expired."""
    with hold_lease(services, "99001", ttl=SHORT, renew_s=0.05):
        owner = find_owner(services)
        with held_database(services):
            time.sleep(2 * SHORT.total_seconds())
        end_s = time.monotonic() + 60
        while (lease := services.database.leases.get_lease("99001")) is not None:
            if lease.owner == owner and lease.expires_at > datetime.now(UTC):
                return
            assert time.monotonic() < end_s, "never renewed"
        pytest.fail("the lease is gone")


def test_a_run_whose_lease_somebody_else_took_is_told_so(services: Services) -> None:
    with hold_lease(services, "99001", ttl=SHORT, renew_s=0.05) as lease:
        services.database.leases.release_lease("99001", owner=find_owner(services))
        with hold_lease(services, "99001"):
            time.sleep(0.2)
            with pytest.raises(LeaseHeldError):
                lease.renew_if_due()


def find_owner(services: Services) -> str:
    lease = services.database.leases.get_lease("99001")
    assert lease is not None
    return lease.owner


@contextmanager
def held_database(services: Services) -> Iterator[None]:
    path = services.data_dir / "rewebb.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def drop(services: Services, table: str) -> None:
    with closing(sqlite3.connect(services.data_dir / "rewebb.db")) as other:
        other.execute(f"DROP TABLE {table}")


def fail_without(services: Services, table: str) -> NoReturn:
    drop(services, table)
    raise PlanError("the first")


def test_what_ends_a_block_is_seen_though_the_lease_cannot_be_given_back(
    services: Services,
) -> None:
    with pytest.raises(PlanError, match="the first"), hold_lease(services, "99001"):
        fail_without(services, "lease")


def test_a_lease_that_cannot_be_given_back_is_an_error(services: Services) -> None:
    with pytest.raises(DatabaseError, match="lease"), hold_lease(services, "99001"):
        drop(services, "lease")


def test_what_ends_a_run_is_seen_though_its_end_cannot_be_recorded(
    services: Services,
) -> None:
    def open_cluster() -> NoReturn:
        """Go away, and the table of runs with it."""
        fail_without(services, "run")

    graph = make_graph(bots_program())
    binder = make_binder(make_resolved(graph), DoneStore())
    planned = Planned(build_plan(graph, binder), binder, "jwst_0001.pmap", ())
    begun = make_run(Request("99001"), load_recipe("official"))
    with (
        pytest.raises(PlanError, match="the first"),
        hold_lease(services, "99001") as lease,
        Recording(services, begun) as run,
    ):
        execute(
            planned,
            run=run,
            services=services,
            open_cluster=open_cluster,
            lease=lease,
            listener=lambda _: None,
        )


class Watched(FakeCluster):
    """A cluster on which no job ends, and something happens meanwhile."""

    def __init__(self, happen: Callable[[], object]) -> None:
        super().__init__(DoneStore())
        self._happen = happen

    def wait_any(self) -> list[Any]:
        """Look up from waiting."""
        assert len(self.submissions) == 2
        self._happen()
        return []


def execute_on(
    cluster: FakeCluster, services: Services, renew_s: float = 0.0
) -> NoReturn:
    """Execute the plan of a time series, which must not come to its end."""
    graph = make_graph(bots_program())
    binder = make_binder(make_resolved(graph), DoneStore())
    planned = Planned(build_plan(graph, binder), binder, "jwst_0001.pmap", ())
    begun = make_run(Request("99001"), load_recipe("official"))
    with (
        hold_lease(services, "99001", renew_s=renew_s) as lease,
        Recording(services, begun) as run,
    ):
        execute(
            planned,
            run=run,
            services=services,
            open_cluster=lambda: cluster,
            lease=lease,
            listener=lambda _: None,
        )
    pytest.fail("the plan came to its end")


def test_a_run_whose_lease_is_taken_while_jobs_are_executed_ends(
    services: Services,
) -> None:
    def take() -> None:
        leases, now = services.database.leases, datetime.now(UTC)
        leases.release_lease("99001", owner=find_owner(services))
        leases.acquire_lease(
            "99001",
            owner="another",
            host="elsewhere",
            pid=1,
            ttl=timedelta(minutes=3),
            now=now,
            is_alive=lambda _: True,
        )

    cluster = Watched(take)
    with pytest.raises(LeaseHeldError, match="elsewhere"):
        execute_on(cluster, services)
    assert len(cluster.submissions) == 2
    [run] = services.database.runs.list_runs("99001")
    assert run.state is RunState.FAILED
    assert find_owner(services) == "another"


def test_a_run_whose_scheduler_dies_is_recorded_and_free_to_go_on(
    services: Services,
) -> None:
    def die() -> None:
        raise PlanError("The Dask scheduler is gone (it); run again to go on.")

    with pytest.raises(PlanError, match="run again"):
        execute_on(Watched(die), services, renew_s=30)
    [run] = services.database.runs.list_runs("99001")
    assert run.state is RunState.FAILED
    assert run.message is not None
    assert "The Dask scheduler is gone" in run.message
    assert services.database.leases.get_lease("99001") is None


def test_a_folder_of_a_run_that_cannot_be_written_says_what_to_do(
    services: Services,
) -> None:
    begun = make_run(Request("99001"), load_recipe("official"))
    folder = services.data_dir / get_run_folder(begun)
    (folder / "in the way").mkdir(parents=True)
    said = rf"{folder.name} of the run cannot be written.* run again for the folder"
    with (
        pytest.raises(DataFolderError, match=said),
        Recording(services, begun) as run,
    ):
        report(Executed(run, Plan(()), ()), services)
    [recorded] = services.database.runs.list_runs("99001")
    assert recorded.state is RunState.FAILED
