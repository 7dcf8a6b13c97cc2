"""What a year of new contexts and releases of jwst costs: a simulation.

    python tests/benchmarks/year.py [PROGRAMS]

An archive of 4 000 programs and 500 000 exposures, of which PROGRAMS (40) are
simulated, goes through a year: a CRDS context every two weeks and a minor release of
jwst every three months. All jobs are planned by the planner of a run, over what is done
in memory, with the costs of `config/costs.toml`; a job that is due is taken to be done.

What contexts and releases change is made up (seed 1), as `_EDITS` and `_RELEASE` say:
no statistics of real deliveries could be had. CPU-hours are for the whole archive.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from exposures import make_exposure
from outcomes import make_reference
from plans import DoneStore, make_binder, make_graph
from rich.console import Console
from rich.table import Table

from config.policy import Policy
from flows.models.exposures import Exposure, Metafile
from flows.models.runs import JobState
from flows.planning import PlannedJob, ResolvedSet, build_plan
from workers.contract import FileHash, Job, ParsUse, ReferenceUse, Resolved, Stage

PROGRAMS: Final = 4_000
EXPOSURES: Final = 500_000
CONTEXTS: Final = 26
RELEASES: Final = 4

_FULL: Final = {"SUBSIZE1": 2048, "SUBSIZE2": 2048, "NINTS": 1}
_NIRSPEC: Final = {**_FULL, "NGROUPS": 20, "FILTER": "F290LP", "GRATING": "G395H"}
_MIRI: Final = {
    "INSTRUME": "MIRI",
    "FILTER": "N/A",
    "GRATING": "N/A",
    "SUBSIZE1": 1032,
    "SUBSIZE2": 1024,
    "NINTS": 2,
    "NGROUPS": 40,
}


@dataclass(frozen=True, slots=True)
class _Mode:
    """What the programs of a mode are like."""

    share: float
    """Of all programs."""
    dithers: int
    """Exposures of an observation on one detector."""
    detectors: tuple[str, ...]
    """Those that see light."""
    keywords: Mapping[str, str | float | bool]
    """What is different from an exposure of the IFU with the prism."""


_MODES: Final = {
    "NRS_IFU": _Mode(0.25, 4, ("nrs1", "nrs2"), _NIRSPEC),
    "NRS_MSASPEC": _Mode(0.25, 3, ("nrs1", "nrs2"), _NIRSPEC),
    "NRS_FIXEDSLIT": _Mode(
        0.10, 3, ("nrs1", "nrs2"), {**_NIRSPEC, "FXD_SLIT": "S200A1"}
    ),
    "NRS_BRIGHTOBJ": _Mode(
        0.10,
        1,
        ("nrs1", "nrs2"),
        {**_NIRSPEC, "TSOVISIT": True, "FXD_SLIT": "S1600A1", "NINTS": 50}
        | {"SUBSIZE2": 32, "SUBARRAY": "SUB2048"},
    ),
    "MIR_MRS": _Mode(
        0.25, 4, ("mirifushort", "mirifulong"), {**_MIRI, "BAND": "SHORT"}
    ),
    "MIR_LRS-FIXEDSLIT": _Mode(0.05, 2, ("mirimage",), {**_MIRI, "FILTER": "P750L"}),
}
"""An assumption, as are all their numbers."""

_TYPES: Final = {
    Stage.DETECTOR1: (
        *("mask", "saturation", "superbias", "linearity", "dark", "gain"),
        "readnoise",
    ),
    Stage.SPEC2: ("photom", "sflat", "fflat", "wavecorr", "pathloss", "distortion"),
    Stage.SPEC3: ("cubepar", "extract1d", "apcorr"),
    Stage.TSO3: ("extract1d", "photom"),
}
"""Reference types that each stage uses."""

_EDITS: Final = {
    "a delivery for another instrument or mode": 0.45,
    "files of one type, detector and mode": 0.35,
    "files of one type and instrument": 0.10,
    "a pars file of one stage and mode": 0.05,
    "the same content under new names": 0.05,
}
"""What each change of a context is, by its probability; a context has one to four."""

_SILENT: Final = 0.1
"""Share of new files that change no pixel of a job that uses them: other periods of a
table, words in a header."""

_RELEASE: Final = 0.6
"""Probability that a release changes pixels of a stage of a mode."""

_Rule = tuple[str, str, str]
"""Type, EXP_TYPE and detector."""


@dataclass(frozen=True, slots=True)
class _File:
    """A reference file."""

    name: str
    sha1: str
    pixels: str
    """Equal for files that change no pixel against each other."""


@dataclass(slots=True)
class World:
    """What there is to calibrate with, at a time of the year."""

    files: dict[_Rule, _File]
    jwst: str = "3.0.0"
    code: Counter[tuple[Stage, str]] = field(default_factory=Counter)
    """How often releases have changed pixels, by stage and EXP_TYPE."""


@dataclass(slots=True)
class Program:
    """A program, and what is done of it."""

    graph: tuple[PlannedJob, ...]
    store: DoneStore = field(default_factory=DoneStore)
    done: dict[str, float] = field(default_factory=dict)
    """CPU seconds of each job, by key."""
    planned_with: object = None
    """What it was planned with the last time."""


@dataclass(slots=True)
class Spent:
    """CPU seconds of a year, for the programs that are simulated."""

    rewebb: float = 0.0
    programs: float = 0.0
    """If a program is done again whole when a reference of any of its jobs changed."""
    everything: float = 0.0
    jobs: int = 0


def make_programs(count: int) -> Iterator[Program]:
    """Make programs, modes by their shares."""
    exposures = EXPOSURES // PROGRAMS
    names = [*_MODES]
    shares = [mode.share for mode in _MODES.values()]
    dice = random.Random(1)  # noqa: S311  # no secret
    for number in range(count):
        [name] = dice.choices(names, shares)
        yield Program(make_graph([*_make_program(number, name, exposures)]))


def _make_program(number: int, exp_type: str, exposures: int) -> Iterator[Exposure]:
    mode = _MODES[exp_type]
    per = mode.dithers * len(mode.detectors)
    for observation in range(1, max(1, exposures // per) + 1):
        begin = f"jw{10_000 + number}{observation:03d}001"
        for dither in range(1, mode.dithers + 1):
            for detector in mode.detectors:
                keywords = {
                    "EXP_TYPE": exp_type,
                    "PATT_NUM": dither,
                    "NUMDTHPT": mode.dithers,
                    **mode.keywords,
                }
                if detector == "mirifulong":
                    keywords |= {"CHANNEL": "34"}
                elif detector == "mirifushort":
                    keywords |= {"CHANNEL": "12"}
                metafile = f"{begin}_01_msa.fits"
                if exp_type == "NRS_MSASPEC":
                    keywords |= {"MSAMETFL": metafile, "MSAMETID": 1}
                name = f"{begin}_03101_{dither:05d}_{detector}"
                made = make_exposure(name, **keywords)
                if exp_type == "NRS_MSASPEC":
                    made = replace(made, metafile=Metafile(metafile, Path(metafile)))
                yield made


def make_world() -> World:
    """Make a file for each type, mode and detector."""
    return World(
        {
            (kind, exp_type, detector): _make_file(kind, f"{exp_type} {detector} 0")
            for kind in _list_types()
            for exp_type, mode in _MODES.items()
            for detector in mode.detectors
        }
    )


@cache
def _list_types() -> tuple[str, ...]:
    found = {kind for types in _TYPES.values() for kind in types}
    return (*sorted(found), *(f"pars-{stage}pipeline" for stage in _TYPES))


def _make_file(kind: str, seed: str, pixels: str = "") -> _File:
    sha1 = sha256(f"{kind} {seed}".encode()).hexdigest()[:40]
    return _File(f"jwst_{kind}_{sha1[:8]}.fits", sha1, pixels or sha1)


def deliver(world: World, number: int, dice: random.Random) -> None:
    """Make the next context: one to four changes."""
    for change in range(dice.randint(1, 4)):
        [edit] = dice.choices([*_EDITS], [*_EDITS.values()])
        kind, exp_type, detector = dice.choice(sorted(world.files))
        instrument = exp_type.partition("_")[0]
        match edit:
            case "files of one type, detector and mode":
                rules = [(kind, exp_type, detector)]
            case (
                "files of one type and instrument" | "the same content under new names"
            ):
                rules = [
                    rule
                    for rule in world.files
                    if rule[0] == kind and rule[1].startswith(instrument)
                ]
            case "a pars file of one stage and mode":
                pars = dice.choice([k for k in _list_types() if k.startswith("pars-")])
                rules = [r for r in world.files if r[:2] == (pars, exp_type)]
            case _:
                rules = []
        for rule in rules:
            old = world.files[rule]
            if edit == "the same content under new names":
                name = f"{old.name.removesuffix('.fits')}_{number}{change}.fits"
                world.files[rule] = replace(old, name=name)
            else:
                same = old.pixels if dice.random() < _SILENT else ""
                seed = f"{rule} {number} {change}"
                world.files[rule] = _make_file(rule[0], seed, same)


def release(world: World, number: int, dice: random.Random) -> None:
    """Make the next minor release of jwst."""
    world.jwst = f"3.{number}.0"
    for stage in _TYPES:
        for exp_type in _MODES:
            world.code[stage, exp_type] += dice.random() < _RELEASE


def resolve(program: Program, world: World) -> ResolvedSet:
    """Resolve the jobs of a program, as workers do."""
    made: dict[tuple[Stage, str, str], Resolved] = {}
    by_key = {}
    for planned in program.graph:
        exposure = planned.exposure
        detector = str(exposure.header["DETECTOR"]).lower()
        kind = (planned.stage, exposure.exp_type, detector)
        if kind not in made:
            made[kind] = _resolve_one(*kind, world=world)
        by_key[planned.key] = replace(made[kind], key=planned.key)
    paths = {str(planned.exposure.path) for planned in program.graph}
    paths |= {f.path for planned in program.graph for f in planned.inputs if f.path}
    return ResolvedSet(
        context="jwst_0001.pmap",
        crds_path="crds",
        versions={"jwst": world.jwst},
        by_key=by_key,
        overrides={},
        recipe="official",
        raw={path: FileHash(path, 9, 7, path, path) for path in paths},
    )


def _resolve_one(
    stage: Stage, exp_type: str, detector: str, *, world: World
) -> Resolved:
    def use(kind: str) -> ReferenceUse:
        file = world.files[kind, exp_type, detector]
        return ReferenceUse(kind, replace(make_reference(file.name), sha1=file.sha1))

    pars = use(f"pars-{stage}pipeline")
    assert pars.file is not None
    value = world.files[pars.reftype, exp_type, detector].pixels
    return Resolved(
        key="",
        parameters={"steps": {"a_step": {"a_parameter": value}}},
        references=tuple(use(kind) for kind in _TYPES[stage]),
        pars=(ParsUse(pars.reftype, pars.file),),
        mappings=(),
        reads_metafile=False,
        origins={"a_step.a_parameter": f"pars {pars.file.name}"},
    )


def find_pixels(job: Job, planned: PlannedJob, world: World) -> str:
    """Tell what the pixels of a job come to: equal for equal ones."""
    exp_type = planned.exposure.exp_type
    detector = str(planned.exposure.header["DETECTOR"]).lower()
    kinds = (*_TYPES[planned.stage], f"pars-{planned.stage}pipeline")
    said = [world.files[kind, exp_type, detector].pixels for kind in kinds]
    said += [file.content_sha256 for file in job.inputs]
    said += [str(world.code[planned.stage, exp_type])]
    return sha256(" ".join(said).encode()).hexdigest()


def bring_up_to_date(program: Program, world: World) -> tuple[float, int]:
    """Do what is due; give the CPU seconds and the jobs that it took."""
    resolved = resolve(program, world)
    cpu_s, jobs = 0.0, 0
    while True:
        binder = make_binder(resolved, program.store, policy=Policy())
        plan = build_plan(program.graph, binder)
        failed = [e.why for e in plan.entries if e.state is JobState.FAILED]
        assert not failed, failed[0]
        due = [e for e in plan.entries if e.state is JobState.DUE and e.job]
        if not due:
            return cpu_s, jobs
        for entry in due:
            assert entry.job is not None
            content = find_pixels(entry.job, entry.planned, world)
            program.store.add(entry.job, content=content)
            program.done[entry.planned.key] = entry.expected_s
            cpu_s += entry.expected_s
            jobs += 1


def live(programs: Sequence[Program], world: World) -> Spent:
    """Bring all programs up to date after a change."""
    spent = Spent()
    for program in programs:
        used = _list_used(program, world)
        if used != program.planned_with:
            cpu_s, jobs = bring_up_to_date(program, world)
            program.planned_with = used
            spent.rewebb += cpu_s
            spent.jobs += jobs
            spent.programs += sum(program.done.values())
        spent.everything += sum(program.done.values())
    return spent


def _list_used(program: Program, world: World) -> object:
    """List what a program is calibrated with, which `remembered` answers compare."""
    exp_types = {job.exposure.exp_type for job in program.graph}
    used = {rule: f.sha1 for rule, f in world.files.items() if rule[1] in exp_types}
    return world.jwst, used


def add(parts: Iterable[Spent]) -> Spent:
    """Add up."""
    total = Spent()
    for one in parts:
        total.rewebb += one.rewebb
        total.programs += one.programs
        total.everything += one.everything
        total.jobs += one.jobs
    return total


def print_year(first: Spent, contexts: Spent, releases: Spent, scale: float) -> None:
    """Print what each way of living costs."""
    table = Table(title=f"CPU-hours of a year, {EXPOSURES:,} exposures")
    for name in ("", f"{CONTEXTS} contexts", f"{RELEASES} releases", "the year"):
        table.add_column(name, justify="left" if not name else "right")
    rows = {
        "never again": (0.0, 0.0),
        "Rewebb": (contexts.rewebb, releases.rewebb),
        "programs of which a reference changed, whole": (
            contexts.programs,
            releases.programs,
        ),
        "all again": (contexts.everything, releases.everything),
    }
    for name, parts in rows.items():
        hours = [scale * part / 3600 for part in (*parts, sum(parts))]
        table.add_row(name, *(f"{each:,.0f}" for each in hours))
    console = Console()
    console.print(table)
    console.print(
        f"The first time takes {scale * first.rewebb / 3600:,.0f} CPU-hours in "
        f"{scale * first.jobs:,.0f} jobs. After contexts Rewebb spends "
        f"{contexts.rewebb / contexts.everything:.1%} of all again, after releases "
        f"{releases.rewebb / releases.everything:.1%}."
    )


def main() -> None:
    """Simulate a year, and print what it costs."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    started_s = time.process_time()
    programs = [*make_programs(count)]
    dice = random.Random(1)  # noqa: S311  # no secret
    world = make_world()
    first = live(programs, world)
    contexts, releases = list[Spent](), list[Spent]()
    for number in range(1, CONTEXTS + 1):
        deliver(world, number, dice)
        contexts.append(live(programs, world))
        if number * RELEASES % CONTEXTS < RELEASES:
            release(world, len(releases) + 1, dice)
            releases.append(live(programs, world))
    print_year(first, add(contexts), add(releases), PROGRAMS / count)
    print(f"It took {time.process_time() - started_s:.0f} CPU s to simulate.")


if __name__ == "__main__":
    main()
