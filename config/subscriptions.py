"""Subscriptions: what is watched in an archive, and what a night of it may cost.

One TOML file; a packaged example shows all that it may hold.
"""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from .errors import SubscriptionError
from .match import to_tuple
from .policy import Policy
from .problems import list_problems
from .recipe import load_recipe

__all__ = ["Budget", "Subscription", "Subscriptions", "load_subscriptions"]

_MOST_BYTES: Final = 1_000_000
"""Far more than anybody writes."""

_EXAMPLE: Final = "subscriptions.toml"

_Program = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}$")]

_Text = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]*$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Budget(_Table):
    """What the runs of a night may cost together, as it is expected; none is no limit.

    A program that alone costs more runs on a night of its own.
    """

    jobs: int | None = Field(default=None, ge=1)
    """Jobs."""
    cpu_hours: float | None = Field(default=None, gt=0)
    """CPU time."""
    disk_gb: float | None = Field(default=None, gt=0)
    """Products, in 1e9 bytes."""


class Subscription(_Table):
    """Exposures that are to be kept processed, and how."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """What messages call it; unique in the file."""
    programs: Annotated[tuple[_Program, ...], BeforeValidator(to_tuple)] = ()
    """Ids of programs, strings of five digits; any of them."""
    targets: Annotated[tuple[_Text, ...], BeforeValidator(to_tuple)] = ()
    """Names of targets (TARGPROP), ``*`` stands for anything; any of them. With
    programs, those of these programs."""
    cycles: Annotated[
        tuple[Annotated[int, Field(ge=0, le=99)], ...], BeforeValidator(to_tuple)
    ] = ()
    """Proposal cycles; any of them. With programs or targets, what they have of it."""
    modes: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_-]+$")], ...],
        BeforeValidator(to_tuple),
    ] = ()
    """EXP_TYPEs (``NRS_IFU``, ``MIR_MRS``); any of them, by default all that Rewebb
    processes."""
    policy: Policy = Policy()
    """What is set of it goes before the policy of the settings, for these programs."""
    recipe: _Text = "official"
    """Name of a packaged recipe, or path of a file, from the folder of this one."""

    @model_validator(mode="after")
    def _refuse_everything(self) -> Self:
        if not (self.programs or self.targets or self.cycles):
            raise ValueError("expected `programs`, `targets` or `cycles`, or several")
        return self


class Subscriptions(_Table):
    """What is watched."""

    budget: Budget = Budget()
    """For all subscriptions together."""
    subscriptions: tuple[Subscription, ...] = Field(alias="subscription", min_length=1)
    """In the order in which they count, where two ask for one program."""

    @model_validator(mode="after")
    def _refuse_doubles(self) -> Self:
        names = [one.name for one in self.subscriptions]
        if double := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"subscriptions of one name: {', '.join(double)}")
        return self


def load_subscriptions(path: Path | None) -> Subscriptions:
    """Load subscriptions, with recipes that are there; None for the packaged example.

    Raises
    ------
    SubscriptionError
        The file cannot be read, or holds what it may not.
    RecipeError
        A recipe is unknown, or is none.
    """
    shown = f"The file {path} of subscriptions" if path else "The packaged example"
    try:
        text = _read(path)
        given = Subscriptions.model_validate(tomllib.loads(text))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SubscriptionError(f"{shown} cannot be read: {error}") from error
    except RecursionError:
        raise SubscriptionError(f"{shown} is nested too deeply.") from None
    except ValidationError as error:
        problems = list_problems(error, _list_keys())
        raise SubscriptionError(f"{shown} cannot be used: {problems}") from error
    folder = path.parent if path else Path()
    placed = [_place_recipe(one, folder) for one in given.subscriptions]
    for one in placed:
        load_recipe(one.recipe)
    return given.model_copy(update={"subscriptions": tuple(placed)})


def _read(path: Path | None) -> str:
    if path is None:
        return resources.files("config").joinpath(_EXAMPLE).read_text("utf-8")
    if not path.is_file():  # a pipe would never answer, and a device never end
        raise FileNotFoundError("there is no such file")
    if path.stat().st_size > _MOST_BYTES:
        raise OSError(f"it has more than {_MOST_BYTES} bytes")
    return path.read_text("utf-8")


def _place_recipe(one: Subscription, folder: Path) -> Subscription:
    """Find a recipe of a path from the folder of the subscriptions."""
    if not one.recipe.endswith(".toml"):
        return one
    recipe = str((folder / one.recipe).absolute())
    return one.model_copy(update={"recipe": recipe})


def _list_keys() -> dict[str, str]:
    tables: dict[str, type[BaseModel]] = {
        "budget": Budget,
        "subscription": Subscription,
    }
    keys = {
        name: f"{table}.{name}"
        for table, model in tables.items()
        for name in model.model_fields
    }
    keys |= {name: f"subscription.policy.{name}" for name in Policy.model_fields}
    return {**{table: table for table in tables}, **keys}
