"""The graph of the jobs that a set of associations needs."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from workers.contract import METAFILE, Edit, Stage

from ..models.associations import Association, Lack, Member
from ..models.exposures import (
    CalibratedFile,
    Exposure,
    Metafile,
    Role,
    UnusableFile,
)
from ..names import member_file, stem_of
from ..stages import (
    RAW_SUFFIX,
    STAGES,
    find_maker,
    get_stage_before,
    is_reached,
    stage_of,
)

__all__ = [
    "PlannedInput",
    "PlannedJob",
    "build_graph",
    "plan_detector1",
    "plan_metafile",
]

_ALONE = frozenset({"tso-spec2"})
"""Types of associations whose only member is their science: no file is missing."""


@dataclass(frozen=True, slots=True)
class PlannedInput:
    """A file that a planned job will read."""

    name: str
    """Bare canonical name."""
    exptype: str
    """Role in the association."""
    reason: str
    """Why it is a member."""
    producer: str | None
    """Key of the job that makes it; None for a file of the archive."""
    path: str | None = None
    """Where it is, if it is of the archive."""
    size_bytes: int = 0
    """Its size, likewise."""
    mtime_ns: int = 0
    """Its time of last modification, likewise."""
    calibrated: CalibratedFile | None = None
    """What is known of its making, if an earlier stage made it elsewhere."""
    sha256: str = ""
    """Hash that its bytes must have, if a recipe names it by that."""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job before all of its inputs are known."""

    stage: Stage
    """Its stage."""
    name: str
    """Its product name."""
    inputs: tuple[PlannedInput, ...]
    """Its inputs; the first science member first."""
    exposure: Exposure
    """The first science exposure; its header decides references and parameters."""
    association: Association | None = None
    """What it runs on; None for a single exposure."""
    defect: str | None = None
    """Why it cannot run whatever its inputs: a file of the archive that is damaged,
    unreadable or missing."""
    only_combined: bool = False
    """Whether spec3 reads the calibrated exposure that it makes, and nothing reads its
    spectra."""
    doubts: tuple[str, ...] = ()
    """Keys of the jobs of files that may be members; their headers are unreadable."""
    lacking: tuple[str, ...] = ()
    """What the archive has no file of and affects its products, in words."""
    facts: tuple[Mapping[str, str], ...] = ()
    """What recipes choose parameters by (`Exposure.facts`), of all science exposures;
    none if it cannot run whatever its parameters."""
    edits: tuple[Edit, ...] = ()
    """What the recipe changes in copies of what it reads."""

    @property
    def key(self) -> str:
        """Its identity within a run, ``stage:name``."""
        return f"{self.stage}:{self.name}"

    @property
    def producers(self) -> tuple[str, ...]:
        """Keys of the jobs whose products it reads, each once."""
        keys = [file.producer for file in self.inputs if file.producer is not None]
        return tuple(dict.fromkeys((*keys, *self.doubts)))


def build_graph(
    exposures: Iterable[Exposure],
    associations: Iterable[Association],
    unusable: Iterable[UnusableFile] = (),
    linked: Mapping[str, frozenset[str]] = MappingProxyType({}),
    *,
    lacking: Iterable[Lack] = (),
    asked: Collection[UnusableFile] = (),
    start_at: Stage = Stage.DETECTOR1,
) -> tuple[PlannedJob, ...]:
    """Build the jobs of a set of associations, producers before what needs them.

    A run that starts after detector1 reads what earlier stages would have made from
    the archive. A file that is missing or damaged becomes a job that cannot run, of
    the stage that makes such files; what needs it is blocked.

    Parameters
    ----------
    associations
        Those of stages that the run reaches.
    unusable
        Files of which only the names are known. What they may be a member of,
        associations of the same observation or of one that it is linked with, must not
        become smaller unnoticed: each file has a job that cannot run, and these need
        it.
    asked
        Those of them that are asked for: each has its job that cannot run, though
        nothing that could be made may need it.
    """
    by_name = {exposure.name: exposure for exposure in exposures}
    documents = sorted(associations, key=lambda asn: (_level(asn), asn.product_name))
    needed = sorted({m.exposure for asn in documents for m in asn.members})
    reach = _reach((by_name[name] for name in needed), linked)
    unknown = [
        _unknown_job(file, start_at)
        for file in sorted(unusable, key=lambda file: file.path.name)
        if file.observation in reach or file in asked
    ]
    sources = _Sources(by_name, start_at)
    if start_at is Stage.DETECTOR1:
        first = [plan_detector1(by_name[name]) for name in needed]
    else:
        first = sources.list_blocking(documents, sources.explain_defect)
    combined = _find_only_combined(documents)
    lacks: dict[str, list[Lack]] = defaultdict(list)
    for each in lacking:
        for name in each.exposures:
            lacks[name].append(each)
    jobs = [
        replace(job, only_combined=job.key in combined, lacking=_list_lacks(asn, lacks))
        for asn in documents
        for job in [_plan_association(asn, sources, unknown, linked)]
    ]
    known = {job.key for job in (*first, *unknown, *jobs)}
    unmade = sources.list_blocking(documents, partial(sources.explain_unmade, known))
    return (*first, *unknown, *unmade, *jobs)


