"""A mirror in S3 as a source: public, unsigned, in the layout of ``stpubdata``."""

import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Final

from flows.errors import ArchiveError
from flows.models.exposures import Exposure, UnusableFile
from flows.names import parse_exposure_name, stem_of
from workers.errors import (
    AccessDeniedError,
    NotHeldError,
    TransferError,
    TransientTransferError,
)
from workers.transfer import Body, RetryPolicy, retry

from .headers import to_exposure, to_unusable
from .held import ExaminedFile, HeldFile, keep_one_of_each, screen, to_listing
from .listing import Listing, Query, RemoteFile
from .rawfile import RawFile, UnreadableHeaderError, read_raw_header
from .s3_bucket import S3Bucket, S3Object

__all__ = ["S3Source"]

_URL: Final = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?P<root>(?:/[^/]+)*)/?")
"""A bucket, and a folder in it."""

_HEADER_BYTES: Final = (1 << 16, 1 << 20)
"""How much of a file is read for its header: at first, and where that is longer."""

_END: Final = re.compile(rb"(?:.{80})*?END {77}", re.DOTALL)
"""Cards up to the last one of a header."""


class S3Source:
    """Files of a mirror, those of a program anywhere below its ``jwPPPPP`` folder.

    Parameters
    ----------
    url
        ``s3://stpubdata/jwst/public``.
    endpoint
        Server, where it is not that of Amazon.
    parallel
        Most headers that are read at once.
    policy
        How often the questions of a search are asked.
    read_timeout_s
        How long the server may be silent.

    Raises
    ------
    ArchiveError
        There is no s3fs, or the URL is none.
    """

    def __init__(
        self,
        url: str,
        *,
        endpoint: str | None = None,
        parallel: int = 4,
        policy: RetryPolicy | None = None,
        read_timeout_s: float = 60.0,
    ) -> None:
        match = _URL.fullmatch(url)
        if match is None:
            raise ArchiveError(f"expected s3://bucket/folder, got {url!r}")
        self._bucket = S3Bucket(
            match["bucket"], endpoint=endpoint, read_timeout_s=read_timeout_s
        )
        self._root = f"{match['root']}/".removeprefix("/")
        self._parallel = parallel
        self._policy = policy or RetryPolicy()

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"the S3 mirror {self._bucket.uri_of(self._root)}"

    def search(self, query: Query) -> Listing:
        """List what the mirror holds of what is asked for.

        Names come from the listing of the bucket; headers are read of those files only
        that may be asked for by their names.

        Raises
        ------
        ArchiveError
            The query names no program, the mirror gave no whole answer, or one name
            stands for different files.
        """
        program = _program_of(query)
        try:
            return self._search(program, query)
        except TransferError as error:
            raise ArchiveError(f"{self.name} gave no whole answer: {error}") from error

    def _search(self, program: str, query: Query) -> Listing:
        objects = [one for one in self._list(program) if not one.key.endswith("/")]
        plain = (self._hold(one) for one in objects if not _is_hostile(one))
        screened = screen(plain, query)
        exposures = keep_one_of_each(screened.exposures, _is_same)
        with ThreadPoolExecutor(self._parallel) as pool:
            examined = list(pool.map(self._examine, exposures))
        return to_listing(
            query,
            examined,
            companions=keep_one_of_each(screened.companions, _is_same),
            refused=[*screened.refused, *map(_refuse, filter(_is_hostile, objects))],
        )

    def open(
        self,
        file: RemoteFile,
        *,
        start_byte: int = 0,
        end_byte: int | None = None,
        entity: str | None = None,
    ) -> AbstractContextManager[Body]:
        """Open a file as `workers.transfer.Opener` says; one try, no retries."""
        folder = self._bucket.uri_of(self._root)
        if not file.uri.startswith(folder):
            raise NotHeldError(f"{file.uri} is not in {self.name}")
        return self._bucket.open(
            self._key_of(file.uri),
            start_byte=start_byte,
            end_byte=end_byte,
            entity=entity,
        )

    def _list(self, program: str) -> Iterator[S3Object]:
        """List everything below the folder of a program."""
        prefix = f"{self._root}jw{program}/"
        page: str | None = None
        while True:
            question = partial(self._bucket.list_page, prefix, page)
            listed = retry(self.name, question, policy=self._policy)
            yield from listed.objects
            if (page := listed.next_page) is None:
                return

    def _examine(self, held: HeldFile) -> ExaminedFile:
        """Read the header of a file."""
        path, name = Path(held.name), parse_exposure_name(stem_of(held.name))
        found: Exposure | UnusableFile
        try:
            header = self._read_header(held)
        except (AccessDeniedError, NotHeldError, UnreadableHeaderError) as error:
            found = to_unusable(path, name, str(error))
        else:
            size_bytes = held.size_bytes
            found = to_exposure(path, name, header, size_bytes=size_bytes, mtime_ns=0)
        return ExaminedFile(held, found)

    def _read_header(self, held: HeldFile) -> RawFile:
        """Read so much of a file as its header takes."""
        begin = b""
        for size_bytes in _HEADER_BYTES:
            question = partial(self._read_begin, held, size_bytes)
            begin = retry(held.uri, question, policy=self._policy)
            if len(begin) < size_bytes or _END.match(begin):
                break
        return read_raw_header(io.BytesIO(begin))

    def _read_begin(self, held: HeldFile, size_bytes: int) -> bytes:
        """Read the first bytes of a file, in one try."""
        begin = bytearray()
        with self._bucket.open(self._key_of(held.uri), end_byte=size_bytes) as body:
            for chunk in body.chunks:
                begin += chunk
                if len(begin) >= size_bytes:  # a server may know no ranges
                    break
        if len(begin) < min(size_bytes, held.size_bytes):
            raise TransientTransferError(f"{held.uri}: the body ended too early")
        return bytes(begin[:size_bytes])

    def _hold(self, one: S3Object) -> HeldFile:
        uri = self._bucket.uri_of(one.key)
        return HeldFile(one.key.rpartition("/")[2], uri, one.size_bytes, one.entity)

    def _key_of(self, uri: str) -> str:
        """Take the URI of an object apart."""
        return uri.removeprefix(self._bucket.uri_of(""))


def _program_of(query: Query) -> str:
    """Give the program that is asked for, which makes the prefix of the keys."""
    if query.program is None:
        raise ArchiveError("an S3 mirror is searched by program: give its five digits")
    return query.program


def _is_hostile(one: S3Object) -> bool:
    """Tell whether a key is other than it looks, once a client has normalized it."""
    return not {".", ".."}.isdisjoint(one.key.split("/"))


def _refuse(one: S3Object) -> str:
    """Say why a key is refused."""
    return f"refused the key {one.key[:200]!r}: it holds '.' or '..'"


def _is_same(one: HeldFile, other: HeldFile) -> bool:
    """Compare two objects by what the listing tells."""
    return (one.size_bytes, one.entity) == (other.size_bytes, other.entity)
