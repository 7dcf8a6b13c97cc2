"""Recipes: how to reprocess, as TOML data without logic.

A recipe chooses among associations and sets parameters of pipelines over those of
the context. It can never name files, hooks or code: a request must not make a worker
read or run anything but the pipeline and its references.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import RecipeError

StageName = Literal["detector1", "spec2", "spec3", "tso3"]
"""Stages that a recipe can set parameters of."""

__all__ = ["AssociationChoice", "Recipe", "list_recipes", "load_recipe"]

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


class _RecipeFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    associations: AssociationChoice = AssociationChoice()
    parameters: dict[Literal["detector1", "spec2", "spec3", "tso3"], dict[str, Any]] = (
        Field(default_factory=dict)
    )


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
    parameters: Mapping[StageName, Mapping[str, Any]]
    """Parameters by stage; those of steps below ``steps``."""


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
    except (tomllib.TOMLDecodeError, ValidationError) as error:
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


def _find_forbidden(parameters: Mapping[Any, Any], where: str = "") -> Iterator[str]:
    for name, value in parameters.items():
        path = f"{where}.{name}".removeprefix(".")
        if isinstance(value, Mapping):
            yield from _find_forbidden(value, path)
        elif _FORBIDDEN.fullmatch(name):
            yield path
