"""What known issues are held against: exposures, and how they are processed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from config.recipe import AssociationChoice, Recipe
from workers.contract import Parameters, Stage

__all__ = ["Situation", "StageUse", "make_recipe_situation"]


@dataclass(frozen=True, slots=True)
class StageUse:
    """How a stage processes an exposure."""

    parameters: Parameters
    """What is set of it: the effective parameters, or before these are known those of
    the recipe."""
    references: Mapping[str, bool] = field(default_factory=dict)
    """Types of references that it asks for, and whether it takes a file; none before
    they are resolved."""
    exposures: int = 1
    """How many exposures go into its product, as `ParameterSet.max_exposures` counts
    them."""
    changes: frozenset[str] = frozenset()
    """Names of the edits that it makes, and kinds of the files of users that it
    reads."""
    backgrounds: int | None = None
    """How many background exposures it reads; None before associations are made."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Exposures, and how they are processed."""

    exposures: Mapping[str, Mapping[str, str]]
    """Facts of the exposures (`config.match.read_facts`), by name."""
    stages: frozenset[Stage]
    """The stages that process any of them."""
    find_use: Callable[[Stage, str], StageUse | None]
    """Finds how a stage processes an exposure as science; None if it does not."""
    jwst: str | None
    """Version of `jwst`; None if it is not known."""
    context: str | None
    """CRDS context; None if it is not known."""
    associations: AssociationChoice | None
    """What the recipe asks of the associations; None if it is not known."""


def make_recipe_situation(
    exposures: Mapping[str, Mapping[str, str]],
    recipe: Recipe,
    *,
    stages: frozenset[Stage] = frozenset(Stage),
    jwst: str | None,
    context: str | None,
) -> Situation:
    """Make the situation before anything is resolved: the recipe alone is known."""

    def find_use(stage: Stage, name: str) -> StageUse:
        facts = exposures[name]
        edits = (one.edit for one in recipe.edits if one.match.fits(facts))
        files = (one.kind for one in recipe.files if one.fits(facts))
        return StageUse(
            recipe.select_parameters(stage.value, [facts]),
            changes=frozenset((*edits, *files)),
        )

    return Situation(exposures, stages, find_use, jwst, context, recipe.associations)
