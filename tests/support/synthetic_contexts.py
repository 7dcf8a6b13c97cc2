"""CRDS contexts in memory: real rmaps over a few headers, and random edits of them."""

import random
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

from crds.core.rmap import ReferenceMapping

from flows.planning import PlannedJob, ResolvedSet
from workers.contract import (
    ParsUse,
    ReferenceFile,
    ReferenceUse,
    Resolved,
    Stage,
)

__all__ = ["EDITS", "Context", "make_context", "resolve"]

_DATES = ("2022-01-01 00:00:00", "2023-01-01 00:00:00", "2024-01-01 00:00:00")
_DETECTORS = ("NRS1", "NRS2")
_READS = {
    Stage.DETECTOR1: {"dark": "dark_current", "superbias": "superbias"},
    Stage.SPEC2: {"photom": "photom", "sflat": "flat_field", "area": "pixel_replace"},
    Stage.SPEC3: {"cubepar": "cube_build"},
}
"""The step that uses each type, by stage."""

_Rules = dict[str, dict[str, str]]
"""Names of files, or N/A, by detector and USEAFTER."""


@dataclass(frozen=True, slots=True)
class Context:
    """The rules of a context, and what its files hold."""

    rules: Mapping[str, _Rules]
    """By reference type."""
    contents: Mapping[str, str]
    """By file name; the sha1, as it were."""
    skipped: Mapping[str, tuple[str, ...]]
    """Steps that a ``pars-*`` file switches off, by its content."""


def make_context(seed: int) -> Context:
    """Make a context with a file a type, detector and period, or one for several."""
    dice = random.Random(seed)  # noqa: S311  # no secret
    rules: dict[str, _Rules] = {}
    kinds = [kind for types in _READS.values() for kind in types]
    pars = [f"pars-{stage}pipeline" for stage in _READS]
    for kind in (*kinds, *pars):
        dates = dice.sample(_DATES[1:], dice.randint(0, 2))
        number = iter(range(1, 100))
        rules[kind] = {
            detector: {
                date: f"jwst_nirspec_{kind}_{next(number):04}.fits"
                for date in sorted((_DATES[0], *dates))
            }
            for detector in _DETECTORS
        }
    names = [
        name for per in rules.values() for at in per.values() for name in at.values()
    ]
    steps = [step for types in _READS.values() for step in types.values()]
    skipped = {
        name: tuple(step for step in steps if dice.random() < 0.2) for name in names
    }
    return Context(rules, {name: name for name in names}, skipped)


def _pick(dice: random.Random, context: Context) -> tuple[str, str, str]:
    """Pick a rule: type, detector and date."""
    kind = dice.choice(sorted(context.rules))
    detector = dice.choice(sorted(context.rules[kind]))
    return kind, detector, dice.choice(sorted(context.rules[kind][detector]))


def _set(context: Context, at: tuple[str, str, str], name: str) -> Context:
    rules = deepcopy(dict(context.rules))
    kind, detector, date = at
    rules[kind][detector][date] = name
    return replace(context, rules=rules)


def _name_new(dice: random.Random, kind: str) -> str:
    return f"jwst_nirspec_{kind}_{dice.randint(1000, 9999)}.fits"


def _add_file(dice: random.Random, context: Context) -> Context:
    at = _pick(dice, context)
    name = _name_new(dice, at[0])
    contents = {**context.contents, name: name}
    skipped = {**context.skipped, name: ("jump",) * dice.randint(0, 1)}
    return replace(_set(context, at, name), contents=contents, skipped=skipped)


def _move_useafter(dice: random.Random, context: Context) -> Context:
    kind, detector, date = _pick(dice, context)
    if date == _DATES[0]:
        return context
    rules = deepcopy(dict(context.rules))
    moved = dice.choice(("2022-06-01 00:00:00", "2023-06-01 00:00:00"))
    rules[kind][detector][moved] = rules[kind][detector].pop(date)
    return replace(context, rules=rules)


def _swap_match(dice: random.Random, context: Context) -> Context:
    rules = deepcopy(dict(context.rules))
    per = rules[dice.choice(sorted(rules))]
    per["NRS1"], per["NRS2"] = per["NRS2"], per["NRS1"]
    return replace(context, rules=rules)


