"""Workers that a real `ssh` starts, through an sshd on loopback."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from commands import find_free_port, stopped, wait_until

from config.clusters import SshProfile
from flows.errors import PlanError
from flows.execution import Cluster, open_cluster

SSHD = "/usr/sbin/sshd"

pytestmark = pytest.mark.skipif(
    not Path(SSHD).exists() or shutil.which("ssh") is None or os.getuid() != 0,
    reason="openssh-server is not installed, or this is not root",
)

CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
"""


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshProfile]:
    """Keep an sshd, and return a profile of one host that it is."""
    folder, port = tmp_path_factory.mktemp("sshd"), find_free_port()
    Path("/run/sshd").mkdir(exist_ok=True)  # where it confines itself to
    for name in ("host", "key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name]
        subprocess.run(command, check=True)
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder))
    sshd = [SSHD, "-D", "-e", "-f", folder / "config"]
    options = (f"-p{port}", f"-i{folder}/key", f"-oUserKnownHostsFile={folder}/known")
    options = (*options, "-oStrictHostKeyChecking=accept-new", "-oLogLevel=ERROR")
    with stopped(subprocess.Popen(sshd, stderr=subprocess.PIPE, text=True)) as server:
        assert server.stderr is not None
        assert "listening on 127.0.0.1" in server.stderr.readline()
        yield SshProfile(
            kind="ssh",
            hosts=("127.0.0.1",),
            options=options,
            slots=1,
            memory_bytes=1 << 30,
            idle=timedelta(0),
            interface="lo",
        )


@pytest.fixture
def cluster(profile: SshProfile, tmp_path: Path) -> Iterator[Cluster]:
    with open_cluster(profile, scratch=tmp_path) as cluster:
        yield cluster


def list_workers() -> list[psutil.Process]:
    """List the workers of hosts, which are not below this process."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if {"flows.execution.node", "ssh-1"} <= {*(process.info["cmdline"] or ())}
    ]


def test_a_worker_comes_with_work_and_goes_with_it(cluster: Cluster) -> None:
    assert list_workers() == []
    assert cluster.map(os.path.basename, ["a/b", "a/c"], memory_bytes=1) == ["b", "c"]
    wait_until(lambda: list_workers() == [])


def test_a_host_that_is_not_reached_ends_the_wait(
    profile: SshProfile, tmp_path: Path
) -> None:
    away = profile.model_copy(update={"options": ("-p1", "-oLogLevel=QUIET")})
    with (
        open_cluster(away, scratch=tmp_path) as cluster,
        pytest.raises(PlanError, match="workers ended one after the other"),
    ):
        cluster.map(os.path.basename, ["a/b"], memory_bytes=1)
