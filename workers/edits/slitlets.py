"""What becomes of slitlets: split, extended, exploded, taken for background.

Rows of shutters never change their order, since the pipeline centres a slitlet on the
first of its shutters that is not background.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from config.edits import MSA_COLUMNS, ExplodeLongSlit, ShutterRange

from ..errors import EditError
from .tables import MsaTables, Rows, group_slitlets, is_fixed

__all__ = [
    "add_slitlet",
    "cut_shutters",
    "explode",
    "extend",
    "find_backgrounds",
    "split",
    "to_background",
]

_EMPTY: Mapping[str, object] = {
    "background": b"Y",
    "primary_source": b"N",
    "estimated_source_in_shutter_x": np.nan,
    "estimated_source_in_shutter_y": np.nan,
}
"""What a shutter without a source has."""


def find_backgrounds(shutters: Rows) -> frozenset[int]:
    """Find the slitlets that have a primary source at no nod."""
    open_ones = ~is_fixed(shutters)
    held = open_ones & (shutters["primary_source"] == b"Y")
    every = {*shutters["slitlet_id"][open_ones].tolist()}
    return frozenset(every - {*shutters["slitlet_id"][held].tolist()})


class _Ids:
    """Gives new slitlets their ids: one to the same shutters at all nods."""

    def __init__(self, shutters: Rows) -> None:
        self._next = int(max(shutters["slitlet_id"], default=0)) + 1
        self._known: dict[tuple[int, ...], int] = {}
        self._most = int(np.iinfo(shutters["slitlet_id"].dtype).max)

    def give(self, *shutters: int) -> int:
        """Return the id of the slitlet of these shutters."""
        if shutters not in self._known:
            self._known[shutters] = self._next
            self._next += 1
        if self._known[shutters] > self._most:
            raise EditError(
                f"there is no room for slitlet {self._known[shutters]}: SLITLET_ID "
                f"goes up to {self._most}"
            )
        return self._known[shutters]


def split(
    tables: MsaTables,
    sources: Collection[int],
    most: int,
    *,
    rest: Literal["background", "drop"],
) -> tuple[MsaTables, tuple[str, ...]]:
    """Split slitlets that are longer than some shutters; see `SplitSlitlets`.

    At each nod the piece around the source has it in the middle, where the slitlet goes
    on to both sides, and stays the slitlet. From there on, pieces of the same length
    are cut off to both sides. Pieces that hold another known source are dropped: they
    are not background.

    Parameters
    ----------
    sources
        Sources of which the slitlets are split; none means all slitlets.
    """
    shutters = tables.shutters.copy()
    dropped = np.zeros(len(shutters), bool)
    ids, notes = _Ids(shutters), list[str]()
    with_source = _find_slitlets(shutters, sources)
    for key, indices in group_slitlets(shutters).items():
        if sources and key.slitlet not in with_source:
            continue
        rows = shutters[indices]
        has_source = bool(np.any(rows["primary_source"] == b"Y"))
        for piece in _find_pieces(rows, most):
            part = indices[piece]
            if np.any(rows["background"][piece] == b"N"):
                dropped[part] = True
                notes.append(
                    f"slitlet {key.slitlet}: the shutters {_name(rows[piece])} have a "
                    "known source, so they are no background and were dropped"
                )
            elif has_source and rest == "drop":
                dropped[part] = True
            else:
                places = sorted(_place(one) for one in rows[piece])
                shutters["slitlet_id"][part] = ids.give(key.config, *sum(places, ()))
                _empty(shutters, part)
    return MsaTables(shutters[~dropped], tables.sources), tuple(notes)


def _find_pieces(rows: Rows, most: int) -> Iterator[NDArray[np.bool_]]:
    """Find what is cut off a slitlet, piece by piece."""
    columns = _list_columns(rows)
    if np.ptp(columns) < most:
        return
    piece_of = (columns - _find_start(rows, most)) // most
    has_source = np.any(rows["primary_source"] == b"Y")
    own = 0 if has_source else piece_of.min()
    yield from (piece_of == piece for piece in sorted({*piece_of.tolist()} - {own}))


def _find_start(rows: Rows, most: int) -> int:
    """Find the first column of the piece around the source, or of the slitlet."""
    columns = _list_columns(rows)
    first, last = int(columns.min()), int(columns.max())
    source = columns[rows["primary_source"] == b"Y"]
    if not len(source):
        return first
    start = int(source[0]) - (most - 1) // 2
    return max(first, min(start, last - most + 1))


def extend(
    tables: MsaTables, sources: Collection[int]
) -> tuple[MsaTables, tuple[str, ...]]:
    """Open a shutter above and one below slitlets; see `ExtendSlitlets`.

    A shutter that does not exist, or that another slitlet has, is not opened. Slitlets
    of background stay as they are: a shutter that is closed shows none.

    Parameters
    ----------
    sources
        Sources of which the slitlets are extended; none means all with a source.
    """
    shutters = tables.shutters
    chosen = _find_slitlets(shutters, sources)
    owners = {
        (key.config, key.nod, *_place(shutters[index])): key.slitlet
        for key, indices in group_slitlets(shutters).items()
        for index in indices
    }
    added, notes = list[Rows](), list[str]()
    for key, indices in group_slitlets(shutters).items():
        if key.slitlet not in chosen:
            continue
        columns = _list_columns(shutters[indices])
        for column in (int(columns.min()) - 1, int(columns.max()) + 1):
            row = shutters[indices[:1]].copy()
            row["shutter_column"] = column
            where = (key.config, key.nod, *_place(row[0]))
            what = f"slitlet {key.slitlet} was not extended to column {column}"
            if not 1 <= column <= MSA_COLUMNS:
                notes.append(f"{what}: the quadrant ends there")
            elif where in owners:
                notes.append(f"{what}: slitlet {owners[where]} has this shutter")
            else:
                owners[where] = key.slitlet
                _empty(row, slice(None), keep_source=True)
                added.append(row)
    return MsaTables(np.concatenate([shutters, *added]), tables.sources), tuple(notes)


def to_background(tables: MsaTables, sources: Collection[int]) -> MsaTables:
    """Take the slitlets of sources for background, at all nods."""
    shutters = tables.shutters.copy()
    slitlets = _find_slitlets(shutters, sources)
    chosen = np.isin(shutters["slitlet_id"], [*slitlets]) & ~is_fixed(shutters)
    _empty(shutters, chosen)
    return MsaTables(shutters, tables.sources)


def add_slitlet(tables: MsaTables, row: int, opened: ShutterRange) -> MsaTables:
    """Add a background slitlet at all nods of all configurations.

    Raises
    ------
    EditError
        Another slitlet has one of the shutters.
    """
    shutters = tables.shutters
    columns = range(opened.first, opened.last + 1)
    for one in shutters[~is_fixed(shutters)]:
        quadrant, in_row, column = _place(one)
        if (quadrant, in_row) == (opened.quadrant, row) and column in columns:
            raise EditError(
                f"the shutter in quadrant {quadrant}, row {in_row}, column {column} is "
                f"of slitlet {one['slitlet_id']} already"
            )
    slitlet = _Ids(shutters).give(0)
    points = dict.fromkeys((key.config, key.nod) for key in group_slitlets(shutters))
    made = np.zeros(len(points) * len(columns), shutters.dtype)
    made["slitlet_id"], made["shutter_row"] = slitlet, row
    made["shutter_quadrant"], made["shutter_state"] = opened.quadrant, b"OPEN"
    made["shutter_column"] = np.tile(columns, len(points))
    for name, values in zip(
        ("msa_metadata_id", "dither_point_index"),
        zip(*points, strict=True),
        strict=True,
    ):
        made[name] = np.repeat(values, len(columns))
    if "fixed_slit" in (made.dtype.names or ()):
        made["fixed_slit"] = b"NONE"
    _empty(made, slice(None))
    return MsaTables(np.concatenate([shutters, made]), tables.sources)


def cut_shutters(tables: MsaTables, dropped: NDArray[np.bool_]) -> MsaTables:
    """Drop shutters; what they part becomes slitlets of their own.

    The pipeline extracts all between the first and the last shutter of a slitlet.
    """
    cut = {*tables.shutters["slitlet_id"][dropped].tolist()}
    shutters = tables.shutters[~dropped].copy()
    ids = _Ids(tables.shutters)
    for key, indices in group_slitlets(shutters).items():
        if key.slitlet not in cut:
            continue
        order = indices[np.argsort(shutters["shutter_column"][indices])]
        gaps = np.flatnonzero(np.diff(shutters["shutter_column"][order]) > 1) + 1
        for part in np.split(order, gaps)[1:]:
            held = shutters["shutter_column"][part].tolist()
            shutters["slitlet_id"][part] = ids.give(key.config, key.slitlet, *held)
    return MsaTables(shutters, tables.sources)


def explode(tables: MsaTables, edit: ExplodeLongSlit) -> MsaTables:
    """Make a slitlet of each shutter of long slits; see `ExplodeLongSlit`.

    As JDox has it (Long slit processing): every shutter is a slitlet with an id of its
    own; those with light of the target have a placeholder source each, which is
    primary and not background, with a row in SOURCE_INFO, a stellarity of 0 and
    arbitrary coordinates (those of the source of the slit, if it has one); the others
    are background. DITHER_POINT_INDEX is 1 where the file has none. A shutter sees
    another part of the sky at each nod, so its slitlets and sources have other ids.
    """
    shutters = tables.shutters.copy()
    chosen = np.isin(shutters["slitlet_id"], edit.slitlets) & ~is_fixed(shutters)
    template = _find_template(tables, chosen)
    _check_ranges(shutters[chosen], edit)
    ids = _Ids(shutters)
    taken = {*tables.sources["source_id"].tolist(), *shutters["source_id"].tolist()}
    sources = count(edit.first_source or max({0, *taken}) + 1)
    placed = list[Rows]()
    for index in np.flatnonzero(chosen):
        one = shutters[index : index + 1]
        one["slitlet_id"] = ids.give(int(index))
        one["dither_point_index"] = np.maximum(one["dither_point_index"], 1)
        _empty(shutters, slice(index, index + 1))
        if _has_light(one[0], edit.sources_in):
            placed.append(_place_source(one, next(sources), taken, template))
    return MsaTables(shutters, np.concatenate([tables.sources, *placed]))


def _find_template(tables: MsaTables, chosen: NDArray[np.bool_]) -> Rows:
    """Find the row of SOURCE_INFO of the source of a long slit, or one of nowhere."""
    held = np.isin(tables.sources["source_id"], tables.shutters["source_id"][chosen])
    if np.any(held):
        return tables.sources[held][:1].copy()
    none = np.zeros(1, tables.sources.dtype)
    row = np.concatenate([tables.sources, none])[:1]
    row["ra"] = row["dec"] = 0
    return row


def _check_ranges(shutters: Rows, edit: ExplodeLongSlit) -> None:
    for wanted in edit.sources_in:
        if not any(_has_light(one, [wanted]) for one in shutters):
            spans = ", ".join(
                f"{columns.min()} to {columns.max()} in quadrant {quadrant}"
                for quadrant in sorted({*shutters["shutter_quadrant"].tolist()})
                for columns in [
                    shutters["shutter_column"][shutters["shutter_quadrant"] == quadrant]
                ]
            )
            raise EditError(
                f"the slitlets {', '.join(map(str, edit.slitlets))} have no shutter "
                f"{wanted.first} to {wanted.last} in quadrant {wanted.quadrant}, only "
                f"{spans}"
            )


def _has_light(shutter: np.void, ranges: Sequence[ShutterRange]) -> bool:
    quadrant, _, column = _place(shutter)
    return not ranges or any(
        one.quadrant == quadrant and one.first <= column <= one.last for one in ranges
    )


def _place_source(
    shutter: Rows, source: int, taken: Collection[int], template: Rows
) -> Rows:
    """Put a placeholder source into a shutter, and return its row of SOURCE_INFO."""
    most = int(np.iinfo(shutter["source_id"].dtype).max)
    if source in taken or source > most:
        raise EditError(
            f"the placeholder source {source} cannot be: SOURCE_ID goes up to {most}, "
            "and other sources have ids already; give another first_source"
        )
    shutter["source_id"] = source
    shutter["background"], shutter["primary_source"] = b"N", b"Y"
    for axis in "xy":
        shutter[f"estimated_source_in_shutter_{axis}"] = 0.5
    row = template.copy()
    row["source_id"], row["stellarity"] = source, 0
    row["source_name"] = f"{row['program'][0]}_{source}".encode()
    row["alias"] = str(source).encode()
    return row


def _find_slitlets(shutters: Rows, sources: Collection[int]) -> frozenset[int]:
    """Find the slitlets of some primary sources, or of all.

    Raises
    ------
    EditError
        A source has no slitlet.
    """
    held = (shutters["primary_source"] == b"Y") & ~is_fixed(shutters)
    if sources:
        held &= np.isin(shutters["source_id"], [*sources])
    if lost := sorted({*sources} - {*shutters["source_id"][held].tolist()}):
        raise EditError(f"source {lost[0]} is the primary source of no slitlet")
    return frozenset({*shutters["slitlet_id"][held].tolist()})


def _list_columns(rows: Rows) -> NDArray[np.int_]:
    """List the columns of a slitlet, which has one row in one quadrant."""
    if len({(quadrant, row) for quadrant, row, _ in map(_place, rows)}) > 1:
        raise EditError(
            f"slitlet {rows['slitlet_id'][0]} lies in several rows or quadrants: use "
            "explode-long-slit"
        )
    return rows["shutter_column"].astype(int)


def _empty(shutters: Rows, where: Any, *, keep_source: bool = False) -> None:
    """Take the sources out of shutters."""
    for name, value in _EMPTY.items():
        shutters[name][where] = value
    if not keep_source:
        shutters["source_id"][where] = 0


def _place(shutter: np.void) -> tuple[int, int, int]:
    """Return quadrant, row and column."""
    quadrant, row, column = (
        int(shutter[f"shutter_{name}"]) for name in ("quadrant", "row", "column")
    )
    return quadrant, row, column


def _name(shutters: Rows) -> str:
    return ", ".join(map(str, sorted(shutters["shutter_column"].tolist())))
