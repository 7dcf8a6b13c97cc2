"""From where the rows come that are associated: a pool of DMS, else the headers."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flows.models.associations import Lack
from flows.models.exposures import Inventory, RejectedFile
from flows.names import member_file
from flows.stages import RAW_SUFFIX

from .absent import tell_absent, tell_positions
from .modes import SPECTRA
from .options import AssociationOptions
from .pool import read_pool
from .repair import add_declared, repair
from .rows import PoolRow
from .segments import find_missing_segments, list_mismatches

__all__ = ["ChosenRows", "choose_rows"]

_SHOWN = 5
"""How many names a note lists."""


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """The rows of a program."""

    rows: tuple[PoolRow, ...]
    """One for every exposure that is there."""
    notes: tuple[str, ...]
    """What a scientist must know of the choice."""
    missing: tuple[RejectedFile, ...]
    """Spectra that the pool, or another segment, knows and the archive lacks: what
    they are a member of must not become smaller without a word."""
    linked: Mapping[str, frozenset[str]]
    """Observations that share a candidate with an observation, itself included."""
    lacking: tuple[Lack, ...] = ()
    """Detectors and positions of which there are no files at all."""


def choose_rows(inventory: Inventory, options: AssociationOptions) -> ChosenRows:
    """Choose the rows of a program.

    A pool knows what no header tells (candidates, targets, tiles), so it is taken if
    it knows every exposure; of a part of them it could only mislead.

    Raises
    ------
    PoolError
        The pool is none.
    """
    chosen = _choose_rows(inventory, options)
    known = {file.path for file in chosen.missing}
    segments = [f for f in find_missing_segments(inventory) if f.path not in known]
    chosen = replace(chosen, missing=(*chosen.missing, *segments))
    return replace(
        chosen,
        notes=(*chosen.notes, *_tell_segments(inventory, segments)),
        lacking=tuple(_list_lacking(inventory, chosen)),
    )


def _tell_segments(
    inventory: Inventory, missing: Sequence[RejectedFile]
) -> Iterator[str]:
    """Say what is wrong with time series."""
    if missing:
        names = _list([file.path.name for file in missing])
        yield f"of a time series the archive lacks {names}"
    yield from list_mismatches(inventory.exposures)


def _list_lacking(inventory: Inventory, chosen: ChosenRows) -> Iterator[Lack]:
    """List what the headers of some tell of others that are not there."""
    files = (*inventory.rejected, *inventory.barred, *chosen.missing)
    known = {row.name for row in chosen.rows}
    known |= {file.path.name.removesuffix(f"_{RAW_SUFFIX}.fits") for file in files}
    yield from tell_absent(chosen.rows, known)
    yield from tell_positions(chosen.rows)


def _choose_rows(inventory: Inventory, options: AssociationOptions) -> ChosenRows:
    """Choose by pool or headers."""
    exposures = inventory.exposures
    declared = {one.id: frozenset(one.observations) for one in options.candidates}
    if inventory.pool is None:
        rows = repair(exposures, options.candidates)
        return ChosenRows(rows, (), (), _link(declared.values()))
    name = inventory.pool.name
    pool = read_pool(inventory.pool.text, name)
    held = {exposure.name: exposure for exposure in exposures}
    if unknown := sorted(set(held) - {row.name for row in pool}):
        note = f"{name} does not know {_list(unknown)}: headers are used in its place"
        rows = repair(exposures, options.candidates)
        return ChosenRows(rows, (note,), (), _link(declared.values()))
    lacking = [row for row in pool if row.name not in held and row.exp_type in SPECTRA]
    names = sorted({row.name for row in lacking})
    note = f"of {name} the archive lacks {_list(names)}"
    return ChosenRows(
        rows=tuple(
            add_declared(row, held[row.name].observation, options.candidates)
            for row in pool
            if row.name in held
        ),
        notes=(note,) if names else (),
        missing=tuple(_reject(row, name) for row in lacking),
        linked=_link([*declared.values(), *_list_linked(pool)]),
    )


def _list_linked(pool: Iterable[PoolRow]) -> Iterable[frozenset[str]]:
    """List the observations of every candidate that is more than one."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in pool:
        for candidate in row.candidates:
            if candidate.type != "observation":
                found[candidate.id].add(_observation(row))
    return [frozenset(observations) for observations in found.values()]


def _link(groups: Iterable[frozenset[str]]) -> Mapping[str, frozenset[str]]:
    linked: dict[str, frozenset[str]] = {}
    for group in groups:
        for observation in group:
            linked[observation] = linked.get(observation, frozenset()) | group
    return linked


def _reject(row: PoolRow, pool_name: str) -> RejectedFile:
    file = member_file(row.name, RAW_SUFFIX)
    return RejectedFile(
        path=Path(file),
        program=f"{row.program:0>5s}",
        observation=_observation(row),
        reason=f"{file}: {pool_name} knows it, the archive does not have it",
    )


def _observation(row: PoolRow) -> str:
    return (row.obs_num or "").zfill(3)


def _list(names: Sequence[str]) -> str:
    """List a few names."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
