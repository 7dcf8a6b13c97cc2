"""The first import of the fork server: starts it again, in an environment that is made.

glibc, Python and the linker read theirs when a process starts, so it does not help to
change the environment of one that runs. The process, its open files and what it is to
run stay the same. Imported anywhere else, this module does nothing.
"""

import os
import signal
import sys

from .environment import RESTARTED, is_restarted, make_environment

__all__: list[str] = []

_ISOLATION = frozenset({"-E", "-I", "-P", "-S", "-s"})
"""Flags of Python that say where code is; others (-O, -W) do not pass on."""


def _restart() -> None:
    flags = [flag for flag in sys.orig_argv if flag in _ISOLATION]
    command = [sys.executable, *flags, "-X", RESTARTED, *sys.orig_argv[-2:]]
    made = make_environment(os.environ)
    # Ctrl-C is for the command, which ends what is below it. What is ignored stays so
    # in the new program, while it imports, and in its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.execve(sys.executable, command, made)  # noqa: S606  # a shell adds variables


if "multiprocessing.forkserver" in sys.orig_argv[-1] and not is_restarted():
    _restart()
