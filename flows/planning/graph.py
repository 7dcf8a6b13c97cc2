"""The graph of jobs that a set of associations needs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flows.models import Association, Exposure, Member, RejectedFile
from flows.names import member_file
from workers.contract import Stage

__all__ = ["PlannedInput", "PlannedJob", "build_graph"]

_STAGES = {
    "spec2": Stage.SPEC2,
    "tso-spec2": Stage.SPEC2,
    "spec3": Stage.SPEC3,
    "tso3": Stage.TSO3,
}
"""The stage that makes the product of an association, by its type."""

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
    """Key of the job that makes it; None for a raw file."""


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
    """Why it cannot run whatever its inputs: a damaged or unreadable raw file."""

    @property
    def key(self) -> str:
        """Its identity within a run, ``stage:name``."""
        return f"{self.stage}:{self.name}"

    @property
    def producers(self) -> tuple[str, ...]:
        """Keys of the jobs whose products it reads, each once."""
        keys = (file.producer for file in self.inputs)
        return tuple(dict.fromkeys(key for key in keys if key is not None))


def build_graph(
    exposures: Iterable[Exposure],
    associations: Iterable[Association],
    rejected: Iterable[RejectedFile] = (),
) -> tuple[PlannedJob, ...]:
    """Build the jobs of a set of associations, producers before what needs them.

    Parameters
    ----------
    rejected
        Raw files of which nothing can be told. What they might have been a member
        of, the associations of the same observation, must not become smaller
        without a word, so these jobs carry the defect.
    """
    by_name = {exposure.name: exposure for exposure in exposures}
    documents = sorted(associations, key=lambda asn: (_level(asn), asn.product_name))
    unknown = {(file.program, file.observation): file for file in rejected}
    needed = sorted({m.exposure for asn in documents for m in asn.members})
    return (
        *(_detector1_job(by_name[name]) for name in needed),
        *(_association_job(asn, by_name, unknown) for asn in documents),
    )


def _level(association: Association) -> int:
    return 2 if _STAGES[association.asn_type] is Stage.SPEC2 else 3


def _detector1_job(exposure: Exposure) -> PlannedJob:
    raw = PlannedInput(
        member_file(exposure.name, "uncal"), "science", "the raw exposure itself", None
    )
    return PlannedJob(
        Stage.DETECTOR1, exposure.name, (raw,), exposure, defect=exposure.defect
    )


def _association_job(
    association: Association,
    by_name: Mapping[str, Exposure],
    unknown: Mapping[tuple[str, str], RejectedFile],
) -> PlannedJob:
    members = tuple(association.members)
    science = next(m for m in members if m.exptype == "science")
    exposures = [by_name[member.exposure] for member in members]
    return PlannedJob(
        stage=_STAGES[association.asn_type],
        name=association.product_name,
        inputs=tuple(_plan_inputs(members, science)),
        exposure=by_name[science.exposure],
        association=association,
        defect=_find_unknown(exposures, unknown),
    )


def _plan_inputs(members: Iterable[Member], science: Member) -> Iterator[PlannedInput]:
    yield _plan_input(science)
    for member in members:
        if member is not science:
            yield _plan_input(member)


def _plan_input(member: Member) -> PlannedInput:
    product, _, suffix = member.expname.removesuffix(".fits").rpartition("_")
    stage = Stage.DETECTOR1 if suffix in _FROM_DETECTOR1 else Stage.SPEC2
    producer = f"{stage}:{product}"
    return PlannedInput(member.expname, member.exptype, member.reason, producer)


def _find_unknown(
    exposures: Iterable[Exposure],
    unknown: Mapping[tuple[str, str], RejectedFile],
) -> str | None:
    for exposure in exposures:
        file = unknown.get((exposure.program, exposure.observation))
        if file is not None:
            return (
                f"{file.path.name} of the same observation may belong to this "
                f"association, but cannot be told: {file.reason}"
            )
    return None
