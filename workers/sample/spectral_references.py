"""References of spec2 and spec3: flux, pixel areas, cubes, apertures."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from stdatamodels.jwst import datamodels

from workers.contract import NOT_APPLICABLE

from .library import EXP_TYPE, Library

__all__ = [
    "ARCSEC2_SR",
    "IFU_APERTURE_ARCSEC",
    "IFU_PIXEL_ARCSEC2",
    "MJY_PER_DN",
    "PIXEL_ARCSEC",
    "SLIT_WIDTHS_ARCSEC",
    "CubeGrid",
    "add_aperture",
    "add_area",
    "add_failed_shutters",
    "add_flat",
    "add_ifu_references",
    "add_photom",
    "add_slit_references",
    "make_flat_table",
    "make_photom_table",
    "make_table",
    "offer_by_mode",
]

ARCSEC2_SR = 2.3504430539097885e-11
"""A square arcsecond in steradians."""
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
_OPTICS = (("CLEAR", "PRISM"), ("F290LP", "G395H"), ("F290LP", "G395M"))
"""Filters and dispersers that have a flux conversion."""
_WAVELENGTHS_UM = np.linspace(0.5, 5.7, 105).astype(np.float32)
_CONTEXT_2_FLUX = 1.05
_FAILED_SHUTTERS = ((1, 30, 20), (4, 300, 150))


@dataclass(frozen=True, slots=True)
class CubeGrid:
    """The cube that `cube_build` makes by default."""

    wavelengths_um: tuple[float, float]
    """First and last wavelength."""
    step_um: float
    """Width of a plane."""
    spaxel_arcsec: float
    """Width of a spaxel."""
    optics: tuple[str, str] = ("CLEAR", "PRISM")
    """Filter and disperser."""


def offer_by_mode(
    library: Library,
    reftype: str,
    name: str,
    exp_type: str,
    *,
    contexts: Sequence[int] = (1, 2),
) -> None:
    """Let the rules select a file for one exposure type."""
    library.offer(
        reftype,
        name,
        parkeys=(EXP_TYPE,),
        matches=[(exp_type,)],
        contexts=tuple(contexts),
    )


def make_flat_table() -> Any:
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


def add_flat(library: Library, exp_type: str, *, serial: int) -> None:
    """Publish a fore-optics flat of one.

    Without any flat the pipeline ends well, with NaN in every pixel.
    """
    model = datamodels.NirspecFlatModel(flat_table=make_flat_table())
    model.data, model.err = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    model.meta.exposure.type = exp_type
    offer_by_mode(
        library, "fflat", library.add_model("fflat", model, serial=serial), exp_type
    )


def make_photom_table(slits: Sequence[str], factor: float) -> Any:
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
    rows = [(*optics, *each, *tail) for optics in _OPTICS for each in apertures]
    return np.array(rows, dtype=[*names, *values])


def add_photom(library: Library, model: Any, exp_type: str, *, serial: int) -> str:
    """Publish a flux conversion; return its name."""
    model.meta.photometry.pixelarea_steradians = IFU_PIXEL_ARCSEC2 * ARCSEC2_SR
    model.meta.photometry.pixelarea_arcsecsq = IFU_PIXEL_ARCSEC2
    model.meta.exposure.type = exp_type
    return library.add_model("photom", model, serial=serial)


def add_area(library: Library, model: Any, exp_type: str, *, serial: int) -> None:
    """Publish the areas of pixels."""
    model.meta.exposure.type = exp_type
    name = library.add_model("area", model, serial=serial)
    offer_by_mode(library, "area", name, exp_type)


def add_aperture(
    library: Library, exp_type: str, aperture: Mapping[str, object], *, serial: int
) -> None:
    """Publish the aperture of slit spectra."""
    tree = {
        "reftype": "EXTRACT1D",
        "instrument": library.instrument,
        "telescope": "JWST",
        "exp_type": exp_type,
        "pedigree": "DUMMY",
        "description": "Synthetic extract1d reference of a sample program",
        "author": "Rewebb",
        "useafter": "2022-01-01T00:00:00",
        "apertures": [aperture],
    }
    name = library.add_json("extract1d", tree, serial=serial)
    offer_by_mode(library, "extract1d", name, exp_type)


def make_table(names: str, rows: Sequence[tuple[object, ...]]) -> Any:
    """Make a table of a cubepar reference: numbers, and names of optics."""
    texts = {"disperser": "S5", "filter": "S6", "channel": "S3", "band": "S12"}
    dtype = [(name, texts.get(name, "f4")) for name in names.split()]
    return np.array(rows, dtype=dtype)


_BANDS = {"PRISM": "prism", "G395M": "med", "G395H": "high"}
"""How the tables by wavelength call the dispersers."""


def _cube_tables(grid: CubeGrid) -> dict[str, Any]:
    (start, stop), step = grid.wavelengths_um, grid.step_um
    planes = np.arange(start, stop, step)
    filter_name, disperser = grid.optics
    msm, msm_names = (0.2, 3 * step, 2.0, 0.01), "roispatial roispectral power softrad"
    emsm, emsm_names = (0.2, 3 * step, 0.05), "roispatial roispectral scalerad"
    sampling = "wavemin wavemax spaxelsize spectralstep"
    tables = {
        "table": (sampling, (start, stop, grid.spaxel_arcsec, step)),
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
                f"disperser filter {names}", [(disperser, filter_name, *row)]
            )
            for kind, (names, row) in tables.items()
        },
        **{
            f"ifucubepars_{_BANDS[disperser]}_{kind}": make_table(
                f"wavelength {names}", [(each, *row) for each in planes]
            )
            for kind, (names, row) in waves.items()
        },
    }


def _make_cubepar(grids: Sequence[CubeGrid]) -> Any:
    model = datamodels.NirspecIFUCubeParsModel()
    rows: dict[str, list[Any]] = defaultdict(list)
    for grid in grids:
        for name, table in _cube_tables(grid).items():
            rows[name].append(table)
    for name, tables in rows.items():
        setattr(model, name, np.concatenate(tables))
    model.meta.exposure.type = "NRS_IFU"
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


def add_failed_shutters(
    library: Library,
    exp_type: str,
    shutters: Sequence[tuple[int, int, int]],
    *,
    serial: int,
) -> None:
    """Publish which shutters are stuck open, by quadrant, row and column.

    An empty list is an IndexError in `msaflagopen`.
    """
    tree = {
        "instrument": "NIRSPEC",
        "reftype": "MSAOPER",
        "msaoper": [_shutter(*each) for each in shutters],
    }
    name = library.add_json("msaoper", tree, serial=serial)
    offer_by_mode(library, "msaoper", name, exp_type)


def add_ifu_references(library: Library, grids: Sequence[CubeGrid]) -> None:
    """Publish what the IFU needs after detector1, two `photom` among it."""
    mode = "NRS_IFU"
    add_flat(library, mode, serial=1)
    for serial, factor in ((1, 1.0), (2, _CONTEXT_2_FLUX)):
        model = datamodels.NrsMosPhotomModel(phot_table=make_photom_table((), factor))
        name = add_photom(library, model, mode, serial=serial)
        offer_by_mode(library, "photom", name, mode, contexts=[serial])
    areas = np.array(
        [(number, IFU_PIXEL_ARCSEC2) for number in range(30)],
        dtype=[("slice_id", "i2"), ("pixarea", "f4")],
    )
    model = datamodels.NirspecIfuAreaModel(area_table=areas)
    add_area(library, model, mode, serial=1)
    add_failed_shutters(library, mode, _FAILED_SHUTTERS, serial=1)
    offer_by_mode(
        library, "cubepar", library.add_model("cubepar", _make_cubepar(grids)), mode
    )
    aperture = library.add_inline("extract1d", _make_aperture())
    offer_by_mode(library, "extract1d", aperture, mode)


def add_slit_references(library: Library, exp_type: str, *, serial: int) -> None:
    """Publish what spectra through the fixed slits need after detector1.

    Apertures of the extraction are left to the caller.
    """
    add_flat(library, exp_type, serial=serial)
    slits = tuple(SLIT_WIDTHS_ARCSEC)
    model = datamodels.NrsFsPhotomModel(phot_table=make_photom_table(slits, 1.0))
    # The first two are those of the IFU.
    name = add_photom(library, model, exp_type, serial=serial + 1)
    offer_by_mode(library, "photom", name, exp_type)
    areas = np.array(
        [(slit, width * PIXEL_ARCSEC) for slit, width in SLIT_WIDTHS_ARCSEC.items()],
        dtype=[("slit_id", "S15"), ("pixarea", "f4")],
    )
    model = datamodels.NirspecSlitAreaModel(area_table=areas)
    add_area(library, model, exp_type, serial=serial)
    for reftype in ("msaoper", "cubepar"):
        offer_by_mode(library, reftype, NOT_APPLICABLE, exp_type)
