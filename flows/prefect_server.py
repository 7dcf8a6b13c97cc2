"""A Prefect server for the time of a command, when none is set.

It listens on 127.0.0.1 and wants a password, made for it: what it holds, secrets too,
is for this user alone. As `python -m flows.prefect_server` this module is the server.

That of a site keeps schedules, history and its password in a folder, and has the pages
of Prefect. That of a run has neither, and forgets.
"""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Timer

from .companions import end_with_parent, start_companion
from .errors import PlanError

__all__ = ["SiteServer", "ensure_server", "ensure_site_server"]

_HERE = "127.0.0.1"

_OF_SITE = "site"
"""Argument of the server of a site."""

_PASSWORD = "password"  # noqa: S105  # name of a file
"""In the folder of the server of a site, for its user alone."""

_START_S = 90
"""After which a server that does not answer will not."""

_PATIENCE_S = 5
"""How long a server may take to end."""


@dataclass(frozen=True, slots=True)
class SiteServer:
    """A server that was started."""

    url: str
    """Where its API answers."""
    password: Path | None
    """The file with user and password; None if they were set."""


@cache
def ensure_server(meanwhile: Callable[[], object] = lambda: None) -> None:
    """Start a server for this process, unless Prefect's settings name one.

    Parameters
    ----------
    meanwhile
        What this process can do while the server starts, which knows where it will be.

    Raises
    ------
    PlanError
        It does not start.
    """
    _ensure(meanwhile, None, port=0)


def ensure_site_server(home: Path, *, port: int) -> SiteServer | None:
    """Start the server of a site, unless Prefect's settings name one.

    Parameters
    ----------
    home
        Its folder, made for this user alone.
    port
        Of 127.0.0.1.

    Returns
    -------
    SiteServer or None
        The server; None if another one is there.

    Raises
    ------
    PlanError
        It does not start.
    """
    return _ensure(lambda: None, home, port=port)


def _ensure(
    meanwhile: Callable[[], object], home: Path | None, *, port: int
) -> SiteServer | None:
    from prefect.context import refresh_global_settings_context
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.url is not None:
        meanwhile()
        return None
    given = settings.server.api.auth_string or settings.api.auth_string
    if home is not None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ["PREFECT_HOME"] = str(home)
    kept = None if given or home is None else home / _PASSWORD
    if given:
        password = given.get_secret_value()
    else:
        password = _keep_password(kept) if kept else _make_password()
    os.environ["PREFECT_API_AUTH_STRING"] = password
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = password
    url, server = _start(port, is_site=home is not None)
    os.environ["PREFECT_API_URL"] = url
    refresh_global_settings_context()
    meanwhile()
    _wait_for(url, server)
    return SiteServer(url, kept)


def _make_password() -> str:
    return f"rewebb:{secrets.token_urlsafe(32)}"


def _keep_password(path: Path) -> str:
    """Make a password for this user alone, or take the one that is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as stream:
        password = _make_password()
        stream.write(f"{password}\n")
    return password


def _start(port: int, *, is_site: bool) -> "tuple[str, subprocess.Popen[str]]":
    """Start the server, and give the URL of its API, where it will answer."""
    try:
        listener = socket.create_server((_HERE, port), backlog=128)
    except OSError as error:
        raise PlanError(
            f"Prefect's server cannot listen on {_HERE}, port {port}: "
            f"{error.strerror}; choose another port, or set PREFECT_API_URL if a "
            "server of yours is there."
        ) from error
    with listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        ours = {k: v for k, v in os.environ.items() if k.startswith("PREFECT_")}
        # What its pages ask is where they are told that the server is.
        where = {"PREFECT_SERVER_API_HOST": _HERE, "PREFECT_SERVER_API_PORT": str(port)}
        server = start_companion(
            __name__,
            *([_OF_SITE] if is_site else []),
            variables={**ours, **(where if is_site else {})},
            message=str(fd),
            pass_fds=(fd,),
        )
    return f"http://{_HERE}:{port}/api", server


def _wait_for(url: str, server: "subprocess.Popen[str]") -> None:
    import httpx

    end_s = time.monotonic() + _START_S
    while time.monotonic() < end_s and server.poll() is None:
        try:
            if httpx.get(f"{url}/health", trust_env=False, timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise PlanError(
        f"Prefect's own server did not start within {_START_S} s (exit code "
        f"{server.poll()}); what it said is above. Run again, or start a server and "
        "set PREFECT_API_URL."
    )


def _serve() -> None:
    import uvicorn
    from prefect.server.api.server import create_app

    listener = socket.socket(fileno=int(sys.stdin.readline()))
    app = create_app(ephemeral=_OF_SITE not in sys.argv[1:], final=True)
    config = uvicorn.Config(
        app, log_level="error", timeout_graceful_shutdown=_PATIENCE_S
    )
    server = uvicorn.Server(config)

    def stop() -> None:
        killer = Timer(2 * _PATIENCE_S, os._exit, (1,))
        killer.daemon = True
        killer.start()
        server.should_exit = True

    end_with_parent(stop)
    server.run(sockets=[listener])


if __name__ == "__main__":
    _serve()
