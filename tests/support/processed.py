"""A sample program that was processed, by Rewebb and by a plain script."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from loopback import Fault

from config.settings import Settings
from flows.provenance.outcomes import load_outcome
from flows.reports import RunSummary
from workers.contract import Outcome
from workers.stages.measurements import measure

__all__ = ["FromMast", "Processed", "find_fringe", "find_outcomes"]


@dataclass(frozen=True, slots=True)
class Processed:
    """A sample program that was processed from empty."""

    settings: Settings
    summary: RunSummary
    plain: subprocess.Popen[bytes] | None
    plain_folder: Path

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.settings.data_dir / self.summary.folder

    def list_outcomes(self) -> dict[str, Outcome]:
        """Return what each job left in the store, by key."""
        return find_outcomes(self.settings.data_dir)

    def wait_for_plain(self) -> Path:
        """Return the folder of the plain script, when it is through."""
        assert self.plain is not None, "no test that was selected compares with it"
        code = self.plain.wait()
        assert code == 0, (self.plain_folder / "script.log").read_text()[-2000:]
        return self.plain_folder


@dataclass(frozen=True, slots=True)
class FromMast:
    """A sample program that was fetched from a MAST, and processed from empty."""

    settings: Settings
    summary: RunSummary
    struck: tuple[Fault, ...]
    """What went wrong while it was fetched."""

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.settings.data_dir / self.summary.folder


def find_outcomes(data_dir: Path) -> dict[str, Outcome]:
    """Return what each job of a data folder left in the store, by key."""
    outcomes = map(load_outcome, (data_dir / "store").glob("*/*/outcome.json"))
    return {f"{o.job.stage}:{o.job.name}": o for o in outcomes}


def find_fringe(path: Path) -> float:
    """Find the amplitude of the largest fringe of a spectrum of the MRS."""
    numbers = {(one.name, one.part): one.value for one in measure(path)}
    return numbers["fringe-amplitude", "FLUX"] or 0.0
