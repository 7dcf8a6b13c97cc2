"""A Prefect server for the time of a command, when none is set.

It listens on 127.0.0.1 and wants a password, made for it: what it holds, secrets too,
is for this user alone. As `python -m flows.prefect_server` this module is the server.
"""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from threading import Timer

from .companions import end_with_parent, start_companion
from .errors import PlanError

__all__ = ["ensure_server"]

_START_S = 90
"""After which a server that does not answer will not."""

_PATIENCE_S = 5
"""How long a server may take to end."""


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
    from prefect.context import refresh_global_settings_context
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.url is not None:
        meanwhile()
        return
    given = settings.server.api.auth_string or settings.api.auth_string
    password = (
        given.get_secret_value() if given else f"rewebb:{secrets.token_urlsafe(32)}"
    )
    os.environ["PREFECT_API_AUTH_STRING"] = password
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = password
    url, server = _start()
    os.environ["PREFECT_API_URL"] = url
    refresh_global_settings_context()
    meanwhile()
    _wait_for(url, server)


def _start() -> "tuple[str, subprocess.Popen[str]]":
    """Start the server, and give the URL of its API, where it will answer."""
    ours = {k: v for k, v in os.environ.items() if k.startswith("PREFECT_")}
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        server = start_companion(
            __name__, variables=ours, message=str(fd), pass_fds=(fd,)
        )
    return f"http://127.0.0.1:{port}/api", server


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
    app = create_app(ephemeral=True, final=True)
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
