"""MAST as a source: its server, the token for it, and when it is asked again."""

from collections.abc import Callable
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

from workers.errors import AccessDeniedError, NotHeldError, TransferError
from workers.transfer import (
    Expected,
    Opener,
    Pacing,
    RetryPolicy,
    read_begin,
    receive,
    retry,
)
from workers.transfer.fits_checks import verify_fits
from workers.transfer.http import HostToken, HttpClient, HttpOpener

from ...errors import AccessError, ArchiveError
from ...names import check_file_name
from ..access import Token
from ..source import Listing, Query, RemoteFile, Source
from .client import MastClient, MastLimits
from .search import Search

__all__ = ["MAST_URL", "MastSource"]

MAST_URL: Final = "https://mast.stsci.edu"
"""Where MAST is."""

_DOWNLOAD: Final = "/search/jwst/api/v0.1/retrieve_product?product_name="
"""Where its files are."""

_Answer = TypeVar("_Answer")


class MastSource(Source):
    """The JWST archive of MAST. Can be shared by threads.

    Parameters
    ----------
    server_url
        Another server that speaks as MAST does.
    token
        For files of exclusive access. Only requests for files and `whoami` carry it,
        and only to this server; what is searched is public.
    silent_s
        How long the server may be silent when it gives a file.
    policy
        When a search is tried again.
    """

    def __init__(
        self,
        server_url: str = MAST_URL,
        *,
        token: Token | None = None,
        parallel: int,
        silent_s: float = 60.0,
        limits: MastLimits = MastLimits(),  # noqa: B008  # frozen
        policy: RetryPolicy = RetryPolicy(),  # noqa: B008  # frozen
        pacing: Pacing = Pacing(),  # noqa: B008  # frozen
    ) -> None:
        self._server_url = _check_url(server_url, has_token=token is not None)
        self._token = token
        self._parallel = parallel
        self._limits = limits
        self._policy = policy
        self._pacing = pacing
        self._http = HttpClient(
            user_agent=f"rewebb/{version('rewebb')}",
            connections=parallel,
            read_timeout_s=silent_s,
            auth=HostToken(self._server_url, token.reveal()) if token else None,
        )
        self._client = MastClient(self._server_url, self._http, limits)

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
        """
        search = Search(
            query,
            self.name,
            self._client,
            self._ask,
            limits=self._limits,
            parallel=self._parallel,
        )
        return search.run()

    def opener(self, file: RemoteFile) -> Opener:
        """Return what opens a file; see `Source`."""
        url = f"{self._server_url}{_DOWNLOAD}{quote(file.uri, safe='')}"
        return HttpOpener(self._http, url)

    def fetch_product(self, name: str, folder: Path) -> Path | None:
        """Fetch a product that MAST has made; give None if it has none of this name.

        Raises
        ------
        FileNameError
            It is no name of a file.
        AccessError
            It is exclusive, and the token gives no access.
        ArchiveError
            It cannot be fetched.
        """
        url = f"{self._server_url}{_DOWNLOAD}{quote(check_file_name(name), safe='')}"
        expected = Expected(
            uri=name, verify=verify_fits if name.endswith(".fits") else None
        )
        try:
            received = receive(
                HttpOpener(self._http, url),
                folder / name,
                expected=expected,
                policy=self._policy,
                pacing=self._pacing,
            )
        except NotHeldError:
            return None
        except AccessDeniedError as error:
            raise AccessError(
                f"{self.name}: {error}; set MAST_API_TOKEN to a token with access"
            ) from error
        except TransferError as error:
            raise ArchiveError(f"{self.name}: {error}") from error
        return received.path

    def whoami(self) -> str | None:
        """Ask MAST whose the token is; see `Source`."""
        return self._ask("whoami", self._client.whoami)

    def may_read(self, file: RemoteFile) -> bool:
        """Return whether MAST gives a file, to us with our token if we have one."""
        try:
            self._ask(
                file.name, lambda: read_begin(self.opener(file), 1, file.size_bytes)
            )
        except AccessError:
            return False
        return True

    def close(self) -> None:
        """Close all connections; the source can go on with new ones."""
        self._http.close()

    def _ask(self, what: str, call: Callable[[], _Answer]) -> _Answer:
        """Call something that asks MAST, until there is an answer."""
        try:
            return retry("it", call, policy=self._policy, pacing=self._pacing)
        except AccessDeniedError as error:
            raise AccessError(f"{self.name}: {what}: {error}") from error
        except TransferError as error:
            raise ArchiveError(f"{self.name}: {what}: {error}") from error


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
    """Return whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
