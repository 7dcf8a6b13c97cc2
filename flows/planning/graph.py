"""The graph of jobs that a set of associations needs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from flows.models import Association, Exposure, Member, Metafile, RejectedFile, Role
from flows.names import member_file
from workers.contract import METAFILE, Stage

__all__ = ["PlannedInput", "PlannedJob", "build_graph"]

_STAGES = {
    "spec2": Stage.SPEC2,
    "tso-spec2": Stage.SPEC2,
    "spec3": Stage.SPEC3,
    "tso3": Stage.TSO3,
}
"""The stage that makes the product of an association, by its type."""

_ALONE = frozenset({"tso-spec2"})
"""Types of associations whose only member is their science: no file is missing."""

_FROM_DETECTOR1 = frozenset({"rate", "rateints"})
"""Suffixes of the members that detector1 makes; spec2 makes the others."""


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
    """The first science exposure; its raw header decides references and parameters."""
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
) -> tuple[PlannedJob, ...]:
    """Build the jobs of a set of associations, producers before what needs them.

    Parameters
    ----------
    rejected
        Raw files of which nothing can be told but their names, or that cannot be had.
        What they may be a member of, associations of the same observation or of one
        that it is linked with, must not become smaller without a word: each file has
        a job that cannot run, and these need it.
    linked
        Observations that share a candidate with an observation.
    """
    by_name = {exposure.name: exposure for exposure in exposures}
    documents = sorted(associations, key=lambda asn: (_level(asn), asn.product_name))
    needed = sorted({m.exposure for asn in documents for m in asn.members})
    reach = _reach((by_name[name] for name in needed), linked)
    unknown = [
        _detector1_job(_to_exposure(file))
        for file in sorted(rejected, key=lambda file: file.path.name)
        if file.observation in reach
    ]
    combined = _find_only_combined(documents)
    return (
        *(_detector1_job(by_name[name]) for name in needed),
        *unknown,
        *(
            replace(job, only_combined=job.key in combined)
            for asn in documents
            for job in [_association_job(asn, by_name, unknown, linked)]
        ),
    )


def _find_only_combined(associations: Iterable[Association]) -> set[str]:
    """Find the jobs whose calibrated exposures, but no spectra, level 3 reads."""
    members = [m for asn in associations if _level(asn) == 3 for m in asn.members]
    science = {_producer(m) for m in members if m.exptype == "science"}
    return science - {_producer(m) for m in members if m.exptype != "science"}


def _reach(
    exposures: Iterable[Exposure], linked: Mapping[str, frozenset[str]]
) -> set[str]:
    """List the observations of exposures, and those that they are linked with."""
    reach: set[str] = set()
    for exposure in exposures:
        reach |= {exposure.observation, *linked.get(exposure.observation, ())}
    return reach


def _level(association: Association) -> int:
    return 2 if _STAGES[association.asn_type] is Stage.SPEC2 else 3


def _detector1_job(exposure: Exposure) -> PlannedJob:
    raw = PlannedInput(
        name=member_file(exposure.name, "uncal"),
        exptype="science",
        reason="the raw exposure itself",
        producer=None,
        path=str(exposure.path),
    )
    defect = f"{exposure.path.name}: {exposure.defect}" if exposure.defect else None
    return PlannedJob(Stage.DETECTOR1, exposure.name, (raw,), exposure, defect=defect)


def _association_job(
    association: Association,
    by_name: Mapping[str, Exposure],
    unknown: Iterable[PlannedJob],
    linked: Mapping[str, frozenset[str]],
) -> PlannedJob:
    members = tuple(association.members)
    science = next(m for m in members if m.exptype == "science")
    reach = _reach((by_name[member.exposure] for member in members), linked)
    stage, exposure = _STAGES[association.asn_type], by_name[science.exposure]
    metafile = exposure.metafile if stage is Stage.SPEC2 else None
    return PlannedJob(
        stage=stage,
        name=association.product_name,
        inputs=(*_plan_inputs(members, science), *_plan_metafile(metafile)),
        exposure=exposure,
        association=association,
        defect=metafile.defect if metafile else None,
        doubts=tuple(
            job.key
            for job in unknown
            if job.exposure.observation in reach and association.asn_type not in _ALONE
        ),
    )


def _plan_inputs(members: Iterable[Member], science: Member) -> Iterator[PlannedInput]:
    yield _plan_input(science)
    for member in members:
        if member is not science:
            yield _plan_input(member)


def _plan_input(member: Member) -> PlannedInput:
    return PlannedInput(
        member.expname, member.exptype, member.reason, _producer(member)
    )


def _producer(member: Member) -> str:
    """Give the key of the job that makes a member."""
    product, _, suffix = member.expname.removesuffix(".fits").rpartition("_")
    stage = Stage.DETECTOR1 if suffix in _FROM_DETECTOR1 else Stage.SPEC2
    return f"{stage}:{product}"


def _plan_metafile(metafile: Metafile | None) -> Iterator[PlannedInput]:
    """Plan to read what the shutters are, which only the world coordinates need."""
    if metafile is not None:
        reason = "the shutters of the science exposure (MSAMETFL)"
        yield PlannedInput(
            metafile.name, METAFILE, reason, producer=None, path=str(metafile.path)
        )


def _to_exposure(file: RejectedFile) -> Exposure:
    """Make of a file that was rejected what its name tells."""
    return Exposure(
        name=file.path.name.removesuffix("_uncal.fits"),
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
