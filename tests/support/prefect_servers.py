"""Prefect servers, as their own command starts them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from commands import BIN, Rewebb, stopped, wait_until

__all__ = ["is_healthy", "start_server"]


@contextmanager
def start_server(home: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """Keep a server, and its database in a folder."""
    server = Rewebb(home).given(
        PREFECT_HOME=home,
        PREFECT_SERVER_API_PORT=str(port),
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        DO_NOT_TRACK="1",
    )
    with (home / "server.log").open("a") as log:
        process = subprocess.Popen(
            [BIN / "prefect", "server", "start"],
            cwd=home,
            env=server.environment,
            stdout=log,
            stderr=log,
            text=True,
        )
        with stopped(process):
            url = f"http://127.0.0.1:{port}/api"
            wait_until(lambda: is_healthy(url), pause_s=0.2)
            yield process


def is_healthy(url: str) -> bool:
    """Return whether a server answers."""
    try:
        with urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310  # loopback
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
