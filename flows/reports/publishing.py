"""The report of a run as a file: in the folder of the run, or where one wants it."""

from dataclasses import dataclass
from pathlib import Path

from workers.publishing import replace

from ..layout import REPORT_NAME, get_run_folder
from ..models.runs import Run
from ..provenance import Database
from .report_page import render_report
from .run_report import gather_report

__all__ = ["WrittenReport", "publish_report"]


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report that was written."""

    path: Path
    """The file."""
    size_bytes: int
    """Its size."""
    pictures: int
    """Pictures in it."""
    left_out: tuple[str, ...]
    """Pictures for which there was no room."""
    undrawn: tuple[str, ...]
    """Products that have no pictures."""


def publish_report(
    database: Database, run: Run, *, data_dir: Path, output: Path | None = None
) -> WrittenReport:
    """Write the report of a run, whole or not at all, in the place of an older one.

    Parameters
    ----------
    output
        Where; None for the folder of the run.

    Raises
    ------
    DatabaseError
        The database cannot be used.
    OSError
        It cannot be written.
    """
    path = output or data_dir / get_run_folder(run) / REPORT_NAME
    report = gather_report(database, run, data_dir=data_dir)
    made = render_report(report, data_dir=data_dir, target=path)
    replace(path, lambda draft: draft.write_bytes(made.html))
    return WrittenReport(
        path, len(made.html), made.pictures, made.left_out, made.undrawn
    )
