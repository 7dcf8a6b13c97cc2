"""The graph of jobs that a set of associations needs."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from flows.models.associations import Association, Lack, Member
from flows.models.exposures import (
    CalibratedFile,
    Exposure,
    Metafile,
    RejectedFile,
    Role,
)
from flows.names import member_file, stem_of
from flows.stages import (
    RAW_SUFFIX,
    STAGES,
    find_maker,
    get_stage_before,
    is_reached,
    stage_of,
)
from workers.contract import METAFILE, Stage

__all__ = [
    "PlannedInput",
    "PlannedJob",
    "build_graph",
    "narrow_graph",
    "place_exposures",
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
    """Keys of the jobs of files that may be members, if only one could tell."""
    lacking: tuple[str, ...] = ()
    """What the archive has no file of, so that its products are the less, in words."""

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
    rejected: Iterable[RejectedFile] = (),
    linked: Mapping[str, frozenset[str]] = MappingProxyType({}),
    *,
    lacking: Iterable[Lack] = (),
    asked: Collection[RejectedFile] = (),
    start_at: Stage = Stage.DETECTOR1,
) -> tuple[PlannedJob, ...]:
    """Build the jobs of a set of associations, producers before what needs them.

    A run that starts after detector1 reads what earlier stages would have made from
    the archive. A file that is not there, or damaged, is a job of the stage that makes
    such files that cannot run, as a damaged raw file is one.

    Parameters
    ----------
    associations
        Those of stages that the run comes to.
    rejected
        Raw files of which nothing can be told but their names, or that cannot be had.
        What they may be a member of, associations of the same observation or of one
        that it is linked with, must not become smaller without a word: each file has
        a job that cannot run, and these need it.
    linked
        Observations that share a candidate with an observation.
    lacking
        What the archive has no file of.
    asked
        Rejected files that are asked for themselves: each has its job that cannot run,
        though nothing that could be made may need it.
    start_at
        Stage that the run starts at.
    """
    by_name = {exposure.name: exposure for exposure in exposures}
    documents = sorted(associations, key=lambda asn: (_level(asn), asn.product_name))
    needed = sorted({m.exposure for asn in documents for m in asn.members})
    reach = _reach((by_name[name] for name in needed), linked)
    unknown = [
        _unknown_job(_to_exposure(file), start_at)
        for file in sorted(rejected, key=lambda file: file.path.name)
        if file.observation in reach or file in asked
    ]
    shelf = _Shelf(by_name, start_at)
    if start_at is Stage.DETECTOR1:
        first = [_detector1_job(by_name[name]) for name in needed]
    else:
        first = _list_failed(documents, shelf)
    combined = _find_only_combined(documents)
    lacks: dict[str, list[Lack]] = defaultdict(list)
    for each in lacking:
        for name in each.exposures:
            lacks[name].append(each)
    jobs = [
        replace(job, only_combined=job.key in combined, lacking=_list_lacks(asn, lacks))
        for asn in documents
        for job in [_association_job(asn, shelf, unknown, linked)]
    ]
    known = {job.key for job in (*first, *unknown, *jobs)}
    return (*first, *unknown, *_list_unmade(documents, shelf, known), *jobs)


def narrow_graph(
    graph: Sequence[PlannedJob], asked: Collection[str]
) -> tuple[PlannedJob, ...]:
    """Keep the jobs of exposures that are asked for, and all that these jobs read.

    A job is of an exposure if that is one of its science members, or the exposure of a
    file that cannot be used. What is kept is as it was: jobs are left out of the graph
    of a program, not planned anew for a part of it.

    Parameters
    ----------
    graph
        Jobs, producers before what needs them.
    asked
        Names of exposures.
    """
    kept: set[str] = set()
    for job in reversed(graph):
        if job.key in kept or _is_of(job, asked):
            kept.update((job.key, *job.producers))
    return tuple(job for job in graph if job.key in kept)


def place_exposures(
    graph: Iterable[PlannedJob], exposures: Iterable[Exposure]
) -> tuple[PlannedJob, ...]:
    """Let jobs read the files of exposures that were fetched, or say why they cannot.

    Parameters
    ----------
    exposures
        As they are now; their headers are those that the graph was built of.
    """
    here = {exposure.name: exposure for exposure in exposures}
    return tuple(
        _place(job, here[job.exposure.name]) if job.exposure.name in here else job
        for job in graph
    )


def _place(job: PlannedJob, exposure: Exposure) -> PlannedJob:
    made = tuple(file for file in job.inputs if file.producer is not None)
    if job.stage is Stage.DETECTOR1:
        fresh = _detector1_job(exposure)
        return replace(fresh, inputs=(*fresh.inputs, *made))
    if job.association is None:  # nothing makes it, wherever its files are
        return replace(job, exposure=exposure)
    metafile = exposure.metafile if job.stage is Stage.SPEC2 else None
    return replace(
        job,
        inputs=(*made, *_plan_metafile(metafile)),
        exposure=exposure,
        defect=metafile.defect if metafile else None,
    )


def _is_of(job: PlannedJob, asked: Collection[str]) -> bool:
    if job.association is None:
        return job.defect is not None and job.exposure.name in asked
    return any(
        member.exptype == "science" and member.exposure in asked
        for member in job.association.members
    )


def _find_only_combined(associations: Iterable[Association]) -> set[str]:
    """Find the jobs whose calibrated exposures, but no spectra, level 3 reads."""
    members = [m for asn in associations if _level(asn) == 3 for m in asn.members]
    science = {_find_producer(m) for m in members if m.exptype == "science"}
    science -= {_find_producer(m) for m in members if m.exptype != "science"}
    return {f"{stage}:{product}" for stage, product in science}


def _reach(
    exposures: Iterable[Exposure], linked: Mapping[str, frozenset[str]]
) -> set[str]:
    """List the observations of exposures, and those that they are linked with."""
    reach: set[str] = set()
    for exposure in exposures:
        reach |= {exposure.observation, *linked.get(exposure.observation, ())}
    return reach


def _level(association: Association) -> int:
    return STAGES[stage_of(association)].level


def _detector1_job(exposure: Exposure) -> PlannedJob:
    raw = PlannedInput(
        name=member_file(exposure.name, RAW_SUFFIX),
        exptype="science",
        reason="the raw exposure itself",
        producer=None,
        path=str(exposure.path),
        size_bytes=exposure.size_bytes,
        mtime_ns=exposure.mtime_ns,
    )
    defect = f"{exposure.path.name}: {exposure.defect}" if exposure.defect else None
    # A few steps read the metafile; one that is missing concerns these alone.
    is_sound = exposure.metafile is not None and exposure.metafile.defect is None
    metafile = _plan_metafile(exposure.metafile if is_sound else None)
    inputs = (raw, *metafile)
    return PlannedJob(Stage.DETECTOR1, exposure.name, inputs, exposure, defect=defect)


def _unknown_job(exposure: Exposure, start_at: Stage) -> PlannedJob:
    """Make the job of a file of which only its name is known."""
    if start_at is Stage.DETECTOR1:
        return _detector1_job(exposure)
    before = get_stage_before(start_at)
    defect = f"{exposure.path.name}: {exposure.defect}"
    return PlannedJob(before, exposure.name, (), exposure, defect=defect)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What there is to read of the exposures."""

    by_name: Mapping[str, Exposure]
    """The exposures."""
    start_at: Stage
    """Stage that the run starts at."""

    def find(self, member: Member) -> CalibratedFile | None:
        """Find a member in the archive, with what is wrong; None if a job makes it."""
        if is_reached(_find_producer(member)[0], self.start_at):
            return None
        files = self.by_name[member.exposure].calibrated.values()
        for file in files:
            if file.path.name == member.expname:
                return file
        held = ", ".join(file.path.name for file in files) or "no calibrated file of it"
        why = f"expected it in the archive, which has {held}"
        return CalibratedFile(Path(member.expname), defect=why)


