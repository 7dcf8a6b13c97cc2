"""A mirror in S3 as a source: public, unsigned, in the layout of ``stpubdata``.

S3 is plain HTTP: files come by the same opener as those of MAST, and the listing of a
bucket is a page of XML (ListObjectsV2).
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

from workers.errors import (
    AccessDeniedError,
    NotHeldError,
    TransferError,
    TransientTransferError,
)
from workers.transfer import Opener, RetryPolicy, read_begin, retry
from workers.transfer.fits_checks import FitsError
from workers.transfer.http import HttpClient, HttpOpener

from ..errors import ArchiveError
from ..models.exposures import Exposure, UnusableFile
from ..names import parse_exposure_name, stem_of
from .headers import RawFile, read_raw_header, to_exposure, to_unusable
from .selection import HeldFile, keep_one_of_each, screen, to_listing
from .source import Listing, Query, RemoteFile, Source

__all__ = ["S3Source", "find_server"]

_URL: Final = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?P<root>(?:/[^/]+)*)/?")
"""A bucket, and a folder in it."""

_HEADER_BYTES: Final = (1 << 16, 1 << 20)
"""How much of a file is read for its header: at first, and where that is longer."""

_END: Final = re.compile(rb"(?:.{80})*?END {77}", re.DOTALL)
"""Cards up to the last one of a header."""


class S3Source(Source):
    """Files of a mirror, those of a program anywhere below its ``jwPPPPP`` folder.

    Parameters
    ----------
    url
        ``s3://stpubdata/jwst/public``.
    endpoint
        Server, where it is not that of Amazon.
    policy
        How often the questions of a search are asked.
    """

    def __init__(
        self,
        url: str,
        *,
        endpoint: str | None = None,
        parallel: int,
        policy: RetryPolicy | None = None,
        read_timeout_s: float = 60.0,
    ) -> None:
        match = _URL.fullmatch(url)
        if match is None:
            raise ArchiveError(f"expected s3://bucket/folder, got {url!r}")
        self._bucket = match["bucket"]
        self._root = f"{match['root']}/".removeprefix("/")
        self._server_url = find_server(self._bucket, endpoint)
        self._parallel = parallel
        self._policy = policy or RetryPolicy()
        self._http = HttpClient(
            user_agent=f"rewebb/{version('rewebb')}",
            connections=parallel,
            read_timeout_s=read_timeout_s,
        )

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"the S3 mirror {self._uri_of(self._root)}"

    def search(self, query: Query) -> Listing:
        """List what the mirror holds of what is asked for, which must name a program.

        Names come from the listing of the bucket; headers are read of those files only
        that may be asked for by their names.
        """
        if query.program is None:
            raise ArchiveError(
                "an S3 mirror is searched by program: give its five digits"
            )
        try:
            return self._search(query.program, query)
        except TransferError as error:
            raise ArchiveError(f"{self.name} gave no whole answer: {error}") from error

    def _search(self, program: str, query: Query) -> Listing:
        listed = [f for f in self._list(program) if not f.uri.endswith("/")]
        # Keys that are other than they look, once a client has normalized them.
        hostile = [f for f in listed if not {".", ".."}.isdisjoint(f.uri.split("/"))]
        screened = screen((file for file in listed if file not in hostile), query)
        exposures = _keep_one_of_each(screened.exposures)
        with ThreadPoolExecutor(self._parallel) as pool:
            examined = list(pool.map(self._examine, exposures))
        told = [
            f"refused the key {self._key_of(file.uri)[:200]!r}: it holds '.' or '..'"
            for file in hostile
        ]
        return to_listing(
            query,
            examined,
            companions=_keep_one_of_each(screened.companions),
            refused=[*screened.refused, *told],
        )

    def opener(self, file: RemoteFile) -> Opener:
        """Return what opens a file; see `Source`."""
        if not file.uri.startswith(self._uri_of(self._root)):
            raise NotHeldError(f"{file.uri} is not in {self.name}")
        return self._open(file.uri)

    def _open(self, uri: str) -> Opener:
        url = f"{self._server_url}/{quote(self._key_of(uri))}"
        return HttpOpener(self._http, url)

    def _list(self, program: str) -> Iterator[HeldFile]:
        """List everything below the folder of a program."""
        asked = {"list-type": "2", "prefix": f"{self._root}jw{program}/"}
        while True:
            question = partial(self._list_page, urlencode(asked))
            page = retry(self.name, question, policy=self._policy)
            for entry in page.iterfind("{*}Contents"):
                key = entry.findtext("{*}Key", "")
                yield HeldFile(
                    key.rpartition("/")[2],
                    self._uri_of(key),
                    int(entry.findtext("{*}Size", "0")),
                    entry.findtext("{*}ETag", ""),
                )
            if (token := page.findtext("{*}NextContinuationToken")) is None:
                return
            asked["continuation-token"] = token

    def _list_page(self, asked: str) -> ET.Element:
        """Ask for a part of the listing; one try."""
        url = f"{self._server_url}?{asked}"
        text = self._http.ask(url)
        try:
            return ET.fromstring(text)  # noqa: S314  # expat bounds entities
        except ET.ParseError as error:
            raise TransientTransferError(
                f"{self._server_url}: expected a listing in XML: {error}"
            ) from error

    def _examine(self, file: RemoteFile) -> tuple[RemoteFile, Exposure | UnusableFile]:
        """Read the header of a file."""
        path, name = Path(file.name), parse_exposure_name(stem_of(file.name))
        try:
            header = self._read_header(file)
        except (AccessDeniedError, NotHeldError, FitsError) as error:
            return file, to_unusable(path, name, str(error))
        size_bytes = file.size_bytes
        return file, to_exposure(path, name, header, size_bytes=size_bytes, mtime_ns=0)

    def _read_header(self, file: RemoteFile) -> RawFile:
        """Read so much of a file as its header takes."""
        begin = b""
        for most_bytes in _HEADER_BYTES:
            opener = self._open(file.uri)
            question = partial(read_begin, opener, most_bytes, file.size_bytes)
            begin = retry(file.uri, question, policy=self._policy)
            if len(begin) < most_bytes or _END.match(begin):
                break
        return read_raw_header(begin)

    def _uri_of(self, key: str) -> str:
        """Name an object in full."""
        return f"s3://{self._bucket}/{key}"

    def _key_of(self, uri: str) -> str:
        """Take the URI of an object apart."""
        return uri.removeprefix(self._uri_of(""))


def find_server(bucket: str, endpoint: str | None) -> str:
    """Say where a bucket is; certificates of Amazon hold for names without dots."""
    if endpoint is None and "." not in bucket:
        return f"https://{bucket}.s3.amazonaws.com"
    return f"{(endpoint or 'https://s3.amazonaws.com').rstrip('/')}/{bucket}"


def _keep_one_of_each(files: list[RemoteFile]) -> list[RemoteFile]:
    """Keep one object of each name; the listing tells whether others are the same."""
    return keep_one_of_each(
        sorted(files, key=lambda file: file.uri),
        lambda file: file.uri,
        lambda a, b: (a.size_bytes, a.entity) == (b.size_bytes, b.entity),
    )