def plan_detector1(exposure: Exposure) -> PlannedJob:
    """Plan detector1 of an exposure."""
    name = member_file(exposure.name, RAW_SUFFIX)
    raw = _plan_file(name, "science", "the raw exposure itself", exposure)
    defect = f"{exposure.path.name}: {exposure.defect}" if exposure.defect else None
    # A few steps read the metafile; one that is missing concerns these alone.
    is_sound = exposure.metafile is not None and exposure.metafile.defect is None
    inputs = (raw, *plan_metafile(exposure.metafile if is_sound else None))
    return PlannedJob(
        stage=Stage.DETECTOR1,
        name=exposure.name,
        inputs=inputs,
        exposure=exposure,
        defect=defect,
        facts=(exposure.facts,),
    )


def plan_metafile(metafile: Metafile | None) -> Iterator[PlannedInput]:
    """Plan to read what the shutters are, which only the world coordinates need."""
    if metafile is not None:
        reason = "the shutters of the science exposure (MSAMETFL)"
        yield _plan_file(metafile.name, METAFILE, reason, metafile)


def _plan_file(
    name: str, exptype: str, reason: str, file: Exposure | Metafile | CalibratedFile
) -> PlannedInput:
    """Plan to read a file of the archive."""
    return PlannedInput(
        name=name,
        exptype=exptype,
        reason=reason,
        producer=None,
        path=str(file.path),
        size_bytes=file.size_bytes,
        mtime_ns=file.mtime_ns,
        calibrated=file if isinstance(file, CalibratedFile) else None,
    )


def _level(association: Association) -> int:
    return STAGES[stage_of(association)].level


def _reach(
    exposures: Iterable[Exposure], linked: Mapping[str, frozenset[str]]
) -> set[str]:
    """List the observations of exposures, and those that they are linked with."""
    reach: set[str] = set()
    for exposure in exposures:
        reach |= {exposure.observation, *linked.get(exposure.observation, ())}
    return reach


def _unknown_job(file: UnusableFile, start_at: Stage) -> PlannedJob:
    """Plan the job of a file of which only its name is known."""
    exposure = Exposure(
        name=stem_of(file.path.name),
        program=file.program,
        observation=file.observation,
        visit="",
        path=file.path,
        size_bytes=0,
        mtime_ns=0,
        exp_type="",
        role=Role.SCIENCE,
        header={},
        defect=file.reason.removeprefix(f"{file.path.name}: "),
    )
    if start_at is Stage.DETECTOR1:
        return plan_detector1(exposure)
    before = get_stage_before(start_at)
    defect = f"{file.path.name}: {exposure.defect}"
    return PlannedJob(before, exposure.name, (), exposure, defect=defect)


