"""HTTP servers: one pool of connections for all threads, errors sorted, ranges checked.

Everything goes through urllib3: through httpx's own transport four files at once come
with about the rate of ``curl``, but with four times the CPU time of urllib3, which the
hashing then lacks (`tests/benchmarks/download.py`).
"""

import json
import re
import ssl
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError
from urllib3.util import parse_url

from ..errors import (
    AccessDeniedError,
    NotHeldError,
    TransferError,
    TransientTransferError,
)
from .body import Body, find_strong_etag

__all__ = ["HostToken", "HttpClient", "HttpOpener"]

_CHUNK_BYTES: Final = 1 << 18
_MOST_REDIRECTS: Final = 20
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers that follow no redirect to another server."""
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_SETTLED: Final = timedelta(minutes=1)
"""So long before it is given a file was changed whose date stands for its bytes."""
_TRANSIENT: Final = frozenset({408, 425, 429})
_TOO_FAR: Final = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
_DENIED: Final = frozenset({401, 403})
_NOT_HELD: Final = frozenset({404, 410})

_Answer = urllib3.BaseHTTPResponse


class HostToken:
    """A token for one server: scheme, host and port of its URL.

    No other one ever gets it, whoever redirects there.
    """

    def __init__(self, url: str, token: str, *, scheme: str = "token") -> None:
        self._origin = _origin(url)
        self._header = f"{scheme} {token}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._origin})"

    def headers_for(self, url: str) -> dict[str, str]:
        """Return the header, where it belongs."""
        if _origin(url) == self._origin:
            return {"Authorization": self._header}
        return {}


class HttpClient:
    """Asks servers, each with a bounded number of connections; shared by all threads.

    Proxies and certificates are taken from the environment as usual. A server may be
    silent as long as the timeouts say; `pool_timeout_s` is how long to wait while all
    connections are in use.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        connections: int,
        connect_timeout_s: float = 20.0,
        read_timeout_s: float = 60.0,
        pool_timeout_s: float = 600.0,
        auth: HostToken | None = None,
    ) -> None:
        self._user_agent = user_agent
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._pool_timeout_s = pool_timeout_s
        self._auth = auth
        tls = ssl.create_default_context()
        self._direct = urllib3.PoolManager(
            maxsize=connections, block=True, ssl_context=tls
        )
        self._proxies = {
            scheme: urllib3.ProxyManager(
                url,
                maxsize=connections,
                block=True,
                ssl_context=tls,
                proxy_headers=urllib3.make_headers(
                    proxy_basic_auth=parse_url(url).auth
                ),
            )
            for scheme, url in urllib.request.getproxies().items()
            if scheme in {"http", "https"}
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        for manager in (self._direct, *self._proxies.values()):
            manager.clear()

    @contextmanager
    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        read_timeout_s: float | None = None,
    ) -> Iterator[_Answer]:
        """Send a request; status and body of the answer are still to be looked at."""
        timeout = urllib3.Timeout(
            connect=self._connect_timeout_s, read=read_timeout_s or self._read_timeout_s
        )
        said = {"User-Agent": self._user_agent, "Accept-Encoding": "identity"}
        with _mapped_errors(url):
            answer = self._follow(method, url, {**said, **headers}, body, timeout)
        try:
            yield answer
        finally:
            # A connection with a rest in it is of no use to the next request.
            answer.close()
            answer.release_conn()

    def ask_json(
        self,
        url: str,
        question: object = None,
        *,
        with_token: bool = False,
        silent_s: float | None = None,
        answer_s: float = float("inf"),
    ) -> Any:
        """Ask a question by POST, or by GET without one; one try.

        The server may be silent for `silent_s`, and all of the answer take `answer_s`.
        An answer that is no JSON is a transient error.
        """
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        headers |= self.token_for(url) if with_token else {}
        body = None
        if question is not None:
            body = json.dumps(question).encode()
            headers["Content-Type"] = "application/json"
        told = self.ask(
            url, body, headers=headers, silent_s=silent_s, answer_s=answer_s
        )
        try:
            return json.loads(told)
        except ValueError as error:
            raise TransientTransferError(
                f"{_name(url)}: expected an answer in JSON, got {told[:80]!r}"
            ) from error

    def ask(
        self,
        url: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        silent_s: float | None = None,
        answer_s: float = float("inf"),
    ) -> bytes:
        """Ask likewise, whatever is sent and answered."""
        deadline_s, told = time.monotonic() + answer_s, bytearray()
        method = "GET" if body is None else "POST"
        with self.send(
            method, url, headers=headers or {}, body=body, read_timeout_s=silent_s
        ) as answer:
            _check_status(answer, url)
            for chunk in _read(answer, url, decode=True):
                told += chunk
                if time.monotonic() > deadline_s:
                    raise TransientTransferError(
                        f"{_name(url)}: the answer was not whole after {answer_s:.0f} s"
                    )
        return bytes(told)

    def token_for(self, url: str) -> dict[str, str]:
        """Return the header with the token, where it belongs."""
        return self._auth.headers_for(url) if self._auth else {}

    def _follow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: urllib3.Timeout,
    ) -> _Answer:
        """Send a request, and again where the server says that it belongs."""
        for _ in range(_MOST_REDIRECTS):
            answer = self._manager(url).urlopen(
                method,
                url,
                redirect=False,
                body=body,
                headers=headers,
                retries=False,
                timeout=timeout,
                pool_timeout=self._pool_timeout_s,
                preload_content=False,
                decode_content=False,
            )
            place = answer.get_redirect_location()
            if not place:
                return answer
            answer.close()
            answer.release_conn()
            there = urljoin(url, place)
            if _origin(there) != _origin(url):
                headers = {
                    name: value
                    for name, value in headers.items()
                    if name.lower() not in _SECRET_HEADERS
                }
            url = there
        raise TransferError(f"{_name(url)}: TooManyRedirects: more than allowed")

    def _manager(self, url: str) -> urllib3.PoolManager:
        parts = parse_url(url)
        if urllib.request.proxy_bypass(parts.host or ""):
            return self._direct
        return self._proxies.get(parts.scheme or "", self._direct)


