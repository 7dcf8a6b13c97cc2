"""The guard: which requests are answered at all, and the headers of every answer."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["PROXY_HEADER", "Guard", "Seen", "SignIn"]

PROXY_HEADER: Final = "X-Rewebb-Proxy"
"""Header in which a proxy proves that it is the one."""

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine that nobody else can give to theirs."""

_LONGEST_QUERY: Final = 8_000
"""Bytes of a query; the longest that the search form makes have some hundreds."""

_LONGEST_PATH: Final = 1_000
"""Bytes of a path."""

_LONGEST_RANGE: Final = 200
"""Bytes of a Range header: a few ranges."""

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Of every answer."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Scripts are files of ours. The nonce is for the style sheets that Bokeh makes."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """How a reverse proxy says who has signed in."""

    header: str
    """Header that names the user."""
    secret: str
    """What the proxy proves itself with."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the guard has seen of a request."""

    user: str
    """Who has signed in; empty without a sign-in."""
    nonce: str
    """A word that is in this answer alone."""


class _RefusedError(Exception):
    """A request is not answered, for a reason of one sentence."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Guard:
    """Lets requests through that read, are of a bounded size, and are meant for us.

    Parameters
    ----------
    app
        What answers them.
    hosts
        Names that we are called by; an answer to another would go to a page of
        somebody else whose name was made to lead here.
    sign_in
        How users are named, if they are.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: frozenset[str], sign_in: SignIn | None = None
    ) -> None:
        self._app = app
        self._hosts = _LOOPBACK | {host.lower() for host in hosts}
        self._sign_in = sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        policy = {"Content-Security-Policy": _POLICY.format(nonce=nonce)}
        send = _add_headers(send, {**_HEADERS, **policy})
        try:
            user = self._look(scope)
        except _RefusedError as refusal:
            allowed = {"Allow": "GET, HEAD"} if refusal.status == 405 else {}
            answer = PlainTextResponse(str(refusal), refusal.status, allowed)
            await answer(scope, receive, send)
            return
        scope["rewebb"] = Seen(user, nonce)
        if scope["method"] == "HEAD":
            send = _leave_out_bodies(send)
        await self._app(scope, receive, send)

    def _look(self, scope: Scope) -> str:
        """Look at a request, and give who sent it."""
        headers = Headers(scope=scope)
        if scope["method"] not in {"GET", "HEAD"}:
            raise _RefusedError(
                HTTPStatus.METHOD_NOT_ALLOWED, "Nothing is written here."
            )
        if _to_name(headers.get("host", "")) not in self._hosts:
            raise _RefusedError(
                HTTPStatus.MISDIRECTED_REQUEST,
                "This service is not called by that name; see the setting web_hosts.",
            )
        if (
            len(scope["query_string"]) > _LONGEST_QUERY
            or len(scope["path"].encode()) > _LONGEST_PATH
        ):
            raise _RefusedError(
                HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long."
            )
        if len(headers.get("range", "")) > _LONGEST_RANGE:
            raise _RefusedError(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                "Too many ranges are asked for at once.",
            )
        return self._find_user(headers)

    def _find_user(self, headers: Headers) -> str:
        if self._sign_in is None:
            return ""
        given = headers.get(PROXY_HEADER, "").encode()
        if not secrets.compare_digest(given, self._sign_in.secret.encode()):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "Come by way of the proxy.")
        user = headers.get(self._sign_in.header, "").strip()
        if not user:
            raise _RefusedError(HTTPStatus.UNAUTHORIZED, "Sign in first.")
        return user[:100]


def _to_name(host: str) -> str:
    """Take the name out of a Host header."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _add_headers(send: Send, added: Mapping[str, str]) -> Send:
    begun_s = time.perf_counter()

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            took_ms = 1e3 * (time.perf_counter() - begun_s)
            headers["Server-Timing"] = f"total;dur={took_ms:.1f}"
            for name, value in added.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-cache, private")
        await send(message)

    return send_with_headers


def _leave_out_bodies(send: Send) -> Send:
    async def send_heads(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_heads
