"""The folder of a run: its products by their canonical names, and its summary.

Products are hard links into the store, so they cost nothing and cannot differ from
it. Associations lie beside their members, and can be run as they are.
"""

import os
from dataclasses import asdict
from pathlib import Path

from pydantic_core import to_json

from workers.trees import remove_tree

from ..layout import CHANGES_NAME, RUNS, SUMMARY_NAME
from ..planning import Plan
from .changes import Changed
from .summary import RunSummary

__all__ = ["publish_run_folder"]


def publish_run_folder(
    plan: Plan,
    summary: RunSummary,
    *,
    changed: Changed | None = None,
    data_dir: Path,
) -> Path:
    """Publish the folder of a run at once, whatever its jobs came to.

    Parameters
    ----------
    changed
        How its products differ from those that were there before, if any were.

    Raises
    ------
    OSError
        It cannot be written.
    """
    target = data_dir / summary.folder
    making = target.with_name(f".{target.name}.making")
    remove_tree(making, below=data_dir / RUNS)
    making.mkdir(parents=True)
    for entry in plan.entries:
        if entry.done is not None and entry.job is not None:
            source = data_dir / entry.done.folder
            names = [product.name for product in entry.done.products]
            for name in (*names, entry.job.association_name):
                if name is not None:
                    os.link(source / name, making / name)
    (making / SUMMARY_NAME).write_bytes(to_json(asdict(summary), indent=1))
    if changed is not None:
        (making / CHANGES_NAME).write_bytes(to_json(asdict(changed), indent=1))
    making.rename(target)
    return target