@dataclass(frozen=True, slots=True)
class _Sources:
    """From where jobs get what they read of exposures."""

    by_name: Mapping[str, Exposure]
    """The exposures."""
    start_at: Stage
    """Stage that the run starts at."""

    def find_file(self, member: Member) -> CalibratedFile | None:
        """Find a member in the archive, with its defect; None if a job makes it."""
        if is_reached(_find_producer(member)[0], self.start_at):
            return None
        files = self.by_name[member.exposure].calibrated.values()
        for file in files:
            if file.path.name == member.expname:
                return file
        held = ", ".join(file.path.name for file in files) or "no calibrated file of it"
        why = f"expected it in the archive, which has {held}"
        return CalibratedFile(Path(member.expname), defect=why)

    def list_blocking(
        self,
        associations: Iterable[Association],
        explain: Callable[[Association, Member], str | None],
    ) -> list[PlannedJob]:
        """List jobs that cannot run, each once: those whose products members are."""
        jobs: dict[str, PlannedJob] = {}
        for association in associations:
            for member in association.members:
                if (defect := explain(association, member)) is not None:
                    stage, product = _find_producer(member)
                    exposure = self.by_name[member.exposure]
                    job = PlannedJob(stage, product, (), exposure, defect=defect)
                    jobs.setdefault(job.key, job)
        return [jobs[key] for key in sorted(jobs)]

    def explain_defect(self, _: Association, member: Member) -> str | None:
        """Explain why a member of the archive cannot be read."""
        file = self.find_file(member)
        return f"{member.expname}: {file.defect}" if file and file.defect else None

    def explain_unmade(
        self, known: Collection[str], association: Association, member: Member
    ) -> str | None:
        """Explain why no job makes a member, such as a PSF of SOSS."""
        stage, product = _find_producer(member)
        if f"{stage}:{product}" in known or self.find_file(member) is not None:
            return None
        return (
            f"{association.product_name} needs {member.expname} as {member.exptype}, "
            "and no association makes it"
        )

    def plan_input(self, member: Member) -> PlannedInput:
        """Plan to read a member."""
        name, exptype, reason = member.expname, member.exptype, member.reason
        file = self.find_file(member)
        if file is None or file.defect is not None:
            stage, product = _find_producer(member)
            return PlannedInput(name, exptype, reason, f"{stage}:{product}")
        return _plan_file(name, exptype, reason, file)


def _find_producer(member: Member) -> tuple[Stage, str]:
    """Find stage and product name of the job that makes a member."""
    product, _, suffix = member.expname.removesuffix(".fits").rpartition("_")
    return find_maker(suffix), product


def _find_only_combined(associations: Iterable[Association]) -> set[str]:
    """Find the jobs whose calibrated exposures, but no spectra, level 3 reads."""
    members = [m for asn in associations if _level(asn) == 3 for m in asn.members]
    science = {_find_producer(m) for m in members if m.exptype == "science"}
    science -= {_find_producer(m) for m in members if m.exptype != "science"}
    return {f"{stage}:{product}" for stage, product in science}


def _list_lacks(
    association: Association, lacks: Mapping[str, Iterable[Lack]]
) -> tuple[str, ...]:
    """List the missing data that affect the product of an association, each once."""
    level = _level(association)
    found = (
        str(each)
        for member in association.members
        if member.exptype == "science"
        for each in lacks.get(member.exposure, ())
        if each.level is not None and each.level <= level
    )
    return tuple(dict.fromkeys(found))


def _plan_association(
    association: Association,
    sources: _Sources,
    unknown: Iterable[PlannedJob],
    linked: Mapping[str, frozenset[str]],
) -> PlannedJob:
    members = tuple(association.members)
    science = next(m for m in members if m.exptype == "science")
    exposures = [sources.by_name[member.exposure] for member in members]
    reach = _reach(exposures, linked)
    stage, exposure = stage_of(association), sources.by_name[science.exposure]
    metafile = exposure.metafile if stage is Stage.SPEC2 else None
    others = (member for member in members if member is not science)
    return PlannedJob(
        stage=stage,
        name=association.product_name,
        inputs=(
            *map(sources.plan_input, (science, *others)),
            *plan_metafile(metafile),
        ),
        exposure=exposure,
        association=association,
        defect=metafile.defect if metafile else None,
        doubts=tuple(
            job.key
            for job in unknown
            if job.exposure.observation in reach and association.asn_type not in _ALONE
        ),
        facts=tuple(
            each.facts
            for member, each in zip(members, exposures, strict=True)
            if member.exptype == "science"
        ),
    )