def _change_pars(dice: random.Random, context: Context) -> Context:
    kind = dice.choice([kind for kind in context.rules if kind.startswith("pars-")])
    detector = dice.choice(_DETECTORS)
    date = dice.choice(sorted(context.rules[kind][detector]))
    name = _name_new(dice, kind)
    steps = [step for types in _READS.values() for step in types.values()]
    return replace(
        _set(context, (kind, detector, date), name),
        contents={**context.contents, name: name},
        skipped={**context.skipped, name: tuple(dice.sample(steps, 2))},
    )


def _take_away(dice: random.Random, context: Context) -> Context:
    return _set(context, _pick(dice, context), "N/A")


def _rename(dice: random.Random, context: Context) -> Context:
    at = kind, detector, date = _pick(dice, context)
    old, name = context.rules[kind][detector][date], _name_new(dice, kind)
    if old == "N/A":
        return context
    contents = {**context.contents, name: context.contents[old]}
    return replace(_set(context, at, name), contents=contents)


def _replace_content(dice: random.Random, context: Context) -> Context:
    name = dice.choice(sorted(context.contents))
    content = f"{name} of {dice.random()}"
    skipped = {**context.skipped, content: context.skipped.get(name, ())}
    contents = {**context.contents, name: content}
    return replace(context, contents=contents, skipped=skipped)


EDITS: Mapping[str, Callable[[random.Random, Context], Context]] = {
    "a new file": _add_file,
    "a moved USEAFTER": _move_useafter,
    "a changed match": _swap_match,
    "a value of a pars file": _change_pars,
    "N/A": _take_away,
    "the same content renamed": _rename,
    "the same name changed": _replace_content,
}
"""What deliveries to CRDS change, by what it is."""


def _list_periods(names: Mapping[str, str]) -> str:
    return ", ".join(f"{date!r} : {name!r}" for date, name in names.items())


def _to_rmap(kind: str, rules: _Rules) -> ReferenceMapping:
    selector = ",\n".join(
        f"({detector!r},) : UseAfter({{{_list_periods(at)}}})"
        for detector, at in rules.items()
    )
    header = {
        "classes": ("Match", "UseAfter"),
        "derived_from": "scratch",
        "filekind": kind.upper(),
        "instrument": "NIRSPEC",
        "mapping": "REFERENCE",
        "name": f"jwst_nirspec_{kind}_0001.rmap",
        "observatory": "JWST",
        "parkey": (
            ("META.INSTRUMENT.DETECTOR",),
            ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME"),
        ),
        "sha1sum": "0" * 40,
    }
    text = f"header = {header!r}\nselector = Match({{\n{selector}\n}})\n"
    name = f"jwst_nirspec_{kind}_0001.rmap"
    return ReferenceMapping.from_string(text, name, ignore_checksum=True)


def resolve(
    graph: Sequence[PlannedJob], context: Context, dates: Mapping[str, str]
) -> ResolvedSet:
    """Resolve every job by the rules, as the workers do.

    Parameters
    ----------
    dates
        When exposures were taken, by name.
    """
    rmaps = {kind: _to_rmap(kind, rules) for kind, rules in context.rules.items()}

    def select(planned: PlannedJob, kind: str) -> ReferenceFile | None:
        exposure = planned.exposure
        header = {
            "META.INSTRUMENT.DETECTOR": str(exposure.header["DETECTOR"]),
            "META.OBSERVATION.DATE": dates[exposure.name],
            "META.OBSERVATION.TIME": "12:00:00",
        }
        name = rmaps[kind].get_best_ref(header)
        if name.upper() == "NOT FOUND N/A":  # what CRDS says of N/A
            return None
        return ReferenceFile(name, context.contents[name], 9, 7)

    def resolve_job(planned: PlannedJob) -> Resolved:
        pars_kind = f"pars-{planned.stage}pipeline"
        file = select(planned, pars_kind)
        off = context.skipped.get(file.sha1, ()) if file else ()
        steps = {step: {"skip": step in off} for step in _READS[planned.stage].values()}
        origin = f"pars {file.name}" if file else ""
        return Resolved(
            key=planned.key,
            parameters={"steps": steps},
            references=tuple(
                ReferenceUse(kind, select(planned, kind))
                for kind, step in _READS[planned.stage].items()
                if step not in off
            ),
            pars=(ParsUse(pars_kind, file),) if file else (),
            mappings=(),
            origins={f"{step}.skip": origin for step in steps if step in off},
        )

    return ResolvedSet(
        context="jwst_0001.pmap",
        crds_path="crds",
        versions={"jwst": "3.0.0"},
        by_key={planned.key: resolve_job(planned) for planned in graph},
        overrides={},
        recipe="official",
        raw={},
    )
