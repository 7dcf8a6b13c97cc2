"""References of spec2 and spec3 for the MRS: fringes, flux, cubes, apertures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from stdatamodels.jwst import datamodels

from ..publishing import publish
from .detector_references import Readout, make_flat
from .frames import MRS, SliceMap
from .library import EXP_TYPE, Library
from .mrs_light import MJY_SR_PER_DN, Fringe, MrsLight
from .mrs_optics import SERIALS, mark_band, offer_by_band
from .publishing import DATE
from .spectral_references import make_table

__all__ = [
    "FLAT_FRINGE",
    "READOUT",
    "BandGrid",
    "add_band_references",
    "add_mrs_references",
]

READOUT = Readout(MRS, serial=1, detector="MIRIFUSHORT")
"""What is read: the whole detector of channels 1 and 2."""
FLAT_FRINGE = Fringe(amplitude=0.03, period_per_cm=2.8, phase=0.0)
"""The fringes that the fringe reference divides out."""

_MRS = "MIR_MRS"
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


@dataclass(frozen=True, slots=True, order=True)
class BandGrid:
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


def _make_photom(slices: SliceMap, light: MrsLight) -> Any:
    lit = slices > 0
    model = datamodels.MirMrsPhotomModel(
        data=np.where(lit, np.float32(MJY_SR_PER_DN), np.nan),
        dq=np.where(lit, 0, _DO_NOT_USE).astype(np.uint32),
        pixsiz=light.pixel_areas(),
    )
    model.meta.photometry.conversion_megajanskys = MJY_SR_PER_DN
    return model


def add_band_references(
    library: Library, band: str, slices: SliceMap, light: MrsLight
) -> None:
    """Publish the pictures of one band: flat, fringes, flux."""
    made = {
        "flat": make_flat(READOUT),
        "fringe": datamodels.FringeModel(data=light.fringes(FLAT_FRINGE)),
        "photom": _make_photom(slices, light),
    }
    for reftype, model in made.items():
        mark_band(model, band)
        if reftype != "photom":
            # Zeros need not be in the file: they are made when it is opened.
            del model.err, model.dq
        name = library.add_model(reftype, model, serial=SERIALS[band])
        offer_by_band(library, reftype, name, band)


def _make_band_tables(grids: Sequence[BandGrid]) -> dict[str, Any]:
    """Make the tables that have a row for each channel and band."""
    sampling: list[tuple[object, ...]] = []
    msm, emsm = sampling.copy(), sampling.copy()
    for grid in grids:
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


def _make_wave_tables(grids: Sequence[BandGrid]) -> dict[str, Any]:
    """Make the tables of cubes of several channels: a row for each wavelength."""
    waves = np.unique(np.concatenate([grid.planes_um for grid in grids]))
    width = 4 * grids[0].step_um
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


def _make_cubepar(grids: Sequence[BandGrid]) -> Any:
    model = datamodels.MiriIFUCubeParsModel()
    tables = {**_make_band_tables(grids), **_make_wave_tables(grids)}
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
    tables = [_frequency_table(f"RFC_FREQ_{band}", FLAT_FRINGE) for band in SERIALS]
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


def _add_frequencies(library: Library) -> None:
    name = library.add(
        "jwst_miri_fringefreq_0001.fits",
        lambda path: publish(path, _write_frequencies),
    )
    library.offer("fringefreq", name, parkeys=(EXP_TYPE,), matches=[(_MRS,)])


def add_mrs_references(library: Library, grids: Sequence[BandGrid]) -> None:
    """Publish what all bands share: cubes, apertures, frequencies of fringes."""
    _add_frequencies(library)
    # Without a table of its channel the straylight step corrects by zero, at once.
    names = {
        "cubepar": library.add_model("cubepar", _make_cubepar(grids)),
        "extract1d": library.add_inline("extract1d", _make_aperture()),
        "mrsxartcorr": library.add_model(
            "mrsxartcorr", datamodels.MirMrsXArtCorrModel()
        ),
    }
    for reftype, name in names.items():
        library.offer(reftype, name, parkeys=(EXP_TYPE,), matches=[(_MRS,)])
