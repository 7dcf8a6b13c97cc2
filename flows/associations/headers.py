"""Headers as rows of a pool; columns that no header has are derived from the others.

Ten columns of a pool are in no header: ``asn_candidate``, ``targetid``, ``obs_num``,
``expspcin``, ``mostilno``, ``dithptin``, ``pntgtype``, ``dms_note``, ``exposerr`` and
``subpxpns``; no rule for spectra needs ``dms_note``, and ``subpxpns`` is ``subpxpts``.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from config.recipe import LinkedObservations

from ..errors import FileNameError
from ..models.exposures import Exposure, Role
from ..names import parse_exposure_name
from .pool import COLUMNS, Candidate, PoolRow, make_row

__all__ = ["add_declared", "name_of_target", "read_headers"]

_Observation = tuple[str, str]
"""Program and observation."""


def read_headers(
    exposures: Sequence[Exposure], declared: Sequence[LinkedObservations] = ()
) -> tuple[PoolRow, ...]:
    """Make rows from headers.

    Target ids are in no header: the targets of a program are numbered by TARGNAME in
    sorted order, so pass all exposures of a program at once; a new target that sorts
    between others renumbers those behind it.
    """
    by_name = sorted(exposures, key=lambda exposure: exposure.name)
    targets = _number_targets(by_name)
    specifications = _number_specifications(by_name)
    tiled = _find_tiled(by_name)
    rows = []
    for exposure in by_name:
        place = (exposure.program, exposure.observation)
        header = {column: _text(exposure, column.upper()) for column in COLUMNS}
        slit = header["fxd_slit"] or ""
        is_acquisition = exposure.role is Role.TARGET_ACQUISITION
        derived = {
            "program": exposure.program.lstrip("0"),
            "obs_num": exposure.observation.lstrip("0"),
            "obs_id": header["obs_id"] or _name_activity(exposure),
            "exp_type": exposure.exp_type,
            "targetid": targets[exposure.program, name_of_target(exposure)],
            "expspcin": specifications[exposure.name],
            "mostilno": exposure.visit.lstrip("0") if place in tiled else "1",
            "dithptin": header["patt_num"],
            "pntgtype": Role.TARGET_ACQUISITION if is_acquisition else Role.SCIENCE,
            "fxd_slit": None if slit.strip().upper() == "NONE" else slit,
        }
        own = (Candidate(f"o{exposure.observation}", "observation"),)
        row = make_row(exposure.name, own, header | derived)
        rows.append(add_declared(row, exposure.observation, declared))
    return tuple(rows)


def add_declared(
    row: PoolRow, observation: str, declared: Sequence[LinkedObservations]
) -> PoolRow:
    """Add the candidates that a recipe declares to those of a row."""
    more = tuple(
        Candidate(one.id, one.type)
        for one in declared
        if observation in one.observations and one.id not in dict(row.candidates)
    )
    return replace(row, candidates=(*row.candidates, *more)) if more else row


def name_of_target(exposure: Exposure) -> str:
    """Name the target; exposures of the MSA have only its name in the proposal."""
    found = exposure.header.get("TARGNAME") or exposure.header.get("TARGPROP")
    return str(found or "").strip().upper()


def _text(exposure: Exposure, keyword: str) -> str | None:
    """Write a card as a pool would."""
    value = exposure.header.get(keyword)
    match value:
        case None:
            return None
        case bool():
            return "t" if value else "f"
        case float() if value.is_integer():
            return str(int(value))
    return str(value)


def _name_activity(exposure: Exposure) -> str:
    """Name the activity of an exposure by its file name."""
    body = exposure.name.rpartition("-seg")[0] or exposure.name
    return "v" + "".join(body.removeprefix("jw").split("_")[:2])


def _number_targets(exposures: Sequence[Exposure]) -> Mapping[tuple[str, str], str]:
    """Assign numbers to the targets of a program, in the order of their names."""
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
    and others do not, the leakcals are for all, and the observation is one tile.
    """
    all_visits: dict[_Observation, set[str]] = defaultdict(set)
    with_leakcal: dict[_Observation, set[str]] = defaultdict(set)
    for exposure in exposures:
        place = (exposure.program, exposure.observation)
        if exposure.role is Role.IMPRINT:
            with_leakcal[place].add(exposure.visit)
        elif exposure.role is not Role.TARGET_ACQUISITION:
            all_visits[place].add(exposure.visit)
    return {
        place
        for place, visits in all_visits.items()
        if not with_leakcal[place] or visits <= with_leakcal[place]
    }


def _number_specifications(exposures: Sequence[Exposure]) -> Mapping[str, str]:
    """Assign numbers to the exposure specifications of every observation.

    An activity (of the file name) is one. Where no activity of NIRSpec has more than
    one position of the pattern, each position is an activity, and the exposures of
    the observation are one specification, told apart by their optics.
    """
    activities: dict[_Observation, dict[str, set[object]]] = defaultdict(dict)
    for exposure in exposures:
        place = (exposure.program, exposure.observation)
        positions = activities[place].setdefault(_activity(exposure), set())
        positions.add(exposure.header.get("PATT_NUM"))
    numbers = {
        (place, activity): str(number)
        for place, found in activities.items()
        for number, activity in enumerate(sorted(found), start=1)
    }
    spread = {place for place, found in activities.items() if _is_spread(found)}
    specifications = {}
    for exposure in exposures:
        place = (exposure.program, exposure.observation)
        is_one = exposure.header.get("INSTRUME") == "NIRSPEC" and place in spread
        number = "1" if is_one else numbers[place, _activity(exposure)]
        specifications[exposure.name] = number
    return specifications


def _is_spread(activities: Mapping[str, set[object]]) -> bool:
    """Check whether a pattern is spread over activities, one position in each."""
    positions = set().union(*activities.values())
    return len(positions) > 1 and all(len(found) == 1 for found in activities.values())


def _activity(exposure: Exposure) -> str:
    """Name the activity within an observation: visit group, sequence, activity."""
    try:
        name = parse_exposure_name(exposure.name)
    except FileNameError:
        return ""
    return name.visit_group + name.parallel + name.activity
