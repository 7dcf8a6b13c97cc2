"""A command in a terminal of its own, where Ctrl-C is for all of its processes."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil
from commands import BIN, Rewebb, stopped, wait_until

__all__ = ["Terminal", "in_terminal"]

CTRL_C = b"\x03"

_TAKE = 'tty=$0; exec "$@" <"$tty" >"$tty" 2>&1'
"""The first of a session that opens a terminal gets it, as from a login."""


@dataclass
class Terminal:
    """What a person has before them."""

    process: subprocess.Popen[str]
    """The command."""
    keyboard: int
    """Where keys go in and what is shown comes out."""
    shown: list[bytes] = field(default_factory=list)
    """What is shown so far."""

    def press_ctrl_c(self) -> None:
        """Interrupt whatever is in the foreground."""
        os.write(self.keyboard, CTRL_C)

    def watch(self) -> None:
        """Read what is shown, until the terminal is closed."""
        with suppress(OSError):
            while text := os.read(self.keyboard, 4096):
                self.shown.append(text)

    def get_text(self) -> str:
        """Return all that was shown."""
        return b"".join(self.shown).decode()

    def list_below(self) -> list[psutil.Process]:
        """List the processes that the command has started, and those have."""
        return psutil.Process(self.process.pid).children(recursive=True)


@contextmanager
def in_terminal(rewebb: Rewebb, *arguments: str) -> Iterator[Terminal]:
    """Start a command in a terminal."""
    keyboard, screen = os.openpty()
    process = subprocess.Popen(
        ["/bin/sh", "-c", _TAKE, os.ttyname(screen), BIN / "rewebb", *arguments],
        cwd=rewebb.folder,
        env=rewebb.environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    terminal = Terminal(process, keyboard)
    reader = threading.Thread(target=terminal.watch, daemon=True)
    reader.start()
    with stopped(process):
        wait_until(lambda: process.poll() is not None or _is_rewebb(process.pid))
        yield terminal
    os.close(screen)
    reader.join(10)
    os.close(keyboard)


def _is_rewebb(pid: int) -> bool:
    return any("rewebb" in word for word in psutil.Process(pid).cmdline()[:2])
