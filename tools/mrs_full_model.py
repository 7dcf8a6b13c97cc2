"""The full model of the MRS, and the fit that makes the compact one of it.

Run by a developer, in the root of the repository, to make
``workers/sample/mrs_geometry.json`` again:

    python tools/mrs_full_model.py

The in-flight FLT-9 references (STScI-MIRI/miricoord) are read from
``../shared/instrument/miri-mrs``; none of these files is part of the project.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asdf
import numpy as np
from astropy.modeling import Model
from nirspec_full_model import _basis, _normalise, to_text

ROOT = Path(__file__).resolve().parents[1]
FULL_MODEL = ROOT.parent / "shared" / "instrument" / "miri-mrs"
COMPACT_MODEL = ROOT / "workers" / "sample" / "mrs_geometry.json"

BANDS = {"SHORT": "A", "MEDIUM": "B", "LONG": "C"}
HALF_LENGTHS = {"1": 1.75, "2": 2.1}
"""Half the length of a slice (arcsec) by channel: as much as slices have without
touching each other on the detector."""
MARGIN = 1.15
"""How far beyond the slices the models must hold."""
ROWS = (-3, 1027)
TOLERANCE_PIXELS = 0.12
LARGEST_DEGREE = 6
DECIMALS = {"alpha": 5, "wavelength": 7, "x": 4, "y": 4}

HOW = (
    "Derived by tools/mrs_full_model.py from the in-flight MRS references FLT-9"
    " (STScI-MIRI/miricoord): distortion and specwcs of channels 1 and 2. The models of"
    " each slice were sampled over its light on MIRIFUSHORT and refitted with"
    " polynomials of the lowest order that keeps its own error below 0.12 pixel. Inputs"
    " are normalised: (value - centre) / half_width; coefficients are c00, c01, ..,"
    " c10, c11, .. (powers of the first input, of the second). Inputs of alpha and"
    " wavelength: row and column; of x and y: wavelength and alpha. Lengths in pixels"
    " counted from 0, um and arcsec."
)


@dataclass(frozen=True, slots=True)
class FullSlice:
    """The models of one slice."""

    number: int
    alpha: Model
    wavelength: Model
    x: Model
    y: Model


@dataclass(frozen=True, slots=True)
class FullBand:
    """What the references of one band hold."""

    name: str
    distortion: dict[str, Any]
    slices: tuple[FullSlice, ...]
    wavelengths_um: dict[str, tuple[float, float]]

    def pick(self, table: str, values: str, channel: str) -> Any:
        """Return one value of a table by channel."""
        rows = self.distortion[table]
        return rows[values][rows["channel_band"].index(channel + self.name)]


def path_of(kind: str, band: str) -> Path:
    """Return the path of a reference of the full model."""
    return FULL_MODEL / f"jwst_miri_mrs12{BANDS[band]}_{kind}_flt9.asdf"


def _read(path: Path) -> dict[str, Any]:
    with asdf.open(path, lazy_load=False, memmap=False) as file:
        return dict(file.tree)


def read_full_band(name: str) -> FullBand:
    """Read the references of a band."""
    distortion = _read(path_of("distortion", name))
    columns = zip(
        distortion["slices"],
        distortion["alpha_model"],
        _read(path_of("specwcs", name))["model"],
        distortion["x_model"],
        distortion["y_model"],
        strict=True,
    )
    ranges = _read(FULL_MODEL / "jwst_miri_mrs_wavelengthrange_flt9.asdf")
    by_name = dict(
        zip(ranges["waverange_selector"], ranges["wavelengthrange"], strict=True)
    )
    return FullBand(
        name,
        distortion,
        tuple(FullSlice(*each) for each in columns),
        {channel: tuple(by_name[channel + name]) for channel in HALF_LENGTHS},
    )


def sample(one: FullSlice, band: FullBand) -> tuple[Any, Any, Any, Any]:
    """Spread wavelengths and places over the light of a slice, and find its pixels."""
    channel = str(one.number // 100)
    low, high = band.wavelengths_um[channel]
    half = HALF_LENGTHS[channel] * MARGIN
    grid = np.meshgrid(np.linspace(low, high, 80), np.linspace(-half, half, 15))
    wavelength, alpha = (each.ravel() for each in grid)
    x, y = one.x(wavelength, alpha), one.y(wavelength, alpha)
    lit = (y > ROWS[0]) & (y < ROWS[1])
    return wavelength[lit], alpha[lit], x[lit], y[lit]


def fit(
    inputs: Sequence[Any], outputs: dict[str, Any], pixels: dict[str, float]
) -> dict[str, Any]:
    """Fit polynomials of the lowest order that keeps to the tolerance.

    Parameters
    ----------
    inputs
        The two inputs.
    outputs
        Outputs by name.
    pixels
        Size of a pixel in the unit of each output.
    """
    normal = [_normalise(np.round(each, 6)) for each in inputs]
    first, second = (each[2] for each in normal)
    content: dict[str, Any] = {
        "centre": [each[0] for each in normal],
        "half_width": [each[1] for each in normal],
    }
    for name, target in outputs.items():
        for degree in range(2, LARGEST_DEGREE + 1):
            matrix = _basis(first, second, degree)
            found = np.linalg.lstsq(matrix, target, rcond=None)[0]
            found = np.round(found, DECIMALS[name])
            error = np.abs(matrix @ found - target).max() / pixels[name]
            if error < TOLERANCE_PIXELS:
                break
        content[name] = [float(each) for each in found]
    return content


def _fit_slice(one: FullSlice, band: FullBand) -> dict[str, Any]:
    wavelength, alpha, x, y = sample(one, band)
    sizes = {
        "alpha": 2 * HALF_LENGTHS[str(one.number // 100)] * MARGIN / np.ptp(x),
        "wavelength": np.ptp(wavelength) / (ROWS[1] - ROWS[0]),
        "x": 1.0,
        "y": 1.0,
    }
    seen = {"alpha": one.alpha(y, x), "wavelength": one.wavelength(y, x)}
    return {
        "to_sky": fit((y, x), seen, sizes),
        "to_detector": fit((wavelength, alpha), {"x": x, "y": y}, sizes),
    }


def _fit_field(model: Model) -> dict[str, Any]:
    """Fit a linear transform: what bends is below a microarcsecond."""
    alpha, beta = (each.ravel() for each in np.mgrid[-3:3:9j, -3:3:9j])
    matrix = np.stack([np.ones_like(alpha), alpha, beta], axis=-1)
    found = np.linalg.lstsq(matrix, np.stack(model(alpha, beta), axis=-1), rcond=None)
    centre, *slopes = np.round(found[0], 7)
    return {"centre": list(centre), "matrix": np.transpose(slopes).tolist()}


def _fit_channel(band: FullBand, channel: str) -> dict[str, Any]:
    slices = [each for each in band.slices if str(each.number // 100) == channel]
    return {
        "wavelengths_um": list(band.wavelengths_um[channel]),
        "beta_zero": band.pick("bzero", "beta_zero", channel),
        "beta_step": band.pick("bdel", "delta_beta", channel),
        "half_length": HALF_LENGTHS[channel],
        "to_v2v3": _fit_field(band.pick("abv2v3_model", "model", channel)),
        "slices": [_fit_slice(each, band) for each in slices],
    }


def fit_compact() -> dict[str, Any]:
    """Make the content of ``mrs_geometry.json`` from the full model."""
    bands = [read_full_band(name) for name in BANDS]
    return {
        "how": HOW,
        "bands": {
            band.name: {name: _fit_channel(band, name) for name in HALF_LENGTHS}
            for band in bands
        },
    }


if __name__ == "__main__":
    COMPACT_MODEL.write_text(to_text(fit_compact()), "utf-8")
