"""What another context selects, and how two files that it exchanges differ.

A child of a worker loads it: CRDS compares the rules itself.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import asdf
import crds
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..cache_contract import (
    ArrayChange,
    ContextsReport,
    ContextsRequest,
    Preview,
    ReferenceChange,
)
from ..differences import compare_files
from ..references.cache import pin
from ..references.contexts import provide_mappings
from ..references.layout import iterate_files
from ..references.server import open_catalogue
from ..references.sync import ReferenceSync
from ..transfer import Tell

__all__ = ["compare_contexts", "preview_change"]

_ACTION: Final = re.compile(r"(replaced|added|deleted) '(.*?)'(?: with '(.*)')?")
"""How CRDS says what became of a file, or of a word such as N/A, in rules."""

_REFERENCES: Final = (".fits", ".asdf", ".json")

_MAPPING: Final = "ReferenceMapping"
"""What CRDS calls rules of one type, among the parents of what differs."""

_Values = NDArray[np.float64]


def compare_contexts(request: ContextsRequest, tell: Tell) -> ContextsReport:
    """Compare the rules of two contexts, file by file.

    Raises
    ------
    CrdsCacheError
        A context or the cache cannot be used.
    ReferenceMissingError
        Mappings are missing, and there is no server to get them from.
    """
    root, known = Path(request.crds_path), request.known
    pin(crds_path=str(root), context=None)
    with open_catalogue(request.server_url, root=root, known=known) as catalogue:
        sync = ReferenceSync(root, catalogue, known=known, tell=tell)
        wanted = (request.before, request.after)
        before, after = (provide_mappings(one, catalogue, sync) for one in wanted)
    old, new = map(crds.rmap.get_cached_mapping, (before, after))
    found = old.difference(new, include_header_diffs=True, recurse_added_deleted=True)
    changes: Iterable[ReferenceChange] = _list_changes(found)
    if request.preview:
        places = {path.name: path for path, _ in iterate_files(root)}
        changes = [_add_preview(change, places) for change in changes]
    return ContextsReport(before, after, tuple(changes))


def _list_changes(found: Iterable[Any]) -> list[ReferenceChange]:
    """List what CRDS found; rules that changed in another way are one change a type."""
    files: list[ReferenceChange] = []
    rules: dict[tuple[str, str], ReferenceChange] = {}
    for each in found:
        action = _ACTION.fullmatch(each[-1])
        if action is None:
            continue  # a header
        before, after = _take_files(*action.groups())
        kinds = tuple(each.parameter_names)
        if _MAPPING in kinds:
            at = kinds.index(_MAPPING)
            instrument, reftype = _name_rules(each[at])
            match = tuple(_list_matched(kinds[at + 1 : -1], each[at + 1 : -1]))
            rmap = each[at][0]
            files.append(
                ReferenceChange(instrument, reftype, match, before, after, rmap)
            )
        elif len(each) == 4:  # the context, an instrument, and a type of it
            instrument = _name_instrument(each[1])
            (reftype,) = each[2]
            rmap = before or after or ""
            change = ReferenceChange(instrument, reftype, (), before, after, rmap)
            rules[instrument, reftype] = change
    said = {(change.instrument, change.reftype) for change in files}
    others = [change for key, change in rules.items() if key not in said]
    return sorted(
        {*files, *others},
        key=lambda c: (c.instrument, c.reftype, c.match, c.before or "", c.after or ""),
    )


def _take_files(
    action: str, first: str, second: str | None
) -> tuple[str | None, str | None]:
    if action == "replaced":
        return first, second
    return (None, first) if action == "added" else (first, None)


def _name_rules(names: Sequence[str]) -> tuple[str, str]:
    """Take the instrument and type of rules from their names: jwst_miri_flat_0001."""
    _, instrument, reftype, *_ = names[-1].split("_")
    return instrument.upper(), reftype


def _name_instrument(names: Sequence[str]) -> str:
    return names[-1].split("_")[1].upper()


def _list_matched(
    keywords: Sequence[Any], values: Sequence[Any]
) -> Iterator[tuple[str, str]]:
    for names, found in zip(keywords, values, strict=True):
        for name, value in zip(names, found, strict=True):
            yield name, str(value)


def _add_preview(change: ReferenceChange, places: dict[str, Path]) -> ReferenceChange:
    names = (change.before, change.after)
    if not all(name and name.endswith(_REFERENCES) for name in names):
        return change
    lacking = [name for name in names if name not in places]
    if lacking:
        said = f"not in the CRDS cache: {' and '.join(map(str, lacking))}"
        return replace(change, preview=Preview(other=(said,)))
    before, after = (places[str(name)] for name in names)
    return replace(change, preview=preview_change(before, after))


def preview_change(before: Path, after: Path) -> Preview:
    """Tell how a reference differs from the one that it replaces.

    Conversions to flux are compared as wavelengths see them: the factor times its
    response. What is no array of numbers is told in words.
    """
    if before.suffix != ".fits" or after.suffix != ".fits":
        return Preview(other=tuple(_compare_trees(before, after)))
    with fits.open(before) as old, fits.open(after) as new:
        arrays = tuple(_compare_arrays(old, new))
    told = {change.part.partition(" ")[0] for change in arrays}
    other = tuple(
        f"{each.part}: {each.message}" if each.part else each.message
        for each in compare_files(before, after)
        if each.part.partition(" ")[0] not in told
    )
    return Preview(arrays, other)


def _compare_trees(before: Path, after: Path) -> Iterator[str]:
    """Compare the parameters that two files set for steps; or else their bytes."""
    if before.suffix != ".asdf" or after.suffix != ".asdf":
        yield from (each.message for each in compare_files(before, after))
        return
    old, new = map(_read_parameters, (before, after))
    for name in sorted(old.keys() | new.keys()):
        values = [found.get(name, "not set") for found in (old, new)]
        if values[0] != values[1]:
            yield f"{name} {values[0]!r} -> {values[1]!r}"
    if old == new:
        yield from (each.message for each in compare_files(before, after))


def _read_parameters(path: Path) -> dict[str, Any]:
    with asdf.open(path) as file:
        return dict(_flatten(file.tree, ""))


def _flatten(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.get("parameters", {}).items():
        yield f"{prefix}{name}", value
    for step in tree.get("steps", ()):
        yield from _flatten(step, f"{prefix}{step.get('name')}.")


def _compare_arrays(old: fits.HDUList, new: fits.HDUList) -> Iterator[ArrayChange]:
    for one in old[1:]:
        key = (one.name, one.ver)
        if key not in new or one.data is None or new[key].data is None:
            continue
        label, other = f"{one.name},{one.ver}", new[key]
        if one.data.dtype.names is None:
            yield from _compare(label, one.data, other.data)
        elif "relresponse" in map(str.lower, one.data.dtype.names):
            yield from _compare_conversions(label, one.data, other.data)
        else:
            for name in one.data.dtype.names:
                if name in (other.data.dtype.names or ()):
                    column = f"{label} {name}"
                    yield from _compare(column, one.data[name], other.data[name])


def _compare_conversions(label: str, old: Any, new: Any) -> Iterator[ArrayChange]:
    """Compare the rows for each filter and grating, over wavelength."""
    theirs = {_name_row(row): row for row in new}
    for row in old:
        name = _name_row(row)
        if name in theirs:
            curves = (
                row["photmj"] * row["relresponse"],
                theirs[name]["photmj"] * theirs[name]["relresponse"],
            )
            part = f"{label} {name}"
            yield from _compare(part, *curves, wave_um=row["wavelength"])


def _name_row(row: Any) -> str:
    kinds = row.array.dtype
    texts = [name for name in kinds.names if kinds[name].kind in "SU"]
    return " ".join(str(row[name]).strip() for name in texts)


def _compare(
    part: str, old: Any, new: Any, *, wave_um: Any = None
) -> Iterator[ArrayChange]:
    """Compare two arrays of numbers of one shape; nothing if they are the same."""
    before, after = np.asarray(old), np.asarray(new)
    if before.dtype.kind not in "iuf" or before.shape != after.shape:
        return
    ours, theirs = before.astype(np.float64), after.astype(np.float64)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    if same.all():
        return
    finite = np.isfinite(ours), np.isfinite(theirs)
    usable = finite[0] & finite[1] & (ours != 0) & (theirs != 0)
    ratios: _Values = theirs[usable] / ours[usable]
    found = partial(np.percentile, ratios)
    yield ArrayChange(
        part,
        values=ours.size,
        changed=int(np.count_nonzero(~same)),
        lost=int(np.count_nonzero(finite[0] & ~finite[1])),
        gained=int(np.count_nonzero(finite[1] & ~finite[0])),
        ratio=(float(found(5)), float(found(50)), float(found(95)))
        if ratios.size
        else None,
        largest_at_um=_find_largest(ratios, usable, wave_um),
    )


def _find_largest(
    ratios: _Values, usable: NDArray[np.bool_], wave_um: Any
) -> float | None:
    if wave_um is None or not ratios.size:
        return None
    waves = np.asarray(wave_um, dtype=np.float64)[usable]
    return float(waves[np.argmax(np.abs(np.log(np.abs(ratios))))])