def _list_lacks(
    association: Association, lacks: Mapping[str, Iterable[Lack]]
) -> tuple[str, ...]:
    """List what the product of an association is the less for, each once."""
    level = _level(association)
    said = (
        str(each)
        for member in association.members
        if member.exptype == "science"
        for each in lacks.get(member.exposure, ())
        if each.level is not None and each.level <= level
    )
    return tuple(dict.fromkeys(said))


def _list_failed(
    associations: Iterable[Association], shelf: _Shelf
) -> list[PlannedJob]:
    """List the jobs that would have made what the archive lacks, each once."""
    jobs: dict[str, PlannedJob] = {}
    for association in associations:
        for member in association.members:
            file = shelf.find(member)
            if file is not None and file.defect is not None:
                stage, product = _find_producer(member)
                exposure = shelf.by_name[member.exposure]
                defect = f"{member.expname}: {file.defect}"
                job = PlannedJob(stage, product, (), exposure, defect=defect)
                jobs.setdefault(job.key, job)
    return [jobs[key] for key in sorted(jobs)]


def _list_unmade(
    associations: Iterable[Association], shelf: _Shelf, known: Collection[str]
) -> list[PlannedJob]:
    """List the jobs of members that no association makes, such as a PSF of SOSS."""
    jobs: dict[str, PlannedJob] = {}
    for association in associations:
        for member in association.members:
            stage, product = _find_producer(member)
            key = f"{stage}:{product}"
            if key not in known and shelf.find(member) is None:
                exposure = shelf.by_name[member.exposure]
                defect = (
                    f"{association.product_name} needs {member.expname} as "
                    f"{member.exptype}, and no association makes it"
                )
                job = PlannedJob(stage, product, (), exposure, defect=defect)
                jobs.setdefault(key, job)
    return [jobs[key] for key in sorted(jobs)]


