"""References of the MRS optics: what the pipeline builds its coordinates from."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from astropy import units
from astropy.modeling import models
from stdatamodels.jwst.datamodels import wcs_ref_models as references

from .frames import SliceMap
from .library import EXP_TYPE, MIRI_OPTICS, Library
from .mrs_geometry import Band, map_slices

__all__ = [
    "SERIALS",
    "add_band_optics",
    "add_wavelengthrange",
    "mark_band",
    "offer_by_band",
]

SERIALS = {"SHORT": 1, "MEDIUM": 2, "LONG": 3}
"""Numbers in the names of references by band."""

_THROUGHPUTS = 9


def mark_band(model: Any, band: str) -> None:
    """Fill the metadata that say what a reference is for."""
    instrument = model.meta.instrument
    instrument.detector, instrument.channel, instrument.band = "MIRIFUSHORT", "12", band


def offer_by_band(library: Library, reftype: str, name: str, band: str) -> None:
    """Let the rules select a file for one band of MIRIFUSHORT."""
    library.offer(
        reftype,
        name,
        parkeys=MIRI_OPTICS,
        matches=[("MIRIFUSHORT", "12", band, "MIR_MRS")],
    )


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


def _make_regions(slices: SliceMap) -> Any:
    """Make the map of the slices, the same at every throughput."""
    return references.RegionsModel(regions=np.stack([slices] * _THROUGHPUTS))


def _make_wavelengthrange(bands: Iterable[Band]) -> Any:
    ranges = {
        channel.name + band.name: list(channel.wavelengths_um)
        for band in bands
        for channel in band.channels
    }
    model = references.WavelengthrangeModel(
        wrange_selector=list(ranges), wrange=list(ranges.values()), wunits=units.um
    )
    model.meta.exposure.type = "MIR_MRS"
    return model


def add_band_optics(library: Library, band: Band) -> SliceMap:
    """Publish the optics of one band; give the map of its slices."""
    slices = map_slices(band)
    made = {
        "distortion": _make_distortion(band),
        "regions": _make_regions(slices),
        "specwcs": _make_specwcs(band),
    }
    for reftype, model in made.items():
        mark_band(model, band.name)
        model.meta.exposure.type = "MIR_MRS"
        serial = SERIALS[band.name]
        file = library.add_model(reftype, model, serial=serial, suffix="asdf")
        offer_by_band(library, reftype, file, band.name)
    return slices


def add_wavelengthrange(library: Library, bands: Iterable[Band]) -> None:
    """Publish the wavelengths of all bands."""
    ranges = _make_wavelengthrange(bands)
    name = library.add_model("wavelengthrange", ranges, suffix="asdf")
    library.offer("wavelengthrange", name, parkeys=(EXP_TYPE,), matches=[("MIR_MRS",)])
