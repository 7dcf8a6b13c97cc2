"""References of spec2 and spec3 for the shutters and the fixed slits."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from stdatamodels.jwst import datamodels

from workers.contract import NOT_APPLICABLE

from .library import Library
from .optics import SHUTTERS
from .spectral_references import (
    PIXEL_ARCSEC,
    add_aperture,
    add_area,
    add_failed_shutters,
    add_photom,
    add_slit_references,
    make_flat_table,
    make_photom_table,
    offer_by_mode,
)

__all__ = [
    "APERTURE_PIXELS",
    "SHUTTER_WIDTH_ARCSEC",
    "add_fixed_slit_references",
    "add_shutter_references",
]

APERTURE_PIXELS = 6
"""Height of the extraction aperture around a source."""
SHUTTER_WIDTH_ARCSEC = 0.2
"""Width of the open part of a shutter."""
_FLAT_WAVELENGTHS_UM = (0.5, 5.7)


_APERTURE = {
    "id": "ANY",
    "region_type": "target",
    "dispaxis": 1,
    "extract_width": APERTURE_PIXELS,
    "bkg_order": 0,
    "use_source_posn": True,
}
"""An aperture around the source.

Without one the whole slit is extracted, where the images of nods cancel.
"""


def _make_flat() -> Any:
    """Make a flat of one for each quadrant of shutters."""
    model = datamodels.NirspecQuadFlatModel()
    columns, rows = SHUTTERS
    planes = [(each,) for each in _FLAT_WAVELENGTHS_UM]
    shape = len(planes), rows, columns
    for number in range(4):
        model.quadrants.append(model.quadrants.item())
        part = model.quadrants[number]
        part.data, part.err = np.ones(shape, np.float32), np.zeros(shape, np.float32)
        part.dq = np.zeros(shape, np.uint32)
        part.wavelength = np.array(planes, dtype=[("wavelength", "f4")])
        part.flat_table = make_flat_table()
    return model


def _make_areas() -> Any:
    columns, rows = SHUTTERS
    quadrant, y, x = np.meshgrid(
        np.arange(1, 5),
        np.arange(1, rows + 1),
        np.arange(1, columns + 1),
        indexing="ij",
    )
    table = np.zeros(
        quadrant.size,
        [
            ("quadrant", "i2"),
            ("shutter_x", "i2"),
            ("shutter_y", "i2"),
            ("pixarea", "f4"),
        ],
    )
    table["quadrant"] = quadrant.ravel()
    table["shutter_x"], table["shutter_y"] = x.ravel(), y.ravel()
    table["pixarea"] = SHUTTER_WIDTH_ARCSEC * PIXEL_ARCSEC
    return datamodels.NirspecMosAreaModel(area_table=table)


def add_shutter_references(
    library: Library, stuck_open: Sequence[tuple[int, int, int]]
) -> None:
    """Publish what spectra through the shutters need after detector1.

    Parameters
    ----------
    stuck_open
        Quadrant, row and column of shutters that do not close.
    """
    mode = "NRS_MSASPEC"
    flat = library.add_model("fflat", _make_flat(), serial=3)
    offer_by_mode(library, "fflat", flat, mode)
    model = datamodels.NrsMosPhotomModel(phot_table=make_photom_table((), 1.0))
    offer_by_mode(library, "photom", add_photom(library, model, mode, serial=4), mode)
    add_area(library, _make_areas(), mode, serial=3)
    add_failed_shutters(library, mode, stuck_open, serial=2)
    add_aperture(library, mode, _APERTURE, serial=2)
    offer_by_mode(library, "cubepar", NOT_APPLICABLE, mode)


def add_fixed_slit_references(library: Library) -> None:
    """Publish what spectra of nods in a fixed slit need after detector1."""
    mode = "NRS_FIXEDSLIT"
    add_slit_references(library, mode, serial=4)
    add_aperture(library, mode, _APERTURE, serial=3)