def _association_job(
    association: Association,
    shelf: _Shelf,
    unknown: Iterable[PlannedJob],
    linked: Mapping[str, frozenset[str]],
) -> PlannedJob:
    members = tuple(association.members)
    science = next(m for m in members if m.exptype == "science")
    reach = _reach((shelf.by_name[member.exposure] for member in members), linked)
    stage, exposure = stage_of(association), shelf.by_name[science.exposure]
    metafile = exposure.metafile if stage is Stage.SPEC2 else None
    others = (member for member in members if member is not science)
    return PlannedJob(
        stage=stage,
        name=association.product_name,
        inputs=(
            *(_plan_input(member, shelf) for member in (science, *others)),
            *_plan_metafile(metafile),
        ),
        exposure=exposure,
        association=association,
        defect=metafile.defect if metafile else None,
        doubts=tuple(
            job.key
            for job in unknown
            if job.exposure.observation in reach and association.asn_type not in _ALONE
        ),
    )


def _plan_input(member: Member, shelf: _Shelf) -> PlannedInput:
    file = shelf.find(member)
    if file is None or file.defect is not None:
        stage, product = _find_producer(member)
        producer = f"{stage}:{product}"
        return PlannedInput(member.expname, member.exptype, member.reason, producer)
    return PlannedInput(
        name=member.expname,
        exptype=member.exptype,
        reason=member.reason,
        producer=None,
        path=str(file.path),
        size_bytes=file.size_bytes,
        mtime_ns=file.mtime_ns,
        calibrated=file,
    )


def _find_producer(member: Member) -> tuple[Stage, str]:
    """Give stage and product name of the job that makes a member."""
    product, _, suffix = member.expname.removesuffix(".fits").rpartition("_")
    return find_maker(suffix), product


def _plan_metafile(metafile: Metafile | None) -> Iterator[PlannedInput]:
    """Plan to read what the shutters are, which only the world coordinates need."""
    if metafile is not None:
        reason = "the shutters of the science exposure (MSAMETFL)"
        yield PlannedInput(
            name=metafile.name,
            exptype=METAFILE,
            reason=reason,
            producer=None,
            path=str(metafile.path),
            size_bytes=metafile.size_bytes,
            mtime_ns=metafile.mtime_ns,
        )


def _to_exposure(file: RejectedFile) -> Exposure:
    """Make of a file that was rejected what its name tells."""
    return Exposure(
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
