"""MAST: where exposures are, and how they are asked for."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.metadata import version
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote, urlsplit

from flows.archive.listing import Listing, Query, RemoteFile
from flows.archive.tokens import Token
from flows.errors import AccessError, ArchiveError
from workers.errors import AccessDeniedError, TransferError
from workers.transfer import Body, Pacing, RetryPolicy, retry

from .search import Search, SearchLimits

if TYPE_CHECKING:
    import httpx

__all__ = ["MAST_URL", "MastSource"]

MAST_URL: Final = "https://mast.stsci.edu"
"""Where MAST is."""

_DOWNLOAD: Final = "/search/jwst/api/v0.1/retrieve_product?product_name="
"""Where its files are."""

_Answer = TypeVar("_Answer")


class MastSource:
    """The JWST archive of MAST. Can be shared by threads.

    Parameters
    ----------
    server_url
        Another server that speaks as MAST does.
    token
        For files of exclusive access. Only requests for files and `whoami` carry it,
        and only to this server; what is searched is public.
    parallel
        Most requests at a time.
    silent_s
        How long the server may be silent when it gives a file.
    limits
        How much a search asks for at once, and how long it waits.
    policy
        When a search is tried again.
    """

    def __init__(
        self,
        server_url: str = MAST_URL,
        *,
        token: Token | None = None,
        parallel: int = 4,
        silent_s: float = 60.0,
        limits: SearchLimits = SearchLimits(),  # noqa: B008  # frozen
        policy: RetryPolicy = RetryPolicy(),  # noqa: B008  # frozen
        pacing: Pacing = Pacing(),  # noqa: B008  # frozen
    ) -> None:
        self._server_url = _check_url(server_url, has_token=token is not None)
        self._token = token
        self._parallel = parallel
        self._silent_s = silent_s
        self._limits = limits
        self._policy = policy
        self._pacing = pacing
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._server_url!r})"

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"MAST at {self._server_url}"

    @property
    def has_token(self) -> bool:
        """Whether files of exclusive access are asked for with a token."""
        return self._token is not None

    def search(self, query: Query) -> Listing:
        """List what MAST holds of what is asked for.

        The rows of MAST are exposures of all detectors together: of an exposure that
        fits, the files of all its detectors are listed.

        Raises
        ------
        ArchiveError
            MAST gave no, or no whole, answer; it says what was tried.
        """
        from .client import MastClient

        limits = self._limits
        client = MastClient(
            self._server_url,
            self._client(),
            silent_s=limits.silent_s,
            answer_s=limits.answer_s,
        )
        search = Search(
            query, self.name, client, self._ask, limits=limits, parallel=self._parallel
        )
        return search.run()

    def open(
        self,
        file: RemoteFile,
        *,
        start_byte: int = 0,
        end_byte: int | None = None,
        entity: str | None = None,
    ) -> AbstractContextManager[Body]:
        """Open a file; see `Source`."""
        from workers.transfer.http import HttpOpener

        url = f"{self._server_url}{_DOWNLOAD}{quote(file.uri, safe='')}"
        return HttpOpener(self._client(), url)(
            start_byte=start_byte, end_byte=end_byte, entity=entity
        )

    def whoami(self) -> str | None:
        """Ask MAST whose the token is.

        Returns
        -------
        str or None
            A name; None if MAST does not know the token, or not any more.

        Raises
        ------
        ArchiveError
            MAST does not tell.
        """
        from .reading import ask_identity

        http = self._client()
        url = f"{self._server_url}/whoami"
        return self._ask("whoami", lambda: ask_identity(http, url))

    def may_read(self, file: RemoteFile) -> bool:
        """Tell whether MAST gives a file, to us with our token if we have one.

        Raises
        ------
        ArchiveError
            MAST does not tell.
        """

        def read_byte() -> None:
            with self.open(file, end_byte=1) as body:
                next(body.chunks, b"")

        try:
            self._ask(file.name, read_byte)
        except AccessError:
            return False
        return True

    def close(self) -> None:
        """Close all connections; the source can go on with new ones."""
        with self._lock:
            if self._http is not None:
                self._http.close()
            self._http = None

    def _ask(self, what: str, call: Callable[[], _Answer]) -> _Answer:
        """Call something that asks MAST, until there is an answer."""
        try:
            return retry("it", call, policy=self._policy, pacing=self._pacing)
        except AccessDeniedError as error:
            raise AccessError(f"{self.name}: {what}: {error}") from error
        except TransferError as error:
            raise ArchiveError(f"{self.name}: {what}: {error}") from error

    def _client(self) -> "httpx.Client":
        """Give the client that all threads share; it bounds the requests at a time."""
        from workers.transfer.http import HostToken, make_client

        with self._lock:
            if self._http is None:
                url, token = self._server_url, self._token
                self._http = make_client(
                    user_agent=f"rewebb/{version('rewebb')}",
                    connections=self._parallel,
                    read_timeout_s=self._silent_s,
                    auth=HostToken(url, token.reveal()) if token else None,
                )
            return self._http


def _check_url(url: str, *, has_token: bool) -> str:
    """Refuse a server that a token must not go to."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in url:
        raise ArchiveError(
            "expected the URL of MAST as https://server, got another one"
        )
    if has_token and parts.scheme == "http" and not _is_here(parts.hostname):
        raise AccessError(
            f"expected https for a server that gets a token, got {parts.hostname} "
            "with http"
        )
    return url.rstrip("/")


def _is_here(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
