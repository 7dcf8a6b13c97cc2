"""References of spec2 and spec3 of NIRSpec: flux, pixel areas, cubes, apertures."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from stdatamodels.jwst import datamodels

from .library import CONTEXTS, EXP_TYPE, Library, add_aperture, make_table
from .nirspec_optics import DISPERSERS, SHUTTERS
from .scene import ARCSEC2_SR

__all__ = [
    "APERTURE_PIXELS",
    "IFU_APERTURE_ARCSEC",
    "IFU_PIXEL_ARCSEC2",
    "MJY_PER_DN",
    "PIXEL_ARCSEC",
    "SHUTTER_WIDTH_ARCSEC",
    "SLIT_WIDTHS_ARCSEC",
    "STUCK_OPEN",
    "add_bots_references",
    "add_fixed_slit_references",
    "add_ifu_references",
    "add_shutter_references",
]

MJY_PER_DN = 2e-13
"""Flux density (MJy) that gives 1 DN/s in the pixels of its wavelength."""
IFU_PIXEL_ARCSEC2 = 0.0103
"""Sky of an IFU pixel: a slice of 0.1 by a pixel of 0.103 arcsec."""
IFU_APERTURE_ARCSEC = 0.45
"""Radius in which spectra are extracted from cubes."""
SLIT_WIDTHS_ARCSEC = {
    "S200A1": 0.2,
    "S200A2": 0.2,
    "S400A1": 0.4,
    "S1600A1": 1.6,
    "S200B1": 0.2,
}
"""Widths of the fixed slits."""
PIXEL_ARCSEC = 0.103
"""Height of a pixel in the sky."""
SHUTTER_WIDTH_ARCSEC = 0.2
"""Width of the open part of a shutter."""
APERTURE_PIXELS = 6
"""Height of the extraction aperture around a source."""
STUCK_OPEN = (3, 240, 61)
"""Quadrant, row and column of a shutter that does not close, seen by the MOS program.
"""
_WAVELENGTHS_UM = np.linspace(0.5, 5.7, 105).astype(np.float32)
_CONTEXT_2_FLUX = 1.05
_FAILED_SHUTTERS = ((1, 30, 20), (4, 300, 150))
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


def _make_flat_table() -> Any:
    """Make the table of a flat of one."""
    size = _WAVELENGTHS_UM.size
    ones = np.ones(size, np.float32)
    row = ("ANY", size, _WAVELENGTHS_UM, ones, ones * np.float32(1e-3))
    vector = ("f4", (size,))
    return np.array(
        [row],
        dtype=[
            ("slit_name", "S15"),
            ("nelem", "i4"),
            ("wavelength", *vector),
            ("data", *vector),
            ("error", *vector),
        ],
    )


def _add(
    library: Library,
    reftype: str,
    make: Callable[[], Any],
    mode: str,
    contexts: tuple[int, ...] = CONTEXTS,
) -> None:
    """Publish a reference of one mode."""

    def make_for_mode() -> Any:
        model = make()
        model.meta.exposure.type = mode
        return model

    name = library.add_model(reftype, make_for_mode)
    library.offer(reftype, name, {EXP_TYPE: [mode]}, contexts=contexts)


def _make_flat() -> Any:
    """Make a fore-optics flat of one.

    Without any flat the pipeline ends well, with NaN in every pixel.
    """
    model = datamodels.NirspecFlatModel(flat_table=_make_flat_table())
    model.data, model.err = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    return model


def _make_quadrant_flat() -> Any:
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
        part.flat_table = _make_flat_table()
    return model


def _make_photom_table(slits: Sequence[str], factor: float) -> Any:
    """Make the conversion table, with a row for each slit (if any) and disperser."""
    size = _WAVELENGTHS_UM.size
    ones = np.ones(size, np.float32)
    level = MJY_PER_DN * factor
    tail = (level, level / 100, size, _WAVELENGTHS_UM, ones, 0 * ones)
    vector = ("f4", (size,))
    names = [("filter", "S12"), ("grating", "S15")]
    values = [
        ("photmj", "f4"),
        ("uncertainty", "f4"),
        ("nelem", "i2"),
        ("wavelength", *vector),
        ("relresponse", *vector),
        ("reluncertainty", *vector),
    ]
    apertures: Sequence[tuple[str, ...]] = [(slit,) for slit in slits] or [()]
    if slits:
        names.append(("slit", "S15"))
    rows = [
        (path.filter, disperser, *each, *tail)
        for disperser, path in DISPERSERS.items()
        for each in apertures
    ]
    return np.array(rows, dtype=[*names, *values])


def _describe_pixels(model: Any) -> Any:
    """Fill the sky that a pixel sees into a flux conversion."""
    model.meta.photometry.pixelarea_steradians = IFU_PIXEL_ARCSEC2 * ARCSEC2_SR
    model.meta.photometry.pixelarea_arcsecsq = IFU_PIXEL_ARCSEC2
    return model


def _make_photom(factor: float = 1.0) -> Any:
    table = _make_photom_table((), factor)
    return _describe_pixels(datamodels.NrsMosPhotomModel(phot_table=table))


def _make_shutter_areas() -> Any:
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


def _cube_tables(disperser: str) -> dict[str, Any]:
    path = DISPERSERS[disperser]
    (start, stop), step = path.cube.wavelengths_um, path.cube.step_um
    msm, msm_names = (0.2, 3 * step, 2.0, 0.01), "roispatial roispectral power softrad"
    emsm, emsm_names = (0.2, 3 * step, 0.05), "roispatial roispectral scalerad"
    sampling = "wavemin wavemax spaxelsize spectralstep"
    tables = {
        "table": (sampling, (start, stop, path.cube.spaxel_arcsec, step)),
        "msm_table": (msm_names, msm),
        "emsm_table": (emsm_names, emsm),
    }
    waves = {
        "msm_wavetable": (msm_names, msm),
        "emsm_wavetable": (emsm_names, emsm),
        "driz_wavetable": ("", ()),
    }
    return {
        **{
            f"ifucubepars_{kind}": make_table(
                f"disperser filter {names}", [(disperser, path.filter, *row)]
            )
            for kind, (names, row) in tables.items()
        },
        **{
            f"ifucubepars_{path.resolution}_{kind}": make_table(
                f"wavelength {names}",
                [(each, *row) for each in path.cube.list_planes()],
            )
            for kind, (names, row) in waves.items()
        },
    }


def _make_cubepar() -> Any:
    model = datamodels.NirspecIFUCubeParsModel()
    rows: dict[str, list[Any]] = defaultdict(list)
    for disperser in DISPERSERS:
        for name, table in _cube_tables(disperser).items():
            rows[name].append(table)
    for name, tables in rows.items():
        setattr(model, name, np.concatenate(tables))
    return model


def _make_aperture() -> Any:
    wavelength = np.array([0.5, 1, 2, 3, 4, 5, 5.7], np.float32)
    ones = np.ones_like(wavelength)
    model = datamodels.Extract1dIFUModel()
    model.meta.region_type, model.meta.method = "target", "subpixel"
    model.meta.subtract_background, model.meta.subpixels = False, 10
    model.meta.exposure.type = "NRS_IFU"
    model.data = {
        "wavelength": wavelength,
        "wavelength_units": "micron",
        "radius": IFU_APERTURE_ARCSEC * ones,
        "radius_units": "arcsec",
        "inner_bkg": 0.7 * ones,
        "inner_bkg_units": "arcsec",
        "outer_bkg": 1.0 * ones,
        "outer_bkg_units": "arcsec",
        "axis_ratio": ones,
        "axis_pa": 0 * ones,
        "axis_pa_units": "deg",
    }
    return model


def _shutter(quadrant: int, x: int, y: int) -> dict[str, object]:
    states = dict.fromkeys(("state", "TA state", "Internal state"), "open")
    return {"Q": quadrant, "x": x, "y": y, **states, "Vignetted": "no"}


def _add_failed_shutters(
    library: Library, mode: str, shutters: Sequence[tuple[int, int, int]]
) -> None:
    """Publish which shutters are stuck open, by quadrant, row and column.

    An empty list is an IndexError in `msaflagopen`.
    """
    tree = {
        "instrument": "NIRSPEC",
        "reftype": "MSAOPER",
        "msaoper": [_shutter(*each) for each in shutters],
    }
    name = library.add_json("msaoper", tree)
    library.offer("msaoper", name, {EXP_TYPE: [mode]})


def _make_slice_areas() -> Any:
    areas = np.array(
        [(number, IFU_PIXEL_ARCSEC2) for number in range(30)],
        dtype=[("slice_id", "i2"), ("pixarea", "f4")],
    )
    return datamodels.NirspecIfuAreaModel(area_table=areas)


def add_ifu_references(library: Library) -> None:
    """Publish what the IFU needs after detector1, two `photom` among it."""
    mode = "NRS_IFU"
    _add(library, "fflat", _make_flat, mode)
    _add(library, "photom", _make_photom, mode, contexts=(1,))
    brighter = partial(_make_photom, _CONTEXT_2_FLUX)
    _add(library, "photom", brighter, mode, contexts=(2,))
    _add(library, "area", _make_slice_areas, mode)
    _add_failed_shutters(library, mode, _FAILED_SHUTTERS)
    _add(library, "cubepar", _make_cubepar, mode)
    aperture = library.add_model(
        "extract1d", _make_aperture, suffix="asdf", inline=True
    )
    library.offer("extract1d", aperture, {EXP_TYPE: [mode]})


def _make_slit_photom() -> Any:
    table = _make_photom_table(tuple(SLIT_WIDTHS_ARCSEC), 1.0)
    return _describe_pixels(datamodels.NrsFsPhotomModel(phot_table=table))


def _make_slit_areas() -> Any:
    areas = np.array(
        [(slit, width * PIXEL_ARCSEC) for slit, width in SLIT_WIDTHS_ARCSEC.items()],
        dtype=[("slit_id", "S15"), ("pixarea", "f4")],
    )
    return datamodels.NirspecSlitAreaModel(area_table=areas)


def _add_slit_references(library: Library, mode: str) -> None:
    """Publish what spectra through the fixed slits need, but for an aperture."""
    _add(library, "fflat", _make_flat, mode)
    _add(library, "photom", _make_slit_photom, mode)
    _add(library, "area", _make_slit_areas, mode)


def add_bots_references(library: Library) -> None:
    """Publish what time series need after detector1."""
    _add_slit_references(library, "NRS_BRIGHTOBJ")


def add_shutter_references(library: Library) -> None:
    """Publish what spectra through the shutters need after detector1."""
    mode = "NRS_MSASPEC"
    flat = library.add_model("fflat", _make_quadrant_flat)
    library.offer("fflat", flat, {EXP_TYPE: [mode]})
    _add(library, "photom", _make_photom, mode)
    _add(library, "area", _make_shutter_areas, mode)
    _add_failed_shutters(library, mode, [STUCK_OPEN])
    add_aperture(library, mode, _APERTURE)


def add_fixed_slit_references(library: Library) -> None:
    """Publish what spectra of nods in a fixed slit need after detector1."""
    _add_slit_references(library, "NRS_FIXEDSLIT")
    add_aperture(library, "NRS_FIXEDSLIT", _APERTURE)
