"""Which rows of a program are associated: those of its DMS pool, else its headers."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from config.recipe import LinkedObservations

from ..models.associations import Lack
from ..models.exposures import Exposure, Inventory, UnusableFile
from ..names import list_some
from ..stages import RAW_SUFFIX
from .exposure_types import SPECTRA
from .headers import add_declared, read_headers
from .missing import (
    find_missing_detectors,
    find_missing_positions,
    find_missing_segments,
    list_mismatches,
    name_missing,
)
from .pool import PoolRow, read_pool

__all__ = ["ProgramRows", "choose_rows"]


@dataclass(frozen=True, slots=True)
class ProgramRows:
    """The rows of a program."""

    rows: tuple[PoolRow, ...]
    """One for every exposure that is there."""
    linked: Mapping[str, frozenset[str]]
    """Observations that share a candidate with an observation, itself included."""
    notes: tuple[str, ...] = ()
    """What a scientist must know of the choice."""
    missing: tuple[UnusableFile, ...] = ()
    """Spectra that the pool, or another segment, names and the archive does not have:
    what they are a member of must not become smaller unnoticed."""
    lacking: tuple[Lack, ...] = ()
    """Detectors and positions of which there are no files at all."""


def choose_rows(
    inventory: Inventory, declared: Sequence[LinkedObservations] = ()
) -> ProgramRows:
    """Choose the rows of a program.

    A pool has what no header has (candidates, targets, tiles), so it is used if it
    names every exposure; of a part of them it could only mislead.

    Raises
    ------
    PoolError
        The file is not a pool.
    """
    chosen = _choose(inventory, declared)
    named = {file.path for file in chosen.missing}
    segments = [f for f in find_missing_segments(inventory) if f.path not in named]
    notes = list(chosen.notes)
    if segments:
        names = list_some([file.path.name for file in segments], 5)
        notes.append(f"of a time series the archive lacks {names}")
    notes += list_mismatches(inventory.exposures)
    chosen = replace(chosen, missing=(*chosen.missing, *segments), notes=tuple(notes))
    files = (*inventory.unusable, *inventory.withheld_files, *chosen.missing)
    known = {row.name for row in chosen.rows}
    known |= {file.path.name.removesuffix(f"_{RAW_SUFFIX}.fits") for file in files}
    detectors = find_missing_detectors(chosen.rows, known)
    positions = find_missing_positions(chosen.rows)
    return replace(chosen, lacking=(*detectors, *positions))


def _choose(
    inventory: Inventory, declared: Sequence[LinkedObservations]
) -> ProgramRows:
    """Choose by pool or headers."""
    linked = [frozenset(one.observations) for one in declared]
    exposures = {exposure.name: exposure for exposure in inventory.exposures}
    notes: tuple[str, ...] = ()
    if inventory.pool is not None:
        name = inventory.pool.name
        pool = read_pool(inventory.pool.text, name)
        unknown = sorted(set(exposures) - {row.name for row in pool})
        if not unknown:
            return _choose_pool(pool, name, exposures, linked, declared)
        some = list_some(unknown, 5)
        notes = (f"{name} does not know {some}: headers are used in its place",)
    rows = read_headers(inventory.exposures, declared)
    return ProgramRows(rows, _link(linked), notes)


def _choose_pool(
    pool: Sequence[PoolRow],
    name: str,
    exposures: Mapping[str, Exposure],
    linked: Sequence[frozenset[str]],
    declared: Sequence[LinkedObservations],
) -> ProgramRows:
    missing = [
        row for row in pool if row.name not in exposures and row.exp_type in SPECTRA
    ]
    names = sorted({row.name for row in missing})
    note = f"of {name} the archive lacks {list_some(names, 5)}"
    return ProgramRows(
        rows=tuple(
            add_declared(row, exposures[row.name].observation, declared)
            for row in pool
            if row.name in exposures
        ),
        linked=_link([*linked, *_list_linked(pool)]),
        notes=(note,) if names else (),
        missing=tuple(
            name_missing(
                row.name,
                f"{row.program:0>5s}",
                _observation(row),
                f"{name} knows it",
            )
            for row in missing
        ),
    )


def _list_linked(pool: Iterable[PoolRow]) -> Iterator[frozenset[str]]:
    """List the observations of every candidate that is more than one."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in pool:
        for candidate in row.candidates:
            if candidate.type != "observation":
                found[candidate.id].add(_observation(row))
    return map(frozenset, found.values())


def _link(groups: Iterable[frozenset[str]]) -> Mapping[str, frozenset[str]]:
    linked: dict[str, frozenset[str]] = {}
    for group in groups:
        for observation in group:
            linked[observation] = linked.get(observation, frozenset()) | group
    return linked


def _observation(row: PoolRow) -> str:
    return (row.obs_num or "").zfill(3)
