"""The compact NIRSpec model against the full one, through the pipeline's WCS."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beside import NIRSPEC_MODEL, needs
from fitted import approximate, flatten
from jwst.assign_wcs import AssignWcsStep, nirspec
from nirspec_full_model import (
    COMPACT_MODEL,
    fit_compact,
    read_full_geometry,
    read_full_grating_geometry,
    to_text,
)

from workers.sample import Mode, nirspec_light
from workers.sample.catalogue import PROGRAMS
from workers.sample.exposures import RawExposure
from workers.sample.frames import FULL
from workers.sample.headers import primary_cards
from workers.sample.library import Library
from workers.sample.nirspec_geometry import (
    Geometry,
    load_geometry,
    load_grating_geometry,
    load_msa_geometry,
)
from workers.sample.nirspec_light import assign_slitlets, assign_wcs, describe_slitlet
from workers.sample.nirspec_mos import SLITLETS
from workers.sample.nirspec_optics import (
    _MSA_FIELD,
    add_grating_optics,
    add_msa_optics,
    add_optics,
)

pytestmark = needs(NIRSPEC_MODEL)

LARGEST_PIXELS = 0.5
PIXEL_ARCSEC = 0.1


CASES = (
    (Mode.NIRSPEC_IFU_PRISM, "PRISM", "NRS1"),
    (Mode.NIRSPEC_BOTS_PRISM, "PRISM", "NRS1"),
    (Mode.NIRSPEC_MOS_PRISM, "PRISM", "NRS1"),
    (Mode.NIRSPEC_FS_PRISM, "PRISM", "NRS1"),
    # Slices of the IFU are on NRS1 with the other dispersers, too.
    (Mode.NIRSPEC_IFU_PRISM, "G395H", "NRS2"),
    (Mode.NIRSPEC_BOTS_PRISM, "G395H", "NRS1"),
    (Mode.NIRSPEC_BOTS_PRISM, "G395H", "NRS2"),
    (Mode.NIRSPEC_IFU_PRISM, "G395M", "NRS1"),
    (Mode.NIRSPEC_BOTS_PRISM, "G395M", "NRS1"),
)
"""Whose aperture, disperser and detector."""

CHEAPEST = CASES[3]
"""One slit."""


def plan(mode: Mode, disperser: str, detector: str) -> RawExposure:
    exposure = PROGRAMS[mode].plan()[0]
    if disperser == "PRISM":
        return exposure
    optics = "F290LP", disperser
    return replace(exposure, optics=optics, detector=detector, subarray=FULL)


def publish(folder: Path, geometry: Geometry, raw: RawExposure) -> dict[str, str]:
    library = Library(folder)
    add_optics(library, geometry)
    add_msa_optics(library, geometry)
    if raw.optics[1] != "PRISM":
        add_grating_optics(library, geometry)
    return library.select(primary_cards(raw), AssignWcsStep.reference_file_types)


def assign(folder: Path, geometry: Geometry, raw: RawExposure) -> Any:
    files = publish(folder, geometry, raw)
    if raw.metafile is None:
        return assign_wcs(raw, files)
    slits = [describe_slitlet(slitlet, geometry) for slitlet in SLITLETS]
    return assign_slitlets(raw, files, slits)


def load_pair(raw: RawExposure) -> tuple[Geometry, Geometry]:
    """Return the compact and the full model."""
    if raw.optics[0] == "F290LP":
        return load_grating_geometry(), read_full_grating_geometry()
    load = load_msa_geometry if raw.exp_type in _MSA_FIELD else load_geometry
    return load(), read_full_geometry()


def list_slits(raw: RawExposure) -> Sequence[Any]:
    if raw.metafile is not None:
        return [slitlet.number for slitlet in SLITLETS]
    return [raw.slit] if raw.slit else range(0, 30, 3)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            case,
            id="-".join(case),
            marks=[] if case == CHEAPEST else pytest.mark.slow,
        )
        for case in CASES
    ],
)
def traces(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Any, Any, Any]]:
    """Return the coordinates of both models, and lit pixels, of each slice or slit."""
    raw = plan(*request.param)
    folder = tmp_path_factory.mktemp("optics")
    geometries = load_pair(raw)
    compact = assign(folder / "compact", geometries[0], raw)
    full = assign(folder / "full", geometries[1], raw)
    return [trace(compact, full, slit, raw) for slit in list_slits(raw)]


def trace(compact: Any, full: Any, slit: Any, raw: RawExposure) -> tuple[Any, Any, Any]:
    one = nirspec.nrs_wcs_set_input(compact, slit)
    x, y = (each[::4, ::4] for each in nirspec_light._grid(one, raw.subarray.shape))
    lit = np.isfinite(one(x, y)[2])
    return one, nirspec.nrs_wcs_set_input(full, slit), np.array([x[lit], y[lit]])


@pytest.mark.slow
def test_the_file_is_what_the_fit_makes() -> None:
    fitted = fit_compact(read_full_geometry(), read_full_grating_geometry())
    texts = COMPACT_MODEL.read_text("utf-8"), to_text(fitted)
    found, expected = map(json.loads, texts)
    # Last digits differ from processor to processor. 1e-9 m or deg is 1e-4 pixels.
    assert flatten(found) == approximate(expected, rel=1e-9, abs_=1e-9)


def test_sky_and_wavelength_fall_on_the_same_pixel(
    traces: list[tuple[Any, Any, Any]],
) -> None:
    for compact, full, pixels in traces:
        world = compact(*pixels)[:3]
        distance = np.hypot(*(np.array(full.invert(*world)[:2]) - pixels))
        assert np.nanmax(distance) < LARGEST_PIXELS
        assert np.isfinite(distance).mean() > 0.95


def test_a_pixel_sees_the_same_sky(traces: list[tuple[Any, Any, Any]]) -> None:
    for compact, full, pixels in traces:
        difference = np.array(full(*pixels)[:3]) - np.array(compact(*pixels)[:3])
        assert np.nanmax(np.abs(difference[:2])) * 3600 < LARGEST_PIXELS * PIXEL_ARCSEC


def test_a_pixel_sees_the_same_wavelength(
    traces: list[tuple[Any, Any, Any]],
) -> None:
    for compact, full, pixels in traces:
        wavelength = np.array([compact(*pixels)[2], full(*pixels)[2]])
        neighbour = full(pixels[0] + 1, pixels[1])[2]
        difference = np.abs(np.diff(wavelength, axis=0)[0])
        limit = LARGEST_PIXELS * np.abs(neighbour - wavelength[1])
        assert np.nanmax(difference / limit) < 1
