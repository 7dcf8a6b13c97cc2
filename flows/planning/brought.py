"""Which files that users have brought reach which jobs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from config.brought import BroughtFile
from config.edits import CUBE_EXP_TYPES, SLIT_EXP_TYPES
from workers.contract import (
    BACKGROUND_SPECTRUM,
    BAD_PIXELS,
    EXTRACT1D,
    TAKERS,
    Parameters,
    Stage,
)

from ..errors import PlanError
from ..models.associations import Association, Member
from ..models.brought import PutFile
from ..models.exposures import Role
from .graph import PlannedInput, PlannedJob
from .recipe_fit import explain_part

__all__ = ["Asked", "is_unread", "list_brought_members", "plan_files"]

Asked = tuple[BroughtFile, PutFile]
"""What a recipe asks for, and the file."""

_BACKGROUND_TYPES: Final[Mapping[Stage, frozenset[str]]] = {
    Stage.SPEC2: frozenset({"NRS_MSASPEC"}),
    Stage.SPEC3: frozenset(
        {"NRS_IFU", "MIR_MRS", "NRS_FIXEDSLIT", "MIR_LRS-FIXEDSLIT"}
    ),
}
"""EXP_TYPEs from which `master_background` subtracts (jwst 3.0.0); of the MSA it is
`master_background_mos` of spec2, and spec3 subtracts 0."""

_APERTURE_TYPES: Final[Mapping[str, frozenset[str]]] = {
    ".asdf": CUBE_EXP_TYPES,
    ".json": SLIT_EXP_TYPES,
}
"""EXP_TYPEs of which `extract_1d` reads apertures in such a file (jwst 3.0.0)."""

_NIRSPEC_UM: Final[Mapping[tuple[str, str], tuple[float, float]]] = {
    ("PRISM", "CLEAR"): (0.6, 5.3),
    **{(f"G140{x}", "F070LP"): (0.9, 1.27) for x in "MH"},
    **{(f"G140{x}", "F100LP"): (0.97, 1.82) for x in "MH"},
    **{(f"G235{x}", "F170LP"): (1.66, 3.05) for x in "MH"},
    **{(f"G395{x}", "F290LP"): (2.87, 5.10) for x in "MH"},
}
"""Wavelengths by GRATING and FILTER that all apertures see, in um (JDox, NIRSpec
Dispersers and Filters; of F070LP what the IFU sees)."""

_MRS_UM: Final[Mapping[tuple[str, str], tuple[float, float]]] = {
    ("1", "SHORT"): (4.90, 5.74),
    ("1", "MEDIUM"): (5.66, 6.63),
    ("1", "LONG"): (6.53, 7.65),
    ("2", "SHORT"): (7.51, 8.77),
    ("2", "MEDIUM"): (8.67, 10.13),
    ("2", "LONG"): (10.01, 11.70),
    ("3", "SHORT"): (11.55, 13.47),
    ("3", "MEDIUM"): (13.34, 15.57),
    ("3", "LONG"): (15.41, 17.98),
    ("4", "SHORT"): (17.70, 20.95),
    ("4", "MEDIUM"): (20.69, 24.48),
    ("4", "LONG"): (24.40, 27.90),
}
"""Wavelengths by channel and BAND of the MRS, in um (JDox, MIRI Medium Resolution
Spectroscopy)."""

_LRS_UM: Final = (5.0, 12.0)
"""Wavelengths of the LRS with slit, in um (JDox, MIRI Low Resolution Spectroscopy)."""

_MARGIN: Final = 0.05
"""Part of a range at each end that a spectrum need not have: pixels there are few, and
the ends of spectra differ by so much."""


def plan_files(
    graph: Sequence[PlannedJob], files: Sequence[Asked]
) -> tuple[PlannedJob, ...]:
    """Give each job the files that the recipe names for it; of a kind the last one.

    Parameters
    ----------
    graph
        All jobs of the program.

    Raises
    ------
    PlanError
        A file fits no job, or not what it would be used for.
    """
    if not files:
        return tuple(graph)
    takers: dict[int, list[PlannedJob]] = {number: [] for number in range(len(files))}
    planned: list[PlannedJob] = []
    for job in graph:
        taken: dict[str, Asked] = {}
        for number, (asked, file) in enumerate(files):
            if _is_for(job, asked, file):
                taken[asked.kind] = (asked, file)
                takers[number].append(job)
        planned.append(_give(job, taken.values()))
    problems = [
        f"{files[number][0].describe()} {problem}"
        for number, jobs in takers.items()
        for problem in _find_problems(files[number][1], jobs)
    ]
    if problems and any(job.association for job in graph):
        raise PlanError(f"The recipe cannot be followed: {'; '.join(problems)}.")
    return tuple(planned)


def is_unread(stage: Stage, exptype: str, parameters: Parameters) -> bool:
    """Return whether the step that takes a brought file is skipped."""
    step, _ = TAKERS.get((exptype, stage), ("", ""))
    steps: Any = parameters.get("steps", {})
    return bool(steps.get(step, {}).get("skip", False))


def list_brought_members(stage: Stage, inputs: Iterable[PlannedInput]) -> list[Member]:
    """List the members that files make: in spec3 a background spectrum is one."""
    return [
        Member(file.name, Role.BACKGROUND, "", file.reason)
        for file in inputs
        if file.exptype == BACKGROUND_SPECTRUM and stage is Stage.SPEC3
    ]


def _is_for(job: PlannedJob, asked: BroughtFile, file: PutFile) -> bool:
    """Return whether a step of a job takes a file, for some science of it."""
    exp_type = job.exposure.exp_type
    if not any(map(asked.fits, job.facts)) or (file.kind, job.stage) not in TAKERS:
        return False
    if file.kind == BACKGROUND_SPECTRUM:
        is_science = job.exposure.role is Role.SCIENCE
        return is_science and exp_type in _BACKGROUND_TYPES[job.stage]
    if file.kind == EXTRACT1D:
        types = _APERTURE_TYPES.get(file.path.suffix, frozenset())
        return exp_type in types and asked.stage in {None, job.stage.value}
    return True


def _give(job: PlannedJob, taken: Iterable[Asked]) -> PlannedJob:
    """Let a job read files; a background spectrum takes the place of backgrounds."""
    for asked, file in taken:
        problem = explain_part(asked.describe(), job, asked.fits)
        if file.kind == EXTRACT1D and any(e.file == EXTRACT1D for e in job.edits):
            problem = f"{asked.describe()} takes the place of apertures that the "
            problem += "recipe edits: edit the file instead, and put it"
        job = replace(job, defect=job.defect or problem)
        if file.kind == BACKGROUND_SPECTRUM and job.stage is Stage.SPEC3:
            job = _without_backgrounds(job)
        job = replace(job, inputs=(*job.inputs, _plan_file(file)))
    return job


def _plan_file(file: PutFile) -> PlannedInput:
    return PlannedInput(
        name=file.file,
        exptype=file.kind,
        reason=f"named by the recipe, brought as {file.brought_as}",
        producer=None,
        path=str(file.path),
        size_bytes=file.size_bytes,
        mtime_ns=file.mtime_ns,
        sha256=file.sha256,
    )


def _without_backgrounds(job: PlannedJob) -> PlannedJob:
    """Leave out backgrounds, which the step does not read beside a spectrum."""
    association = job.association
    assert isinstance(association, Association)
    kept = tuple(m for m in association.members if m.exptype != Role.BACKGROUND)
    return replace(
        job,
        inputs=tuple(file for file in job.inputs if file.exptype != Role.BACKGROUND),
        association=replace(association, members=kept),
    )


def _find_problems(file: PutFile, jobs: Sequence[PlannedJob]) -> Iterator[str]:
    """Find why a file is not for the jobs that would take it."""
    if not jobs:
        yield f"reaches no job of this run: it is for {_name_takers(file)}"
    elif file.kind == BACKGROUND_SPECTRUM:
        yield from _find_uncovered(file, jobs)
    elif file.kind == BAD_PIXELS:
        yield from _find_other_shapes(file, jobs)


def _name_takers(file: PutFile) -> str:
    if file.kind == BAD_PIXELS:
        return "detector1"
    if file.kind == EXTRACT1D:
        types = _APERTURE_TYPES.get(file.path.suffix, frozenset())
        return f"spec2, spec3 or tso3 of {', '.join(sorted(types))}"
    return " and ".join(
        f"{stage} of science of {', '.join(sorted(types))}"
        for stage, types in _BACKGROUND_TYPES.items()
    )


def _find_uncovered(file: PutFile, jobs: Iterable[PlannedJob]) -> Iterator[str]:
    """Find ranges of the exposures that a spectrum does not cover."""
    low, high = file.span_um or (0.0, 0.0)
    ranges = {span: name for job in jobs for name, span in _list_ranges(job.facts)}
    for (first, last), name in sorted(ranges.items()):
        margin = _MARGIN * (last - first)
        if low > first + margin or high < last - margin:
            yield (
                f"has wavelengths from {low:.4g} to {high:.4g} um, but {name} sees "
                f"{first:g} to {last:g} um; where it ends the pipeline would subtract 0"
            )


def _list_ranges(
    science: Iterable[Mapping[str, str]],
) -> Iterator[tuple[str, tuple[float, float]]]:
    """List the wavelengths that exposures see, with the name of what sees them."""
    for facts in science:
        optics = (facts["grating"].upper(), facts["filter"].upper())
        if facts["exp_type"] == "MIR_MRS":
            for channel in facts["channel"]:
                band = (channel, facts["band"].upper())
                if band in _MRS_UM:
                    yield f"channel {channel} {band[1]}", _MRS_UM[band]
        elif facts["exp_type"].startswith("MIR_LRS"):
            yield "the LRS", _LRS_UM
        elif optics in _NIRSPEC_UM:
            yield "/".join(optics), _NIRSPEC_UM[optics]


def _find_other_shapes(file: PutFile, jobs: Iterable[PlannedJob]) -> Iterator[str]:
    """Find exposures whose pixels a mask is not of."""
    found = {
        (
            str(header.get("DETECTOR", "")),
            (header.get("SUBSIZE2"), header.get("SUBSIZE1")),
        )
        for header in (job.exposure.header for job in jobs)
    }
    detectors = sorted({detector for detector, _ in found})
    if len(detectors) > 1:
        yield (
            f"would mask pixels of {' and '.join(detectors)}: say in `match.detector` "
            "whose they are"
        )
    for detector, shape in sorted(found, key=str):
        if shape != file.shape:
            yield (
                f"has {_to_text(file.shape)}, but exposures of {detector} have "
                f"{_to_text(shape)}; say in `match.subarray` which it is for"
            )


def _to_text(shape: tuple[object, object] | None) -> str:
    rows, columns = shape or (0, 0)
    return f"{columns} x {rows} pixels"