class HttpOpener:
    """Opens one file at an HTTP server; a `workers.transfer.Opener`.

    Messages name the file by its URL without the query.
    """

    def __init__(self, client: HttpClient, url: str) -> None:
        self._client = client
        self._url = url

    @contextmanager
    def __call__(
        self,
        *,
        start_byte: int = 0,
        end_byte: int | None = None,
        entity: str | None = None,
    ) -> Iterator[Body]:
        """Open the file; see `workers.transfer.Opener`."""
        wanted = _ask_for(start_byte, end_byte, entity)
        with ExitStack() as stack:
            answer = self._ask(stack, wanted)
            if wanted and not _is_as_asked(answer, start_byte, entity):
                stack.close()
                answer = self._ask(stack, {})
            body = self._to_body(answer, start_byte)
            if end_byte is not None:  # where the server gives what is behind it, too
                chunks = _first(body.chunks, end_byte - body.start_byte)
                body = replace(body, chunks=chunks)
            yield body

    def _ask(self, stack: ExitStack, wanted: Mapping[str, str]) -> _Answer:
        headers = {**self._client.token_for(self._url), **wanted}
        answer = stack.enter_context(
            self._client.send("GET", self._url, headers=headers)
        )
        may_be = {HTTPStatus.OK}
        if wanted:
            may_be |= {HTTPStatus.PARTIAL_CONTENT, _TOO_FAR}
        if answer.status not in may_be:
            _check_status(answer, self._url)
            raise TransientTransferError(
                f"{_name(self._url)}: expected the whole file (200), got "
                f"{answer.status}"
            )
        encoding = answer.headers.get("content-encoding", "").lower()
        if encoding not in {"", "identity"}:
            raise TransferError(
                f"{_name(self._url)}: expected plain bytes, got them in {encoding}"
            )
        return answer

    def _to_body(self, answer: _Answer, start_byte: int) -> Body:
        total = answer.headers.get("content-length")
        if answer.status == HTTPStatus.PARTIAL_CONTENT:
            total = answer.headers["content-range"].rpartition("/")[2]
        else:
            start_byte = 0
        return Body(
            start_byte=start_byte,
            total_bytes=_number(total),
            entity=find_strong_etag(answer.headers.get("etag")),
            modified=answer.headers.get("last-modified"),
            chunks=_read(answer, self._url),
            is_dated=_is_dated(answer),
        )


def _ask_for(
    start_byte: int, end_byte: int | None, entity: str | None
) -> dict[str, str]:
    """Ask for a part of one version, or for nothing less than all."""
    is_part = bool(start_byte) or end_byte is not None
    if not is_part or (entity is not None and not _is_validator(entity)):
        return {}
    last = "" if end_byte is None else end_byte - 1
    wanted = {"Range": f"bytes={start_byte}-{last}"}
    return wanted if entity is None else wanted | {"If-Range": entity}


