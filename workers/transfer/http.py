"""Files of an HTTP server: ranges only of the same version, errors sorted."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from workers.errors import (
    AccessDeniedError,
    NotHeldError,
    TransferError,
    TransientTransferError,
)

from .body import Body
from .connections import HostToken, make_client

__all__ = ["HostToken", "HttpOpener", "check_status", "make_client", "mapped_errors"]

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_STRONG_ETAG: Final = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')
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
        self, *, start_byte: int = 0, entity: str | None = None
    ) -> Iterator[Body]:
        """Open the file; see `workers.transfer.Opener`."""
        with ExitStack() as stack:
            body = None
            if start_byte and entity is not None and _is_strong(entity):
                body = self._open_rest(stack, start_byte, entity)
            if body is None:
                body = self._whole(self._ask(stack, {}))
            yield body

    def _open_rest(self, stack: ExitStack, start_byte: int, entity: str) -> Body | None:
        """Ask for the rest; None if all must be asked for."""
        ranges = {"Range": f"bytes={start_byte}-", "If-Range": entity}
        with ExitStack() as opened:
            response = self._ask(opened, ranges, may_be=416)
            if response.status_code == httpx.codes.OK:
                body: Body | None = self._whole(response)
            else:
                body = self._rest(response, start_byte, entity)
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
        encoding = response.headers.get("content-encoding", "identity").lower()
        if encoding != "identity":
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

    def _rest(
        self, response: httpx.Response, start_byte: int, entity: str
    ) -> Body | None:
        given = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if (
            response.status_code != httpx.codes.PARTIAL_CONTENT
            or response.headers.get("etag") != entity
            or given is None
            or int(given[1]) != start_byte
            or not _has_length(response, int(given[2]) + 1 - start_byte)
        ):
            return None
        return self._body(response, start_byte, _number(given[3]))

    def _body(
        self, response: httpx.Response, start_byte: int, total_bytes: int | None
    ) -> Body:
        etag = response.headers.get("etag", "")
        return Body(
            start_byte=start_byte,
            total_bytes=total_bytes,
            entity=etag if _is_strong(etag) else None,
            modified=response.headers.get("last-modified"),
            chunks=self._chunks(response),
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


def _is_strong(etag: str) -> bool:
    return _STRONG_ETAG.fullmatch(etag) is not None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _has_length(response: httpx.Response, length: int) -> bool:
    return _number(response.headers.get("content-length", str(length))) == length


def _retry_after_s(text: str | None) -> float | None:
    """Read a Retry-After: seconds, or a date."""
    if text is None or text.isdecimal():
        return None if text is None else float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)
