"""A CRDS server on loopback: serves a cache to any client of CRDS, and can fail.

What it answers has the shapes of `interactive/json_views.py` of the server's published
source and of what `crds` 14.0.3 reads: JSON-RPC by ``POST /json/<method>/<id>/``,
files by ``GET /unchecked_get/<mappings|references>/jwst/<name>`` and ``/get/<name>``.
"""

import ast
import fnmatch
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from crds.client.proxy import crds_encode
from loopback import Answer, Faults, Loopback, Request, serve_file, serving

__all__ = ["CrdsServer", "crds_serving"]

MAPPING_ENDS = (".pmap", ".imap", ".rmap")

_NAMES = re.compile(r"jwst_[A-Za-z0-9_.-]+\.(?:imap|rmap|fits|asdf|json)")


class _RpcError(Exception):
    """Said in the ``error`` of an answer, with status 200, as the server does."""


@dataclass
class CrdsServer:
    """A server that runs, and what it holds."""

    cache: Path
    """The cache that it serves."""
    loopback: Loopback
    """Requests, bytes and faults."""
    latest: str
    """Operational context; may be changed while it runs."""
    build: str
    """Context of the installed version of jwst."""
    hidden: set[str] = field(default_factory=set)
    """Files that it does not know."""
    sends_metadata: bool = True
    """Whether the server info has sizes and sha1, as since version 12."""
    claims: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """What it says of a file, over what is true."""

    @property
    def url(self) -> str:
        """Value of ``CRDS_SERVER_URL``."""
        return self.loopback.url

    def list_fetched(self) -> list[str]:
        """Name the files that were asked for, in order."""
        gets = [r.path for r in self.loopback.requests if r.method == "GET"]
        return [path.rpartition("/")[2] for path in gets]

    def list_calls(self) -> list[str]:
        """Name the methods that were called, in order."""
        posts = [r.path for r in self.loopback.requests if r.method == "POST"]
        return [path.split("/")[2] for path in posts]

    def get_last_range(self, name: str) -> str | None:
        """Return the range of a file that was asked for last."""
        asked = [r for r in self.loopback.requests if r.path.endswith(f"/{name}")]
        return asked[-1].headers.get("range")

    def answer(self, request: Request) -> Answer:
        """Answer a request."""
        match request.path.strip("/").split("/"):
            case ["json", method, _]:
                return self._call(method, json.loads(request.body))
            case ["get", name] | ["unchecked_get", _, "jwst", name]:
                path = self._find().get(name)
                return _serve(request, path) if path else Answer(404, b"unknown")
        return Answer(404, b"no such page")

    def _call(self, method: str, call: Mapping[str, Any]) -> Answer:
        serve: Callable[..., Any] = getattr(self, f"_serve_{method}", _refuse)
        result, error = None, None
        try:
            result = serve(*call["params"])
        except _RpcError as raised:
            text = f"OtherError: {raised}"
            error = {"name": "OtherError", "message": text, "code": 500}
        answer = {"error": error, "id": call["id"], "result": result}
        headers = {"Content-Type": "application/json"}
        return Answer(200, json.dumps(answer).encode(), headers)

    def _find(self) -> dict[str, Path]:
        files = [
            *(self.cache / "mappings" / "jwst").glob("*.?map"),
            *(self.cache / "references" / "jwst").glob("*/*.*"),
        ]
        return {
            path.name: path
            for path in sorted(files)
            if path.name not in self.hidden and not path.name.startswith(".")
        }

    def _serve_get_server_info(self) -> dict[str, Any]:
        names = sorted(name for name in self._find() if name.endswith(MAPPING_ENDS))
        info = {
            "bad_files_list": [],
            "build_context": self.build,
            "context_history": [["2022-06-01 00:00:00", self.latest, "first"]],
            "crds_version": {"branch": "master", "str": "14.0.3, master, 0000000"},
            "edit_context": self.latest,
            "force_remote_mode": False,
            "last_refreshed": "2026-11-20 00:00:00.000000",
            "last_synced": "2026-11-20 00:00:01.000000",
            "latest_context": self.latest,
            "mapping_url": self._make_urls("mappings"),
            "mappings": names,
            "max_bestrefs_per_rpc": 1000,
            "max_headers_per_rpc": 1000,
            "observatory": "jwst",
            "operational_context": self.latest,
            "reference_url": self._make_urls("references"),
            "versions_context": self.latest,
        }
        if self.sends_metadata:
            metadata = self._serve_get_file_info_map("jwst", None, ["size", "sha1sum"])
            info["download_metadata"] = crds_encode(metadata)
        return info

    def _make_urls(self, kind: str) -> dict[str, dict[str, str]]:
        unchecked = f"{self.url}/unchecked_get/{kind}/jwst/"
        return {
            "checked": {"jwst": f"{self.url}/get/"},
            "unchecked": {"jwst": unchecked},
        }

    def _serve_get_default_context(self, observatory: str, *_: object) -> str:
        self._check(observatory)
        return self.latest

    def _serve_get_build_context(self, observatory: str, _: str) -> str:
        self._check(observatory)
        return self.build

    def _serve_get_context_by_date(self, date: str, observatory: str) -> str:
        self._check(observatory)
        if not re.search(r"\d{4}-\d{2}-\d{2}", date):
            message = f"Invalid context date/time format '{date}'"
            raise _RpcError(message)
        return self.latest

    def _serve_get_context_history(self, observatory: str) -> list[list[str]]:
        self._check(observatory)
        return [["2022-06-01 00:00:00", self.latest, "first"]]

    def _serve_list_mappings(self, _: str, pattern: str) -> list[str]:
        names = (name for name in self._find() if name.endswith(MAPPING_ENDS))
        return fnmatch.filter(names, pattern)

    def _serve_list_references(self, _: str, pattern: str) -> list[str]:
        names = (name for name in self._find() if not name.endswith(MAPPING_ENDS))
        return fnmatch.filter(names, pattern)

    def _serve_get_mapping_names(self, context: str | Sequence[str]) -> list[str]:
        wanted = [context] if isinstance(context, str) else list(context)
        return sorted(
            name for name in self._close(wanted) if name.endswith(MAPPING_ENDS)
        )

    def _serve_get_reference_names(self, context: str) -> list[str]:
        closed = self._close([context])
        return sorted(name for name in closed if not name.endswith(MAPPING_ENDS))

    def _close(self, names: Sequence[str]) -> set[str]:
        files, left, closed = self._find(), list(names), set[str]()
        while left:
            name = left.pop()
            if name in closed:
                continue
            closed.add(name)
            if name.endswith(MAPPING_ENDS):
                if name not in files:
                    message = f"File '{name}' is not known to CRDS."
                    raise _RpcError(message)
                left += _NAMES.findall(files[name].read_text())
        return closed

    def _serve_get_file_info(self, _: str, name: str) -> dict[str, str]:
        if name not in self._find():
            message = f"File '{name}' is not known to CRDS."
            raise _RpcError(message)
        return self._describe(name, self._find()[name])

    def _serve_get_file_info_map(
        self,
        observatory: str,
        names: Sequence[str] | None,
        fields: Sequence[str] | None,
    ) -> dict[str, Any]:
        self._check(observatory)
        files = self._find()
        answer: dict[str, Any] = {}
        for name in files if names is None else names:
            facts = self._describe(name, files[name]) if name in files else {}
            kept = {k: v for k, v in facts.items() if fields is None or k in fields}
            answer[name] = kept if name in files else "NOT FOUND"
        return answer

    def _describe(self, name: str, path: Path) -> dict[str, str]:
        stat = path.stat()
        is_mapping = name.endswith(MAPPING_ENDS)
        parts = name.split("_")
        return {
            "name": name,
            "observatory": "jwst",
            "instrument": parts[1] if len(parts) > 2 else "",
            "filekind": parts[2] if len(parts) > 3 else "",
            "type": "mapping" if is_mapping else "reference",
            "state": "operational",
            "rejected": "false",
            "blacklisted": "false",
            "size": str(stat.st_size),
            "sha1sum": _sha1(path, stat.st_size, stat.st_mtime_ns),
            **self.claims.get(name, {}),
        }

    def _check(self, observatory: str) -> None:
        if observatory != "jwst":
            message = f"Mismatch between requested observatory '{observatory}'"
            raise _RpcError(message)


def _refuse(*_: object) -> None:
    message = "Method not found"
    raise _RpcError(message)


@contextmanager
def crds_serving(cache: Path, *, faults: Faults | None = None) -> Iterator[CrdsServer]:
    """Serve a cache until the block is left."""
    config = cache / "config" / "jwst" / "server_config"
    latest = str(ast.literal_eval(config.read_text())["latest_context"])
    server = CrdsServer(cache, Loopback(""), latest, latest)
    with serving(server.answer, faults=faults) as loopback:
        server.loopback = loopback
        yield server


@lru_cache(maxsize=4096)
def _sha1(path: Path, _size_bytes: int, _mtime_ns: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha1").hexdigest()


def _serve(request: Request, path: Path) -> Answer:
    stat = path.stat()
    sha1 = _sha1(path, stat.st_size, stat.st_mtime_ns)
    return serve_file(request, path, entity=f'"{sha1}"')
