"""Recipes that cannot be used, and what a run says of them before anything runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exposures import bots_pair_program, ifu_program, make_exposure, mrs_program
from installed_specs import get_installed_specs

from config.errors import RecipeError
from config.recipe import load_recipe
from flows.models.exposures import Exposure, Inventory, UnusableFile
from flows.run import Drawn, Request, prepare
from workers.contract import Stage

__all__ = ["PROGRAMS", "Held", "draw_recipe", "refuse", "two_gratings_program"]


def two_gratings_program(program: str = "99006") -> list[Exposure]:
    """Make an observation with the prism, and one with a grating on both detectors."""
    prism = f"jw{program}001001_03101_00001_nrs1"
    grating = {"GRATING": "G395H", "FILTER": "F290LP", "DATE-BEG": "2024-03-01T00:00"}
    names = [
        f"jw{program}002001_03101_00001_{detector}" for detector in ("nrs1", "nrs2")
    ]
    return [
        make_exposure(prism, **{"DATE-BEG": "2024-02-29T12:00:00"}),
        *(make_exposure(name, **grating) for name in names),
    ]


PROGRAMS: Mapping[str, Callable[[], list[Exposure]]] = {
    "ifu": ifu_program,
    "bots": bots_pair_program,
    "mrs": mrs_program,
    "two gratings": two_gratings_program,
}
"""Programs by name."""


@dataclass(frozen=True)
class Held:
    """An archive of exposures in memory."""

    exposures: Sequence[Exposure]
    unusable: Sequence[UnusableFile] = ()

    def find(self, _: str) -> Inventory:
        """Find all of them."""
        return Inventory(tuple(self.exposures), tuple(self.unusable))

    def fetch(self, exposures: Sequence[Exposure], **_: Any) -> Sequence[Exposure]:
        """Have them."""
        return exposures


def draw_recipe(
    text: str,
    exposures: Sequence[Exposure],
    *observations: str,
    start_at: Stage = Stage.DETECTOR1,
    unusable: Sequence[UnusableFile] = (),
) -> Drawn:
    """Draw the graph of a program with a recipe, ``mine.toml`` of this folder."""
    Path("mine.toml").write_text(text)
    program = exposures[0].program
    request = Request(program, observations, "mine.toml", start_at=start_at)
    recipe = load_recipe(request.recipe)
    return prepare(
        request,
        recipe,
        Held(exposures, unusable),
        data_dir=Path(),
        get_specs=get_installed_specs,
    )


def refuse(text: str, program: str) -> str:
    """Return what is said of a recipe instead of drawing the graph of a program."""
    try:
        draw_recipe(text, PROGRAMS[program]())
    except RecipeError as error:
        return str(error)
    return "nothing"
