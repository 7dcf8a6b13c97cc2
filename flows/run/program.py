"""The program that is asked for: its exposures, and their associations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from config.errors import RecipeError
from config.recipe import Recipe
from workers.contract import Stage

from ..archive import Archive, BroughtFiles
from ..associations import PoolRow, associate_rows, choose_rows
from ..errors import ArchiveError, UnknownObservationError
from ..models.associations import AssociationSet
from ..models.brought import PutFile
from ..models.exposures import Inventory, UnusableFile
from ..names import check_observations, check_program
from ..stages import STAGES, STARTS, is_reached, stage_of

__all__ = ["Associated", "Found", "Request", "associate", "find", "find_brought"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for."""

    program: str
    """Five digits."""
    observations: tuple[str, ...] = ()
    """Three digits each; none means all."""
    recipe: str = "official"
    """Name or path of the recipe."""
    context: str | None = None
    """CRDS context, or None for that of the settings."""
    allow_partial: bool = False
    """Whether to go on without members whose jobs failed."""
    start_at: Stage = Stage.DETECTOR1
    """Stage to start at, one of `STARTS`; what earlier ones make is in the archive."""
    jobs: tuple[str, ...] = ()
    """Keys of the only jobs that are wanted, with what they need; none means all."""
    retries: str | None = None
    """Id of the run of which these jobs are tried again."""
    basis: str | None = None
    """What a watch saw of all that it rests on, as JSON (`flows.watching.Basis`)."""
    force: bool = False
    """Whether every change counts, whatever the policy of the site."""
    only_stage: Stage | None = None
    """The only stage that is wanted, with what it needs; None means all."""
    policy: Mapping[str, str] = field(default_factory=dict)
    """What goes before the policy of the site (`config.policy.Policy.refine`)."""

    def __post_init__(self) -> None:
        """Refuse malformed ids before anything is done.

        Raises
        ------
        IdError
            The program is not five digits, or an observation not three.
        """
        check_program(self.program)
        check_observations(self.observations)


@dataclass(frozen=True, slots=True)
class Found:
    """The exposures of a program."""

    request: Request
    """What is asked for."""
    recipe: Recipe
    """The recipe that it names."""
    inventory: Inventory
    """What the archive holds of the whole program."""


@dataclass(frozen=True, slots=True)
class Associated:
    """The associations of a program."""

    found: Found
    """The exposures."""
    rows: tuple[PoolRow, ...]
    """What was associated: the pool of DMS, or the headers."""
    associations: AssociationSet
    """Those of the whole program, of the stages that the run comes to."""
    whole: AssociationSet
    """Those of all stages."""
    unusable: tuple[UnusableFile, ...]
    """Files that may be members and cannot be used, or are not there."""
    linked: Mapping[str, frozenset[str]]
    """Observations that share a candidate with an observation."""
    notes: tuple[str, ...]
    """What a scientist must know of the choice."""


def find_brought(recipe: Recipe, data_dir: Path) -> tuple[PutFile, ...]:
    """Find the files that a recipe names, in its order, and verify them.

    Raises
    ------
    RecipeError
        One is not there, or is of another kind.
    ArchiveError
        One is not what was put there.
    """
    brought = BroughtFiles(data_dir)
    found = [(asked, brought.find(asked.sha256)) for asked in recipe.files]
    problems = []
    for asked, file in found:
        if file is None:
            problems.append(
                f"no file of sha256 {asked.sha256} ({asked.kind}) was put into "
                f"{data_dir}: put it there with `rewebb put FILE`, or correct the "
                "sha256 (`rewebb put --list`)"
            )
        elif file.kind != asked.kind:
            problems.append(
                f"{asked.describe()} is a file of kind {file.kind} (brought as "
                f"{file.brought_as})"
            )
    if problems:
        raise RecipeError(
            f"The recipe {recipe.name} cannot be used: {'; '.join(problems)}."
        )
    return tuple(file for _, file in found if file is not None)


def find(request: Request, recipe: Recipe, archive: Archive) -> Found:
    """Find the exposures of a program.

    Raises
    ------
    ArchiveError, UnknownProgramError, UnknownObservationError
        There is nothing to do.
    """
    inventory = archive.find(request.program)
    _refuse_late_start(request, inventory)
    _refuse_unknown_observations(request, inventory)
    return Found(request, recipe, inventory)


def associate(
    found: Found,
    *,
    official: bool = False,
    has_grisms: bool = False,
    candidates: Sequence[str] | None = None,
) -> Associated:
    """Build the associations of a program.

    Parameters
    ----------
    official
        Whether to follow the official rules to the letter instead of the recipe.
    has_grisms
        Whether exposures through grisms without a slit are associated; a run cannot
        process them, since nothing combines their direct images yet.
    candidates
        Ids of the candidates to look at (``o001``, ``c1000``); all if None.

    Raises
    ------
    PoolError
        The file in the archive is not a pool.
    """
    choice = None if official else found.recipe.associations
    inventory, start_at = found.inventory, found.request.start_at
    chosen = choose_rows(inventory, choice.candidates if choice else ())
    made = associate_rows(
        chosen.rows,
        choice,
        has_grisms=official or has_grisms,
        candidates=candidates,
        exposures={exposure.name: exposure for exposure in inventory.exposures},
    )
    due = tuple(a for a in made.associations if is_reached(stage_of(a), start_at))
    return Associated(
        found=found,
        rows=chosen.rows,
        associations=replace(
            made, associations=due, lacking=(*chosen.lacking, *made.lacking)
        ),
        unusable=(*inventory.unusable, *inventory.withheld_files, *chosen.missing),
        linked=chosen.linked,
        notes=(*chosen.notes, *_list_unused_choices(found.recipe, start_at)),
        whole=made,
    )


def _refuse_late_start(request: Request, inventory: Inventory) -> None:
    """Refuse to start where nothing was made yet."""
    start_at = request.start_at
    if start_at is Stage.DETECTOR1:
        return
    own = STAGES[start_at].reads
    if not any(set(own) & set(e.calibrated) for e in inventory.exposures):
        raise ArchiveError(
            f"Program {request.program} cannot start at {start_at}: the "
            f"archive has no {' or '.join(sorted(own))} file of it."
        )


def _refuse_unknown_observations(request: Request, inventory: Inventory) -> None:
    held = {exposure.observation for exposure in inventory.exposures}
    held |= {file.observation for file in inventory.unusable}
    if missing := sorted(set(request.observations) - held):
        raise UnknownObservationError(
            f"unknown observation {', '.join(missing)} of program "
            f"{request.program}: the archive holds {', '.join(sorted(held))}"
            + "".join(f"; {said}" for said in inventory.withheld)
        )


def _list_unused_choices(recipe: Recipe, start_at: Stage) -> tuple[str, ...]:
    """List what the recipe sets for stages that the run does not come to."""
    given = {Stage(one.stage) for one in recipe.parameters}
    return tuple(
        f"what the recipe {recipe.name} sets for {stage} is not applied: the run "
        f"starts at {start_at}"
        for stage in STARTS
        if stage in given and not is_reached(stage, start_at)
    )
