"""Raw files: a header, ramps and times of the integrations."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import Level1bModel
from stdatamodels.schema import walk_schema

from ..publishing import publish
from .exposures import RawExposure
from .headers import EPOCH, primary_cards, sky_cards
from .publishing import DATE, write_model

__all__ = ["integration_times", "make_model", "write_raw"]


class _DatedModel(Level1bModel):  # type: ignore[misc]  # jwst has no types
    """A raw exposure that is not stamped with the clock, but with the usual date.

    The model hashes its header while it is saved: changed later, the date would
    not fit the hash.
    """

    def on_save(self, path: str | None = None) -> None:
        super().on_save(path)
        self.meta.date = DATE
        self.meta.model_type = Level1bModel.__name__


@cache
def _find_keywords() -> Mapping[tuple[str, str], str]:
    """Map the extension and keyword of a header card to its path in the model."""
    found: dict[tuple[str, str], str] = {}

    def visit(schema: Any, path: list[str], *_: object) -> None:
        if "fits_keyword" in schema:
            card = schema.get("fits_hdu", "PRIMARY"), schema["fits_keyword"]
            found.setdefault(card, ".".join(map(str, path)))

    walk_schema(Level1bModel().schema, visit, {})
    return found


def make_model(raw: RawExposure) -> Any:
    """Make a data model with every header card but without pixels."""
    paths, model = _find_keywords(), _DatedModel()
    headers = {"PRIMARY": primary_cards(raw), "SCI": sky_cards(raw)}
    for extension, cards in headers.items():
        for keyword, value in cards.items():
            model[paths[extension, keyword]] = value
    return model


def integration_times(raw: RawExposure) -> NDArray[np.void]:
    """Make the table of the times of the integrations."""
    starts_s, names = raw.integration_starts_s, ("int_start", "int_mid", "int_end")
    fractions = np.array([0.0, 0.5, 1.0])
    table = np.zeros(
        raw.integrations,
        dtype=[
            ("integration_number", "i4"),
            *((f"{name}_MJD_UTC", "f8") for name in names),
            *((f"{name}_BJD_TDB", "f8") for name in names),
        ],
    )
    table["integration_number"] = raw.first_integration + np.arange(raw.integrations)
    for name, fraction in zip(names, fractions, strict=True):
        moment = EPOCH.mjd + (starts_s + fraction * raw.integration_s) / 86_400
        table[f"{name}_MJD_UTC"] = table[f"{name}_BJD_TDB"] = moment
    return table


def write_raw(folder: Path, raw: RawExposure, ramps: NDArray[np.uint16]) -> Path:
    """Publish a raw exposure in a folder of the archive."""
    model = make_model(raw)
    model.data = ramps
    model.int_times = integration_times(raw)
    path = folder / f"{raw.stem}_uncal.fits"
    return publish(path, lambda draft: write_model(draft, model))
