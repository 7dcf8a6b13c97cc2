"""A Slurm of one node on this machine, from Debian packages, without systemd."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from commands import find_free_port, stopped, wait_until

__all__ = ["Slurm", "find_obstacle", "start_slurm"]

_CONFIG = """
ClusterName=loop
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmctldPort={control_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=1
SwitchType=switch/none
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=3
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory={memory_mb} State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def find_obstacle() -> str:
    """Say why there can be no Slurm here, or nothing."""
    needed = ("slurmctld", "slurmd", "munged", "sbatch")
    missing = [name for name in needed if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed (slurm-wlm, munge)"
    return "" if os.getuid() == 0 else "Slurm is started by root alone"


@dataclass(frozen=True)
class Slurm:
    """A Slurm that runs."""

    variables: Mapping[str, str]
    """For its commands."""

    def __call__(self, *command: str) -> str:
        """Call a command, and give what it says."""
        done = subprocess.run(
            command,
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def list_jobs(self, state: str = "RUNNING") -> list[str]:
        """List the ids of the jobs in a state."""
        return self("squeue", "--noheader", "--format=%A", f"--states={state}").split()


@contextmanager
def start_slurm(folder: Path) -> Iterator[Slurm]:
    """Keep a Slurm whose files are in a folder of a short path."""
    host = socket.gethostname().partition(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    (folder / "slurm.conf").write_text(
        _CONFIG.format(
            host=host,
            folder=folder,
            control_port=find_free_port(),
            node_port=find_free_port(),
            memory_mb=16000,
        )
    )
    slurm = Slurm({"SLURM_CONF": str(folder / "slurm.conf")})
    munge = ("--socket", f"{folder}/munge.sock", "--key-file", str(key), "--force")
    files = [f"--{n}={folder}/munge.{n}" for n in ("pid-file", "log-file", "seed-file")]
    daemons = (
        ("munged", "--foreground", *munge, *files),
        ("slurmctld", "-D", "-c"),
        ("slurmd", "-D", "-N", host),
    )
    with ExitStack() as stack:
        for daemon in daemons:
            stack.enter_context(stopped(_start(daemon, folder, slurm)))
            if daemon[0] == "munged":
                wait_until((folder / "munge.sock").exists)
        wait_until(lambda: "idle" in _ask_state(slurm))
        yield slurm
        slurm("scancel", "--user=root")
        wait_until(lambda: not slurm("squeue", "--noheader"))


def _start(
    daemon: tuple[str, ...], folder: Path, slurm: Slurm
) -> "subprocess.Popen[str]":
    with (folder / f"{daemon[0]}.log").open("w") as log:
        return subprocess.Popen(
            daemon,
            env={**os.environ, **slurm.variables},
            stdout=log,
            stderr=log,
            text=True,
        )


def _ask_state(slurm: Slurm) -> str:
    """Ask for the state of the node, which nobody knows at first."""
    with suppress(subprocess.CalledProcessError):
        return slurm("sinfo", "--noheader", "--format=%T")
    return ""
