"""References of the MRS optics: what the pipeline builds its coordinates from."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from astropy import units
from astropy.modeling import models
from stdatamodels.jwst.datamodels import wcs_ref_models as references

from .library import EXP_TYPE, MIRI_OPTICS, Library
from .mrs_geometry import Band, load_bands, map_slices

__all__ = ["add_band_optics", "add_for_band", "add_wavelengthrange"]

_THROUGHPUTS = 9


def add_for_band(
    library: Library,
    reftype: str,
    make: Callable[[], Any],
    band: str,
    suffix: str = "fits",
) -> None:
    """Publish a reference of one band of MIRIFUSHORT."""

    def make_for_band() -> Any:
        model = make()
        instrument = model.meta.instrument
        instrument.detector = "MIRIFUSHORT"
        instrument.channel, instrument.band = "12", band
        return model

    name = library.add_model(reftype, make_for_band, suffix=suffix)
    values = [["MIRIFUSHORT"], ["12"], [band], ["MIR_MRS"]]
    library.offer(reftype, name, dict(zip(MIRI_OPTICS, values, strict=True)))


def _make_distortion(band: Band) -> Any:
    names = [channel.name + band.name for channel in band.channels]
    zeros = [channel.beta_zero for channel in band.channels]
    steps = [channel.beta_step for channel in band.channels]
    model = references.DistortionMRSModel(
        x_model=[each.x for each in band.slices],
        y_model=[each.y for each in band.slices],
        alpha_model=[each.alpha for each in band.slices],
        beta_model=[models.Const1D(each.beta) for each in band.slices],
        bzero={"channel_band": names, "beta_zero": zeros},
        bdel={"channel_band": names, "delta_beta": steps},
        input_units=units.pix,
        output_units=units.arcsec,
    )
    fields = [channel.to_v2v3 for channel in band.channels]
    model.abv2v3_model = {"channel_band": names, "model": fields}
    model.slices = [each.number for each in band.slices]
    return model


def _make_specwcs(band: Band) -> Any:
    model = references.SpecwcsModel(
        model=[each.wavelength for each in band.slices],
        input_units=units.pix,
        output_units=units.um,
    )
    model.slices = [each.number for each in band.slices]
    return model


def _make_regions(band: Band) -> Any:
    """Make the map of the slices, the same at every throughput."""
    return references.RegionsModel(regions=np.stack([map_slices(band)] * _THROUGHPUTS))


def _make_wavelengthrange() -> Any:
    ranges = {
        channel.name + band.name: list(channel.wavelengths_um)
        for band in load_bands().values()
        for channel in band.channels
    }
    model = references.WavelengthrangeModel(
        wrange_selector=list(ranges), wrange=list(ranges.values()), wunits=units.um
    )
    model.meta.exposure.type = "MIR_MRS"
    return model


def _make(make: Callable[[Band], Any], band: str) -> Any:
    model = make(load_bands()[band])
    model.meta.exposure.type = "MIR_MRS"
    return model


def add_band_optics(library: Library, band: str) -> None:
    """Publish the optics of one band."""
    for reftype, make in (
        ("distortion", _make_distortion),
        ("regions", _make_regions),
        ("specwcs", _make_specwcs),
    ):
        add_for_band(library, reftype, partial(_make, make, band), band, "asdf")


def add_wavelengthrange(library: Library) -> None:
    """Publish the wavelengths of all bands."""
    name = library.add_model("wavelengthrange", _make_wavelengthrange, suffix="asdf")
    library.offer("wavelengthrange", name, {EXP_TYPE: ["MIR_MRS"]})
