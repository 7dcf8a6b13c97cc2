"""Lineage: which jobs made a product, of what, and what was made of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from workers.contract import Job

from .exposures import FetchedFile
from .jobs import StoredJob

__all__ = ["Lineage", "Making", "ProvFormat"]

ProvFormat = Literal["json", "provn", "dot", "svg"]
"""How provenance is written: PROV-JSON, PROV-N, a graph for Graphviz, or a picture
drawn by it."""


@dataclass(frozen=True, slots=True)
class Making:
    """A job with what it made."""

    job: Job
    """The job."""
    done: StoredJob | None
    """Its success in the store; None if it has none."""
    started_at: datetime | None
    """When that attempt began; UTC."""
    host: str
    """Where; empty if unknown."""
    run_id: str | None
    """Run that made it; None if it is not known."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Jobs that are linked by the files that one makes and another reads."""

    asked: tuple[str, ...]
    """Fingerprints of the jobs that were asked for."""
    makings: Mapping[str, Making]
    """Every job, by fingerprint; what is made comes after what it is made of."""
    makers: Mapping[str, str]
    """Fingerprint of the job that made a file, by the sha256 of the file."""
    origins: Mapping[str, FetchedFile]
    """Where a file was fetched that no job made, by sha256; not of files of a folder
    of the user."""

    def find_readers(self, fingerprint: str) -> tuple[str, ...]:
        """List the jobs that read what a job made."""
        done = self.makings[fingerprint].done
        made = {product.sha256 for product in done.products} if done else set()
        return tuple(
            reader
            for reader, making in self.makings.items()
            if any(file.sha256 in made for file in making.job.inputs)
        )
