"""Brings a context into a cache, and pins this process to it by its final name."""

from pathlib import Path

from ..cache_contract import Account
from ..errors import CrdsCacheError, ReferenceMissingError
from .cache import ReferenceCache, pin
from .catalogue import Catalogue, is_operational
from .layout import has_server_config, read_server_config, write_server_config
from .sync import ReferenceSync

__all__ = [
    "explain_absence",
    "provide_context",
    "provide_mappings",
    "refuse_if_alone",
]


def provide_context(
    root: Path, wanted: str | None, catalogue: Catalogue, sync: ReferenceSync
) -> str:
    """Bring the mappings of a context into the cache, and pin this process to it.

    What the server said is written down when the context is the operational one, or
    when nothing is written down yet; never before its mappings are there. An unknown
    context, or mappings that cannot be had, are an error.
    """
    pin(crds_path=str(root), context=None)
    context = provide_mappings(wanted, catalogue, sync)
    _write_down(root, context, catalogue)
    pin(crds_path=str(root), context=context)
    return ReferenceCache().get_context()


def provide_mappings(
    wanted: str | None, catalogue: Catalogue, sync: ReferenceSync
) -> str:
    """Bring the mappings of a context into the cache, and give its final name.

    An unknown context, or mappings that cannot be had, are an error.
    """
    context = catalogue.name_context(wanted)
    sync.provide(catalogue.list_mappings(context), what="mappings", always=True)
    if failed := sync.get_account().failed:
        since = f", since {catalogue.absence}" if catalogue.absence else ""
        raise CrdsCacheError(
            f"{len(failed)} mappings of {context} cannot be had"
            f"{since}; the first: {failed[0].message}"
        )
    return context


def explain_absence(
    root: Path, wanted: str | None, context: str, catalogue: Catalogue
) -> tuple[str, ...]:
    """Say what the answer rests on, if it does not rest on a server."""
    if catalogue.absence is None:
        return ()
    if not is_operational(wanted):
        basis = "files are compared with what was seen of them before"
    else:
        when = read_server_config(root).get("last_synced", "an unknown time")
        basis = f"the context is {context}, which was operational at {when}"
    return (f"{catalogue.absence}; {basis}.",)


def refuse_if_alone(account: Account, root: Path, catalogue: Catalogue) -> None:
    """Refuse to go on with files missing and no server to get them from."""
    if catalogue.absence is not None and account.failed:
        raise ReferenceMissingError(
            f"{catalogue.absence}, and {len(account.failed)} files are missing from "
            f"the CRDS cache {root} or not good; the first: {account.failed[0].name}."
        )


def _write_down(root: Path, context: str, catalogue: Catalogue) -> None:
    config = catalogue.config
    is_first = not has_server_config(root)
    if config is None or not (is_first or context == config.get("latest_context")):
        return
    try:
        write_server_config(root, config)
    except OSError as error:
        # A cache that lacks nothing serves although it cannot be written: whoever
        # goes on is pinned to the context by its name.
        if is_first:
            raise CrdsCacheError(
                f"The CRDS cache {root} cannot be written: {error.strerror}."
            ) from error
