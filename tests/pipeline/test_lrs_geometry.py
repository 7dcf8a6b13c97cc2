"""The compact model of the imager against the full one, and against its own WCS."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.modeling import Model
from beside import MRS_MODEL, needs
from jwst.assign_wcs.assign_wcs import load_wcs
from stdatamodels.jwst.datamodels import DistortionModel, ImageModel

from workers.sample import Mode
from workers.sample.catalogue import PROGRAMS
from workers.sample.exposures import RawExposure
from workers.sample.headers import primary_cards
from workers.sample.library import Library
from workers.sample.lrs_geometry import PIXEL_ARCSEC, SLIT, SLITLESS, Trace, load_field
from workers.sample.lrs_references import add_lrs_references
from workers.sample.raw_files import make_model

LARGEST_PIXELS = 0.45
"""Distance of places in the field, around the reference points."""
ROUNDING_UM = 0.02
"""By how much the pipeline smooths the wavelengths."""

SPECTRA = [
    (SLIT, PROGRAMS[Mode.MIRI_LRS_SLIT].plan()[1]),
    (SLITLESS, PROGRAMS[Mode.MIRI_LRS_SLITLESS].plan()[1]),
]


def look(wcs: Any, raw: RawExposure, trace: Trace) -> tuple[Any, Any]:
    """Return the rows of a trace, and what the pipeline sees along it."""
    rows = trace.list_rows(raw.subarray)
    columns = trace.column + trace.shift(rows - trace.row)
    place = columns, rows - (raw.subarray.y - 1)
    return rows, wcs(*place, with_bounding_box=False)


def assign(folder: Path, raw: RawExposure) -> Any:
    """Let the pipeline make coordinates of the references of the sample."""
    library = Library(folder, "MIRI")
    add_lrs_references(library)
    image = ImageModel(np.zeros(raw.subarray.shape, np.float32))
    image.update(make_model(raw))
    paths = library.select(primary_cards(raw), {"distortion", "specwcs"})
    return load_wcs(image, paths).meta.wcs


@needs(MRS_MODEL)
@pytest.mark.parametrize("trace", [SLIT, SLITLESS])
def test_places_in_the_field_are_those_of_the_full_model(trace: Trace) -> None:
    path = MRS_MODEL / "jwst_miri_imager_distortion_flt9.asdf"
    with DistortionModel(str(path)) as full:
        model: Model = full.model
    offsets = np.arange(-40, 41, 4.0)
    column, row = np.meshgrid(trace.column + offsets, trace.row + offsets)
    places = column[column >= 0], row[column >= 0]
    distance = np.hypot(*np.subtract(model(*places), load_field()(*places)))
    assert distance.max() < LARGEST_PIXELS * PIXEL_ARCSEC


@pytest.mark.parametrize(("trace", "raw"), SPECTRA)
def test_the_pipeline_finds_the_wavelengths_of_the_rows(
    trace: Trace, raw: RawExposure, tmp_path: Path
) -> None:
    rows, seen = look(assign(tmp_path, raw), raw, trace)
    expected = trace.wavelength_um(rows - trace.row)
    assert seen[2] == pytest.approx(expected, abs=ROUNDING_UM)


@pytest.mark.parametrize(("trace", "raw"), SPECTRA)
def test_all_of_a_bent_spectrum_looks_at_its_source(
    trace: Trace, raw: RawExposure, tmp_path: Path
) -> None:
    _, (ra, dec, _) = look(assign(tmp_path, raw), raw, trace)
    distance = np.hypot(*raw.pointing.offsets_arcsec(ra, dec))
    assert distance.max() < LARGEST_PIXELS * PIXEL_ARCSEC
