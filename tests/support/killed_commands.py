"""Commands of `rewebb` that get SIGKILL at a place of their work that a test chooses.

A place is a number of calls, of Python or C, that the command has made by then in some
part of its work, so it may be between any two things that it does. One process has all
imported, and forks a child for each command.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

__all__ = ["Killer", "open_killer"]

_CALLS = frozenset({"call", "c_call"})


class Killer:
    """Runs commands in children that it kills, with variables of their own."""

    def __init__(
        self, process: subprocess.Popen[str], variables: Mapping[str, str]
    ) -> None:
        self._process = process
        self._variables = variables

    def given(self, **variables: str) -> "Killer":
        """Return one whose commands find these variables."""
        return Killer(self._process, variables)

    def count_calls(self, *arguments: str, within: str) -> int:
        """Run a command to its end, and count its calls since it came to some code.

        It is named by a part of ``path of its file:function``.
        """
        code, calls = self._ask(arguments, within, None)
        assert code == 0
        return calls

    def kill(self, *arguments: str, within: str, at: int) -> bool:
        """Run a command and kill it at a call since some code, if it comes there."""
        code, _ = self._ask(arguments, within, at)
        assert code in {0, -signal.SIGKILL}
        return code != 0

    def _ask(
        self, arguments: Sequence[str], within: str, at: int | None
    ) -> tuple[int, int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(
            json.dumps([arguments, self._variables, within, at]) + "\n"
        )
        self._process.stdin.flush()
        code, calls = json.loads(self._process.stdout.readline())
        return int(code), int(calls)


@contextmanager
def open_killer() -> Iterator[Killer]:
    """Start the process that runs commands."""
    with subprocess.Popen(
        [sys.executable, Path(__file__)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Killer(process, {})
        assert process.stdin is not None
        process.stdin.close()


def _serve() -> None:
    """Run the commands that are read, each in a child."""
    import flows.factory
    import flows.provenance.migration
    import flows.upkeep  # noqa: F401  # what every child would import again

    for line in sys.stdin:
        arguments, variables, within, at = json.loads(line)
        told, tells = os.pipe()
        child = os.fork()
        if child == 0:
            os.environ.update(variables)
            _run(arguments, within, at, tells)
        os.close(tells)
        _, status = os.waitpid(child, 0)
        with os.fdopen(told) as file:
            calls = file.read() or "0"
        print(json.dumps([os.waitstatus_to_exitcode(status), int(calls)]), flush=True)


def _run(arguments: Sequence[str], within: str, at: int | None, tells: int) -> None:
    """Run a command and leave."""
    from flows.cli import app

    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        del argument
        nonlocal calls
        code = frame.f_code
        if calls or within in f"{code.co_filename}:{code.co_name}":
            calls += event in _CALLS
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)

    code = 0
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.setprofile(count)
    try:
        app(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    sys.setprofile(None)
    os.write(tells, str(calls).encode())
    os._exit(code)


if __name__ == "__main__":
    _serve()
