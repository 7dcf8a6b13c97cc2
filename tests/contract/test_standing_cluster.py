"""A cluster that was started to stand, shared by processes, and stopped."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from commands import Rewebb, assert_refused, wait_until

from config.settings import Settings
from flows.execution import Cluster, find_standing
from flows.factory import get_clusters_folder, open_configured_cluster


@pytest.fixture(scope="module")
def rewebb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rewebb]:
    """Start a cluster on this machine, and stop it."""
    folder = tmp_path_factory.mktemp("standing")
    rewebb = Rewebb(folder).given(
        REWEBB_DATA_DIR=folder / "data",
        REWEBB_SLOTS="2",
        REWEBB_MEMORY_BYTES="1000",
        XDG_CONFIG_HOME=folder,
    )
    started = rewebb("cluster", "start")
    assert started.code == 0, started
    assert "the cluster local stands at tls://127.0.0.1:" in started.out
    yield rewebb
    keeper = get_keeper(rewebb)
    below = keeper.children(recursive=True)
    stopped = rewebb("cluster", "stop", "--json").record
    assert (stopped["name"], stopped["pid"]) == ("local", keeper.pid)
    assert psutil.wait_procs([keeper, *below], timeout=30)[1] == []
    assert_refused(rewebb("cluster", "stop"), "No cluster local stands")


def settings_of(rewebb: Rewebb) -> Settings:
    """Return the settings of a run on the cluster."""
    return Settings(data_dir=rewebb.data)


def get_keeper(rewebb: Rewebb) -> psutil.Process:
    """Return the process of the cluster."""
    folder = get_clusters_folder(settings_of(rewebb))
    standing = find_standing(folder, "local")
    assert standing is not None
    return psutil.Process(standing.pid)


@pytest.fixture
def cluster(rewebb: Rewebb) -> Iterator[Cluster]:
    """Open the cluster as a run does."""
    with open_configured_cluster(settings_of(rewebb)) as cluster:
        yield cluster


def test_it_is_listed_and_not_started_twice(rewebb: Rewebb) -> None:
    listed = rewebb("cluster", "list", "--json").record
    assert listed["local"]["standing"]["pid"] == get_keeper(rewebb).pid
    assert_refused(rewebb("cluster", "start"), "stands already")


def test_its_folder_is_of_the_user_alone(rewebb: Rewebb) -> None:
    folder = rewebb.data / "clusters/local"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_it_listens_on_loopback_alone(rewebb: Rewebb, cluster: Cluster) -> None:
    assert cluster.get_slots() == 2
    keeper = get_keeper(rewebb)
    sockets = [
        socket
        for process in (keeper, *keeper.children(recursive=True))
        for socket in process.net_connections()
        if socket.status == psutil.CONN_LISTEN
    ]
    assert {socket.laddr.ip for socket in sockets} == {"127.0.0.1"}


def test_a_run_uses_it_and_leaves_it(rewebb: Rewebb, cluster: Cluster) -> None:
    keeper = get_keeper(rewebb)
    assert cluster.get_largest_bytes() == 1000
    assert cluster.map(os.path.basename, ["a/b", "a/c"], memory_bytes=1) == ["b", "c"]
    cluster.stop()
    assert keeper.is_running()
    assert cluster.map(os.path.basename, ["a/d"], memory_bytes=1) == ["d"]


def test_runs_of_two_processes_share_its_slots(rewebb: Rewebb) -> None:
    """Each connects by itself, as two commands do."""
    settings = settings_of(rewebb)
    with (
        open_configured_cluster(settings) as one,
        open_configured_cluster(settings) as two,
    ):
        assert one.take_slots(held=0, wanted=9) == 2
        assert two.take_slots(held=0, wanted=9) == 0  # they are all held
        assert one.take_slots(held=1, wanted=8) == 0  # it is the turn of the other
        assert two.take_slots(held=0, wanted=9) == 1
    with open_configured_cluster(settings) as three:  # what they held is free again
        assert wait_until(lambda: three.take_slots(held=0, wanted=9)) == 2


def test_a_worker_that_is_lost_comes_again(rewebb: Rewebb, cluster: Cluster) -> None:
    (worker,) = [
        process
        for process in get_keeper(rewebb).children()
        if "flows.execution.node" in process.cmdline()
    ]
    worker.kill()
    assert cluster.map(os.path.basename, ["a/b"], memory_bytes=1) == ["b"]


def test_a_cluster_that_died_does_not_stand(rewebb: Rewebb, tmp_path: Path) -> None:
    there = rewebb.data / "clusters/local/standing.json"
    (tmp_path / "local").mkdir()
    dead = there.read_text().replace(str(get_keeper(rewebb).pid), "4194305")
    (tmp_path / "local/standing.json").write_text(dead)
    assert find_standing(tmp_path, "local") is None
