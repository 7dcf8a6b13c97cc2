"""Files of an HTTP server: ranges only of the same version, errors sorted."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from workers.errors import (
    AccessDeniedError,
    NotHeldError,
    TransferError,
    TransientTransferError,
)

from .body import Body, find_strong_etag
from .connections import HostToken, make_client

__all__ = ["HostToken", "HttpOpener", "check_status", "make_client", "mapped_errors"]

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_SETTLED: Final = timedelta(minutes=1)
"""So long before it is given a file was changed whose date stands for its bytes."""
_TRANSIENT: Final = frozenset({408, 425, 429})
_DENIED: Final = frozenset({401, 403})
_NOT_HELD: Final = frozenset({404, 410})


class HttpOpener:
    """Opens one file at an HTTP server; a `workers.transfer.Opener`.

    Parameters
    ----------
    client
        Of `make_client`; shared by threads.
    url
        The file. Messages name it without its query.
    headers
        Of these requests only.
    """

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._client = client
        self._url = url
        self._headers = dict(headers or {})

    @contextmanager
    def __call__(
        self,
        *,
        start_byte: int = 0,
        end_byte: int | None = None,
        entity: str | None = None,
    ) -> Iterator[Body]:
        """Open the file; see `workers.transfer.Opener`."""
        is_part = bool(start_byte) or end_byte is not None
        with ExitStack() as stack:
            body = None
            if is_part and (entity is None or _is_validator(entity)):
                body = self._open_part(stack, start_byte, end_byte, entity)
            if body is None:
                body = self._whole(self._ask(stack, {}))
            yield body if end_byte is None else _cut(body, end_byte)

    def _open_part(
        self,
        stack: ExitStack,
        start_byte: int,
        end_byte: int | None,
        entity: str | None,
    ) -> Body | None:
        """Ask for a part; None if all must be asked for."""
        last = "" if end_byte is None else end_byte - 1
        ranges = {"Range": f"bytes={start_byte}-{last}"}
        ranges |= {} if entity is None else {"If-Range": entity}
        with ExitStack() as opened:
            response = self._ask(opened, ranges, may_be=416)
            if response.status_code == httpx.codes.OK:
                body: Body | None = self._whole(response)
            else:
                body = self._part(response, start_byte, entity)
            if body is not None:
                stack.push(opened.pop_all())
            return body

    def _ask(
        self, stack: ExitStack, headers: Mapping[str, str], *, may_be: int = 200
    ) -> httpx.Response:
        asked = self._headers | {"Accept-Encoding": "identity"} | dict(headers)
        with mapped_errors(self._url):
            response = stack.enter_context(
                self._client.stream("GET", self._url, headers=asked)
            )
        if response.status_code != may_be:
            check_status(response)
        encoding = response.headers.get("content-encoding", "").lower()
        if encoding not in {"", "identity"}:
            raise TransferError(
                f"{_name(self._url)}: expected plain bytes, got them in {encoding}"
            )
        return response

    def _whole(self, response: httpx.Response) -> Body:
        if response.status_code != httpx.codes.OK:
            raise TransientTransferError(
                f"{_name(self._url)}: expected the whole file (200), got "
                f"{response.status_code}"
            )
        return self._body(response, 0, _number(response.headers.get("content-length")))

    def _part(
        self, response: httpx.Response, start_byte: int, entity: str | None
    ) -> Body | None:
        given = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if (
            response.status_code != httpx.codes.PARTIAL_CONTENT
            or not _is_of(response, entity)
            or given is None
            or int(given[1]) != start_byte
            or not _has_length(response, int(given[2]) + 1 - start_byte)
        ):
            return None
        return self._body(response, start_byte, _number(given[3]))

    def _body(
        self, response: httpx.Response, start_byte: int, total_bytes: int | None
    ) -> Body:
        return Body(
            start_byte=start_byte,
            total_bytes=total_bytes,
            entity=find_strong_etag(response.headers.get("etag")),
            modified=response.headers.get("last-modified"),
            chunks=self._chunks(response),
            is_dated=_is_dated(response),
        )

    def _chunks(self, response: httpx.Response) -> Iterator[bytes]:
        with mapped_errors(self._url):
            yield from response.iter_raw()


def check_status(response: httpx.Response) -> None:
    """Raise what a status asks for: `TransferError` or one below it."""
    status = response.status_code
    if status in {httpx.codes.OK, httpx.codes.PARTIAL_CONTENT}:
        return
    text = f"{_name(str(response.url))} answered {status} {response.reason_phrase}"
    if status in _TRANSIENT or httpx.codes.is_server_error(status):
        wait = _retry_after_s(response.headers.get("retry-after"))
        raise TransientTransferError(text, retry_after_s=wait)
    if status in _DENIED:
        raise AccessDeniedError(text)
    raise NotHeldError(text) if status in _NOT_HELD else TransferError(text)


@contextmanager
def mapped_errors(url: str) -> Iterator[None]:
    """Turn what httpx raises into `TransferError` or one below it.

    Parameters
    ----------
    url
        What is asked; messages name it without its query.
    """
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        raise TransferError(_explain(url, error)) from error
    except httpx.TransportError as error:
        raise TransientTransferError(_explain(url, error)) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise TransferError(_explain(url, error)) from error


def _explain(url: str, error: Exception) -> str:
    return f"{_name(url)}: {type(error).__name__}: {error}"


def _name(url: str) -> str:
    """Name a file without what may be secret in its URL."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "a URL that is none"
    return str(parsed.copy_with(query=None, fragment=None, userinfo=b""))


def _cut(body: Body, end_byte: int) -> Body:
    """Leave out what is behind an end, where the server gives that too."""
    left_bytes = end_byte - body.start_byte
    return replace(body, chunks=_first(body.chunks, left_bytes))


def _first(chunks: Iterator[bytes], left_bytes: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:left_bytes]
        left_bytes -= len(chunk)
        if left_bytes <= 0:
            return


def _is_validator(entity: str) -> bool:
    """Tell whether a text may be asked with in If-Range."""
    return find_strong_etag(entity) is not None or _read_date(entity) is not None


def _is_of(response: httpx.Response, entity: str | None) -> bool:
    """Tell whether a part is of the version that was asked for.

    An answer to If-Range says its ETag, but need not say its date (RFC 9110, 15.3.7).
    """
    if entity is None:
        return True
    if find_strong_etag(entity) is not None:
        return bool(response.headers.get("etag") == entity)
    return bool(response.headers.get("last-modified", entity) == entity)


def _is_dated(response: httpx.Response) -> bool:
    """Tell whether Last-Modified is a strong validator (RFC 9110, 8.8.2.2).

    It is if the file was not changed shortly before it was given, by the clock of the
    server; and it is not asked with if there is any ETag (13.1.5).
    """
    modified = _read_date(response.headers.get("last-modified"))
    given = _read_date(response.headers.get("date"))
    if modified is None or given is None or "etag" in response.headers:
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


def _has_length(response: httpx.Response, length: int) -> bool:
    return _number(response.headers.get("content-length", str(length))) == length


def _retry_after_s(text: str | None) -> float | None:
    """Read a Retry-After: seconds, or a date."""
    if text is not None and text.isdecimal():
        return float(text)
    when = _read_date(text)
    return None if when is None else max((when - datetime.now(UTC)).total_seconds(), 0)
