"""S3 on loopback: the server of moto, behind a proxy that can be told to fail."""

import itertools
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
from loopback import Answer, Faults, Loopback, Request, Validator, serving
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

__all__ = ["S3Mirror", "s3_mirror"]

_ROOT = "jwst/public"

_NUMBERS = itertools.count(1)
"""All servers of moto in a process share their buckets, so each mirror has its own."""

_PUBLIC = {"x-amz-acl": "public-read"}

_OWNER = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=owner/20240101/us-east-1/s3/"
    "aws4_request, SignedHeaders=host, Signature=0"
}
"""Enough for moto to take a request for one of the owner."""

_KEPT = frozenset({"content-range", "content-type", "etag", "last-modified"})
"""Headers of answers that are passed on."""


@dataclass
class S3Mirror:
    """A mirror that runs."""

    loopback: Loopback
    """Requests, bytes and faults."""
    bucket: str
    """Its name; ``stpubdata`` in the real world."""
    _owner: httpx.Client
    """Goes past the proxy, and may do everything."""
    _keys: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        """What a source is made with."""
        return f"s3://{self.bucket}/{_ROOT}"

    @property
    def endpoint(self) -> str:
        """Likewise."""
        return self.loopback.url

    def put(self, name: str, content: bytes, *, folder: str | None = None) -> None:
        """Put a file where the mirror has such files, or anywhere.

        Parameters
        ----------
        folder
            Below the root of the mirror.
        """
        key = f"{_ROOT}/{_folder_of(name) if folder is None else folder}/{name}"
        self._put(key, content=content, headers=_PUBLIC)
        self._keys.add(key)

    def hide(self, name: str) -> None:
        """Take a file from the public."""
        key = f"{_ROOT}/{_folder_of(name)}/{name}"
        self._put(key, query="?acl", headers={"x-amz-acl": "private"})

    def remove(self, name: str) -> None:
        """Remove a file."""
        key = f"{_ROOT}/{_folder_of(name)}/{name}"
        self._owner.delete(f"/{self.bucket}/{quote(key)}").raise_for_status()
        self._keys.remove(key)

    def asked(self, part: str) -> list[Request]:
        """Return the requests with a text in their path or query."""
        requests = self.loopback.requests
        return [one for one in requests if part in f"{one.path}?{one.query}"]

    def open_bucket(self) -> None:
        """Make the bucket; everybody may list it."""
        self._put("", headers=_PUBLIC)

    def remove_all(self) -> None:
        """Remove the bucket and what is in it."""
        for key in [*self._keys, ""]:
            self._owner.delete(f"/{self.bucket}/{quote(key)}").raise_for_status()

    def _put(
        self,
        key: str,
        *,
        query: str = "",
        content: bytes = b"",
        headers: Mapping[str, str],
    ) -> None:
        url = f"/{self.bucket}/{quote(key)}{query}"
        self._owner.put(url, content=content, headers=headers).raise_for_status()


@contextmanager
def s3_mirror(
    folder: Path, *, faults: Faults | None = None, page_keys: int = 1000
) -> Iterator[S3Mirror]:
    """Serve the files of a folder in the layout of ``stpubdata``.

    Parameters
    ----------
    folder
        Files of any nesting, of which the names tell the program.
    page_keys
        How many keys there are on a page of a listing.
    """
    with (
        _moto() as url,
        httpx.Client(base_url=url, timeout=60) as anybody,
        httpx.Client(base_url=url, timeout=60, headers=_OWNER) as owner,
        serving(_forward_to(anybody, page_keys), faults=faults) as loopback,
    ):
        mirror = S3Mirror(loopback, f"stpubdata{next(_NUMBERS)}", owner)
        mirror.open_bucket()
        for path in sorted(folder.rglob("jw*")):
            if path.is_file():
                mirror.put(path.name, path.read_bytes())
        yield mirror
        mirror.remove_all()


@contextmanager
def _moto() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def _folder_of(name: str) -> str:
    """Put exposures in ``jw02731/L1/t``, everything else in ``jw02731/L3/t/o001``."""
    program = re.findall("jw[0-9]{5}", name.lower())[0]
    level = "L1/t" if re.search("_(uncal|rate|msa).fits$", name) else "L3/t/o001"
    return f"{program}/{level}"


def _forward_to(client: httpx.Client, page_keys: int) -> Callable[[Request], Answer]:
    def forward(request: Request) -> Answer:
        headers = {k: v for k, v in request.headers.items() if k != "host"}
        paging = {"max-keys": str(page_keys)} if "list-type" in request.query else {}
        url = f"{request.path}?{urlencode({**request.query, **paging})}"
        answer = client.request(request.method, url, headers=headers)
        kept = {k: v for k, v in answer.headers.items() if k in _KEPT}
        if request.validator is Validator.WEAK and "etag" in kept:
            kept["etag"] = f"W/{kept['etag']}"
        if request.validator not in {Validator.STRONG, Validator.WEAK}:
            kept.pop("etag", None)
        if request.validator is Validator.NONE:
            kept.pop("last-modified", None)
        return Answer(answer.status_code, answer.content, kept)

    return forward
