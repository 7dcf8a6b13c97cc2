"""Measures products of the sample programs beside what was put into them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from .products import Check
from .sample_set import Mode

__all__ = ["compare_depth", "compare_spectrum"]

_Values = NDArray[np.float64]
"""One value for each wavelength or integration."""

_FLUX_TOLERANCE = 0.05
_NODS_TOLERANCE = 0.1
_DEPTH_SIGMAS = 3
_LINE_SIGMAS = 3
_FRINGE_TOLERANCE = 1 / 3


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """An extracted spectrum, without its empty wavelengths."""

    wavelength_um: _Values
    flux_jy: _Values
    is_defringed: bool


def _read_truth(truth: Path, mode: Mode, kind: str) -> Any:
    return Table.read(truth / f"{mode}_{kind}.ecsv", format="ascii.ecsv")


def _find_baseline(truth: Path, mode: Mode, kind: str) -> NDArray[np.bool_]:
    """Return which integrations of a time series are outside the transit."""
    transit = "transit" if kind == "spectrum" else f"transit-{kind}"
    if not (truth / f"{mode}_{transit}.ecsv").is_file():
        return np.array([], dtype=bool)
    return np.array(_read_truth(truth, mode, transit)["transmission"] == 1)


def _read_spectrum(
    path: Path, baseline: NDArray[np.bool_], detector: str | None
) -> _Spectrum:
    """Read a spectrum, of a time series the median outside the transit.

    Parameters
    ----------
    baseline
        Integrations outside the transit; empty if it is no time series.
    detector
        Of which detector, if there are several in the file.
    """
    with fits.open(path) as hdus:
        is_defringed = hdus[0].header.get("S_RESFRI") == "COMPLETE"
        tables = [
            hdu.data
            for hdu in hdus
            if hdu.name == "EXTRACT1D"
            and detector in {None, hdu.header.get("DETECTOR")}
        ]
        flux = np.concatenate([table["FLUX"] for table in tables])
        wavelength = np.array(tables[0]["WAVELENGTH"], dtype=float)
    if flux.ndim > 1:
        wavelength = wavelength[0]
        flux = np.median(flux[baseline], axis=0)
    good = np.isfinite(flux) & (flux != 0) & (wavelength > 0)
    flux = np.asarray(flux[good], dtype=float)
    return _Spectrum(wavelength[good], flux, is_defringed)


def compare_spectrum(
    mode: Mode, path: Path, truth: Path, *, kind: str = "spectrum"
) -> Iterator[Check]:
    """Compare flux, lines and fringes of a spectrum with the truth.

    Fringes are compared only where `residual_fringe` should have taken them away.

    Of nods the truth says which share of the light is left when they are subtracted
    from each other; of detectors between which wavelengths there is a gap.

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
    baseline = _find_baseline(truth, mode, kind)
    spectrum = _read_spectrum(path, baseline, table.meta.get("detector"))
    wavelength = spectrum.wavelength_um
    expected = np.interp(wavelength, table["wavelength"], table["flux"])
    ratio = spectrum.flux_jy / expected
    start_um, end_um = table.meta.get("gap_um", (np.inf, np.inf))
    is_seen = (wavelength < start_um) | (wavelength > end_um)
    median = float(np.median(ratio[is_seen]))
    yield Check(f"{name} flux / injected flux", median, share, tolerance, "")
    yield from _compare_lines(name, spectrum, table)
    if spectrum.is_defringed:
        yield _compare_fringes(name, wavelength, ratio, table.meta["fringe"])


def _compare_lines(name: str, spectrum: _Spectrum, table: Any) -> Iterator[Check]:
    """Compare the centres of lines."""
    wavelength = spectrum.wavelength_um
    continuum = np.interp(wavelength, table["wavelength"], table["continuum"])
    excess = spectrum.flux_jy - table.meta.get("kept_share", 1.0) * continuum
    for line in table.meta["lines"]:
        centre, half_um = line["wavelength_um"], _LINE_SIGMAS * line["sigma_um"]
        measured = _centroid(wavelength, excess, centre, half_um)
        title = f"{name} line at {centre} um"
        yield Check(title, measured, centre, line["resolution_um"], "um")


def _compare_fringes(
    name: str, wavelength_um: _Values, ratio: _Values, injected: Mapping[str, float]
) -> Check:
    """Compare the fringes that are left with those that were injected."""
    wavenumber = 1e4 / wavelength_um
    phase = 2 * np.pi * wavenumber / injected["period_per_cm"]
    slow = np.vander(wavenumber - wavenumber.mean(), 3)
    columns = np.column_stack([np.cos(phase), np.sin(phase), slow])
    left = np.hypot(*np.linalg.lstsq(columns, ratio, rcond=None)[0][:2])
    share = float(left / injected["amplitude"])
    title = f"{name} fringes / injected fringes"
    return Check(title, share, 0.0, _FRINGE_TOLERANCE, "")


def _centroid(
    wavelength_um: _Values, excess: _Values, centre: float, half_um: float
) -> float:
    near = np.abs(wavelength_um - centre) < half_um
    # Wavelengths are not evenly spaced: a pixel counts by its width.
    weight = excess[near] * np.gradient(wavelength_um)[near]
    return float(np.sum(weight * wavelength_um[near]) / np.sum(weight))


def compare_depth(
    mode: Mode, path: Path, truth: Path, *, kind: str = "transit"
) -> Check:
    """Compare the depth of a transit with the truth.

    Integrations of which the transit covers a part are left out.

    Parameters
    ----------
    mode
        Which sample program.
    path
        Its white-light curve.
    truth
        Folder of the truth.
    kind
        Name of its table there, which says of which detector it is if there are
        several.
    """
    transit = _read_truth(truth, mode, kind)
    table = Table.read(path, format="ascii.ecsv")
    curves = [name for name in table.colnames if "whitelight_flux" in name]
    detector = transit.meta.get("detector", "")
    column = next(name for name in curves if name.endswith(detector))
    flux = np.array(table[column], dtype=float)
    passing, injected = transit["transmission"], float(transit.meta["transit_depth"])
    outside, inside = passing == 1, np.isclose(passing, 1 - injected, rtol=0)
    level, spread = flux[outside].mean(), flux[outside].std(ddof=1)
    depth = 1 - flux[inside].mean() / level
    counts = np.array([np.sum(outside), np.sum(inside)])
    sigma = spread / level * np.sqrt(np.sum(1 / counts))
    return Check(
        f"{mode} {kind} depth",
        float(depth),
        injected,
        float(_DEPTH_SIGMAS * sigma),
        "",
    )
