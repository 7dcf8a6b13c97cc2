"""Headers as rows of a pool: what no header tells is worked out from the others.

Ten columns of a pool are in no header: ``asn_candidate``, ``targetid``, ``obs_num``,
``expspcin``, ``mostilno``, ``dithptin``, ``pntgtype``, ``dms_note``, ``exposerr`` and
``subpxpns``; no rule for spectra needs ``dms_note``, and ``subpxpns`` is ``subpxpts``.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from flows.errors import FileNameError
from flows.models.exposures import Exposure, Role
from flows.names import parse_exposure_name

from .options import DeclaredCandidate
from .rows import COLUMNS, Candidate, PoolRow, make_row

__all__ = ["add_declared", "name_of_target", "repair"]

_Observation = tuple[str, str]

_NO_SLIT: Final = "NONE"
"""FXD_SLIT of exposures without a slit, where a pool has no value."""


def repair(
    exposures: Sequence[Exposure], declared: Sequence[DeclaredCandidate] = ()
) -> tuple[PoolRow, ...]:
    """Make rows of headers.

    Target ids are in no header: the targets of a program are numbered by TARGNAME in
    sorted order, so give all exposures of a program at once; a new target that sorts
    between others renumbers those behind it.

    Parameters
    ----------
    exposures
        All exposures of one or more programs.
    declared
        Candidates besides the observations, as the observing proposal links them.
    """
    by_name = sorted(exposures, key=lambda exposure: exposure.name)
    targets = _number_targets(by_name)
    specifications = _number_specifications(by_name)
    tiled = _find_tiled(by_name)
    rows = []
    for exposure in by_name:
        place = (exposure.program, exposure.observation)
        worked_out = {
            "program": exposure.program.lstrip("0"),
            "obs_num": exposure.observation.lstrip("0"),
            "obs_id": _name_activity(exposure),
            "exp_type": exposure.exp_type,
            "targetid": targets[exposure.program, name_of_target(exposure)],
            "expspcin": specifications[exposure.name],
            "mostilno": exposure.visit.lstrip("0") if place in tiled else "1",
            "dithptin": _text(exposure, "PATT_NUM"),
            "pntgtype": _pointing(exposure),
            "fxd_slit": _slit(exposure),
        }
        header = {column: _text(exposure, column.upper()) for column in COLUMNS}
        own = (Candidate(f"o{exposure.observation}", "observation"),)
        row = make_row(exposure.name, own, header | worked_out)
        rows.append(add_declared(row, exposure.observation, declared))
    return tuple(rows)


def name_of_target(exposure: Exposure) -> str:
    """Name the target; exposures of the MSA have only its name in the proposal."""
    found = exposure.header.get("TARGNAME") or exposure.header.get("TARGPROP")
    return str(found or "").strip().upper()


def _text(exposure: Exposure, keyword: str) -> str | None:
    """Give a card as a pool would."""
    value = exposure.header.get(keyword)
    match value:
        case None:
            return None
        case bool():
            return "t" if value else "f"
        case float() if value.is_integer():
            return str(int(value))
    return str(value)


def _pointing(exposure: Exposure) -> str:
    """Tell what a pointing is for."""
    return str(Role.TARGET_ACQUISITION if _is_acquisition(exposure) else Role.SCIENCE)


def _is_acquisition(exposure: Exposure) -> bool:
    """Tell whether it acquires or confirms the target."""
    return exposure.role is Role.TARGET_ACQUISITION


def _slit(exposure: Exposure) -> str | None:
    """Name the slit, if it has one."""
    slit = _text(exposure, "FXD_SLIT")
    return None if (slit or "").strip().upper() == _NO_SLIT else slit


def _name_activity(exposure: Exposure) -> str:
    """Name the activity of an exposure, as far as its file name tells."""
    found = _text(exposure, "OBS_ID")
    if found:
        return found
    body = exposure.name.rpartition("-seg")[0] or exposure.name
    return "v" + "".join(body.removeprefix("jw").split("_")[:2])


def add_declared(
    row: PoolRow, observation: str, declared: Sequence[DeclaredCandidate]
) -> PoolRow:
    """Add the candidates that a recipe declares to those of a row."""
    more = tuple(
        Candidate(one.id, one.type)
        for one in declared
        if observation in one.observations and one.id not in dict(row.candidates)
    )
    return replace(row, candidates=(*row.candidates, *more)) if more else row


def _number_targets(exposures: Sequence[Exposure]) -> Mapping[tuple[str, str], str]:
    """Give each target of a program its number, in the order of their names."""
    names: dict[str, set[str]] = defaultdict(set)
    for exposure in exposures:
        names[exposure.program].add(name_of_target(exposure))
    return {
        (program, name): str(number)
        for program, found in names.items()
        for number, name in enumerate(sorted(found), start=1)
    }


def _find_tiled(exposures: Sequence[Exposure]) -> set[_Observation]:
    """Find the observations whose visits are tiles.

    The tile is in no header; visits stand for tiles. Where some visits have leakcals
    and others none, the leakcals are for all, and the observation is one tile.
    """
    all_visits: dict[_Observation, set[str]] = defaultdict(set)
    with_leakcal: dict[_Observation, set[str]] = defaultdict(set)
    for exposure in exposures:
        place = (exposure.program, exposure.observation)
        if exposure.role is Role.IMPRINT:
            with_leakcal[place].add(exposure.visit)
        elif not _is_acquisition(exposure):
            all_visits[place].add(exposure.visit)
    return {
        place
        for place, visits in all_visits.items()
        if not with_leakcal[place] or visits <= with_leakcal[place]
    }


def _number_specifications(exposures: Sequence[Exposure]) -> Mapping[str, str]:
    """Give the exposure specifications of every observation their numbers.

    An activity (of the file name) is one. Where no activity of NIRSpec has more than
    one position of the pattern, each position is an activity, and the exposures of
    the observation are one specification, told apart by their optics.
    """
    activities: dict[_Observation, dict[str, set[object]]] = defaultdict(dict)
    own: dict[str, tuple[_Observation, str]] = {}
    for exposure in exposures:
        place = (exposure.program, exposure.observation)
        activity = _activity(exposure)
        positions = activities[place].setdefault(activity, set())
        positions.add(exposure.header.get("PATT_NUM"))
        own[exposure.name] = (place, activity)
    numbers = {place: _number(found) for place, found in activities.items()}
    instruments = {e.name: e.header.get("INSTRUME") for e in exposures}
    return {
        name: "1"
        if instruments[name] == "NIRSPEC" and _is_spread(activities[place])
        else numbers[place][activity]
        for name, (place, activity) in own.items()
    }


def _is_spread(activities: Mapping[str, set[object]]) -> bool:
    """Tell whether a pattern is spread over activities, one position in each."""
    positions = set().union(*activities.values())
    return len(positions) > 1 and all(len(found) == 1 for found in activities.values())


def _number(activities: Mapping[str, object]) -> Mapping[str, str]:
    """Give activities numbers in their order."""
    ordered = sorted(activities)
    return {name: str(number) for number, name in enumerate(ordered, start=1)}


def _activity(exposure: Exposure) -> str:
    """Name the activity within an observation: visit group, sequence, activity."""
    try:
        name = parse_exposure_name(exposure.name)
    except FileNameError:
        return ""
    return name.visit_group + name.parallel + name.activity
