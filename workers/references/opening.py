"""Opens the catalogue that there is: a server, or memory with the reason why."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from ..contract import ReferenceFile
from ..errors import TransferError
from ..transfer.http import make_client
from .catalogue import Catalogue, RememberedCatalogue
from .server import CrdsServer

__all__ = ["open_catalogue"]


@contextmanager
def open_catalogue(
    url: str | None, *, root: Path, known: Sequence[ReferenceFile]
) -> Iterator[Catalogue]:
    """Open the catalogue of a server; or, if it is away, what is remembered.

    Parameters
    ----------
    url
        Of the server; None, or what CRDS takes for no server, if there is none.
    root
        The CRDS cache.
    known
        Files that were seen before.

    Raises
    ------
    CrdsCacheError
        There is a server, and it is no CRDS server for JWST.
    """
    if url is None or "serverless" in url or "server-less" in url:
        yield RememberedCatalogue(root, known, "No CRDS server is set")
        return
    with make_client(user_agent=f"rewebb/{version('rewebb')}") as client:
        try:
            catalogue: Catalogue = CrdsServer(url, client)
        except TransferError as error:
            reason = str(error).rstrip(".")
            catalogue = RememberedCatalogue(root, known, reason)
        yield catalogue
