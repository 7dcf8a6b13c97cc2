"""Edits of the tables of a metafile of the MSA, by what JDox says of each.

NIRSpec MOS Pipeline Caveats (and NIRSpec MOS Known Issues): NS-MOS03, NS-MOS06, source
type, source centering, background subtraction, long slit processing.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import numpy as np

from config.edits import (
    AddBackground,
    DropBackground,
    ExplodeLongSlit,
    ExtendSlitlets,
    MakeBackground,
    MetafileEdit,
    PlaceSource,
    SelectSources,
    SetStellarity,
    SplitSlitlets,
)

from ..errors import EditError
from .slitlets import (
    add_slitlet,
    cut_shutters,
    explode,
    extend,
    find_backgrounds,
    split,
    to_background,
)
from .tables import MsaTables, find_flaws, is_fixed

__all__ = ["edit_tables"]

_LISTED = 10
"""How many of what there is are listed in a message."""
_Edited = tuple[MsaTables, tuple[str, ...]]


def edit_tables(tables: MsaTables, edits: Sequence[MetafileEdit]) -> _Edited:
    """Edit tables, and list what could not be done of it.

    Raises
    ------
    EditError
        An edit does not fit the tables, or two of them contradict each other.
    """
    _check_conflict(edits)
    known, opened = find_flaws(tables), _list_points(tables)
    edited, notes = tables, list[str]()
    for edit in edits:
        before = edited
        edited, more = _edit(before, edit)
        edited = _prune(before, edited)
        notes += more
        if _is_same(before, edited):
            notes.append(f"{edit.name} changed nothing")
    if flaws := [flaw for flaw in find_flaws(edited) if flaw not in known]:
        raise EditError(f"the edited tables contradict themselves: {'; '.join(flaws)}")
    if closed := sorted(opened - _list_points(edited)):
        config, nod = closed[0]
        raise EditError(
            f"no shutter is left open at nod {nod} of configuration {config}: keep "
            "a slitlet, or leave the exposures out with the `match` of the edit"
        )
    return edited, tuple(dict.fromkeys(notes))


def _is_same(one: MsaTables, other: MsaTables) -> bool:
    return (one.shutters.tobytes(), one.sources.tobytes()) == (
        other.shutters.tobytes(),
        other.sources.tobytes(),
    )


def _list_points(tables: MsaTables) -> set[tuple[int, int]]:
    """List the configurations and nods that have open shutters."""
    columns = ("msa_metadata_id", "dither_point_index")
    configs, nods = (tables.shutters[name].tolist() for name in columns)
    return {*zip(configs, np.maximum(nods, 1).tolist(), strict=True)}


def _check_conflict(edits: Iterable[MetafileEdit]) -> None:
    kinds = {type(edit) for edit in edits}
    # In jwst 3.0.0 assign_wcs adds half a shutter to both ends of a slitlet, and
    # pathloss looks at the shutters beside the source only, however many there are.
    if {SplitSlitlets, ExtendSlitlets} <= kinds:
        raise EditError(
            "split-slitlets (NS-MOS03) and extend-slitlets (NS-MOS06) undo each other: "
            "what one cuts off the other opens again. Use one recipe with the first "
            "for the level of the flux, and one with the second for s2d images and "
            "spectra of single nods; jwst 3.0.0 has mended both"
        )


def _edit(tables: MsaTables, edit: MetafileEdit) -> _Edited:  # noqa: PLR0911  # one an edit
    match edit:
        case SplitSlitlets():
            chosen = _find_sources(tables, edit.sources)
            return split(tables, chosen, edit.max_shutters, rest=edit.rest)
        case ExtendSlitlets():
            return extend(tables, _find_sources(tables, edit.sources))
        case SetStellarity():
            return _set_stellarity(tables, edit), ()
        case PlaceSource():
            return _place(tables, edit), ()
        case SelectSources():
            return _select(tables, edit), ()
        case AddBackground():
            return add_slitlet(tables, edit.row, edit.shutters), ()
        case MakeBackground():
            return to_background(tables, _find_sources(tables, edit.sources)), ()
        case DropBackground():
            return _drop_background(tables, edit), ()
        case ExplodeLongSlit():
            _check_slitlets(tables, edit.slitlets, _list_slitlets(tables))
            return explode(tables, edit), ()
    raise NotImplementedError(edit)


def _prune(before: MsaTables, after: MsaTables) -> MsaTables:
    """Drop from SOURCE_INFO the sources whose last shutters went."""
    gone = np.setdiff1d(before.shutters["source_id"], after.shutters["source_id"])
    kept = ~np.isin(after.sources["source_id"], gone)
    return MsaTables(after.shutters, after.sources[kept])


def _find_sources(tables: MsaTables, wanted: Iterable[int | str]) -> frozenset[int]:
    """Return the ids of sources by id, name or alias.

    Raises
    ------
    EditError
        There is no such source; the message names the nearest.
    """
    by_name: dict[str, int] = {}
    for row in tables.sources:
        for column in ("alias", "source_name"):
            by_name[row[column].decode().strip()] = int(row["source_id"])
    ids = {*tables.shutters["source_id"].tolist(), *by_name.values()} - {0}
    found: set[int] = set()
    for one in wanted:
        source = by_name.get(one, 0) if isinstance(one, str) else one
        if source not in ids:
            raise EditError(f"no source is {one!r}; {_suggest(one, ids, by_name)}")
        found.add(source)
    return frozenset(found)


def _suggest(one: int | str, ids: Iterable[int], names: Iterable[str]) -> str:
    if isinstance(one, str):
        close = get_close_matches(one, names) or sorted(names)[:_LISTED]
        return f"nearest are {', '.join(map(repr, close))}"
    near = sorted(ids, key=lambda other: (abs(other - one), other))[:_LISTED]
    return f"nearest are {', '.join(map(str, near)) or 'none: the file has no source'}"


def _set_stellarity(tables: MsaTables, edit: SetStellarity) -> MsaTables:
    ids = _find_sources(tables, edit.sources)
    listed = {*tables.sources["source_id"].tolist()}
    if virtual := sorted(ids - listed):
        raise EditError(
            f"source {virtual[0]} has no stellarity: it is not in SOURCE_INFO (virtual "
            "sources are EXTENDED to the pipeline)"
        )
    value = edit.stellarity
    if value is None:
        value = 1.0 if edit.source_type == "POINT" else 0.0
    sources = tables.sources.copy()
    sources["stellarity"][np.isin(sources["source_id"], [*ids])] = value
    return MsaTables(tables.shutters, sources)


def _place(tables: MsaTables, edit: PlaceSource) -> MsaTables:
    ids = _find_sources(tables, [edit.source])
    shutters = tables.shutters.copy()
    held = np.isin(shutters["source_id"], [*ids])
    held &= shutters["primary_source"] == b"Y"
    nods = sorted({*shutters["dither_point_index"][held].tolist()})
    if not nods:
        raise EditError(f"source {edit.source} is the primary source of no slitlet")
    if edit.nod is not None and edit.nod not in nods:
        raise EditError(
            f"source {edit.source} has no nod {edit.nod}, only "
            f"{', '.join(map(str, nods))}"
        )
    if edit.nod is not None:
        held &= shutters["dither_point_index"] == edit.nod
    shutters["estimated_source_in_shutter_x"][held] = edit.x
    shutters["estimated_source_in_shutter_y"][held] = edit.y
    return MsaTables(shutters, tables.sources)


def _select(tables: MsaTables, edit: SelectSources) -> MsaTables:
    ids, shutters = _find_sources(tables, edit.sources), tables.shutters
    chosen = np.isin(shutters["source_id"], [*ids])
    chosen &= shutters["primary_source"] == b"Y"
    if lost := sorted(ids - {*shutters["source_id"][chosen].tolist()}):
        raise EditError(f"source {lost[0]} is the primary source of no slitlet")
    fixed, slitlets = is_fixed(shutters), shutters["slitlet_id"]
    kept = ~fixed & np.isin(slitlets, slitlets[chosen & ~fixed])
    if edit.keep_backgrounds:
        kept |= ~fixed & np.isin(slitlets, [*find_backgrounds(shutters)])
    return MsaTables(shutters[kept | (fixed & chosen)], tables.sources)


def _drop_background(tables: MsaTables, edit: DropBackground) -> MsaTables:
    _check_slitlets(
        tables, edit.slitlets, find_backgrounds(tables.shutters), of="background "
    )
    chosen = np.isin(tables.shutters["slitlet_id"], edit.slitlets)
    chosen &= ~is_fixed(tables.shutters)
    if not edit.columns:
        return MsaTables(tables.shutters[~chosen], tables.sources)
    columns = {*tables.shutters["shutter_column"][chosen].tolist()}
    if missing := sorted({*edit.columns} - columns):
        raise EditError(
            f"slitlet {edit.slitlets[0]} has no column {missing[0]}, only "
            f"{', '.join(map(str, sorted(columns)))}"
        )
    dropped = chosen & np.isin(tables.shutters["shutter_column"], edit.columns)
    return cut_shutters(tables, dropped)


def _list_slitlets(tables: MsaTables) -> frozenset[int]:
    return frozenset({*tables.shutters["slitlet_id"].tolist()})


def _check_slitlets(
    tables: MsaTables, wanted: Iterable[int], known: Iterable[int], of: str = ""
) -> None:
    """Refuse slitlets that are not among those that are known."""
    every = _list_slitlets(tables)
    for slitlet in sorted({*wanted} - {*known}):
        near = sorted(known, key=lambda other: (abs(other - slitlet), other))[:_LISTED]
        holds = "it has a source" if slitlet in every else "there is none of this id"
        raise EditError(
            f"slitlet {slitlet} is not a {of}slitlet: {holds}; nearest are "
            f"{', '.join(map(str, near)) or 'none'}"
        )
