"""The CRDS server: which context is in use, what it consists of, what files must be.

JSON-RPC by ``POST <url>/json/<method>/<id>/``, as `crds.client.proxy` speaks it. That
client is not used: it takes its server from the environment on import, remembers
answers for the life of the process, and by default tries once.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any, Final

from ..contract import ReferenceFile
from ..errors import AccessDeniedError, CrdsCacheError, NotHeldError, TransferError
from ..transfer import Opener, Pacing, RetryPolicy, retry
from ..transfer.http import HttpClient, HttpOpener
from .cache import OBSERVATORY
from .catalogue import Catalogue, RememberedCatalogue, is_operational
from .verdict import FileFacts

__all__ = ["AT_ONCE", "CrdsServer", "open_catalogue"]

AT_ONCE: Final = 4
"""Files that are fetched, or read, together: polite, and enough to fill a line."""

_MAPPING = re.compile(r".*\.[pir]map")

_BUILD = {"build", "jwst-build"}
_EDIT = {"edit", "jwst-edit"}

_POLICY = RetryPolicy(fruitless_tries=4, deadline_s=600.0)
"""A server that is away is said to be so within seconds."""

_PACING = Pacing()


class CrdsServer:
    """A CRDS server that answers; see `Catalogue`.

    Raises
    ------
    TransferError
        It does not answer.
    CrdsCacheError
        It is no CRDS server for JWST.
    """

    def __init__(
        self,
        url: str,
        client: HttpClient,
        *,
        policy: RetryPolicy = _POLICY,
        pacing: Pacing = _PACING,
    ) -> None:
        self._url = url.rstrip("/")
        self._client = client
        self._policy = policy
        self._pacing = pacing
        self._ids = count(1)
        self._info = self._fetch_info()
        self._metadata = self._decode_metadata()

    @property
    def absence(self) -> None:
        """It is there."""

    @property
    def config(self) -> Mapping[str, Any]:
        """What a cache keeps of this server."""
        return self._info

    def name_context(self, wanted: str | None) -> str:
        """Return the final name of a context that the server knows."""
        if wanted is None or is_operational(wanted):
            return str(
                self._info.get("latest_context") or self._info["operational_context"]
            )
        if wanted in _BUILD:
            return str(self._call("get_build_context", OBSERVATORY, version("jwst")))
        if wanted in _EDIT:
            return str(self._info["edit_context"])
        if wanted.endswith(".pmap"):
            return wanted
        return str(self._call("get_context_by_date", wanted, OBSERVATORY))

    def list_mappings(self, context: str) -> Sequence[str]:
        """List the mappings of a context that the server knows."""
        return [str(name) for name in self._call("get_mapping_names", context)]

    def list_references(self, context: str) -> Sequence[str]:
        """List the references of a context."""
        return [str(name) for name in self._call("get_reference_names", context)]

    def describe(self, names: Iterable[str]) -> Mapping[str, FileFacts]:
        """Tell what files must be; those that it does not know are left out."""
        wanted = sorted(set(names))
        metadata = self._metadata
        if metadata is None:
            fields = ["sha1sum", "size"]
            metadata = self._call("get_file_info_map", OBSERVATORY, wanted, fields)
        found = {name: metadata.get(name) for name in wanted}
        return {
            name: _read_facts(name, facts)
            for name, facts in found.items()
            if isinstance(facts, Mapping)  # "NOT FOUND" otherwise
        }

    def make_opener(self, name: str) -> Opener:
        """Make what opens a file of the server."""
        kind = "mapping_url" if _MAPPING.fullmatch(name) else "reference_url"
        try:
            base = self._info[kind][OBSERVATORY]
        except (KeyError, TypeError) as error:
            raise NotHeldError(
                f"The CRDS server {self._url} does not say where it has {name}."
            ) from error
        return HttpOpener(self._client, f"{base.rstrip('/')}/{name}")

    def _fetch_info(self) -> dict[str, Any]:
        info = self._call("get_server_info")
        if not isinstance(info, dict) or info.get("observatory") != OBSERVATORY:
            raise CrdsCacheError(
                f"{self._url} is no CRDS server for JWST; mend CRDS_SERVER_URL or "
                "`crds_server_url` of your settings."
            )
        for kind in ("mapping_url", "reference_url"):
            urls = info.get(kind, {})
            info[kind] = urls.get("unchecked", urls)
        # What CRDS adds before it writes them down.
        said = {"server": self._url, "status": "server", "connected": True}
        return {"bad_files_list": [], **info, **said}

    def _decode_metadata(self) -> Mapping[str, Any] | None:
        from crds.client.proxy import crds_decode  # two seconds

        encoded = self._info.get("download_metadata")
        if encoded is None:
            return None
        metadata: Mapping[str, Any] = crds_decode(encoded)
        return metadata

    def _call(self, method: str, *params: object) -> Any:
        call_id = f"rewebb-{next(self._ids):08x}"
        call = {"jsonrpc": "1.0", "method": method, "params": params, "id": call_id}
        url = f"{self._url}/json/{method}/{call_id}/"
        try:
            answer = retry(
                f"{method} of the CRDS server {self._url}",
                lambda: self._client.ask_json(url, call),
                policy=self._policy,
                pacing=self._pacing,
            )
        except (AccessDeniedError, NotHeldError) as error:
            raise CrdsCacheError(f"{self._url} is no CRDS server: {error}.") from error
        if not isinstance(answer, dict) or "result" not in answer:
            raise CrdsCacheError(f"{self._url} is no CRDS server: it has no JSON-RPC.")
        if answer.get("error"):
            said = answer["error"]
            text = said.get("message", said) if isinstance(said, Mapping) else said
            why = (str(text).strip() or "it does not say why").splitlines()[0]
            raise CrdsCacheError(
                f"The CRDS server {self._url} refuses {method}"
                f"({', '.join(str(param) for param in params)}): {why}"
            )
        return answer["result"]


@contextmanager
def open_catalogue(
    url: str | None, *, root: Path, known: Sequence[ReferenceFile]
) -> Iterator[Catalogue]:
    """Open the catalogue of a server; or, if it is away, what is remembered.

    Without a URL, or with what CRDS takes for no server, there is none. One that is no
    CRDS server for JWST is an error.
    """
    if url is None or "serverless" in url or "server-less" in url:
        yield RememberedCatalogue(root, known, "No CRDS server is set")
        return
    agent = f"rewebb/{version('rewebb')}"
    with HttpClient(user_agent=agent, connections=AT_ONCE) as client:
        try:
            catalogue: Catalogue = CrdsServer(url, client)
        except TransferError as error:
            reason = str(error).rstrip(".")
            catalogue = RememberedCatalogue(root, known, reason)
        yield catalogue


def _read_facts(name: str, facts: Mapping[str, str]) -> FileFacts:
    """Read what a server says of a file; it says ``none`` for a sha1 it has not."""
    sha1 = facts.get("sha1sum", "")
    size = facts.get("size", "")
    return FileFacts(
        name=name,
        size_bytes=int(size) if size.isdigit() else None,
        sha1=sha1 if len(sha1) == 40 else None,
    )
