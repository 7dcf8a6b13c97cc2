"""Processes that a command keeps beside it: what they inherit, and how they end.

A companion has an environment made from a list, so that it inherits no secret; a
session of its own, so that Ctrl-C in a terminal is for the command alone; and a pipe
to the command as its standard input, so that it ends with the command, however that
ends.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

__all__ = [
    "end_with_parent",
    "kill_below",
    "list_inherited",
    "start_companion",
    "start_daemon",
    "stop_companion",
]

_INHERITED = re.compile(
    # Who, where, in which language
    r"HOME|USER|LOGNAME|PATH|TMPDIR|TEMP|TMP|TZ|LANG|LANGUAGE|LC_\w+"
    r"|XDG_\w+_HOME|MPLCONFIGDIR"
    # Where the code is
    r"|LD_LIBRARY_PATH|VIRTUAL_ENV|CONDA_PREFIX|PYTHON\w+"
    # How servers are reached
    r"|(?i:https?_proxy|all_proxy|no_proxy)"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    # What libraries may use of the machine, and how Dask works
    r"|(OMP|MKL|OPENBLAS|NPY|DASK_DISTRIBUTED|DASK_LOGGING)_\w+"
)
"""Variables that a companion inherits."""


_COMMAND = "from flows.cli import app; app()"


def list_inherited(outside: Mapping[str, str]) -> dict[str, str]:
    """List the variables that a companion inherits: no token, password or key."""
    return {name: outside[name] for name in outside if _INHERITED.fullmatch(name)}


def start_companion(
    module: str,
    *arguments: str,
    variables: Mapping[str, str],
    message: str = "",
    pass_fds: tuple[int, ...] = (),
) -> "subprocess.Popen[str]":
    """Start a module as a companion of this process.

    Parameters
    ----------
    module
        Calls `end_with_parent` when it has read the message.
    arguments
        Its command line, which everybody can read.
    variables
        Over those that are inherited. Only this user can read them.
    message
        One line that it reads from its standard input first.
    pass_fds
        Open files that it inherits.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        env={**list_inherited(os.environ), **variables},
        stdin=subprocess.PIPE,
        pass_fds=pass_fds,
        start_new_session=True,
        text=True,
    )
    assert process.stdin is not None
    if message:
        with suppress(BrokenPipeError):  # it is over already; whoever waits for it sees
            process.stdin.write(f"{message}\n")
            process.stdin.flush()
    return process


def start_daemon(arguments: Sequence[str], *, log: Path) -> "subprocess.Popen[bytes]":
    """Start a command of Rewebb that outlives this one, in a session of its own.

    Parameters
    ----------
    log
        File that takes what it says.
    """
    with log.open("w") as stream:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


def stop_companion(process: "subprocess.Popen[str]") -> None:
    """Kill a companion, and what it has started, at once."""
    with suppress(psutil.NoSuchProcess):
        kill_below(psutil.Process(process.pid))
    process.kill()
    process.communicate()


def kill_below(process: psutil.Process) -> None:
    """Kill what a process has started, and what that has started, and so on."""
    with suppress(psutil.NoSuchProcess):
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()


def end_with_parent(end: Callable[[], object] = lambda: os._exit(0)) -> None:
    """End this companion, from another thread, when its standard input is closed."""
    threading.Thread(target=_outlive, args=(end,), name="parent", daemon=True).start()


def _outlive(end: Callable[[], object]) -> None:
    while os.read(0, 1):
        pass
    end()
