"""`rewebb web`: a browser of what is recorded, read only."""

from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

import typer

from .options import DataDir
from .output import announce, fail, warn

if TYPE_CHECKING:
    from config.settings import Settings

__all__ = ["web"]


def web(
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than loopback are open.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port.")] = 8321,
    data_dir: DataDir = None,
) -> None:
    """Browse what is recorded, until it is stopped: pages, an API, VO protocols.

    Nothing can be changed by it. It listens on this machine alone, without a password;
    for others put a reverse proxy with TLS and a sign-in before it.
    """
    from config.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    _check_access(settings, host)
    import uvicorn

    from ..factory import open_served_records
    from ..web import make_app

    with open_served_records(settings) as database:
        config = uvicorn.Config(
            make_app(settings, database),
            host=host,
            port=port,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        sockets = [config.bind_socket()]
        place = f"[{host}]" if ":" in host else host
        announce(f"what is recorded is at http://{place}:{port}/")
        uvicorn.Server(config).run(sockets)


def _check_access(settings: "Settings", host: str) -> None:
    """Refuse to be open by accident, and warn of what lets anybody in."""
    has_sign_in = settings.web_user_header is not None
    if has_sign_in != (settings.web_proxy_secret is not None):
        fail(
            "A sign-in takes both settings: web_user_header and web_proxy_secret, with "
            "which the proxy proves itself."
        )
    if _is_loopback(host):
        return
    if not settings.web_hosts:
        fail(
            f"On {host} others can come: set web_hosts to the names by which they will "
            "call this service, or listen on 127.0.0.1 and let a proxy come there."
        )
    if not has_sign_in:
        warn(f"without a sign-in: whoever reaches {host} can read all that is recorded")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
