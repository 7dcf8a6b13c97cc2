"""Workers as jobs of a batch system: Slurm or PBS.

`dask-jobqueue` knows what the head of a job script looks like, and which commands
submit and cancel; what runs in the job is our own worker.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from distributed.security import Security
from distributed.utils import get_ip, get_ip_interface

from config.clusters import PbsProfile, SlurmProfile
from workers.trees import IN_USE, in_use, remove_tree

from ...companions import list_inherited
from ...errors import PlanError
from ...logs import get_logger
from ..cluster import Cluster
from ..credentials import list_credentials
from ..node import MEMORY_SHARE, NODE, Node, find_least_s
from ..nodes import Growth
from .own import open_own

__all__ = ["find_host", "open_batch"]

_POLL_S: Final = 2.0
"""How often it is looked after the jobs, with one command for all of them."""

_PATIENCE_S: Final = 60.0
"""After which a command of the batch system does not answer."""

_MESSAGE: Final = "worker.json"
"""What the workers are told, in the folder of the cluster; it holds the key."""

_SQUEUE: Final = ("squeue", "--noheader", "--me", "--format=%A %T")

_OVER: Final = frozenset({"COMPLETING", "C", "F", "X"})
"""States in which `squeue` and `qstat` show jobs that are over."""

_OF_BATCH: Final = re.compile(r"(SLURM|PBS|MUNGE)_\w+")
"""Variables of the batch systems themselves, which their commands read."""


@contextmanager
def open_batch(
    profile: SlurmProfile | PbsProfile,
    *,
    folder: Path,
    scratch: Path,
    security: Security,
) -> Iterator[Cluster]:
    """Open a cluster whose workers are jobs of a batch system.

    Parameters
    ----------
    folder
        Made for what the jobs read and say; on a file system that all nodes see.

    Raises
    ------
    PlanError
        Jobs cannot be submitted.
    """
    folder.mkdir(mode=0o700, parents=True)
    walltime_s = profile.walltime.total_seconds()
    growth = Growth(
        minimum=0,
        maximum=profile.nodes,
        slots=profile.slots,
        memory_bytes=int(MEMORY_SHARE * profile.memory_bytes),
        idle_s=profile.idle.total_seconds(),
        job_s=find_least_s(walltime_s),
    )

    def make_launcher(scheduler: str) -> _Jobs:
        node = Node(
            scheduler=scheduler,
            credentials=list_credentials(security),
            host=None,
            slots=growth.slots,
            memory_bytes=growth.memory_bytes,
            local_directory=str(scratch),
            ends_with_parent=False,
            walltime_s=walltime_s,
        )
        (folder / _MESSAGE).write_text(node.to_message() + "\n")
        return _Jobs(profile, folder)

    is_kept = False
    try:
        with (
            in_use(folder),
            open_own(
                make_launcher,
                growth,
                security=security,
                host=find_host(profile.interface),
                prefix="node",
                poll_s=_POLL_S,
            ) as cluster,
        ):
            yield cluster
    except PlanError:
        is_kept = True  # what jobs said tells why there are no workers
        for name in (_MESSAGE, IN_USE):
            (folder / name).unlink(missing_ok=True)
        raise
    finally:
        if not is_kept:
            remove_tree(folder, below=folder.parent)


def find_host(interface: str | None) -> str:
    """Find the address that the scheduler listens on, which nodes must reach.

    Raises
    ------
    PlanError
        There is no such interface, or none of a default route.
    """
    try:
        return str(get_ip_interface(interface) if interface else get_ip())
    except (KeyError, ValueError, OSError) as error:
        raise PlanError(
            f"The address for the scheduler is not found ({error}): set `interface` of "
            "the cluster profile to the network that the nodes are on."
        ) from error


class _Jobs:
    """Starts each worker as a job of the batch system."""

    def __init__(self, profile: SlurmProfile | PbsProfile, folder: Path) -> None:
        of_kind: dict[str, Any] = {}
        if isinstance(profile, PbsProfile):
            of_kind["resource_spec"] = profile.resource_spec
        hours, rest = divmod(int(profile.walltime.total_seconds()), 3600)
        self._job = _load_job_class(profile)(
            scheduler="",  # these two are for the worker of Dask
            name="",
            job_name="rewebb",
            cores=profile.slots,
            memory=profile.memory_bytes,
            processes=1,
            queue=profile.queue,
            account=profile.account,
            walltime=f"{hours:02}:{rest // 60:02}:{rest % 60:02}",
            log_directory=str(folder),
            job_extra_directives=list(profile.directives),
            **of_kind,
        )
        self._profile = profile
        self._folder = folder
        self._ids: dict[str, str] = {}
        self._environment = {
            **list_inherited(os.environ),
            **{n: v for n, v in os.environ.items() if _OF_BATCH.fullmatch(n)},
            "DASK_LOGGING__DISTRIBUTED": "critical",
        }

    def start(self, name: str) -> None:
        """Submit a job.

        Raises
        ------
        PlanError
            The batch system refuses it.
        """
        script = self._folder / f"{name}.sh"
        script.write_text(self._write_script(name))
        command = shlex.split(self._job.submit_command)
        said = self._call([*command, str(script)])
        found = re.search(self._job.job_id_regexp, said)
        if found is None:
            raise PlanError(f"`{command[0]}` gave no id of a job: {said}")
        self._ids[name] = found["job_id"]

    def list_alive(self) -> frozenset[str]:
        """List the workers whose jobs wait or run."""
        if not self._ids:
            return frozenset()
        slurm = isinstance(self._profile, SlurmProfile)
        command = _SQUEUE if slurm else ("qstat",)
        try:
            said = self._call(command)
        except PlanError as error:  # it is busy
            get_logger().warning("batch.silent", message=str(error))
            return frozenset(self._ids)
        alive = _read_squeue(said) if slurm else _read_qstat(said)
        self._ids = {name: one for name, one in self._ids.items() if one in alive}
        return frozenset(self._ids)

    def stop(self, names: Iterable[str]) -> None:
        """Cancel jobs, with one command."""
        known = [self._ids.pop(name) for name in names if name in self._ids]
        if known:
            with suppress(PlanError):  # one that is over already is an error of `qdel`
                self._call([*shlex.split(self._job.cancel_command), *known])

    def _write_script(self, name: str) -> str:
        profile = self._profile
        python = shlex.quote(profile.python or sys.executable)
        message = shlex.quote(str(self._folder / _MESSAGE))
        lines = (
            self._job.shebang,
            self._job.job_header,
            *profile.prologue,
            f"exec {python} -P -m {NODE} {name} < {message}",
        )
        return "\n".join(lines) + "\n"

    def _call(self, command: Sequence[str]) -> str:
        """Call a command of the batch system; it inherits no secret, and no job does.

        Raises
        ------
        PlanError
            It is not there, fails, or does not answer.
        """
        try:
            done = subprocess.run(
                command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PATIENCE_S,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise PlanError(
                f"`{command[0]}` refuses: {error.stderr.strip()}"
            ) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PlanError(f"`{command[0]}` does not answer: {error}") from error
        return done.stdout


def _load_job_class(profile: SlurmProfile | PbsProfile) -> type:
    """Load what knows the scripts of a batch system.

    Raises
    ------
    PlanError
        It is not installed.
    """
    untouched = signal.signal
    # dask_jobqueue.runner (0.9.0) takes SIGINT when it is imported, in any thread.
    signal.signal = lambda *_: None  # for the import alone
    try:
        from dask_jobqueue import PBSCluster, SLURMCluster
    except ImportError as error:
        raise PlanError(
            f"A cluster of the kind {profile.kind} needs the extra `jobqueue` of "
            "Rewebb: `pip install rewebb[jobqueue]`."
        ) from error
    finally:
        signal.signal = untouched
    found = SLURMCluster if isinstance(profile, SlurmProfile) else PBSCluster
    job_class: type = found.job_cls
    return job_class


def _read_squeue(said: str) -> frozenset[str]:
    """Read the ids of jobs that are not over."""
    rows = (line.split() for line in said.splitlines())
    return frozenset(row[0] for row in rows if row[1] not in _OVER)


def _read_qstat(said: str) -> frozenset[str]:
    """Read the ids of jobs that are not over: `12.host name user time state queue`."""
    rows = (line.split() for line in said.splitlines())
    listed = (row for row in rows if len(row) >= 6 and row[0][0].isdigit())
    return frozenset(row[0].partition(".")[0] for row in listed if row[4] not in _OVER)
