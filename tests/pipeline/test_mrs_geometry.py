"""The compact MRS model against the full one, through the pipeline's WCS."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from beside import MRS_MODEL, needs
from fitted import approximate, flatten
from jwst.assign_wcs.assign_wcs import load_wcs
from mrs_full_model import COMPACT_MODEL, FULL_MODEL, fit_compact, path_of
from nirspec_full_model import to_text
from stdatamodels.jwst.datamodels import ImageModel

from workers.sample.exposures import RawExposure
from workers.sample.frames import MIRI_FULL
from workers.sample.headers import primary_cards
from workers.sample.library import Library
from workers.sample.miri_mrs import MRS
from workers.sample.mrs_geometry import load_bands, map_slices
from workers.sample.mrs_optics import add_band_optics, add_wavelengthrange
from workers.sample.mrs_references import BANDS
from workers.sample.raw_files import make_model

pytestmark = [needs(MRS_MODEL), pytest.mark.slow]

LARGEST_PIXELS = 0.2
"""Where a pixel looks, along the slice and along dispersion."""
LARGEST_DISTANCE = 0.3
"""From a pixel to where its own place and wavelength fall in the other model."""


def plan(band: str) -> RawExposure:
    return replace(MRS.plan()[0], band=band)


def assign(references: Mapping[str, object], raw: RawExposure) -> Any:
    image = ImageModel(np.zeros(MIRI_FULL.shape, np.float32))
    image.update(make_model(raw))
    paths = {kind: str(path) for kind, path in references.items()}
    return load_wcs(image, paths).meta.wcs


@pytest.fixture(scope="module", params=BANDS)
def places(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Any, Any]:
    """Return the coordinates of both models, and lit pixels."""
    band, raw = request.param, plan(request.param)
    library = Library(tmp_path_factory.mktemp("optics"), "MIRI")
    add_band_optics(library, band)
    add_wavelengthrange(library)
    kinds = {"distortion", "regions", "specwcs", "wavelengthrange"}
    compact = library.select(primary_cards(raw), kinds)
    full = {
        "distortion": path_of("distortion", band),
        "specwcs": path_of("specwcs", band),
        "wavelengthrange": FULL_MODEL / "jwst_miri_mrs_wavelengthrange_flt9.asdf",
        "regions": compact["regions"],
    }
    rows, columns = np.nonzero(map_slices(load_bands()[band]))
    some = slice(None, None, 41)
    pixels = np.array([columns[some], rows[some]], float)
    return assign(compact, raw), assign(full, raw), pixels


def test_the_file_is_what_the_fit_makes() -> None:
    texts = COMPACT_MODEL.read_text("utf-8"), to_text(fit_compact())
    found, expected = map(json.loads, texts)
    # Rounded when they are fitted: the last digit may fall on the other side.
    assert flatten(found) == approximate(expected, rel=1e-9, abs_=1.1e-7)


def test_a_pixel_sees_the_same_sky(places: tuple[Any, Any, Any]) -> None:
    compact, full, (x, y) = places
    one, other = (wcs(x, y) for wcs in (compact, full))
    cosine = np.cos(np.deg2rad(other[1]))
    distance = 3600 * np.hypot((one[0] - other[0]) * cosine, one[1] - other[1])
    neighbour = full.get_transform("detector", "alpha_beta")
    length = np.nanmedian(np.abs(neighbour(x + 1, y)[0] - neighbour(x, y)[0]))
    assert np.nanmax(distance) < LARGEST_PIXELS * length
    assert np.isfinite(distance).all()


def test_a_pixel_sees_the_same_wavelength(places: tuple[Any, Any, Any]) -> None:
    compact, full, (x, y) = places
    wavelength = full(x, y)[2]
    step = np.abs(full(x, y + 1)[2] - wavelength)
    difference = np.abs(compact(x, y)[2] - wavelength)
    assert np.nanmax(difference / step) < LARGEST_PIXELS


def test_sky_and_wavelength_fall_on_the_same_pixel(
    places: tuple[Any, Any, Any],
) -> None:
    compact, full, pixels = places
    found = full.backward_transform(*compact(*pixels))
    distance = np.hypot(*(np.array(found[:2]) - pixels))
    assert np.nanmax(distance) < LARGEST_DISTANCE
    assert np.isfinite(distance).mean() > 0.95
