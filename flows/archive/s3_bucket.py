"""A public bucket in S3, asked without a signature. Sole home of s3fs."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from flows.errors import ArchiveError
from workers.errors import (
    AccessDeniedError,
    NotHeldError,
    TransferError,
    TransientTransferError,
)
from workers.transfer import Body, find_strong_etag

if TYPE_CHECKING:
    from s3fs import S3FileSystem

__all__ = ["S3Bucket", "S3Object", "S3Page"]

_BLOCK_BYTES: Final = 1 << 20
"""Most that is read at once."""

_MOMENT_S: Final = 0.1
"""For how long more is waited for, so that the byte path sees drips as such."""

_OPTIONS: Final = {
    "connect_timeout": 20.0,
    "max_pool_connections": 64,  # bounded by those who ask
    "retries": {"total_max_attempts": 1},  # the byte path and the search try again
}
"""Configuration of botocore."""

_CONTENT_RANGE: Final = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<total>\d+)")


@dataclass(frozen=True, slots=True)
class S3Object:
    """An entry of the listing of a bucket."""

    key: str
    """Its key."""
    size_bytes: int
    """How long it is."""
    entity: str
    """ETag."""


@dataclass(frozen=True, slots=True)
class S3Page:
    """A part of the listing of a bucket."""

    objects: tuple[S3Object, ...]
    """In the order of the server."""
    next_page: str | None
    """What the next part is asked for with, if there is one."""


class _NotAsAskedError(TransferError):
    """The version is another one by now (412), or the file is shorter (416)."""


_KINDS: Final[Mapping[int, type[TransferError]]] = {
    401: AccessDeniedError,
    403: AccessDeniedError,
    404: NotHeldError,
    412: _NotAsAskedError,
    416: _NotAsAskedError,
}
"""What answers mean that are no wish to be asked again."""


class S3Bucket:
    """Lists and opens what is in a bucket; one try each. May be shared by threads.

    Parameters
    ----------
    name
        Of the bucket.
    endpoint
        Server, where it is not that of Amazon.
    read_timeout_s
        How long the server may be silent.

    Raises
    ------
    ArchiveError
        There is no s3fs.
    """

    def __init__(
        self, name: str, *, endpoint: str | None = None, read_timeout_s: float = 60.0
    ) -> None:
        self._name = name
        self._files = _connect(endpoint, read_timeout_s)

    def uri_of(self, key: str) -> str:
        """Name an object in full."""
        return f"s3://{self._name}/{key}"

    def list_page(self, prefix: str, page: str | None = None) -> S3Page:
        """List objects whose keys begin with a text, 1000 at most.

        Parameters
        ----------
        page
            The `S3Page.next_page` of the part before.

        Raises
        ------
        TransferError
            The server does not tell.
        """
        asked = {"Prefix": prefix} | ({"ContinuationToken": page} if page else {})
        answer = self._call("list_objects_v2", prefix, asked)
        objects = (
            S3Object(entry["Key"], entry["Size"], entry.get("ETag", ""))
            for entry in answer.get("Contents", ())
        )
        return S3Page(tuple(objects), answer.get("NextContinuationToken"))

    @contextmanager
    def open(
        self,
        key: str,
        *,
        start_byte: int = 0,
        end_byte: int | None = None,
        entity: str | None = None,
    ) -> Iterator[Body]:
        """Open an object as `workers.transfer.Opener` says."""
        answer = self._get(key, _to_range(start_byte, end_byte), entity)
        given = _CONTENT_RANGE.fullmatch(answer.get("ContentRange", ""))
        try:
            yield Body(
                start_byte=int(given["start"]) if given else 0,
                total_bytes=int(given["total"]) if given else answer["ContentLength"],
                entity=find_strong_etag(answer.get("ETag")),
                modified=_headers(answer).get("last-modified"),
                chunks=self._read(key, answer["Body"]),
            )
        finally:
            self._close(answer["Body"])

    def _get(self, key: str, wanted: str | None, entity: str | None) -> Any:
        """Ask for a part of one version, or else for all of the one that is there."""
        asked = {"Range": wanted, "IfMatch": find_strong_etag(entity)}
        try:
            answer = self._call(
                "get_object", key, {"Key": key} | {k: v for k, v in asked.items() if v}
            )
        except _NotAsAskedError:
            return self._call("get_object", key, {"Key": key})
        if entity in {None, answer.get("ETag")}:
            return answer
        self._close(answer["Body"])  # a server that knows no If-Match
        return self._call("get_object", key, {"Key": key})

    def _call(self, method: str, key: str, asked: Mapping[str, str]) -> Any:
        with _mapped(self.uri_of(key)):
            return self._files.call_s3(method, Bucket=self._name, **asked)

    def _read(self, key: str, stream: Any) -> Iterator[bytes]:
        from fsspec.asyn import sync

        while True:
            block = bytearray()
            try:
                with _mapped(self.uri_of(key)):
                    sync(self._files.loop, _fill, block, stream)
            except TransferError:
                if block:  # what has come is not lost
                    yield bytes(block)
                raise
            if not block:
                return
            yield bytes(block)

    def _close(self, stream: Any) -> None:
        """Close the connection, unless all was read."""
        from fsspec.asyn import sync

        sync(self._files.loop, stream.aclose)


async def _fill(block: bytearray, stream: Any) -> None:
    """Read what comes in a moment: a block for each change of threads, or a drip."""
    end_s = time.monotonic() + _MOMENT_S
    while len(block) < _BLOCK_BYTES and time.monotonic() < end_s:
        part = await stream.read(_BLOCK_BYTES - len(block))
        if not part:
            return
        block += part


def _connect(endpoint: str | None, read_timeout_s: float) -> "S3FileSystem":
    """Make a client of its own, without credentials, caches and retries."""
    try:
        from s3fs import S3FileSystem
    except ImportError as error:
        raise ArchiveError(
            "an S3 mirror needs s3fs, which is not here: pip install 'rewebb[s3]'"
        ) from error
    style = {"s3": {"addressing_style": "path"}} if endpoint else {}
    own = {
        "read_timeout": read_timeout_s,
        "user_agent_extra": f"rewebb/{version('rewebb')}",
    }
    files = S3FileSystem(
        anon=True,
        endpoint_url=endpoint,
        config_kwargs={**_OPTIONS, **own, **style},
        skip_instance_cache=True,
    )
    files.retries = 1  # s3fs has no other way to say it, and 0 is a bug
    return files


def _to_range(start_byte: int, end_byte: int | None) -> str | None:
    """Say which bytes are wanted, if not all."""
    if end_byte is not None:
        return f"bytes={start_byte}-{end_byte - 1}"
    return f"bytes={start_byte}-" if start_byte else None


@contextmanager
def _mapped(uri: str) -> Iterator[None]:
    """Turn what s3fs and the libraries under it raise into errors of ours."""
    from aiohttp import ClientError
    from botocore.exceptions import BotoCoreError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except (BotoCoreError, ClientError, OSError, ResponseParserError) as error:
        # s3fs makes an OSError of what the server answers, and keeps it as the cause.
        answer = getattr(error.__cause__, "response", None)
        if answer is not None:
            raise _from_answer(uri, answer, error) from error
        kind = TransferError if _is_lasting(error) else TransientTransferError
        raise kind(f"{uri}: {type(error).__name__}: {error}") from error


def _from_answer(uri: str, answer: Any, error: Exception) -> TransferError:
    """Sort an answer by what should happen next."""
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    text = f"{uri}: the server answered {status} ({error})"
    if status == 429 or status >= 500:
        wait = _headers(answer).get("retry-after", "")
        wait_s = float(wait) if wait.isdecimal() else None
        return TransientTransferError(text, retry_after_s=wait_s)
    return _KINDS.get(status, TransferError)(text)


def _is_lasting(error: Exception) -> bool:
    """Tell whether an error is one of configuration, and not of the connection."""
    from botocore import exceptions

    return isinstance(error, exceptions.BotoCoreError) and not isinstance(
        error,
        exceptions.ConnectionError
        | exceptions.HTTPClientError
        | exceptions.IncompleteReadError
        | exceptions.FlexibleChecksumError,
    )


def _headers(answer: Any) -> Mapping[str, str]:
    """Give the headers of an answer, lower case."""
    headers: Mapping[str, str] = answer["ResponseMetadata"]["HTTPHeaders"]
    return headers
