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
from commands import Rewebb, find_free_port, stopped, wait_until
from postgresql import running_server
from prefect_servers import start_server
from restarting import restart
from sqlalchemy import Engine, create_engine, make_url

__all__ = ["KILLS", "Kill", "Site", "Victim", "draw_kills", "open_site", "survive"]

KILLS = 8
"""How often something is killed."""

_PAUSE_S = (2.0, 9.0)
"""Shortest and longest time between two kills."""

_MOST_S = 900
"""After which a program does not come to its end."""

_BACK_S = 1.0
"""After which what was killed is started again."""


class Victim(StrEnum):
    """What can be killed."""

    CHILD = "child"
    """The process of a job."""
    WORKER = "worker"
    """The Dask worker, which its nanny starts again."""
    NANNY = "nanny"
    """The nanny, which is started again."""
    SCHEDULER = "scheduler"
    """The Dask scheduler, likewise."""
    FLOW = "flow"
    """The command that runs the program, likewise."""
    PREFECT = "prefect"
    """The Prefect server, likewise."""
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
    """A process that is kept: when it was killed, it is started again."""

    start: Callable[[ExitStack], "subprocess.Popen[str]"]
    stack: ExitStack
    process: "subprocess.Popen[str] | None" = None
    died_s: float = 0.0

    def keep(self) -> None:
        """Start it, unless it is there or died just now."""
        if self.process is not None and self.process.poll() is None:
            self.died_s = time.monotonic()
        elif self.process is None or time.monotonic() - self.died_s > _BACK_S:
            self.process = self.start(self.stack)

    def kill(self) -> bool:
        """Kill it without a word."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.kill()
        self.process.wait()
        return True


@dataclass
class Site:
    """A scheduler, a worker with its nanny, a Prefect server and a database."""

    rewebb: Rewebb
    engine: Engine
    servers: dict[Victim, Server]
    ended: list[str] = field(default_factory=list)
    """What each command said that was not killed and did not succeed."""
    killed: list[Victim] = field(default_factory=list)

    def keep(self) -> None:
        """Start again what was killed."""
        for server in self.servers.values():
            server.keep()

    def kill(self, victim: Victim, flow: psutil.Popen) -> None:
        """Kill something, if it is there."""
        match victim:
            case Victim.POSTGRESQL:
                restart(self.engine)
                is_done = True
            case Victim.FLOW:
                flow.kill()
                is_done = True
            case Victim.CHILD | Victim.WORKER:
                is_done = self._kill_below(victim)
            case _:
                is_done = self.servers[victim].kill()
        self.killed += [victim] if is_done else []

    def _kill_below(self, victim: Victim) -> bool:
        nanny = self.servers[Victim.NANNY].process
        assert nanny is not None
        with suppress(psutil.NoSuchProcess):
            below = psutil.Process(nanny.pid).children(recursive=True)
            for process in below:
                if _is(victim, process):
                    process.kill()
                    return True
        return False


def _is(victim: Victim, process: psutil.Process) -> bool:
    """Tell a job by its parent, the fork server, and a worker by its command."""
    with suppress(psutil.NoSuchProcess):
        if victim is Victim.WORKER:
            return "spawn_main" in " ".join(process.cmdline())
        parent = process.parent()
        return parent is not None and "forkserver" in " ".join(parent.cmdline())
    return False


@contextmanager
def open_site(rewebb: Rewebb) -> Iterator[Site]:
    """Keep all servers that a run needs, each a process of its own."""
    ports = [str(find_free_port()) for _ in range(2)]
    home = rewebb.folder / "prefect-server"
    home.mkdir()
    with running_server() as url, ExitStack() as stack:
        rewebb = rewebb.given(
            REWEBB_DATABASE_URL=url,
            REWEBB_SCHEDULER=f"tcp://127.0.0.1:{ports[0]}",
            PREFECT_API_URL=f"http://127.0.0.1:{ports[1]}/api",
            DASK_DISTRIBUTED__WORKER__DAEMON="false",
        )
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
        stack.callback(engine.dispose)
        place = ("--host", "127.0.0.1", "--port", ports[0], "--dashboard-address")
        offer = ("--nthreads", "2", "--memory-limit", "0", "--resources", "memory=6e9")
        worker = ("worker", rewebb.variables["REWEBB_SCHEDULER"], "--no-dashboard")
        starts = {
            Victim.SCHEDULER: _start(rewebb, "scheduler", *place, "127.0.0.1:0"),
            Victim.NANNY: _start(rewebb, *worker, *offer),
            Victim.PREFECT: lambda kept: kept.enter_context(
                start_server(home, int(ports[1]))
            ),
        }
        servers = {name: Server(start, stack) for name, start in starts.items()}
        site = Site(rewebb, engine, servers)
        site.keep()
        yield site


def _start(
    rewebb: Rewebb, *arguments: str
) -> Callable[[ExitStack], "subprocess.Popen[str]"]:
    """Start a command of Dask; what it says goes to a file, which never fills."""

    def start(stack: ExitStack) -> "subprocess.Popen[str]":
        log = stack.enter_context((rewebb.folder / "dask.log").open("a"))
        started = rewebb.start(*arguments, program="dask", output=log)
        return stack.enter_context(stopped(started))

    return start


def survive(site: Site, kills: Sequence[Kill], program: str) -> Iterator[Path]:
    """Run a program until it succeeds, and kill meanwhile; gives what it has made.

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
            out, err = flow.communicate()
            code = flow.returncode
            if code not in {0, -9}:
                site.ended.append(err or out)
    wait_until(lambda: not any((site.rewebb.data / "scratch" / program).glob("*")))
