"""Connections to HTTP servers: one pool for all threads, bounded in number and time.

The bytes come through urllib3. Through httpx's own transport four files at once come
with about the rate of ``curl``, but with four times the CPU time of urllib3, which the
hashing then lacks (`tests/benchmarks/download.py`).
"""

import urllib.request
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import httpx
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    EmptyPoolError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import parse_url

__all__ = ["HostToken", "make_client"]

_CHUNK_BYTES: Final = 1 << 18

_ERRORS: Final[tuple[tuple[type[Exception], type[httpx.TransportError]], ...]] = (
    (ReadTimeoutError, httpx.ReadTimeout),
    (NewConnectionError, httpx.ConnectError),
    (ConnectTimeoutError, httpx.ConnectTimeout),
    (EmptyPoolError, httpx.PoolTimeout),
    (ProxyError, httpx.ProxyError),
    (SSLError, httpx.ConnectError),
    (ProtocolError, httpx.RemoteProtocolError),
    (LocationValueError, httpx.UnsupportedProtocol),
    (HTTPError, httpx.TransportError),
    (ValueError, httpx.LocalProtocolError),
)
"""What urllib3 raises, as httpx calls it; the first one that fits. A ValueError is of
`http.client`, and has in its text the header that it does not like."""


class HostToken(httpx.Auth):
    """A token for one server; no other host ever gets it, whoever redirects there.

    Parameters
    ----------
    url
        Of the server; scheme, host and port count.
    token
        The secret.
    scheme
        Word before it in the ``Authorization`` header.
    """

    def __init__(self, url: str, token: str, *, scheme: str = "token") -> None:
        self._origin = _origin(httpx.URL(url))
        self._header = f"{scheme} {token}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._origin})"

    def auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header where it belongs; httpx takes it off when redirected."""
        if _origin(request.url) == self._origin:
            request.headers["Authorization"] = self._header
        yield request


def make_client(
    *,
    user_agent: str,
    connections: int = 4,
    connect_timeout_s: float = 20.0,
    read_timeout_s: float = 60.0,
    pool_timeout_s: float = 600.0,
    auth: HostToken | None = None,
) -> httpx.Client:
    """Make a client; one for a server, shared by all threads.

    Proxies and certificates are taken from the environment as usual.

    Parameters
    ----------
    user_agent
        Who asks.
    connections
        Most of them at once to one host.
    connect_timeout_s, read_timeout_s
        How long the server may be silent.
    pool_timeout_s
        How long to wait while all connections are in use.
    """
    return httpx.Client(
        transport=_PooledTransport(connections),
        auth=auth,
        headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
        follow_redirects=True,
        timeout=httpx.Timeout(
            connect=connect_timeout_s,
            read=read_timeout_s,
            write=read_timeout_s,
            pool=pool_timeout_s,
        ),
    )


class _PooledTransport(httpx.BaseTransport):
    """Sends the requests of an httpx client through urllib3."""

    def __init__(self, connections: int) -> None:
        tls = httpx.create_ssl_context()
        self._direct = urllib3.PoolManager(
            maxsize=connections, block=True, ssl_context=tls
        )
        self._proxies = {
            scheme: urllib3.ProxyManager(
                url,
                maxsize=connections,
                block=True,
                ssl_context=tls,
                proxy_headers=_proxy_headers(url),
            )
            for scheme, url in urllib.request.getproxies().items()
            if scheme in {"http", "https"}
        }

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the body of the answer is still to be read."""
        times = request.extensions.get("timeout", {})
        with _mapped():
            answer = self._manager(request.url).urlopen(
                request.method,
                str(request.url),
                redirect=False,
                body=request.read() or None,
                headers=dict(request.headers.items()),
                retries=False,
                timeout=urllib3.Timeout(
                    connect=times.get("connect"), read=times.get("read")
                ),
                pool_timeout=times.get("pool"),
                preload_content=False,
                decode_content=False,
            )
        return httpx.Response(
            answer.status,
            headers=list(answer.headers.items()),
            stream=_Stream(answer),
        )

    def close(self) -> None:
        """Close all connections."""
        for manager in (self._direct, *self._proxies.values()):
            manager.clear()

    def _manager(self, url: httpx.URL) -> urllib3.PoolManager:
        if urllib.request.proxy_bypass(url.host):
            return self._direct
        return self._proxies.get(url.scheme, self._direct)


class _Stream(httpx.SyncByteStream):
    """The body of an answer: each read gives what is there, so that drips are seen."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _mapped():
            while chunk := self._answer.read1(_CHUNK_BYTES, decode_content=False):
                yield chunk

    def close(self) -> None:
        # A connection with a rest in it is of no use to the next request.
        self._answer.close()
        self._answer.release_conn()


@contextmanager
def _mapped() -> Iterator[None]:
    """Turn what urllib3 raises into what httpx does, without what was sent."""
    try:
        yield
    except (HTTPError, ValueError) as error:
        kind = next(theirs for ours, theirs in _ERRORS if isinstance(error, ours))
        raise kind(_reason(error)) from None


def _reason(error: BaseException) -> str:
    """Say what the system said, or else the kind of error: no text with our headers."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _proxy_headers(url: str) -> Mapping[str, str]:
    return urllib3.make_headers(proxy_basic_auth=parse_url(url).auth)


def _origin(url: httpx.URL) -> str:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return f"{url.scheme}://{url.host}:{port}"
