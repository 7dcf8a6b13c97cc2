"""References of detector1: what the ramps of a subarray are corrected with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from stdatamodels.jwst import datamodels

from workers.contract import NOT_APPLICABLE

from .frames import DETECTORS, READ_NOISE_DN, SATURATION_DN, Subarray, bias_image
from .library import DETECTOR, SUBARRAY, Library

__all__ = ["Readout", "add_detector_references", "describe_readout", "make_flat"]

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


def _make_models(subarray: Subarray) -> Mapping[str, Any]:
    """Make the models of a perfectly linear detector with one electron per DN."""
    gain = np.ones(subarray.shape, np.float32)
    # The reference is the noise of the difference of two reads.
    noise = np.full(subarray.shape, READ_NOISE_DN * np.sqrt(2), np.float32)
    return {
        "gain": datamodels.GainModel(data=gain),
        "linearity": _make_linearity(subarray),
        "mask": _make_mask(subarray),
        "readnoise": datamodels.ReadnoiseModel(data=noise),
        "saturation": _make_saturation(subarray),
    }


_OWN: Mapping[str, tuple[str, Callable[[Subarray], Any]]] = {
    "MIRI": ("rscd", _make_rscd),
    "NIRSPEC": ("superbias", _make_superbias),
}
"""What detectors of one instrument alone have, by instrument."""


def describe_readout(model: Any, readout: Readout) -> None:
    """Fill the metadata that say of which pixels a reference is."""
    subarray, detector = readout.subarray, DETECTORS[readout.detector]
    model.meta.instrument.detector = readout.detector
    # The schema of a table has none: it is of no pixels.
    if not hasattr(model.meta, "subarray"):
        return
    part = model.meta.subarray
    part.name = subarray.name
    part.xstart, part.ystart = subarray.x, subarray.y
    part.xsize, part.ysize = subarray.columns, subarray.rows
    part.fastaxis, part.slowaxis = detector.fast_axis, detector.slow_axis


def make_flat(readout: Readout) -> Any:
    """Make a flat of one."""
    model = datamodels.FlatModel(data=np.ones(readout.subarray.shape, np.float32))
    model.meta.exposure.readpatt = "ANY"
    describe_readout(model, readout)
    return model


def add_detector_references(library: Library, readout: Readout) -> None:
    """Publish what detector1 needs for one part of a detector."""
    own, make_own = _OWN[library.instrument]
    subarray = readout.subarray
    models = {**_make_models(subarray), own: make_own(subarray)}
    if readout.dark:
        models["dark"] = _make_dark(subarray)
    for reftype, model in models.items():
        describe_readout(model, readout)
        if reftype in {"readnoise", "superbias"}:
            model.meta.exposure.readpatt = "ANY"
        name = library.add_model(reftype, model, serial=readout.serial)
        _offer(library, reftype, name, readout)
    if not readout.dark:
        _offer(library, "dark", NOT_APPLICABLE, readout)


def _offer(library: Library, reftype: str, name: str, readout: Readout) -> None:
    match = readout.detector, readout.subarray.name
    library.offer(reftype, name, parkeys=(DETECTOR, SUBARRAY), matches=[match])
