"""Small requests of our own: some bytes of a file, whose a token is. Loads httpx."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from workers.errors import AccessDeniedError, TransientTransferError
from workers.transfer import Body
from workers.transfer.http import check_status, mapped_errors

__all__ = ["ask_identity", "open_part"]


@contextmanager
def open_part(
    client: httpx.Client,
    url: str,
    *,
    start_byte: int,
    end_byte: int,
    entity: str | None,
) -> Iterator[Body]:
    """Ask for some bytes of a file.

    Where the server gives all of it, what is behind the end is not read.

    Parameters
    ----------
    start_byte, end_byte
        The bytes that are wanted; the end is not included.
    entity
        Only of this version.

    Raises
    ------
    TransferError
        What went wrong, and whether to try again.
    """
    asked = {"Range": f"bytes={start_byte}-{end_byte - 1}"}
    asked |= {} if entity is None else {"If-Range": entity}
    with mapped_errors(url), client.stream("GET", url, headers=asked) as response:
        check_status(response)
        is_part = response.status_code == httpx.codes.PARTIAL_CONTENT
        begin = start_byte if is_part else 0
        etag = response.headers.get("etag", "")
        yield Body(
            start_byte=begin,
            total_bytes=_total_bytes(response, is_part=is_part),
            entity=etag if etag.startswith('"') else None,
            modified=response.headers.get("last-modified"),
            chunks=_read(response, end_byte - begin),
        )


def ask_identity(client: httpx.Client, url: str) -> str | None:
    """Ask whose the token of a client is; None if MAST knows nobody.

    Raises
    ------
    TransferError
        What went wrong, and whether to try again.
    """
    try:
        with mapped_errors(url):
            response = client.get(url, headers={"Accept": "application/json"})
            check_status(response)
        told = response.json()
        return None if told["anon"] else str(told["attrib"].get("display_name", ""))
    except AccessDeniedError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TransientTransferError(
            f"{url}: expected anon and attrib, got another answer"
        ) from None


def _read(response: httpx.Response, most_bytes: int) -> Iterator[bytes]:
    """Give so many bytes, and then stop."""
    left = most_bytes
    for chunk in response.iter_raw():
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


def _total_bytes(response: httpx.Response, *, is_part: bool) -> int | None:
    """Read how long the whole file is."""
    if is_part:
        told = response.headers.get("content-range", "").rpartition("/")[2]
    else:
        told = response.headers.get("content-length", "")
    return int(told) if told.isdecimal() else None
