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
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import RecipeError
from .problems import list_problems

__all__ = ["AssociationChoice", "ParameterSet", "Recipe", "list_recipes", "load_recipe"]

_FORBIDDEN = re.compile(
    r"override_.*|user_.*|(pre|post)_hooks|config_file|logcfg|output_.*|input_.*"
    r"|.*_file|ta_file|bkg_list|suffix|class|name|maximum_cores"
)
"""Parameters that name files, code or places, or that take more than one core."""


class AssociationChoice(BaseModel):
    """What a recipe asks of the associations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backgrounds: Literal["same-program", "none"] = "same-program"
    """Which dedicated background exposures join the science of a program."""
    selfcal: bool = False
    """Whether exposures of the same detector and optics join as selfcal members."""


class ParameterSet(BaseModel):
    """Parameters of one stage, for all exposures or those of some EXP_TYPEs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: Literal["detector1", "spec2", "spec3", "tso3"]
    """Stage that they are of."""
    exp_types: tuple[str, ...] = ()
    """EXP_TYPEs that they are for; none means all."""
    pipeline: Mapping[str, bool | int | float | str] = Field(default_factory=dict)
    """Parameters of the pipeline itself."""
    steps: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    """Parameters of its steps."""


class _RecipeFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    associations: AssociationChoice = AssociationChoice()
    parameters: tuple[ParameterSet, ...] = ()


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
    parameters: tuple[ParameterSet, ...]
    """Parameters that it sets; of two sets, the later one wins."""

    def select_parameters(self, stage: str, exp_type: str) -> Mapping[str, Any]:
        """Give the parameters for a stage and an EXP_TYPE, those of steps below."""
        pipeline: dict[str, Any] = {}
        steps: dict[str, dict[str, Any]] = {}
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
    text = _read(name)
    try:
        parsed = _RecipeFile.model_validate(tomllib.loads(text))
    except ValidationError as error:
        problems = list_problems(error)
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
        Path(name).stem, parsed.title, sha256, parsed.associations, parsed.parameters
    )


def _read(name: str) -> str:
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
    """Give every name, those of the steps of a step included."""
    for name, value in parameters.items():
        yield name
        if isinstance(value, Mapping):
            yield from _walk(value)
