"""A data folder, and what fetches to it from a MAST on loopback."""

from pathlib import Path

from flows.archive import Fetcher, FetchReport, Query, RemoteArchive, Vault
from flows.archive.mast import MastLimits, MastSource
from flows.models.exposures import FetchedFile
from workers.transfer import RetryPolicy

__all__ = ["POLICY", "PROGRAM", "Site"]

PROGRAM = "99100"

POLICY = RetryPolicy(
    first_wait_s=0.01,
    longest_wait_s=0.05,
    slow_window_s=1.0,
    slowest_bytes_per_s=8000.0,
)
"""Quicker than usual: small files that take more than a second drip."""


class Site:
    """A data folder, and what fetches to it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.records: list[FetchedFile] = []
        limits = MastLimits(silent_s=30.0)  # a machine may be busy
        self.vault = Vault(folder, self.records.append)
        self.use(
            MastSource(url, silent_s=3.0, limits=limits, policy=POLICY, parallel=4)
        )

    def use(self, source: MastSource) -> None:
        """Fetch from another source."""
        self.source = source
        self.fetcher = Fetcher(source, self.vault, parallel=4, policy=POLICY)
        self.archive = RemoteArchive(source, self.vault, parallel=4, policy=POLICY)

    def fetch(self) -> FetchReport:
        """Fetch all that the archive has."""
        listing = self.source.search(Query(program=PROGRAM))
        return self.fetcher.fetch(self.fetcher.decide(listing))

    def copies(self) -> dict[str, bytes]:
        """Return every FITS file that is visible, by its path below the program."""
        root = self.folder / "raw" / PROGRAM
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("jw*.fits")
        }
