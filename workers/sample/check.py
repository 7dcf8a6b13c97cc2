"""Compares products of the sample programs with what was put into them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.errors import SampleError

from .sample_set import Mode

__all__ = ["Check", "check_products"]

Values = NDArray[np.float64]
"""One value for each wavelength or integration."""

_FLUX_TOLERANCE = 0.05
_DEPTH_SIGMAS = 3
_LINE_SIGMAS = 3

_SPECTRA = {
    Mode.NIRSPEC_IFU_PRISM: "jw99001-o001_*_x1d.fits",
    Mode.NIRSPEC_BOTS_PRISM: "jw99002-o*_x1dints.fits",
}
_LIGHT_CURVES = {Mode.NIRSPEC_BOTS_PRISM: "jw99002-o*_whtlt.ecsv"}


@dataclass(frozen=True, slots=True)
class Check:
    """One number of a product beside what it should be."""

    name: str
    """Mode and what was measured."""
    measured: float
    """In the product."""
    expected: float
    """In the truth."""
    tolerance: float
    """Largest difference allowed."""
    unit: str
    """Unit of the three, empty for a ratio."""

    @property
    def passed(self) -> bool:
        """Whether the product agrees with the truth; NaN never does."""
        return bool(abs(self.measured - self.expected) <= self.tolerance)


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """An extracted spectrum, without its empty wavelengths."""

    wavelength_um: Values
    flux_jy: Values


def check_products(products: Path | Iterable[Path], truth: Path) -> tuple[Check, ...]:
    """Compare final products with the truth.

    Parameters
    ----------
    products
        A folder that has them at any depth, or the files themselves: of the IFU the
        level-3 ``x1d``, of the time series the level-3 ``x1dints`` and ``whtlt``.
        What else there is does not matter.
    truth
        Folder of the truth of the sample.

    Raises
    ------
    SampleError
        There is no product of a sample program, or a mode lacks one of its products.
    """
    files = sorted(products.rglob("*") if isinstance(products, Path) else products)
    checks = [check for mode in Mode for check in _check_mode(mode, files, truth)]
    if not checks:
        raise SampleError(
            f"None of {len(files)} files is a level-3 spectrum of a sample program;"
            f" expected {', '.join(_SPECTRA.values())}."
        )
    return tuple(checks)


def _check_mode(mode: Mode, files: Sequence[Path], truth: Path) -> Iterator[Check]:
    kinds = [kind[mode] for kind in (_SPECTRA, _LIGHT_CURVES) if mode in kind]
    found = [_find(files, pattern) for pattern in kinds]
    if not any(found):
        return
    spectrum, *light_curves = found
    if spectrum is None or None in light_curves:
        there = ", ".join(path.name for path in found if path)
        raise SampleError(
            f"Of {mode} there is {there} alone; expected all of {', '.join(kinds)}."
        )
    yield from _check_spectrum(mode, spectrum, truth)
    for light_curve in filter(None, light_curves):
        yield _check_depth(mode, light_curve, truth)


def _find(files: Sequence[Path], pattern: str) -> Path | None:
    return next((path for path in reversed(files) if path.match(pattern)), None)


def _read_truth(truth: Path, mode: Mode, kind: str) -> Any:
    from astropy.table import Table  # noqa: PLC0415  # half a second

    return Table.read(truth / f"{mode}_{kind}.ecsv", format="ascii.ecsv")


def _read_spectrum(path: Path, baseline: NDArray[np.bool_]) -> _Spectrum:
    """Read a spectrum, of a time series the median outside the transit."""
    from astropy.io import fits  # noqa: PLC0415  # half a second

    with fits.open(path) as hdus:
        tables = [hdu.data for hdu in hdus if hdu.name == "EXTRACT1D"]
        flux = np.concatenate([table["FLUX"] for table in tables])
        wavelength = np.array(tables[0]["WAVELENGTH"], dtype=float)
    if flux.ndim > 1:
        wavelength = wavelength[0]
        flux = np.median(flux[baseline], axis=0)
    good = np.isfinite(flux) & (flux != 0) & (wavelength > 0)
    return _Spectrum(wavelength[good], np.asarray(flux[good], dtype=float))


def _check_spectrum(mode: Mode, path: Path, truth: Path) -> Iterator[Check]:
    table = _read_truth(truth, mode, "spectrum")
    baseline = np.array([], dtype=bool)
    if mode in _LIGHT_CURVES:
        baseline = _read_truth(truth, mode, "transit")["transmission"] == 1
    spectrum = _read_spectrum(path, baseline)
    expected = np.interp(spectrum.wavelength_um, table["wavelength"], table["flux"])
    ratio = float(np.median(spectrum.flux_jy / expected))
    yield Check(f"{mode} flux / injected flux", ratio, 1.0, _FLUX_TOLERANCE, "")
    continuum = np.interp(
        spectrum.wavelength_um, table["wavelength"], table["continuum"]
    )
    excess = spectrum.flux_jy - continuum
    for line in table.meta["lines"]:
        centre = line["wavelength_um"]
        measured = _centroid(
            spectrum.wavelength_um, excess, centre, _LINE_SIGMAS * line["sigma_um"]
        )
        name = f"{mode} line at {centre} um"
        yield Check(name, measured, centre, line["resolution_um"], "um")


def _centroid(
    wavelength_um: Values, excess: Values, centre: float, half_um: float
) -> float:
    near = np.abs(wavelength_um - centre) < half_um
    # Wavelengths are not evenly spaced: a pixel counts by its width.
    weight = excess[near] * np.gradient(wavelength_um)[near]
    return float(np.sum(weight * wavelength_um[near]) / np.sum(weight))


def _check_depth(mode: Mode, path: Path, truth: Path) -> Check:
    from astropy.table import Table  # noqa: PLC0415  # half a second

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
