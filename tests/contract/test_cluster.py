"""The cluster that Rewebb starts on this machine, and strangers on the same host."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed.comm import connect
from distributed.security import Security

from config.clusters import LocalProfile
from flows.execution import Cluster, open_cluster

TOKEN = "a token of MAST that nobody else may see"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Open a cluster, as somebody who has secrets in the environment."""
    monkeypatch.setenv("MAST_API_TOKEN", TOKEN)
    monkeypatch.setenv("REWEBB_DATABASE_URL", f"postgresql://me:{TOKEN}@host/rewebb")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", f"me:{TOKEN}")
    profile = LocalProfile(slots=1, memory_bytes=10**9)
    with open_cluster(profile, scratch=tmp_path) as cluster:
        yield cluster


def list_addresses(cluster: Cluster) -> list[str]:
    """List where scheduler and workers listen, with the wrong protocol or the right."""
    scheduler = cluster._client.scheduler_info(n_workers=-1)
    return [scheduler["address"], *scheduler["workers"]]


def list_ports() -> set[tuple[str, int]]:
    """List where this process, and all below it, listen."""
    this = psutil.Process()
    sockets = [c for p in (this, *this.children(True)) for c in p.net_connections()]
    return {tuple(s.laddr) for s in sockets if s.status == psutil.CONN_LISTEN}


def ask(address: str, **arguments: Any) -> Any:
    """Ask a scheduler or worker who it is."""

    async def converse() -> Any:
        comm = await connect(address, timeout=5, **arguments)
        try:
            await comm.write({"op": "identity", "reply": True})
            return await comm.read()
        finally:
            comm.abort()

    return asyncio.run(converse())


def test_a_client_without_tls_is_refused(cluster: Cluster) -> None:
    for address in list_addresses(cluster):
        with pytest.raises(OSError, match=r".*"):
            ask(address.replace("tls://", "tcp://"))


def test_a_client_with_credentials_of_its_own_is_refused(cluster: Cluster) -> None:
    stranger = Security.temporary().get_connection_args("client")
    for address in list_addresses(cluster):
        with pytest.raises(OSError, match=r".*"):
            ask(address, **stranger)


def test_a_client_with_the_credentials_is_not_refused(cluster: Cluster) -> None:
    ours = cluster._client.security.get_connection_args("client")
    for address in list_addresses(cluster):
        assert ask(address, **ours)["id"]


def test_nothing_listens_beyond_this_machine(cluster: Cluster) -> None:
    assert cluster.get_slots() == 1
    assert {host for host, _ in list_ports()} == {"127.0.0.1"}


def test_no_secret_is_in_the_environment_of_a_worker(cluster: Cluster) -> None:
    files = [Path("/proc/self/environ")]
    (environment,) = cluster.map(Path.read_bytes, files, memory_bytes=1)
    assert b"DASK_LOGGING__DISTRIBUTED=critical" in environment
    assert TOKEN.encode() not in environment
    secrets = ["MAST_API_TOKEN", "REWEBB_DATABASE_URL", "PREFECT_API_AUTH_STRING"]
    assert cluster.map(os.getenv, secrets, memory_bytes=1) == [None, None, None]


def test_no_credentials_are_on_a_command_line(cluster: Cluster) -> None:
    assert cluster.get_slots() == 1
    lines = [" ".join(p.cmdline()) for p in psutil.Process().children(recursive=True)]
    assert [line for line in lines if "PRIVATE" in line] == []


def test_a_cluster_starts_and_ends_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    profile = LocalProfile(slots=1, memory_bytes=10**9)
    with open_cluster(profile, scratch=tmp_path) as cluster:
        assert cluster.map(abs, [-1], memory_bytes=1) == [1]
    assert capfd.readouterr() == ("", "")
