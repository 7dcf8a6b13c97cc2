"""References of detector1: what the ramps of a subarray are corrected with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from stdatamodels.jwst import datamodels

from ..contract import NOT_APPLICABLE
from .frames import (
    DETECTORS,
    FULL,
    MIRI_FULL,
    READ_NOISE_DN,
    SATURATION_DN,
    SLITLESSPRISM,
    SUB512,
    SUB2048,
    SUBS200A1,
    Subarray,
    bias_image,
)
from .library import DETECTOR, SUBARRAY, Library

__all__ = ["READOUTS", "Readout", "add_detector_references", "make_flat"]

_DARK_GROUPS = 8
_REFERENCE_PIXEL = 2


@dataclass(frozen=True, slots=True)
class Readout:
    """A part of a detector that sample programs read."""

    detector: str
    """The detector."""
    subarray: Subarray
    """The part."""
    has_dark: bool = False
    """Whether there is a dark; the one of a full frame would be 150 MB of zeros."""


READOUTS = {
    "NIRSPEC": (
        Readout("NRS1", FULL),
        Readout("NRS1", SUB512, has_dark=True),
        Readout("NRS2", FULL),
        Readout("NRS1", SUBS200A1),
        Readout("NRS1", SUB2048, has_dark=True),
        Readout("NRS2", SUB2048, has_dark=True),
    ),
    "MIRI": (
        Readout("MIRIFUSHORT", MIRI_FULL),
        Readout("MIRIMAGE", MIRI_FULL),
        Readout("MIRIMAGE", SLITLESSPRISM),
    ),
}
"""What sample programs read, by instrument; references are numbered in this order."""


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
    model.meta.exposure.readpatt = "ANY"
    return model


def _make_saturation(subarray: Subarray) -> Any:
    level = np.full(subarray.shape, SATURATION_DN, np.float32)
    model = datamodels.SaturationModel(data=level)
    del model.dq
    return model


def _make_rscd(subarray: Subarray) -> Any:
    model = datamodels.RSCDModel()
    model.rscd_group_skip_table = np.array(
        [(subarray.name, DETECTORS["MIRIFUSHORT"].pattern, 1, 1)],
        dtype=[
            ("subarray", "S17"),
            ("readpatt", "S12"),
            ("group_skip1", "i4"),
            ("group_skip", "i4"),
        ],
    )
    return model


def _make_gain(subarray: Subarray) -> Any:
    return datamodels.GainModel(data=np.ones(subarray.shape, np.float32))


def _make_readnoise(subarray: Subarray) -> Any:
    # The reference is the noise of the difference of two reads.
    noise = np.full(subarray.shape, READ_NOISE_DN * np.sqrt(2), np.float32)
    model = datamodels.ReadnoiseModel(data=noise)
    model.meta.exposure.readpatt = "ANY"
    return model


_SHARED: Mapping[str, Callable[[Subarray], Any]] = {
    "gain": _make_gain,
    "linearity": _make_linearity,
    "mask": _make_mask,
    "readnoise": _make_readnoise,
    "saturation": _make_saturation,
}
"""What all have: a perfectly linear detector with one electron per DN."""
_OWN: Mapping[str, Mapping[str, Callable[[Subarray], Any]]] = {
    "MIRI": {"rscd": _make_rscd},
    "NIRSPEC": {"superbias": _make_superbias},
}
"""What detectors of one instrument alone have, by instrument."""


def _make(make: Callable[[Subarray], Any], readout: Readout) -> Any:
    """Make a reference and fill the metadata that say of which pixels it is."""
    subarray, detector = readout.subarray, DETECTORS[readout.detector]
    model = make(subarray)
    model.meta.instrument.detector = readout.detector
    # The schema of a table has none: it is of no pixels.
    if not hasattr(model.meta, "subarray"):
        return model
    part = model.meta.subarray
    part.name = subarray.name
    part.xstart, part.ystart = subarray.x, subarray.y
    part.xsize, part.ysize = subarray.columns, subarray.rows
    part.fastaxis, part.slowaxis = detector.fast_axis, detector.slow_axis
    return model


def make_flat(detector: str) -> Any:
    """Make a flat of one for the whole of a detector of MIRI."""
    model = _make(_make_flat, Readout(detector, MIRI_FULL))
    model.meta.exposure.readpatt = "ANY"
    return model


def _make_flat(subarray: Subarray) -> Any:
    model = datamodels.FlatModel(data=np.ones(subarray.shape, np.float32))
    # Zeros need not be in the file: they are made when it is opened.
    del model.err, model.dq
    return model


def add_detector_references(library: Library, readout: Readout) -> None:
    """Publish what detector1 needs for one part of a detector."""
    makers = {**_SHARED, **_OWN[library.instrument]}
    if readout.has_dark:
        makers["dark"] = _make_dark
    names = {"dark": NOT_APPLICABLE}
    for reftype, make in makers.items():
        names[reftype] = library.add_model(
            reftype,
            partial(_make, make, readout),
            serial=1 + READOUTS[library.instrument].index(readout),
        )
    choices = {DETECTOR: [readout.detector], SUBARRAY: [readout.subarray.name]}
    for reftype, name in names.items():
        library.offer(reftype, name, choices)
