"""A scheduler that is there already, with workers that others start."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from config.clusters import AddressProfile

from ..cluster import Cluster, connect
from ..credentials import load_credentials
from ..order import Turns
from ..policy import check_policy

__all__ = ["open_address"]


@contextmanager
def open_address(profile: AddressProfile) -> Iterator[Cluster]:
    """Connect to the scheduler of a profile.

    Raises
    ------
    PlanError
        It does not answer, or would run jobs that kill their worker again and again.
    """
    folder, address = profile.credentials, profile.address
    security = load_credentials(folder.expanduser()) if folder else None
    with closing(connect(address, security)) as client:
        notes = (*_list_cautions(address), *check_policy(client, address))
        yield Cluster(client, Turns(), notes=notes)


def _list_cautions(scheduler: str) -> tuple[str, ...]:
    if scheduler.startswith("tls://"):
        return ()
    caution = (
        f"the Dask scheduler {scheduler} is used without TLS: whoever reaches its "
        "port or those of its workers, on the same host too, can run code as the user "
        "of the workers; see the operator's docs for TLS"
    )
    return (caution,)
