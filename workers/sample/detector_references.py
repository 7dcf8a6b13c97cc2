"""References of detector1: what the ramps of a subarray are corrected with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from stdatamodels.jwst import datamodels

from .frames import (
    DETECTORS,
    MRS,
    READ_NOISE_DN,
    SATURATION_DN,
    Subarray,
    bias_image,
)
from .library import DETECTOR, SUBARRAY, Library

__all__ = ["Readout", "add_detector_references", "add_mrs_detector_references"]

_DARK_GROUPS = 8
_REFERENCE_PIXEL = 2


@dataclass(frozen=True, slots=True)
class Readout:
    """A part of a detector that sample programs read."""

    subarray: Subarray
    """The part."""
    serial: int
    """Number in the names of its references."""
    detector: str = "NRS1"
    """The detector."""
    dark: bool = False
    """Whether there is a dark; the one of a full frame would be 150 MB of zeros."""


def _make_mask(subarray: Subarray) -> Any:
    flags = np.full(subarray.shape, _REFERENCE_PIXEL, np.uint32)
    flags[subarray.inside] = 0
    definition = np.array(
        [(0, 1, "DO_NOT_USE", ""), (1, _REFERENCE_PIXEL, "REFERENCE_PIXEL", "")],
        dtype=[("BIT", "i4"), ("VALUE", "u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")],
    )
    return datamodels.MaskModel(dq=flags, dq_def=definition)


def _make_dark(subarray: Subarray) -> Any:
    model = datamodels.DarkModel(
        data=np.zeros((_DARK_GROUPS, *subarray.shape), np.float32)
    )
    model.meta.exposure.readpatt = "NRSRAPID"
    model.meta.exposure.ngroups = _DARK_GROUPS
    model.meta.exposure.nframes = 1
    model.meta.exposure.groupgap = 0
    return model


def _make_linearity(subarray: Subarray) -> Any:
    ones = np.ones(subarray.shape, np.float32)
    # Left out, these flags would be opened with the shape of the coefficients.
    good = np.zeros(subarray.shape, np.uint32)
    return datamodels.LinearityModel(coeffs=np.stack([0 * ones, ones]), dq=good)


def _make_superbias(subarray: Subarray) -> Any:
    model = datamodels.SuperBiasModel(data=bias_image(subarray))
    # Zeros need not be in the file: they are made when it is opened.
    del model.err, model.dq
    return model


def _make_saturation(subarray: Subarray) -> Any:
    level = np.full(subarray.shape, SATURATION_DN, np.float32)
    model = datamodels.SaturationModel(data=level)
    del model.dq
    return model


def _make_models(readout: Readout) -> Mapping[str, Any]:
    """Make the models of a perfectly linear detector with one electron per DN."""
    subarray = readout.subarray
    gain = np.ones(subarray.shape, np.float32)
    # The reference is the noise of the difference of two reads.
    noise = np.full(subarray.shape, READ_NOISE_DN * np.sqrt(2), np.float32)
    models = {
        "gain": datamodels.GainModel(data=gain),
        "linearity": _make_linearity(subarray),
        "mask": _make_mask(subarray),
        "readnoise": datamodels.ReadnoiseModel(data=noise),
        "saturation": _make_saturation(subarray),
    }
    if readout.detector.startswith("NRS"):
        models["superbias"] = _make_superbias(subarray)
    return models


def _make_rscd() -> Any:
    model = datamodels.RSCDModel()
    model.rscd_group_skip_table = np.array(
        [("FULL", "FASTR1", 1, 1)],
        dtype=[
            ("subarray", "S17"),
            ("readpatt", "S12"),
            ("group_skip1", "i4"),
            ("group_skip", "i4"),
        ],
    )
    return model


def _fill_meta(model: Any, readout: Readout) -> None:
    instrument, part = model.meta.instrument, model.meta.subarray
    subarray, detector = readout.subarray, DETECTORS[readout.detector]
    instrument.detector, part.name = readout.detector, subarray.name
    part.xstart, part.ystart = subarray.x, subarray.y
    part.xsize, part.ysize = subarray.columns, subarray.rows
    part.fastaxis, part.slowaxis = detector.fast_axis, detector.slow_axis


def add_detector_references(library: Library, readout: Readout) -> None:
    """Publish what detector1 needs for one part of a detector."""
    models = dict(_make_models(readout))
    if readout.dark:
        models["dark"] = _make_dark(readout.subarray)
    for reftype, model in models.items():
        _fill_meta(model, readout)
        if reftype in {"readnoise", "superbias"}:
            model.meta.exposure.readpatt = "ANY"
        name = library.add_model(reftype, model, serial=readout.serial)
        _offer(library, reftype, name, readout)
    if not readout.dark:
        _offer(library, "dark", "N/A", readout)


def add_mrs_detector_references(library: Library) -> None:
    """Publish what detector1 needs for MIRIFUSHORT.

    There is no dark and no reset: they would be 100 MB of zeros.
    """
    readout = Readout(MRS, serial=1, detector="MIRIFUSHORT")
    add_detector_references(library, readout)
    skips = _make_rscd()
    skips.meta.instrument.detector = readout.detector
    _offer(library, "rscd", library.add_model("rscd", skips), readout)


def _offer(library: Library, reftype: str, name: str, readout: Readout) -> None:
    match = readout.detector, readout.subarray.name
    library.offer(reftype, name, parkeys=(DETECTOR, SUBARRAY), matches=[match])
