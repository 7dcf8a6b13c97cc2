"""References of spec2 and spec3 for the MRS: fringes, flux, cubes, apertures."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from stdatamodels.jwst import datamodels

from .detector_references import make_flat
from .library import EXP_TYPE, Library, make_table
from .mrs_light import MJY_SR_PER_DN, Fringe, trace_mrs
from .mrs_optics import add_band_optics, add_for_band, add_wavelengthrange
from .publishing import DATE

__all__ = [
    "BANDS",
    "FLAT_FRINGE",
    "add_band_references",
    "add_mrs_references",
]

BANDS = ("SHORT", "MEDIUM", "LONG")
"""The bands; references are numbered in this order."""
FLAT_FRINGE = Fringe(amplitude=0.03, period_per_cm=2.8, phase=0.0)
"""The fringes that the fringe reference divides out."""

_SLICES = (*range(101, 122), *range(201, 218))
_DO_NOT_USE = 1
_SAMPLING = "spaxelsize spectralstep wavemin wavemax"
_MSM = "roispatial roispectral power softrad"
_EMSM = "roispatial roispectral scalerad"
_FREQUENCY_CARDS = {
    "TELESCOP": "JWST",
    "INSTRUME": "MIRI",
    "DETECTOR": "MIRIFUSHORT",
    "REFTYPE": "FRINGEFREQ",
    "DATAMODL": "FringeFreqModel",
    "DESCRIP": "Synthetic fringefreq reference of a sample program",
    "AUTHOR": "Rewebb",
    "PEDIGREE": "DUMMY",
    "USEAFTER": "2022-01-01T00:00:00",
    "DATE": DATE,
}
_APERTURE = {"radius": 0.6, "inner_bkg": 0.8, "outer_bkg": 1.15}


@dataclass(frozen=True, slots=True)
class _BandGrid:
    """The cube that `cube_build` makes of one channel in one band."""

    channel: str
    """``1`` or ``2``."""
    band: str
    """SHORT, MEDIUM or LONG."""
    wavelengths_um: tuple[float, float]
    """First and last wavelength."""
    step_um: float
    """Width of a plane."""
    spaxel_arcsec: float
    """Width of a spaxel."""

    @property
    def planes_um(self) -> NDArray[np.float64]:
        """Wavelengths of the planes."""
        return np.arange(*self.wavelengths_um, self.step_um)


_GRIDS = (
    _BandGrid("1", "LONG", (6.55, 6.6), 0.0008, 0.13),
    _BandGrid("1", "MEDIUM", (6.05, 6.15), 0.0008, 0.13),
    _BandGrid("1", "SHORT", (5.25, 5.45), 0.0008, 0.13),
    _BandGrid("2", "LONG", (10.2, 10.6), 0.0013, 0.17),
    _BandGrid("2", "MEDIUM", (8.9, 9.0), 0.0013, 0.17),
    _BandGrid("2", "SHORT", (7.8, 8.2), 0.0013, 0.17),
)
"""Cubes, which cover the lines of the sample programs and no more, to be quick."""


def _make_photom(band: str) -> Any:
    areas = trace_mrs(band).pixel_areas()
    model = datamodels.MirMrsPhotomModel(
        data=np.where(areas > 0, np.float32(MJY_SR_PER_DN), np.nan),
        dq=np.where(areas > 0, 0, _DO_NOT_USE).astype(np.uint32),
        pixsiz=areas,
    )
    model.meta.photometry.conversion_megajanskys = MJY_SR_PER_DN
    return model


def _make_fringe(band: str) -> Any:
    model = datamodels.FringeModel(data=trace_mrs(band).fringes(FLAT_FRINGE))
    # Zeros need not be in the file: they are made when it is opened.
    del model.err, model.dq
    return model


def add_band_references(library: Library, band: str) -> None:
    """Publish what one band needs after detector1: optics, flat, fringes, flux."""
    add_band_optics(library, band)
    add_for_band(library, "flat", partial(make_flat, "MIRIFUSHORT"), band)
    add_for_band(library, "fringe", partial(_make_fringe, band), band)
    add_for_band(library, "photom", partial(_make_photom, band), band)


def _make_band_tables() -> dict[str, Any]:
    """Make the tables that have a row for each channel and band."""
    sampling: list[tuple[object, ...]] = []
    msm, emsm = sampling.copy(), sampling.copy()
    for grid in _GRIDS:
        name, width = (grid.channel, grid.band), 4 * grid.step_um
        size = (grid.spaxel_arcsec, grid.step_um, *grid.wavelengths_um)
        sampling.append((*name, *size))
        msm.append((*name, 0.3, width, 2.0, 0.01))
        emsm.append((*name, 0.3, width, 0.1))
    return {
        "ifucubepars_table": make_table(f"channel band {_SAMPLING}", sampling),
        "ifucubepars_msm_table": make_table(f"channel band {_MSM}", msm),
        "ifucubepars_emsm_table": make_table(f"channel band {_EMSM}", emsm),
    }


def _make_wave_tables() -> dict[str, Any]:
    """Make the tables of cubes of several channels: a row for each wavelength."""
    waves = np.unique(np.concatenate([grid.planes_um for grid in _GRIDS]))
    width = 4 * _GRIDS[0].step_um
    kinds: dict[str, tuple[str, tuple[float, ...]]] = {
        "driz": ("", ()),
        "msm": (_MSM, (0.3, width, 2.0, 0.01)),
        "emsm": (_EMSM, (0.3, width, 0.1)),
    }
    return {
        f"ifucubepars_multichannel_{kind}_wavetable": make_table(
            f"wavelength {columns}", [(wave, *row) for wave in waves]
        )
        for kind, (columns, row) in kinds.items()
    }


def _make_cubepar() -> Any:
    model = datamodels.MiriIFUCubeParsModel()
    tables = {**_make_band_tables(), **_make_wave_tables()}
    for name, table in tables.items():
        setattr(model, name, table)
    return model


def _make_aperture() -> Any:
    wavelength = np.linspace(4.5, 12.5, 17, dtype=np.float32)
    ones = np.ones_like(wavelength)
    model = datamodels.Extract1dIFUModel()
    model.meta.region_type, model.meta.method = "target", "subpixel"
    model.meta.subtract_background, model.meta.subpixels = True, 10
    sizes = {name: size * ones for name, size in _APERTURE.items()}
    angles = {"axis_ratio": ones, "axis_pa": 0 * ones, "axis_pa_units": "deg"}
    texts = {f"{name}_units": "arcsec" for name in _APERTURE}
    axis = {"wavelength": wavelength, "wavelength_units": "micron"}
    model.data = {**axis, **sizes, **texts, **angles}
    return model


def _frequency_table(name: str, fringe: Fringe) -> fits.BinTableHDU:
    """Make the table of the frequencies of a band: one, and room for a second."""
    size = len(_SLICES)
    columns = {
        "ffreq": ("2D", (fringe.period_per_cm, 0.0)),
        "dffreq": ("2D", (0.2, 0.0)),
        "min_nfringes": ("2K", (1, 0)),
        "max_nfringes": ("2K", (10, 0)),
        "min_snr": ("2D", (10.0, 10.0)),
        "pgram_res": ("2D", (0.01, 0.01)),
    }
    slices = fits.Column(name="Slice", format="D", array=np.array(_SLICES, float))
    rows = [
        fits.Column(name=key, format=form, array=np.tile(value, (size, 1)))
        for key, (form, value) in columns.items()
    ]
    return fits.BinTableHDU.from_columns([slices, *rows], name=name)


def _write_frequencies(path: Path) -> None:
    """Write the reference of `residual_fringe`.

    The schema of its model has scalars where the step wants vectors.
    """
    tables = [_frequency_table(f"RFC_FREQ_{band}", FLAT_FRINGE) for band in BANDS]
    wavelength = np.linspace(4.5, 12.5, 17)
    largest = fits.BinTableHDU.from_columns(
        [
            fits.Column(name="Wavelength", format="D", array=wavelength),
            fits.Column(name="Amplitude", format="D", array=0 * wavelength + 0.2),
        ],
        name="MAX_AMP",
    )
    primary = fits.PrimaryHDU(header=fits.Header(_FREQUENCY_CARDS))
    fits.HDUList([primary, *tables, largest]).writeto(path)


def add_mrs_references(library: Library) -> None:
    """Publish what all bands share: cubes, apertures, frequencies of fringes."""
    add_wavelengthrange(library)
    # Without a table of its channel the straylight step corrects by zero, at once.
    names = {
        "cubepar": library.add_model("cubepar", _make_cubepar),
        "extract1d": library.add_model(
            "extract1d", _make_aperture, suffix="asdf", inline=True
        ),
        "fringefreq": library.add("fringefreq", "fits", _write_frequencies),
        "mrsxartcorr": library.add_model("mrsxartcorr", datamodels.MirMrsXArtCorrModel),
    }
    for reftype, name in names.items():
        library.offer(reftype, name, {EXP_TYPE: ["MIR_MRS"]})
