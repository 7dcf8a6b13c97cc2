"""What a scientist must know of a job, as the plan of a run knows it before it runs.

It is told by the plan alone, never by what a reused product was made with: a product
may be reused by a run that lacks more, or less, than the run that made it.
"""

from collections.abc import Iterable, Iterator, Mapping

from flows.models.exposures import CalibratedFile
from workers.contract import Caveat, CaveatKind

from .binding import Made, split_inputs
from .graph import PlannedInput, PlannedJob

__all__ = ["list_caveats"]


def list_caveats(
    planned: PlannedJob, made: Mapping[str, Made], *, here: str
) -> tuple[Caveat, ...]:
    """List what is known of a job before it runs, each caveat once.

    Parameters
    ----------
    made
        What each producer made, or is going to make, by key.
    here
        Software and context of this run, in words.
    """
    kept, left_out = split_inputs(planned, made)
    partial = _list_partial(planned, left_out, made)
    elsewhere = _list_elsewhere(kept, made, here)
    return tuple(dict.fromkeys([*partial, *elsewhere]))


def _list_partial(
    planned: PlannedJob, left_out: Iterable[PlannedInput], made: Mapping[str, Made]
) -> Iterator[Caveat]:
    """List what should be there and is done without, with why."""
    wanting = {file.name: made[file.producer or ""] for file in left_out}
    wanting |= {key: made[key] for key in planned.doubts}
    said = [
        *planned.lacking,
        *(
            f"made without {name} ({source.without})"
            for name, source in wanting.items()
            if source.partial
        ),
    ]
    yield from (Caveat(CaveatKind.PARTIAL, each) for each in said)
    for key in planned.producers:
        yield from _pass_on(made[key], CaveatKind.PARTIAL)


def _list_elsewhere(
    kept: Iterable[PlannedInput], made: Mapping[str, Made], here: str
) -> Iterator[Caveat]:
    """List inputs that were not calibrated as this job is, and what theirs were."""
    by_making: dict[str, list[str]] = {}
    inherited: list[Caveat] = []
    for file in kept:
        if file.calibrated is not None:
            making = _tell_making(file.calibrated)
            by_making.setdefault(making, []).append(file.name)
        elif file.producer is not None:
            inherited += _pass_on(made[file.producer], CaveatKind.MIXED_PROVENANCE)
    by_making.pop(here, None)
    for making, names in by_making.items():
        said = f"{', '.join(names)}: calibrated elsewhere with {making}, used with "
        yield Caveat(CaveatKind.MIXED_PROVENANCE, said + here)
    yield from inherited


def _tell_making(file: CalibratedFile) -> str:
    software = file.software or "of an unknown version"
    return f"jwst {software} in {file.context or 'an unknown context'}"


def _pass_on(made: Made, kind: CaveatKind) -> Iterator[Caveat]:
    return (caveat for caveat in made.caveats if caveat.kind is kind)
