"""Which edits of a recipe reach which files of which jobs."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from config.edits import (
    OF_RECIPE,
    ApertureEdit,
    CalibratedEdit,
    HeaderEdit,
    MetafileEdit,
    PlaceSource,
    RecipeEdit,
)
from workers.contract import EXTRACT1D, TAKERS, Edit, Parameters, Stage

from ..errors import PlanError
from ..models.exposures import Exposure, Role
from .graph import PlannedInput, PlannedJob
from .recipe_fit import explain_part

__all__ = ["describe_edit", "plan_edits"]

_METAFILE_KEYWORD = "MSAMETFL"


def plan_edits(
    graph: Sequence[PlannedJob],
    exposures: Iterable[Exposure],
    edits: Sequence[RecipeEdit],
) -> tuple[PlannedJob, ...]:
    """Give each job the edits of the files that it reads.

    The metafile of the MSA is edited for the jobs of the exposures that match. Headers
    are edited where the science of spec2 enters it, and where a run starts at spec3
    with what the archive has: what is made of them keeps what is set. The pipeline
    (jwst 3.0.0) reads nothing that can be set of other members, or in detector1.
    Calibrated exposures are edited where spec3 combines them, and apertures for each
    job that extracts spectra.

    Parameters
    ----------
    graph
        All jobs of the program.
    exposures
        All exposures of the program.

    Raises
    ------
    PlanError
        An edit reaches no job.
    """
    by_name = {exposure.name: exposure for exposure in exposures}
    reached: set[int] = set()
    planned: list[PlannedJob] = []
    for job in graph:
        found = [
            (number, Edit(file, edit.edit, _dump(edit)))
            for number, edit in enumerate(edits)
            for file in _find_files(job, edit, by_name)
        ]
        reached.update(number for number, _ in found)
        defect = job.defect or _explain_division(job, edits)
        given = tuple(edit for _, edit in found)
        planned.append(replace(job, edits=given, defect=defect))
    if any(job.association for job in graph):
        _refuse_idle(edits, reached)
    return tuple(planned)


def describe_edit(edit: Edit) -> str:
    """Write an edit in one line: ``split-slitlets of FILE (max_shutters 3)``."""
    given = [
        f"{name} {json.dumps(value)}"
        for name, value in sorted(edit.values.items())
        if value not in (None, [])
    ]
    return f"{edit.edit} of {edit.file} ({', '.join(given)})"


def _dump(edit: RecipeEdit) -> Parameters:
    values: Parameters = edit.model_dump(mode="json", exclude={"edit", *OF_RECIPE})
    return values


def _find_files(
    job: PlannedJob, edit: RecipeEdit, by_name: Mapping[str, Exposure]
) -> Iterator[str]:
    """Find the files of a job that an edit changes: inputs, or its apertures."""
    if isinstance(edit, ApertureEdit):
        if _is_extracted_with(edit, job):
            yield EXTRACT1D
        return
    if isinstance(edit, MetafileEdit):
        metafile = str(job.exposure.header.get(_METAFILE_KEYWORD, "")).strip()
        reads = job.stage in {Stage.DETECTOR1, Stage.SPEC2}
        is_mos = metafile and job.exposure.exp_type == "NRS_MSASPEC"
        if reads and is_mos and _is_read_in(edit, job.exposure):
            yield metafile
        return
    members = job.association.members if job.association else ()
    files = {file.name: file for file in job.inputs}
    for member in members:
        exposure = by_name.get(member.exposure)
        if exposure and member.exptype == Role.SCIENCE and member.expname in files:
            enters = _enters(job, files[member.expname], edit)
            if enters and _is_set_in(edit, exposure):
                yield member.expname


def _is_extracted_with(edit: ApertureEdit, job: PlannedJob) -> bool:
    """Return whether a job takes its apertures from the file that an edit changes."""
    return (
        (EXTRACT1D, job.stage) in TAKERS
        and edit.stage in {None, job.stage.value}
        and job.exposure.exp_type in edit.exp_types
        and any(map(edit.match.fits, job.facts))
    )


def _explain_division(job: PlannedJob, edits: Iterable[RecipeEdit]) -> str | None:
    """Explain an edit of apertures that fits a part of the science of a job."""
    for edit in edits:
        if isinstance(edit, ApertureEdit) and _is_extracted_with(edit, job):
            what = f"the edit {edit.edit} for {edit.match.describe()}"
            if division := explain_part(what, job, edit.match.fits):
                return division
    return None


def _is_read_in(edit: MetafileEdit, exposure: Exposure) -> bool:
    """Return whether an edit is for an exposure, and for its nod."""
    nods = {None, exposure.header.get("PATT_NUM")}
    is_nod = not isinstance(edit, PlaceSource) or edit.nod in nods
    return is_nod and edit.match.fits(exposure.facts)


def _enters(
    job: PlannedJob, file: PlannedInput, edit: HeaderEdit | CalibratedEdit
) -> bool:
    """Return whether this job, and none before it, edits what is made of a file."""
    if isinstance(edit, CalibratedEdit):
        return job.stage is Stage.SPEC3
    return job.stage is Stage.SPEC2 or (
        job.stage is Stage.SPEC3 and file.producer is None
    )


def _is_set_in(edit: HeaderEdit | CalibratedEdit, exposure: Exposure) -> bool:
    """Return whether an edit is for an exposure, and the pipeline reads what it sets.

    Backgrounds are extended, wherever their target is.
    """
    return (
        exposure.exp_type in edit.exp_types
        and exposure.role is Role.SCIENCE
        and edit.match.fits(exposure.facts)
    )


def _refuse_idle(edits: Sequence[RecipeEdit], reached: Collection[int]) -> None:
    for number, edit in enumerate(edits):
        if number in reached or edit.optional:
            continue
        raise PlanError(
            f"Edit {number + 1} of the recipe ({edit.edit}, for "
            f"{edit.match.describe()}) fits nothing in this run: it is for "
            f"{_describe_kind(edit)}. Correct its `match`, or leave it out."
        )


def _describe_kind(edit: RecipeEdit) -> str:
    if isinstance(edit, MetafileEdit):
        return "spec2 of NRS_MSASPEC exposures with a metafile (and of its nod)"
    exp_types = ", ".join(sorted(edit.exp_types))
    if isinstance(edit, CalibratedEdit):
        return f"spec3 of {exp_types} exposures"
    return f"science exposures of {exp_types}"
