"""The client of astroquery, made safe. Loads astroquery (0.7 s): import it late.

What `MastMissions` of astroquery 0.4.11 lacks is measured in
``facts/associations-mast-crds.md``, part B: it knows no timeout, it takes its server
from class attributes that are made at import, and it keeps state between calls.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from typing import Any, Final, TypeVar

import astropy.units as u
import httpx
import requests
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astroquery.mast import MastMissionsClass
from requests.adapters import BaseAdapter

from flows.archive.listing import Cone
from workers.errors import TransientTransferError
from workers.transfer.http import check_status, mapped_errors

from .datasets import SEARCH_COLUMNS
from .pages import Page, Row

__all__ = ["MastClient"]

_Value = TypeVar("_Value")

_SORT_BY: Final = ("fileSetName", "ArchiveFileID")
"""Pages only fit together if the rows keep one order."""


class MastClient:
    """Searches MAST; one try. Can be shared by threads.

    Parameters
    ----------
    server_url
        ``https://mast.stsci.edu``.
    http
        Sends all requests. If it has a token it is not used: what is searched is
        public.
    silent_s
        How long the server may be silent.
    answer_s
        How long one whole answer may take.
    """

    def __init__(
        self, server_url: str, http: httpx.Client, *, silent_s: float, answer_s: float
    ) -> None:
        self._server_url = server_url
        self._adapter = _Adapter(http, silent_s, answer_s)

    def search(
        self, conditions: Mapping[str, str], cone: Cone | None, *, first: int, rows: int
    ) -> Page:
        """Ask for a page of a search.

        Parameters
        ----------
        conditions
            By column; at least one.
        first
            Row that the page begins with, from 0.
        rows
            Most rows of the page.

        Raises
        ------
        TransferError
            There was no answer; or, transient, one that is none.
        """
        missions = self._make_missions(conditions)
        answer = missions.query_criteria_async(
            coordinates=cone and SkyCoord(cone.ra_deg, cone.dec_deg, unit="deg"),
            radius=(cone.radius_deg if cone else 0.0) * u.deg,
            limit=rows,
            offset=first,
            select_cols=list(SEARCH_COLUMNS),
            sort_by=list(_SORT_BY),
            **conditions,
        )
        return _parse(answer, _to_page)

    def list_products(self, names: Sequence[str]) -> list[Row]:
        """List the products of datasets; at most 1000.

        Raises
        ------
        TransferError
            There was no answer; or, transient, one that is none.
        """
        missions = self._make_missions({})
        return _parse(missions.get_product_list_async(list(names)), _to_products)

    def _make_missions(self, conditions: Mapping[str, str]) -> Any:
        """Make an object of astroquery for one call.

        Its server and its session are private to it. To change them here is all that
        is needed: setting the mission makes the URLs anew. The columns that it knows
        are given, since it asks for them without a timeout.
        """
        missions = MastMissionsClass(mission="jwst")
        missions.columns["jwst"] = Table([[*conditions, ""]], names=["name"])
        missions._session.mount(self._server_url, self._adapter)  # noqa: SLF001
        missions._service_api_connection.SERVICE_URL = self._server_url  # noqa: SLF001
        missions.mission = "jwst"
        return missions


class _Adapter(BaseAdapter):
    """Lets a session of requests send with our own client, in bounded time."""

    def __init__(self, http: httpx.Client, silent_s: float, answer_s: float) -> None:
        super().__init__()
        self._http = http
        self._silent_s = silent_s
        self._answer_s = answer_s

    def send(
        self,
        request: requests.PreparedRequest,
        *_: object,
        **__: object,
    ) -> requests.Response:
        """Send a request; give the whole answer, or raise `TransferError`."""
        url = str(request.url)
        deadline_s = time.monotonic() + self._answer_s
        with mapped_errors(url), self._stream(request, url) as response:
            check_status(response)
            body = b"".join(self._read(response, deadline_s, url))
        answer = requests.Response()
        answer.status_code = response.status_code
        answer.reason = response.reason_phrase
        answer.url, answer.request = url, request
        answer.encoding = "utf-8"  # else astroquery's log guesses, for minutes
        answer.raw = BytesIO(body)
        return answer

    def close(self) -> None:
        """Leave the client open: it is not ours."""

    def _stream(
        self, request: requests.PreparedRequest, url: str
    ) -> AbstractContextManager[httpx.Response]:
        assert isinstance(request.body, bytes | str | None)
        return self._http.stream(
            str(request.method),
            url,
            content=request.body,
            headers={
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
            },
            auth=None,
            timeout=httpx.Timeout(self._silent_s, pool=None),
        )

    def _read(
        self, response: httpx.Response, deadline_s: float, url: str
    ) -> Iterator[bytes]:
        try:
            for chunk in response.iter_bytes():
                if time.monotonic() > deadline_s:
                    raise TransientTransferError(
                        f"{url}: the answer was not whole after {self._answer_s:.0f} s"
                    )
                yield chunk
        except httpx.DecodingError as error:
            raise TransientTransferError(f"{url}: {error}") from error


def _parse(response: requests.Response, to_value: Callable[[Any], _Value]) -> _Value:
    """Read an answer; one that is cut or garbled may be a good one next time."""
    try:
        return to_value(response.json())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TransientTransferError(
            f"{response.url}: expected an answer as MAST gives it, got "
            f"{response.text[:80]!r} ({type(error).__name__}: {error})"
        ) from error


def _to_page(answer: Any) -> Page:
    """Read the answer to a search."""
    rows = [_to_row(row) for row in answer["results"]]
    return Page(rows, int(answer["totalResults"]))


def _to_products(answer: Any) -> list[Row]:
    """Read a product list; MAST puts some into a list of their own."""
    products = answer["products"]
    if products and isinstance(products[0], list):
        products = products[0]
    return [_to_row(row) for row in products]


def _to_row(row: Any) -> Row:
    """See that a row is one."""
    return dict(row.items())
