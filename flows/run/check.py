"""A cluster is tried before programs run on it: a rehearsal on each of its nodes."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from config.settings import Settings
from workers.rehearsal import Rehearsal, RehearsalRequest, rehearse
from workers.trees import remove_tree
from workers.versions import calibration_versions

from ..errors import DataFolderError
from ..factory import open_configured_cluster
from ..layout import CLUSTERS

__all__ = ["NodeReport", "check_cluster", "list_flaws"]

_CLOCK_S: Final = 2.0
"""How far a clock may be off: what is there already is compared by times."""

_SLOW_MB_S: Final = 10.0
"""A job writes hundreds of megabytes."""


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What a rehearsal found on a node."""

    node: str
    """Name of its worker."""
    offered_bytes: int
    """Memory that its worker offers."""
    slots: int
    """Jobs at a time that it offers."""
    is_same_folder: bool
    """Whether it sees the data folder that this host sees."""
    clock_s: float
    """How far its clock is off, at least."""
    rehearsal: Rehearsal
    """What it can do."""
    flaws: tuple[str, ...] = ()
    """What is wrong with it."""


def check_cluster(
    settings: Settings,
    *,
    nodes: int = 1,
    tell: Callable[[str], object] = lambda _: None,
) -> tuple[NodeReport, ...]:
    """Open the cluster of the settings, try every node that comes, and close it.

    Parameters
    ----------
    nodes
        Nodes to wait for.
    tell
        Told, in one line, that the cluster waits for workers, and that they are there.

    Raises
    ------
    PlanError
        The cluster cannot be opened.
    DataFolderError
        The data folder cannot be written.
    """
    data_dir = settings.data_dir.absolute()
    folder = data_dir / CLUSTERS / f"check-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True)
        marker = folder / "marker"
        marker.touch()
    except OSError as error:
        raise DataFolderError(f"The data folder cannot be written: {error}") from error
    crds_path = settings.crds_path
    request = RehearsalRequest(
        data_dir=str(data_dir),
        crds_path=str(crds_path.absolute()) if crds_path else None,
        marker=str(marker),
    )
    try:
        with open_configured_cluster(settings, tell=tell) as cluster:
            begun_s = time.time()
            told = cluster.ask_each(rehearse, request, nodes=nodes)
            ended_s = time.time()
        reports = [
            NodeReport(
                node=worker.name,
                offered_bytes=worker.memory_bytes,
                slots=worker.slots,
                is_same_folder=_is_linked(marker, answer),
                clock_s=_find_offset(answer.now_s, begun_s, ended_s),
                rehearsal=answer,
            )
            for worker, answer in told
        ]
        versions = calibration_versions()
        return tuple(replace(r, flaws=tuple(list_flaws(r, versions))) for r in reports)
    finally:
        remove_tree(folder, below=data_dir / CLUSTERS)


def _is_linked(marker: Path, answer: Rehearsal) -> bool:
    """Return whether the link that a node has made is one to our marker."""
    link = marker.with_name(answer.link) if answer.link else None
    return link is not None and link.exists() and link.samefile(marker)


def _find_offset(now_s: float, begun_s: float, ended_s: float) -> float:
    """Return how far a clock is off, at least: it was asked in between."""
    return max(begun_s - now_s, now_s - ended_s, 0.0)


def list_flaws(report: NodeReport, versions: Mapping[str, str]) -> list[str]:
    """List what is wrong with a node, in sentences.

    Parameters
    ----------
    versions
        The calibration code of this host.
    """
    found = report.rehearsal
    other = [
        f"{name} {found.versions.get(name, 'none')} instead of {versions[name]}"
        for name in sorted(versions)
        if found.versions.get(name) != versions[name]
    ]
    flaws = [
        (bool(other), f"it has other versions: {', '.join(other)}"),
        (bool(found.crds_error), f"the CRDS cache cannot be read: {found.crds_error}"),
        (bool(found.link_error), f"no hard link can be made: {found.link_error}"),
        (
            not found.link_error and not report.is_same_folder,
            "its data folder is not that of this host",
        ),
        (
            bool(found.scratch_error),
            f"scratch cannot be written: {found.scratch_error}",
        ),
        (
            not found.scratch_error and found.scratch_mb_s < _SLOW_MB_S,
            f"scratch is slow: {found.scratch_mb_s:.1f} MB/s",
        ),
        (
            report.offered_bytes > found.memory_bytes,
            f"it offers {report.offered_bytes} bytes, and has {found.memory_bytes}",
        ),
        (report.clock_s > _CLOCK_S, f"its clock is off by {report.clock_s:.0f} s"),
    ]
    return [said for is_wrong, said in flaws if is_wrong]
