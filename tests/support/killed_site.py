"""A site of real servers of which one after another is killed, as a seed says."""

import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import psutil
from commands import Rewebb, find_free_port, name_cluster, stopped
from postgresql import running_server
from prefect_servers import start_server
from restarting import restart
from sqlalchemy import Engine, create_engine, make_url

__all__ = ["KILLS", "Kill", "Site", "Victim", "draw_kills", "open_site", "survive"]

KILLS = 6
"""How often something is killed."""

_PAUSE_S = (2.0, 9.0)
"""Shortest and longest time between two kills."""

_MOST_S = 1500
"""After which a program does not come to its end."""


class Victim(StrEnum):
    """What can be killed; all but the job are started again."""

    JOB = "job"
    """The process of a job."""
    WORKER = "worker"
    """The worker, with its jobs."""
    SCHEDULER = "scheduler"
    """The Dask scheduler."""
    FLOW = "flow"
    """The command that runs the program."""
    PREFECT = "prefect"
    """The Prefect server."""
    POSTGRESQL = "postgresql"
    """The database, which restarts as after a crash."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One thing that goes wrong."""

    after_s: float
    """Time since the last."""
    victim: Victim
    """What is killed."""


def draw_kills(seed: int) -> list[Kill]:
    """Draw what is killed, and when."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    return [
        Kill(chance.uniform(*_PAUSE_S), chance.choice([*Victim])) for _ in range(KILLS)
    ]


@dataclass
class Server:
    """A process that is started again when it is gone."""

    start: Callable[[], "subprocess.Popen[str]"]
    process: "subprocess.Popen[str] | None" = None

    def keep(self) -> None:
        """Start it, unless it is there."""
        if self.process is None or self.process.poll() is not None:
            self.process = self.start()

    def kill(self) -> bool:
        """Kill it without a word; tell whether it was there."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.kill()
        self.process.wait()
        return True


@dataclass
class Site:
    """A scheduler, a worker, a Prefect server and a database."""

    rewebb: Rewebb
    engine: Engine
    servers: dict[Victim, Server]
    killed: list[Victim] = field(default_factory=list)
    """What was there when it was to be killed."""

    def keep(self) -> None:
        """Start again what was killed."""
        for server in self.servers.values():
            server.keep()

    def kill(self, victim: Victim, flow: "subprocess.Popen[str]") -> None:
        """Kill something, if it is there."""
        match victim:
            case Victim.POSTGRESQL:
                restart(self.engine)
                is_done = True
            case Victim.FLOW:
                flow.kill()
                is_done = True
            case Victim.JOB:
                is_done = self._kill_job()
            case _:
                is_done = self.servers[victim].kill()
        self.killed += [victim] if is_done else []

    def _kill_job(self) -> bool:
        """Kill a fork of the fork server of the worker."""
        worker = self.servers[Victim.WORKER].process
        assert worker is not None
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(worker.pid).children(recursive=True):
                parent = process.parent()
                if parent and "forkserver" in " ".join(parent.cmdline()):
                    process.kill()
                    return True
        return False


@contextmanager
def open_site(rewebb: Rewebb) -> Iterator[Site]:
    """Keep all servers that a run needs, each a process of its own."""
    ports = [find_free_port() for _ in range(2)]
    keys, address = str(rewebb.folder / "keys"), f"tls://127.0.0.1:{ports[0]}"
    home = rewebb.folder / "prefect-server"
    home.mkdir()
    with running_server() as url, ExitStack() as stack:
        rewebb = name_cluster(rewebb, address=address, credentials=keys).given(
            REWEBB_DATABASE_URL=url,
            PREFECT_API_URL=f"http://127.0.0.1:{ports[1]}/api",
        )
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
        stack.callback(engine.dispose)

        def start(*arguments: str) -> "subprocess.Popen[str]":
            started = rewebb.start("cluster", *arguments, "--credentials", keys)
            return stack.enter_context(stopped(started))

        offer = ("--slots", "2", "--memory-bytes", "6000000000")
        starts: dict[Victim, Callable[[], subprocess.Popen[str]]] = {
            Victim.SCHEDULER: lambda: start("scheduler", "--port", str(ports[0])),
            Victim.WORKER: lambda: start("worker", address, *offer),
            Victim.PREFECT: lambda: stack.enter_context(start_server(home, ports[1])),
        }
        servers = {name: Server(start) for name, start in starts.items()}
        site = Site(rewebb, engine, servers)
        site.keep()
        yield site


def survive(site: Site, kills: Sequence[Kill], program: str) -> Iterator[Path]:
    """Run a program until it succeeds, and kill meanwhile.

    Yields
    ------
    Path
        The store, again and again while it runs.
    """
    due = list(kills)
    end_s = time.monotonic() + _MOST_S
    code: int | None = None
    while code != 0:
        next_s = time.monotonic() + (due[0].after_s if due else 0)
        with stopped(site.rewebb.start("run", program, "--json")) as flow:
            while flow.poll() is None:
                assert time.monotonic() < end_s, f"no end after {site.killed}"
                site.keep()
                if due and time.monotonic() >= next_s:
                    site.kill(due.pop(0).victim, flow)
                    next_s = time.monotonic() + (due[0].after_s if due else 0)
                yield site.rewebb.data / "store"
                time.sleep(0.1)
            code = flow.returncode
