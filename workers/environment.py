"""The environment of the processes that make pixels: made, not inherited.

What a process may find in its environment is a list. Everything else stays outside,
whatever it is called: settings of the calibration code and of CRDS, of malloc, of
linear algebra and of threads, and all tokens. In its place come values that make a
pixel the same on every x86-64 machine with AVX2.

This module needs the standard library alone: numpy and the linear algebra read their
variables when they are loaded.
"""

import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from .errors import ProcessorError

__all__ = [
    "PINS",
    "RESTARTED",
    "THREADS",
    "is_restarted",
    "make_environment",
    "require_pins",
]

PINS = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_ENABLE_CPU_FEATURES": "X86_V3",
}
"""What libraries that choose their code by the processor are told to choose: the code
for x86-64-v3 (AVX2 and FMA). OpenBLAS is that of numpy and that of scipy. numpy takes
nothing beyond what is enabled, so names of its future groups need not be known here.
The libm of glibc chooses the same (AVX2 with FMA) on each such processor by itself."""

THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""A job has one thread; the order of a sum depends on their number, too."""

_FIXED = {**THREADS, "PYTHONHASHSEED": "0"}
"""Values on any processor. With the seed, sets of strings have one order."""

_KEPT = re.compile(
    # Who and where
    r"HOME|USER|LOGNAME|PATH|TMPDIR|TEMP|TMP|XDG_CACHE_HOME|MPLCONFIGDIR"
    # Language and time zone, of messages
    r"|LANG|LANGUAGE|LC_\w+|TZ"
    # Where the code is, which is the same as that of the worker
    r"|LD_LIBRARY_PATH|VIRTUAL_ENV|CONDA_PREFIX"
    r"|PYTHON(HOME|PATH|SAFEPATH|NOUSERSITE|USERBASE)"
    r"|PYTHON(DONTWRITEBYTECODE|PYCACHEPREFIX)"
    # How a CRDS server is reached
    r"|(?i:https?_proxy|all_proxy|no_proxy)"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
)
"""What may be inherited."""

_NEEDED = frozenset({"avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})
"""Flags of x86-64-v3, as Linux names them."""


RESTARTED = "rewebb"
"""What `-X` tells an interpreter that was started with a made environment: no other
process inherits that."""

_CPUINFO = Path("/proc/cpuinfo")


def make_environment(
    outside: Mapping[str, str], *, cpuinfo: Path = _CPUINFO
) -> dict[str, str]:
    """Make the environment of a process that makes pixels, from that of who starts it.

    It has no `PINS` where the processor has no such code: there a process can do
    everything but make pixels, see `require_pins`.
    """
    kept = {name: outside[name] for name in outside if _KEPT.fullmatch(name)}
    return {**kept, **_FIXED, **(PINS if _is_capable(cpuinfo) else {})}


def is_restarted() -> bool:
    """Return whether this process, or its fork server, was started again."""
    return RESTARTED in sys._xoptions  # noqa: SLF001  # documented under this name


def require_pins(*, cpuinfo: Path = _CPUINFO) -> None:
    """Look at what numpy has chosen; to be called where pixels are made.

    Raises
    ------
    ProcessorError
        The processor is not an x86-64-v3, or numpy has chosen other code for it.
    """
    from numpy import show_config  # only in the child, after the pins

    if not _is_capable(cpuinfo):
        raise ProcessorError(
            f"The processor of {socket.gethostname()} has no AVX2 and FMA (x86-64-v3), "
            "and its pixels would differ from those of other machines in their last "
            "bits; run jobs on x86-64 machines with AVX2 (Haswell, Zen or newer)."
        )
    config = show_config(mode="dicts")
    chosen = config["SIMD Extensions"].get("found", []) if config else []
    if chosen != ["X86_V3"]:
        raise ProcessorError(
            f"numpy on {socket.gethostname()} uses {', '.join(chosen) or 'nothing'} of "
            "what processors differ in, expected X86_V3, so its pixels would differ "
            "from those of other machines in their last bits; install the numpy of "
            "requirements.lock."
        )


def _is_capable(cpuinfo: Path) -> bool:
    try:
        flags = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        return False
    return flags is not None and set(flags[1].split()) >= _NEEDED
