"""References of spec2 and spec3 for the LRS, and of the optics of the imager."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from astropy import units
from numpy.typing import NDArray
from stdatamodels.jwst import datamodels

from .detector_references import make_flat
from .frames import MIRI_FULL, SLITLESSPRISM
from .library import EXP_TYPE, MIRI_OPTICS, Library, add_aperture
from .lrs_geometry import (
    FILTER_OFFSETS,
    PIXEL_ARCSEC2,
    SLIT,
    SLIT_COLUMNS,
    SLIT_ROWS,
    SLITLESS,
    Trace,
    load_field,
)
from .lrs_light import MJY_SR_PER_DN, psf_sigma_pixels, response, transmit
from .scene import ARCSEC2_SR, share_within

__all__ = ["add_lrs_references"]

_SPECTRA = (SLIT.exp_type, SLITLESS.exp_type)
_ACQUISITION = "MIR_TACONFIRM"
_SLIT_APERTURE = {
    "id": SLIT.exp_type,
    "region_type": "target",
    "dispaxis": 2,
    "extract_width": 8,
    "use_source_posn": True,
}
_SLITLESS_APERTURE = {
    "id": SLITLESS.exp_type,
    "region_type": "target",
    "dispaxis": 2,
    "xstart": 31,
    "xstop": 43,
    "bkg_coeff": [[8.5], [22.5], [51.5], [65.5]],
    "bkg_fit": "median",
    "use_source_posn": False,
}
_HALF_COLUMNS = 20
_WAVELENGTHS_UM = np.linspace(3.5, 14.5, 111)
_APERTURE_PIXELS = np.arange(4, 21)
_PLACES = np.linspace(-3, 3, 31)
"""Where the loss in the slit is tabulated, in pixels above the reference point."""


def _make_distortion() -> Any:
    model = datamodels.DistortionModel(
        model=load_field(), input_units=units.pix, output_units=units.arcsec
    )
    model.meta.exposure.type = "MIR_IMAGE"
    return model


def _make_filteroffset() -> Any:
    offsets = [
        {"filter": name, "column_offset": columns, "row_offset": rows}
        for name, (columns, rows) in FILTER_OFFSETS.items()
    ]
    model = datamodels.FilteroffsetModel(filters=offsets, instrument="MIRI")
    model.meta.instrument.detector = "MIRIMAGE"
    return model


def _make_wavetable(trace: Trace) -> NDArray[np.void]:
    """Make the table of a trace, with the corners of the box around each row."""
    above = trace.above
    columns = {
        "x_center": trace.shift(above),
        "y_center": above,
        "wavelength": trace.wavelength_um(above),
    }
    half = 0.5
    corners = ((-1, half), (1, half), (1, -half), (-1, -half))
    for number, (side, up) in enumerate(corners):
        columns[f"x{number}"] = trace.shift(above + up) + side * _HALF_COLUMNS
        columns[f"y{number}"] = above + up
    table = np.zeros(above.size, [(name, "f8") for name in columns])
    for name, values in columns.items():
        table[name] = values
    return table


def _make_specwcs(trace: Trace) -> Any:
    model = datamodels.MiriLRSSpecwcsModel(wavetable=_make_wavetable(trace))
    meta = model.meta
    # Reference files count pixels from 1.
    meta.x_ref, meta.y_ref = SLIT.column + 1, SLIT.row + 1
    meta.x_ref_slitless, meta.y_ref_slitless = SLITLESS.column + 1, SLITLESS.row + 1
    (left, right), (low, high) = SLIT_COLUMNS, SLIT_ROWS
    corners = ((left, low), (left, high), (right, high), (right, low))
    for number, corner in enumerate(corners, start=1):
        v2, v3 = load_field()(*corner)
        setattr(meta, f"v2_vert{number}", float(v2))
        setattr(meta, f"v3_vert{number}", float(v3))
    return model


def _make_photom() -> Any:
    size = _WAVELENGTHS_UM.size
    tail = MJY_SR_PER_DN, MJY_SR_PER_DN / 100, size, _WAVELENGTHS_UM
    curve = response(_WAVELENGTHS_UM)
    rows = [
        ("P750L", subarray.name, *tail, curve, 0 * curve)
        for subarray in (MIRI_FULL, SLITLESSPRISM)
    ]
    vector = ("f4", (size,))
    model = datamodels.MirLrsPhotomModel()
    model.phot_table = np.array(
        rows,
        dtype=[
            ("filter", "S12"),
            ("subarray", "S17"),
            ("photmjsr", "f4"),
            ("uncertainty", "f4"),
            ("nelem", "i2"),
            ("wavelength", *vector),
            ("relresponse", *vector),
            ("reluncertainty", *vector),
        ],
    )
    model.meta.photometry.pixelarea_arcsecsq = PIXEL_ARCSEC2
    model.meta.photometry.pixelarea_steradians = PIXEL_ARCSEC2 * ARCSEC2_SR
    return model


def _make_apcorr() -> Any:
    """Make what a point loses outside of apertures."""
    waves, sizes = _WAVELENGTHS_UM, _APERTURE_PIXELS
    sigma = psf_sigma_pixels(waves)[:, None]
    factors = 1 / share_within(0.0, sizes.astype(float), sigma)
    rows = [
        (subarray.name, waves, waves.size, sizes, sizes.size, factors, 0 * factors)
        for subarray in (MIRI_FULL, SLITLESSPRISM)
    ]
    model = datamodels.MirLrsApcorrModel()
    model.apcorr_table = np.array(
        rows,
        dtype=[
            ("subarray", "S17"),
            ("wavelength", "f4", waves.shape),
            ("nelem_wl", "i2"),
            ("size", "u1", sizes.shape),
            ("nelem_size", "i2"),
            ("apcorr", "f4", factors.shape),
            ("apcorr_err", "f4", factors.shape),
        ],
    )
    model.sizeunit = "pixels"
    return model


def _make_pathloss() -> Any:
    """Make what a point loses in the slit, the same along the slit.

    The factors are in the order of the wavelengths, longest first.
    """
    waves = _WAVELENGTHS_UM[::-1]
    step = float(_PLACES[1] - _PLACES[0])
    factors = 1 / np.stack([transmit(waves, above) for above in _PLACES], axis=-1)
    planes = np.repeat(factors[:, :, None], 2, axis=2)
    model = datamodels.MirLrsPathlossModel()
    model.pathloss_table = np.array(
        [(wave, plane, 0 * plane) for wave, plane in zip(waves, planes, strict=True)],
        dtype=[
            ("wavelength", "f4"),
            ("pathloss", "f4", planes[0].shape),
            ("pathloss_err", "f4", planes[0].shape),
        ],
    )
    wcs = model.meta.wcsinfo
    left, right = SLIT_COLUMNS
    wcs.crpix1, wcs.crval1, wcs.cdelt1 = 1.0, left - SLIT.column, right - left
    wcs.crpix2, wcs.crval2, wcs.cdelt2 = 1.0, float(_PLACES[0]), step
    return model


def _offer(library: Library, reftype: str, name: str, modes: Sequence[str]) -> None:
    """Offer a file to modes of the imager."""
    values = [["MIRIMAGE"], ["N/A"], ["N/A"], modes]
    library.offer(reftype, name, dict(zip(MIRI_OPTICS, values, strict=True)))


def _add_optics(library: Library) -> None:
    name = library.add_model("distortion", _make_distortion, suffix="asdf")
    _offer(library, "distortion", name, [*_SPECTRA, _ACQUISITION])
    name = library.add_model("filteroffset", _make_filteroffset, suffix="asdf")
    library.offer("filteroffset", name, {EXP_TYPE: [*_SPECTRA, _ACQUISITION]})
    for trace in (SLIT, SLITLESS):
        name = library.add_model("specwcs", partial(_make_specwcs, trace))
        _offer(library, "specwcs", name, [trace.exp_type])


def add_lrs_references(library: Library) -> None:
    """Publish what the LRS needs after detector1, with slit and without."""
    _add_optics(library)
    name = library.add_model("flat", partial(make_flat, "MIRIMAGE"))
    _offer(library, "flat", name, _SPECTRA)
    _offer(library, "photom", library.add_model("photom", _make_photom), _SPECTRA)
    for aperture in (_SLIT_APERTURE, _SLITLESS_APERTURE):
        add_aperture(library, str(aperture["id"]), aperture)
    name = library.add_model("apcorr", _make_apcorr)
    library.offer("apcorr", name, {EXP_TYPE: _SPECTRA})
    name = library.add_model("pathloss", _make_pathloss)
    library.offer("pathloss", name, {EXP_TYPE: [SLIT.exp_type]})
