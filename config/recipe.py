"""Recipes: how to reprocess, as TOML data without logic.

A recipe chooses among associations and sets parameters of pipelines over those of
the context. It can never name files, hooks or code: a request must not make a worker
read or run anything but the pipeline and its references.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from .errors import RecipeError
from .problems import list_problems

__all__ = [
    "AssociationChoice",
    "LinkedObservations",
    "MemberRule",
    "ParameterSet",
    "ProductChoice",
    "Recipe",
    "list_recipes",
    "load_recipe",
    "read_recipe",
]

_FORBIDDEN = re.compile(
    r"override_.*|user_.*|(pre|post)_hooks|config_file|logcfg|output_(?!type).*"
    r"|input_.*|.*_file|ta_file|bkg_list|suffix|class|name|maximum_cores"
    r"|save_persistence|wfss_mask|soss_wave_grid_(in|out)|(int|opt)_name"
    r"|dark_output|soss_(estimate|modelname)|grism_objects"
)
"""Parameters that name files, code or places, or that take more than one core.

The ``output_type`` of `cube_build` names none: it tells what goes into one cube. This
is said when a recipe is read; workers refuse by the types that the steps give."""


_Observation = Annotated[str, StringConstraints(pattern=r"^[0-9]{3}$")]
"""Id of an observation."""


class _Table(BaseModel):
    """A table of a recipe, which has no other keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LinkedObservations(_Table):
    """Observations that the proposal links, which no header tells."""

    id: str = Field(pattern=r"^c1[0-9]{3}$")
    """Candidate: ``c1000``, ..."""
    type: Literal["background", "group", "mosaic"]
    """What they are to each other."""
    observations: tuple[_Observation, ...] = Field(min_length=2)
    """Three digits each."""


class MemberRule(_Table):
    """Members to put in, or to leave out; patterns are those of a shell."""

    exposure: str = Field(min_length=1)
    """Pattern of the exposures."""
    exptype: Literal["background", "imprint", "selfcal", "target_acquisition", "*"]
    """As what; ``*`` for any, of those left out."""
    product: str = "*"
    """Pattern of the products."""


class AssociationChoice(_Table):
    """What a recipe asks of the associations."""

    backgrounds: Literal["same-program", "linked", "none"] = "same-program"
    """Which dedicated background exposures join the science of a program."""
    background_observations: tuple[_Observation, ...] = ()
    """Observations that are off-scene backgrounds, whatever their headers say."""
    background_targets: tuple[str, ...] = ()
    """Names of targets that are."""
    nod_backgrounds: Literal["on", "off", "both"] = "on"
    """Whether nods are each other's background; ``both`` processes the MSA twice."""
    selfcal: bool | Literal["all"] = False
    """Whether exposures of the same detector and optics join as selfcal members;
    ``all``: leakcals too."""
    imprints: bool = True
    """Whether leakcals are members."""
    background_imprints: bool = True
    """Whether those of the backgrounds are."""
    imprints_as_science: bool = False
    """Whether leakcals are processed to spectra of their own."""
    level3: Literal["observation", "target"] = "observation"
    """Whether spec3 joins a target by observation, or over all observations."""
    candidates: tuple[LinkedObservations, ...] = ()
    """What the proposal links besides the observations."""
    include: tuple[MemberRule, ...] = ()
    """Members to put in."""
    exclude: tuple[MemberRule, ...] = ()
    """Members to leave out; science stays."""

    @field_validator("include")
    @classmethod
    def _names_exptype(cls, rules: tuple[MemberRule, ...]) -> tuple[MemberRule, ...]:
        """Refuse to put in members without saying as what."""
        if any(rule.exptype == "*" for rule in rules):
            raise ValueError("expected the exptype of members to put in, got '*'")
        return rules


class ProductChoice(_Table):
    """What a recipe asks of the products."""

    exposure_cubes: Literal["all", "needed"] = "all"
    """Of which IFU and MRS exposures spec2 makes cubes and spectra, as DMS does;
    ``needed``: only of those that spec3 does not combine, and of backgrounds whose
    spectra it reads. Other products are the same."""


class ParameterSet(_Table):
    """Parameters of one stage, for all exposures or those of some EXP_TYPEs."""

    stage: Literal["detector1", "spec2", "spec3", "tso3"]
    """Stage that they are of."""
    exp_types: tuple[str, ...] = ()
    """EXP_TYPEs that they are for; none means all."""
    pipeline: Mapping[str, bool | int | float | str] = Field(default_factory=dict)
    """Parameters of the pipeline itself."""
    steps: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    """Parameters of its steps."""


