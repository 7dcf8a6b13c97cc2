"""What is left of products that were removed on purpose."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from workers.job_layout import get_store_folder

from ..layout import REMOVED

__all__ = ["find_removed", "name_removed"]

_STAMP: Final = "%Y%m%dT%H%M%S%f"
"""How the time of a removal is written."""


def name_removed(fingerprint: str, now: datetime) -> Path:
    """Name the folder of what is left of a job, relative to the data folder."""
    return Path(REMOVED, f"{fingerprint}-{now.strftime(_STAMP)}")


def find_removed(data_dir: Path, fingerprint: str) -> datetime | None:
    """Find when the products of a job were removed, unless they are there again."""
    if (data_dir / get_store_folder(fingerprint)).exists():
        return None
    found = sorted((data_dir / REMOVED).glob(f"{fingerprint}-*"))
    if not found:
        return None
    stamp = found[-1].name.rpartition("-")[2]
    return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
