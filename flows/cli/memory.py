"""`rewebb memory`: what jobs take, as it is modelled and as it was measured."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, DataDir
from .output import fail, print_json, print_rows, say

if TYPE_CHECKING:
    from config.costs import Costs, Terms
    from config.settings import Settings

    from ..models.jobs import TakenCost
    from ..planning.fitting import Residuals

__all__ = ["fit", "memory_app", "show"]

memory_app = typer.Typer(
    no_args_is_help=True, help="What jobs take: memory, time and disk."
)

_UNITS = {"peak_bytes": ("GB", 1e9), "cpu_s": ("s", 1.0), "disk_bytes": ("MB", 1e6)}
"""How a quantity is told."""

_TERMS = {
    "per_sample": "samples",
    "per_value": "values",
    "per_voxel": "voxels",
    "per_window_value": "window values",
}
"""What coefficients are told for, each of a million."""


@memory_app.command()
def show(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show the models, and how they compare with the attempts of the data folder."""
    settings, taken = _read(data_dir)
    _tell(_load(settings), taken, as_json=as_json)


@memory_app.command()
def fit(
    *,
    data_dir: DataDir = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the new models, and write nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fit the models to the attempts of the data folder, and write the site's file.

    The file is that of the setting `costs_file`; models without attempts stay.
    """
    from config.costs import list_changed, to_toml
    from workers.publishing import replace

    from ..planning.fitting import fit_costs

    settings, taken = _read(data_dir)
    if not taken:
        fail(f"No attempt in {settings.data_dir} says how large its job was.")
    fitted = fit_costs(_load(settings), taken)
    path = settings.costs_file
    if not dry_run and path is None:
        fail(
            "No file is named for the costs of this site: set `costs_file` (or "
            "REWEBB_COSTS_FILE), or look at the models with --dry-run."
        )
    if path is not None and not dry_run:
        text = to_toml(list_changed(fitted))
        replace(path.absolute(), lambda draft: draft.write_text(text, "utf-8"))
    _tell(fitted, taken, as_json=as_json)
    if not as_json and path is not None and not dry_run:
        say()
        say(f"{len(taken)} attempts were fitted, and the models written to {path}.")


def _read(data_dir: Path | None) -> "tuple[Settings, Sequence[TakenCost]]":
    from config.settings import load_settings

    from ..factory import open_records

    settings = load_settings(data_dir=data_dir)
    with open_records(settings) as database:
        return settings, database.jobs.list_costs()


def _load(settings: "Settings") -> "Costs":
    from config.costs import load_costs

    return load_costs(settings.costs_file)


def _tell(costs: "Costs", taken: "Sequence[TakenCost]", *, as_json: bool) -> None:
    from ..planning.fitting import find_residuals

    residuals = find_residuals(costs, taken)
    if as_json:
        models = costs.model_dump(mode="json")
        print_json({**models, "attempts": len(taken), "residuals": residuals})
        return
    _print_models(costs)
    say()
    if not residuals:
        say("No attempt in the data folder says how large its job was.")
        return
    _print_residuals(residuals)


def _print_models(costs: "Costs") -> None:
    columns = [f"{name}, {unit}" for name, (unit, _) in _UNITS.items()]
    rows = []
    for stage, by_type in costs.models.items():
        for name, model in by_type.items():
            scales = [(getattr(model, key), _UNITS[key][1]) for key in _UNITS]
            said = [_say_terms(terms, scale) for terms, scale in scales]
            rows.append((f"{stage}.{name}", model.attempts, *said))
    title = "models (counts in millions)"
    print_rows(("model", "attempts", *columns), rows, title=title)


def _say_terms(terms: "Terms", scale: float) -> str:
    """Say a sum of terms, in the unit of its quantity."""
    said = [f"{terms.base / scale:.3g}"]
    for name, count in _TERMS.items():
        coefficient = 1e6 * getattr(terms, name) / scale
        if coefficient:
            said.append(f"{coefficient:.3g} {count}")
    return " + ".join(said)


def _print_residuals(residuals: "Iterable[Residuals]") -> None:
    print_rows(
        ("attempts at", "model", "of", "n", "estimated / taken", "mean", "quantile"),
        [
            (
                f"{one.stage} {one.exp_type}",
                *(f"{one.stage}.{one.model}", one.quantity, one.n),
                f"{one.least:.2f} to {one.most:.2f}",
                f"{one.mean:.2f}",
                f"{one.quantile:.2f} (stated {one.stated:.2f})",
            )
            for one in residuals
        ],
        title="residuals",
    )
