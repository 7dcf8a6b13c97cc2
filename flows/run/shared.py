"""What the runs of several programs in one process share: a cluster, and an end."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, TypeVar

from config.settings import Settings

from ..errors import PlanError
from ..execution import Cluster
from ..factory import open_configured_cluster

__all__ = ["ASKING", "Shared"]

_Value = TypeVar("_Value")

ASKING: Final = frozenset({"find", "fetch"})
"""Steps that ask the archive: `archive_connections` holds for all runs together."""


class Shared(AbstractContextManager["Shared"]):
    """A cluster that is opened when the first run needs it.

    Each run is in a thread of its own. When an error leaves the block, such as that of
    Ctrl-C in the main thread, all runs are ended: whatever a thread waits for, its run
    is CANCELLED and its lease given back before the process ends.

    Parameters
    ----------
    read_only
        Whether nothing is to be written below the data folder.
    tell
        Told, in one line, that the cluster waits for workers, and that they are there.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        read_only: bool = False,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._read_only = read_only
        self._stack = ExitStack()
        self._cluster: Cluster | None = None
        self._opening = threading.Lock()
        self._asking = threading.Lock()
        self._over = threading.Event()
        self._runs: list[ExitStack] = []

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the runs that are still under way, and close the cluster."""
        self._over.set()
        if error is not None and self._cluster is not None:
            self._cluster.stop()  # no job may write when its scratch is cleared
        for run in self._runs:
            run.__exit__(kind, error, trace)
        self._stack.close()

    def join(self, run: ExitStack) -> None:
        """Take part; what the run holds by then is let go of at the end.

        Raises
        ------
        PlanError
            The end has come: a run that begins now would keep its lease.
        """
        if self.is_over():
            raise PlanError("The command was interrupted before this program began.")
        self._runs.append(run)

    def is_over(self) -> bool:
        """Return whether runs that end now were stopped."""
        return self._over.is_set()

    @contextmanager
    def open_cluster(self) -> Iterator[Cluster]:
        """Open the cluster for a run.

        Raises
        ------
        PlanError
            It does not answer, or does not start.
        """
        with self._opening:
            if self._cluster is None:
                self._cluster = self._open()
        with ExitStack() as stack:
            try:
                yield stack.enter_context(self._cluster.share())
            finally:
                if self.is_over():
                    stack.pop_all()  # it ends with the cluster, and leases are urgent

    def take(self, name: str, work: Callable[[], _Value]) -> _Value:
        """Take a step of a run; one run at a time asks the archive."""
        if name not in ASKING:
            return work()
        with self._asking:
            return work()

    def _open(self) -> Cluster:
        scratch: Path | None = None
        folder: Path | None = None
        if self._read_only:
            made = TemporaryDirectory(prefix="rewebb-plan-")
            scratch = Path(self._stack.enter_context(made))
            folder = _find_cache() / "clusters"
        cluster = open_configured_cluster(
            self._settings, scratch=scratch, folder=folder, tell=self._tell
        )
        return self._stack.enter_context(cluster)


def _find_cache() -> Path:
    """Find the folder of the user that other hosts see, too, beside the data folder."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "rewebb"
