"""What jobs take: coefficients of linear models, ours and a site's own.

The peak of the memory of a job, the CPU time and the bytes that it makes are each

    base + per_sample * samples + per_value * values + per_voxel * voxels
         + per_window_value * window values

with the counts of `workers.workload.Workload`. ``costs.toml`` has a model for each
stage and EXP_TYPE; the one named ``default`` is for those without.
A site's file (the setting `costs_file`, written by ``rewebb memory fit``) replaces
single models.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from .errors import SettingsError

__all__ = [
    "DEFAULT",
    "QUANTITIES",
    "Costs",
    "Model",
    "Terms",
    "list_changed",
    "load_costs",
    "to_toml",
]

DEFAULT: Final = "default"
"""Name of the model of EXP_TYPEs without one of their own."""

QUANTITIES: Final = ("peak_bytes", "cpu_s", "disk_bytes")
"""What is modelled, each by its name in `Model`."""

_Coefficient = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Terms(_Strict):
    """The coefficients of a quantity, in its unit."""

    base: _Coefficient
    """Whatever the job reads: imports and references."""
    per_sample: _Coefficient = 0.0
    """For each sample of the ramps of an exposure."""
    per_value: _Coefficient = 0.0
    """For each pixel of each integration of each member."""
    per_voxel: _Coefficient = 0.0
    """For each voxel of a cube."""
    per_window_value: _Coefficient = 0.0
    """For each value that outlier detection sorts at a time."""


class Model(_Strict):
    """What jobs of a stage and an EXP_TYPE take."""

    attempts: int = Field(ge=0)
    """Attempts that it was fitted to; 0 if it was taken from elsewhere."""
    peak_bytes: Terms
    """Largest resident memory of all processes of a job, in bytes."""
    cpu_s: Terms
    """User and system time, which is the wall time on one core, in seconds."""
    disk_bytes: Terms
    """What it leaves in the store, in bytes."""


class _Quantiles(_Strict):
    """Which fraction of the attempts that were fitted to takes no more than is said."""

    peak_bytes: Annotated[float, Field(gt=0, le=1)]
    cpu_s: Annotated[float, Field(gt=0, le=1)]
    disk_bytes: Annotated[float, Field(gt=0, le=1)]

    def of(self, quantity: str) -> float:
        """Return that of a quantity of `QUANTITIES`."""
        return float(getattr(self, quantity))


_Models = Mapping[str, Mapping[str, Model]]


class Costs(_Strict):
    """The models of all jobs."""

    quantile: _Quantiles
    """By quantity."""
    models: _Models
    """By stage and EXP_TYPE."""

    def find(self, stage: str, exp_type: str) -> tuple[str, Model]:
        """Find the model of a job, with its name."""
        by_type = self.models[stage]
        name = exp_type if exp_type in by_type else DEFAULT
        return name, by_type[name]


class _Site(_Strict):
    models: _Models = {}


def load_costs(site: Path | None = None) -> Costs:
    """Load the models, with those of a site in place of ours.

    Parameters
    ----------
    site
        Its file; one that is not there yet, or None, has none.

    Raises
    ------
    SettingsError
        The file cannot be read, or does not hold models.
    """
    ours = _load_ours()
    if site is None or not site.exists():
        return ours
    try:
        own = TypeAdapter(_Site).validate_python(tomllib.loads(site.read_text("utf-8")))
    except (OSError, ValueError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise SettingsError(
            f"The file {site} (`costs_file`) cannot be used: {said}; correct it, or "
            "write it again with `rewebb memory fit`."
        ) from error
    if unknown := sorted(set(own.models) - set(ours.models)):
        raise SettingsError(
            f"The file {site} (`costs_file`) has models of {', '.join(unknown)}, which "
            f"is no stage; expected {', '.join(ours.models)}."
        )
    joined = {
        stage: {**by_type, **own.models.get(stage, {})}
        for stage, by_type in ours.models.items()
    }
    return ours.model_copy(update={"models": joined})


def list_changed(costs: Costs) -> _Models:
    """List the models that are not ours."""
    ours = _load_ours().models
    changed = {
        stage: {n: model for n, model in by_type.items() if ours[stage].get(n) != model}
        for stage, by_type in costs.models.items()
    }
    return {stage: by_type for stage, by_type in changed.items() if by_type}


def to_toml(models: _Models) -> str:
    """Write models as `load_costs` reads them."""
    lines: list[str] = []
    for stage, by_type in models.items():
        for name, model in by_type.items():
            lines += ["", f'[models.{stage}."{name}"]', f"attempts = {model.attempts}"]
            for quantity in QUANTITIES:
                terms: Terms = getattr(model, quantity)
                kept = terms.model_dump(exclude_defaults=True)
                said = ", ".join(f"{key} = {value:.4g}" for key, value in kept.items())
                lines.append(f"{quantity} = {{ {said} }}")
    return "\n".join(lines).lstrip() + "\n"


@cache
def _load_ours() -> Costs:
    text = resources.files("config").joinpath("costs.toml").read_text("utf-8")
    return Costs.model_validate(tomllib.loads(text))
