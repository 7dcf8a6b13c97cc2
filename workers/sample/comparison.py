"""Measures products of the sample programs beside what was put into them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from .check import Check
from .sample_set import Mode

__all__ = ["compare_depth", "compare_spectrum"]

Values = NDArray[np.float64]
"""One value for each wavelength or integration."""

_FLUX_TOLERANCE = 0.05
_NODS_TOLERANCE = 0.1
_DEPTH_SIGMAS = 3
_LINE_SIGMAS = 3


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """An extracted spectrum, without its empty wavelengths."""

    wavelength_um: Values
    flux_jy: Values


def _read_truth(truth: Path, mode: Mode, kind: str) -> Any:
    return Table.read(truth / f"{mode}_{kind}.ecsv", format="ascii.ecsv")


def _find_baseline(truth: Path, mode: Mode) -> NDArray[np.bool_]:
    """Tell which integrations of a time series are outside the transit."""
    if not (truth / f"{mode}_transit.ecsv").is_file():
        return np.array([], dtype=bool)
    return np.array(_read_truth(truth, mode, "transit")["transmission"] == 1)


def _read_spectrum(path: Path, baseline: NDArray[np.bool_]) -> _Spectrum:
    """Read a spectrum, of a time series the median outside the transit."""
    with fits.open(path) as hdus:
        tables = [hdu.data for hdu in hdus if hdu.name == "EXTRACT1D"]
        flux = np.concatenate([table["FLUX"] for table in tables])
        wavelength = np.array(tables[0]["WAVELENGTH"], dtype=float)
    if flux.ndim > 1:
        wavelength = wavelength[0]
        flux = np.median(flux[baseline], axis=0)
    good = np.isfinite(flux) & (flux != 0) & (wavelength > 0)
    return _Spectrum(wavelength[good], np.asarray(flux[good], dtype=float))


def compare_spectrum(
    mode: Mode, path: Path, truth: Path, *, kind: str = "spectrum"
) -> Iterator[Check]:
    """Compare flux and lines of a spectrum with the truth.

    Of nods the truth says which share of the light is left when they are subtracted
    from each other.

    Parameters
    ----------
    mode
        Which sample program.
    path
        Its level-3 ``x1d`` or ``x1dints``.
    truth
        Folder of the truth.
    kind
        Name of its table there.
    """
    table = _read_truth(truth, mode, kind)
    name = str(mode) if kind == "spectrum" else f"{mode} {kind}"
    share = table.meta.get("kept_share", 1.0)
    tolerance = _FLUX_TOLERANCE if share == 1 else _NODS_TOLERANCE * share
    spectrum = _read_spectrum(path, _find_baseline(truth, mode))
    expected = np.interp(spectrum.wavelength_um, table["wavelength"], table["flux"])
    ratio = float(np.median(spectrum.flux_jy / expected))
    yield Check(f"{name} flux / injected flux", ratio, share, tolerance, "")
    continuum = np.interp(
        spectrum.wavelength_um, table["wavelength"], table["continuum"]
    )
    excess = spectrum.flux_jy - share * continuum
    for line in table.meta["lines"]:
        centre = line["wavelength_um"]
        measured = _centroid(
            spectrum.wavelength_um, excess, centre, _LINE_SIGMAS * line["sigma_um"]
        )
        title = f"{name} line at {centre} um"
        yield Check(title, measured, centre, line["resolution_um"], "um")


def _centroid(
    wavelength_um: Values, excess: Values, centre: float, half_um: float
) -> float:
    near = np.abs(wavelength_um - centre) < half_um
    # Wavelengths are not evenly spaced: a pixel counts by its width.
    weight = excess[near] * np.gradient(wavelength_um)[near]
    return float(np.sum(weight * wavelength_um[near]) / np.sum(weight))


def compare_depth(mode: Mode, path: Path, truth: Path) -> Check:
    """Compare the depth of a transit with the truth.

    Parameters
    ----------
    mode
        Which sample program.
    path
        Its white-light curve.
    truth
        Folder of the truth.
    """
    transit = _read_truth(truth, mode, "transit")
    table = Table.read(path, format="ascii.ecsv")
    column = next(name for name in table.colnames if "whitelight_flux" in name)
    flux = np.array(table[column], dtype=float)
    outside = np.array(transit["transmission"] == 1)
    level, spread = flux[outside].mean(), flux[outside].std(ddof=1)
    depth = 1 - flux[~outside].mean() / level
    counts = np.array([np.sum(outside), np.sum(~outside)])
    sigma = spread / level * np.sqrt(np.sum(1 / counts))
    return Check(
        f"{mode} transit depth",
        float(depth),
        float(transit.meta["transit_depth"]),
        float(_DEPTH_SIGMAS * sigma),
        "",
    )