class _RecipeFile(_Table):
    title: str
    associations: AssociationChoice = AssociationChoice()
    products: ProductChoice = ProductChoice()
    parameters: tuple[ParameterSet, ...] = ()


_KEYS = {
    name: f"{table}{name}"
    for table, model in (
        ("associations.candidates.", LinkedObservations),
        ("associations.include.", MemberRule),
        ("associations.", AssociationChoice),
        ("products.", ProductChoice),
        ("parameters.", ParameterSet),
        ("", _RecipeFile),
    )
    for name in model.model_fields
}
"""Where each key belongs."""

_CUBE_EXP_TYPES = frozenset({"NRS_IFU", "MIR_MRS"})
"""EXP_TYPEs of which spec2 makes a cube."""

_NO_CUBES = {"cube_build": {"skip": True}, "extract_1d": {"skip": True}}
"""Parameters of the steps of spec2 that make no cube and no spectrum."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to reprocess."""

    name: str
    """Name of a packaged recipe, or stem of the file."""
    title: str
    """What it does, in one sentence."""
    sha256: str
    """Hash of its text."""
    associations: AssociationChoice
    """What it asks of the associations."""
    products: ProductChoice
    """What it asks of the products."""
    parameters: tuple[ParameterSet, ...]
    """Parameters that it sets; of two sets, the later one wins."""

    def select_parameters(
        self, stage: str, exp_type: str, *, only_combined: bool = False
    ) -> Mapping[str, Any]:
        """Return the parameters for a stage and an EXP_TYPE, those of steps below.

        Parameters
        ----------
        only_combined
            Whether spec3 reads the calibrated exposure, and nothing its spectra.
        """
        pipeline: dict[str, Any] = {}
        steps: dict[str, dict[str, Any]] = {}
        drops_cubes = stage == "spec2" and self.products.exposure_cubes != "all"
        if only_combined and drops_cubes and exp_type in _CUBE_EXP_TYPES:
            steps |= _NO_CUBES
        for given in self.parameters:
            if given.stage == stage and exp_type in (given.exp_types or (exp_type,)):
                pipeline |= given.pipeline
                for step, parameters in given.steps.items():
                    steps[step] = steps.get(step, {}) | dict(parameters)
        return pipeline | {"steps": steps} if steps else pipeline


def list_recipes() -> tuple[str, ...]:
    """List the names of the packaged recipes."""
    folder = resources.files("config").joinpath("recipes")
    return tuple(sorted(Path(file.name).stem for file in folder.iterdir()))


def load_recipe(name: str) -> Recipe:
    """Load a packaged recipe by name, or any recipe by path.

    Parameters
    ----------
    name
        A name of `list_recipes`, or the path of a ``.toml`` file.

    Raises
    ------
    RecipeError
        There is no such recipe, it cannot be read, or it holds what it may not.
    """
    text = read_recipe(name)
    try:
        parsed = _RecipeFile.model_validate(tomllib.loads(text))
    except ValidationError as error:
        problems = list_problems(error, _KEYS)
        raise RecipeError(f"The recipe {name} cannot be used: {problems}") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"The recipe {name} cannot be used: {error}") from error
    if refused := sorted(_find_forbidden(parsed.parameters)):
        raise RecipeError(
            f"The recipe {name} sets {', '.join(refused)}: a recipe sets neither "
            "files, hooks nor places."
        )
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return Recipe(
        name=Path(name).stem,
        title=parsed.title,
        sha256=sha256,
        associations=parsed.associations,
        products=parsed.products,
        parameters=parsed.parameters,
    )


def read_recipe(name: str) -> str:
    """Read the text of a recipe.

    Raises
    ------
    RecipeError
        There is no such recipe, or its file cannot be read.
    """
    if name in list_recipes():
        folder = resources.files("config").joinpath("recipes")
        return folder.joinpath(f"{name}.toml").read_text()
    path = Path(name)
    if path.suffix != ".toml":
        raise RecipeError(
            f"Unknown recipe {name!r}: expected one of {', '.join(list_recipes())}, "
            "or the path of a .toml file."
        )
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error}") from error


def _find_forbidden(parameters: Iterable[ParameterSet]) -> Iterator[str]:
    for given in parameters:
        names = {name: name for name in _walk(given.pipeline)}
        for step, of_step in given.steps.items():
            names |= {f"{step}.{name}": name for name in _walk(of_step)}
        for where, name in names.items():
            if _FORBIDDEN.fullmatch(name):
                yield f"{given.stage}.{where}"


def _walk(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Return every name, those of the steps of a step included."""
    for name, value in parameters.items():
        yield name
        if isinstance(value, Mapping):
            yield from _walk(value)
