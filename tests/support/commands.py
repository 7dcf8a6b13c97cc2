"""The command `rewebb` as a user runs it, and the processes that it leaves."""

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
from typer.testing import CliRunner

__all__ = [
    "BIN",
    "Ended",
    "Rewebb",
    "assert_refused",
    "find_free_port",
    "find_processes",
    "name_cluster",
    "query",
    "stopped",
    "wait_until",
]

BIN = Path(sys.executable).parent
"""Where the console scripts of this environment are."""

_STEP = re.compile(r"(\d{5}: )?[a-z]+ing( [A-Za-z ]+)?")
"""A line that says what a command begins to do."""

TIMEOUT_S = 180
"""After which a command hangs."""


@dataclass(frozen=True)
class Ended:
    """A command that is over."""

    code: int
    """Exit code."""
    out: str
    """Standard output."""
    err: str
    """Standard error."""

    @property
    def record(self) -> Any:
        """What `--json` has printed."""
        return json.loads(self.out)

    @property
    def states(self) -> dict[str, str]:
        """Jobs of a run by key, with what they came to."""
        return {job["key"]: job["state"] for job in self.record["jobs"]}

    def why(self, key: str) -> str:
        """Why a job of a run came to its state."""
        return next(job["why"] for job in self.record["jobs"] if job["key"] == key)


@dataclass(frozen=True)
class Rewebb:
    """The command, bound to a folder to run in and to variables."""

    folder: Path
    """Where it runs; its data folder is below."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Variables over those of the tests; an empty one is not set at all."""

    @property
    def data(self) -> Path:
        """Its data folder."""
        return Path(self.variables["REWEBB_DATA_DIR"])

    @property
    def environment(self) -> dict[str, str]:
        """All variables; none that the tests themselves were started with leaks."""
        ours = ("REWEBB_", "CRDS_", "PREFECT_", "DASK_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        return {k: v for k, v in (kept | dict(self.variables)).items() if v}

    def given(self, **variables: str | Path) -> "Rewebb":
        """Return the command with other variables."""
        texts = {name: str(value) for name, value in variables.items()}
        return replace(self, variables={**self.variables, **texts})

    def start(self, *arguments: str, program: str = "rewebb") -> subprocess.Popen[str]:
        """Start a command; it must be waited for."""
        return subprocess.Popen(
            [BIN / program, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, program: str = "rewebb") -> Ended:
        """Run a command to its end."""
        with stopped(self.start(*arguments, program=program)) as process:
            out, err = process.communicate(timeout=TIMEOUT_S)
            return Ended(process.returncode, out, err)

    def call_here(self, *arguments: str) -> Ended:
        """Run a command to its end in this process, which is faster to start.

        It runs in the folder that this process is in.
        """
        from flows.cli import app

        ours = self.environment
        others: dict[str, str | None] = dict.fromkeys(os.environ.keys() - ours.keys())
        ended = CliRunner(env=others | ours).invoke(app, arguments)
        return Ended(ended.exit_code, ended.stdout, ended.stderr)


def name_cluster(rewebb: Rewebb, **profile: str) -> Rewebb:
    """Return the command that runs on a profile of an address."""
    there = {"kind": "address", **profile}
    return rewebb.given(
        REWEBB_CLUSTERS=json.dumps({"there": there}), REWEBB_CLUSTER="there"
    )


@contextmanager
def stopped(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Stop a process for sure, and everything below it, when the block is left."""
    try:
        yield process
    finally:
        below: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            below = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        for each in below:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.kill()
        process.communicate()


def wait_until(
    is_so: Callable[[], Any], *, timeout_s: float = 120, pause_s: float = 0.02
) -> Any:
    """Wait until something holds, and give it."""
    end_s = time.monotonic() + timeout_s
    while not (found := is_so()):
        assert time.monotonic() < end_s, f"waited {timeout_s} s in vain"
        time.sleep(pause_s)
    return found


def find_free_port() -> int:
    """Find a port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def find_processes(folder: Path) -> list[psutil.Process]:
    """Find every process but this one that has to do with a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and _is_of(process, str(folder)):
                found.append(process)
    return found


def _is_of(process: psutil.Process, folder: str) -> bool:
    if process.status() == psutil.STATUS_ZOMBIE:
        return False
    texts = [*process.cmdline(), *process.environ().values(), process.cwd()]
    files = [file.path for file in process.open_files()]
    return any(folder in text for text in (*texts, *files))


def query(data: Path, statement: str) -> list[tuple[Any, ...]]:
    """Ask the database of a data folder; nothing while there is none."""
    uri = f"file:{data / 'rewebb.db'}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=30)) as connection:
            return connection.execute(statement).fetchall()
    except sqlite3.OperationalError:
        return []


def assert_refused(ended: Ended, *words: str) -> None:
    """Check that nothing was done, and that one sentence says why.

    Before it there may be lines that say what the command was doing.
    """
    assert ended.code == 2, ended
    *steps, told = ended.err.splitlines()
    assert told.startswith("error: "), ended.err
    assert [line for line in steps if not _STEP.fullmatch(line)] == [], ended.err
    assert "Traceback" not in ended.out + ended.err
    assert [word for word in words if word not in ended.err] == [], ended.err