def _is_as_asked(answer: _Answer, start_byte: int, entity: str | None) -> bool:
    """Return whether an answer is all of the file, or the part that was asked for."""
    if answer.status == HTTPStatus.OK:
        return True
    given = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    if given is None or answer.status == _TOO_FAR:
        return False
    first, behind = int(given[1]), int(given[2]) + 1
    length = _number(answer.headers.get("content-length", str(behind - first)))
    return (
        first == start_byte
        and length == behind - first
        and _is_of_version(answer, entity)
    )


def _read(answer: _Answer, url: str, *, decode: bool = False) -> Iterator[bytes]:
    """Read a body; each piece is what is there, so that drips are seen."""
    with _mapped_errors(url):
        while chunk := answer.read1(_CHUNK_BYTES, decode_content=decode):
            yield chunk


def _check_status(answer: _Answer, url: str) -> None:
    """Raise what a status asks for: `TransferError` or one below it."""
    status = answer.status
    if status in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        return
    text = f"{_name(url)} answered {status} {answer.reason or ''}".rstrip()
    if status in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait = _retry_after_s(answer.headers.get("retry-after"))
        raise TransientTransferError(text, retry_after_s=wait)
    if status in _DENIED:
        raise AccessDeniedError(text)
    raise NotHeldError(text) if status in _NOT_HELD else TransferError(text)


@contextmanager
def _mapped_errors(url: str) -> Iterator[None]:
    """Turn what urllib3 raises into `TransferError`, without what was sent.

    A ValueError is of `http.client`, and quotes the header that it does not like.
    """
    try:
        yield
    except (LocationValueError, ValueError) as error:
        raise TransferError(_explain(url, error)) from None
    except HTTPError as error:
        for cause in _list_causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise TransferError(
                    f"{_name(url)}: its certificate cannot be verified "
                    f"({cause.verify_message}); if its authority is one of yours, name "
                    "the file of the authority in SSL_CERT_FILE"
                ) from None
        raise TransientTransferError(_explain(url, error)) from None


def _list_causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _explain(url: str, error: BaseException) -> str:
    """Say what the system said, or else the kind of error: no text with our headers."""
    kind = type(error).__name__
    for cause in _list_causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return f"{_name(url)}: {kind}: {cause.strerror}"
    return f"{_name(url)}: {kind}"


def _name(url: str) -> str:
    """Name a file without what may be secret in its URL."""
    try:
        return parse_url(url)._replace(auth=None, query=None, fragment=None).url
    except LocationValueError:
        return "a malformed URL"


def _origin(url: str) -> str:
    parts = parse_url(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme or "")
    return f"{parts.scheme}://{parts.host}:{port}"


def _first(chunks: Iterator[bytes], left_bytes: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:left_bytes]
        left_bytes -= len(chunk)
        if left_bytes <= 0:
            return


def _is_validator(entity: str) -> bool:
    """Return whether a text may be asked with in If-Range."""
    return find_strong_etag(entity) is not None or _read_date(entity) is not None


def _is_of_version(answer: _Answer, entity: str | None) -> bool:
    """Return whether a part is of the version that was asked for.

    An answer to If-Range says its ETag, but need not say its date (RFC 9110, 15.3.7).
    """
    if entity is None:
        return True
    if find_strong_etag(entity) is not None:
        return bool(answer.headers.get("etag") == entity)
    return bool(answer.headers.get("last-modified", entity) == entity)


def _is_dated(answer: _Answer) -> bool:
    """Return whether Last-Modified is a strong validator (RFC 9110, 8.8.2.2).

    It is if the file was not changed shortly before it was given, by the clock of the
    server; and it is not asked with if there is any ETag (13.1.5).
    """
    modified = _read_date(answer.headers.get("last-modified"))
    given = _read_date(answer.headers.get("date"))
    if modified is None or given is None or "etag" in answer.headers:
        return False
    return given - modified >= _SETTLED


def _read_date(text: str | None) -> datetime | None:
    """Read a date of HTTP."""
    try:
        when = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _retry_after_s(text: str | None) -> float | None:
    """Read a Retry-After: seconds, or a date."""
    if text is not None and text.isdecimal():
        return float(text)
    when = _read_date(text)
    return None if when is None else max((when - datetime.now(UTC)).total_seconds(), 0)
