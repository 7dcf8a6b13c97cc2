"""Where light of the sky falls on the detector, by the pipeline's own coordinates.

The same references are used to simulate and to calibrate, so a check of the products
sees what the pipeline does and not how the optics were modelled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gwcs.wcstools import grid_from_bounding_box
from jwst.assign_wcs import nirspec
from jwst.assign_wcs.assign_wcs import load_wcs
from jwst.assign_wcs.pointing import v23tosky
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import ImageModel

from .exposures import RawExposure
from .frames import Image
from .raw_files import make_model
from .scene import Position, Scene
from .spectral_references import ARCSEC2_SR, IFU_PIXEL_ARCSEC2, MJY_PER_DN
from .truth import measure_resolution

__all__ = ["IfuLight", "SlitLight", "trace_ifu", "trace_slit"]

Values = NDArray[np.float64]
"""One value for each lit pixel."""

_SLIT_RANGE = (-0.55, 0.55)
_JY_PER_MJY = 1e6


@dataclass(frozen=True, slots=True)
class IfuLight:
    """The lit pixels of the IFU; the same for every pointing."""

    pixels: NDArray[np.int64]
    """Flat index into the detector."""
    v2: Values
    """Place in the field, arcsec."""
    v3: Values
    """Place in the field, arcsec."""
    wavelength_um: Values
    """Wavelength."""

    def rate(self, raw: RawExposure, scene: Scene) -> Image:
        """Give the light (DN/s) of a scene in an exposure."""
        brightness = np.full(self.v2.size, scene.background_mjy_sr)
        if scene.spectrum:
            east, north = self.offsets_arcsec(raw, scene.position)
            variance = scene.sigma_arcsec**2
            profile = np.exp(-0.5 * (east**2 + north**2) / variance)
            profile /= 2 * np.pi * variance * ARCSEC2_SR
            flux_mjy = scene.spectrum.flux(self.wavelength_um) / _JY_PER_MJY
            brightness += flux_mjy * profile
        image = np.zeros(raw.subarray.shape, np.float32)
        light = brightness * IFU_PIXEL_ARCSEC2 * ARCSEC2_SR / MJY_PER_DN
        np.add.at(image.reshape(-1), self.pixels, light)
        return image

    def offsets_arcsec(
        self, raw: RawExposure, position: Position
    ) -> tuple[Values, Values]:
        """Tell how far east and north of a place the pixels look in an exposure."""
        ra, dec = v23tosky(make_model(raw))(self.v2, self.v3)
        return position.offsets_arcsec(ra, dec)

    def sees(self, wavelength_um: float) -> bool:
        """Tell whether there is light of a wavelength."""
        lit = self.wavelength_um
        return bool(lit.min() < wavelength_um < lit.max())

    def resolution_um(self, wavelength_um: float) -> float:
        """Give the size of a resolution element."""
        steps = np.diff(self.wavelength_um, append=np.nan)
        # From one row to the next there is no step.
        steps[np.diff(self.pixels, append=-1) != 1] = np.nan
        ok = np.isfinite(steps)
        return measure_resolution(self.wavelength_um[ok], steps[ok], wavelength_um)


@dataclass(frozen=True, slots=True)
class SlitLight:
    """The lit pixels of a slit, in the form of its subarray."""

    ra: Values
    """Right ascension, degrees; NaN outside."""
    dec: Values
    """Declination, degrees; NaN outside."""
    wavelength_um: Values
    """Wavelength; NaN outside."""
    width_arcsec: float
    """Width of the slit."""

    def rate(self, scene: Scene) -> Image:
        """Give the light (DN/s) of a scene: all light of its source gets through."""
        east, north = scene.position.offsets_arcsec(self.ra, self.dec)
        # How far it is to the next pixel along the slit, in arcsec.
        step_east, step_north = np.gradient(east, axis=0), np.gradient(north, axis=0)
        step = np.hypot(step_east, step_north)
        along = (east * step_east + north * step_north) / step
        sky_sr = self.width_arcsec * step * ARCSEC2_SR
        flux_mjy = scene.background_mjy_sr * sky_sr
        if scene.spectrum:
            sigma = scene.sigma_arcsec
            profile = np.exp(-0.5 * (along / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)
            source_mjy = scene.spectrum.flux(self.wavelength_um) / _JY_PER_MJY
            flux_mjy = flux_mjy + source_mjy * profile * step
        return np.nan_to_num(flux_mjy / MJY_PER_DN).astype(np.float32)


def _assign_wcs(raw: RawExposure, references: Mapping[str, Path]) -> Any:
    """Let the pipeline build its coordinates, without CRDS."""
    image = ImageModel(np.zeros(raw.subarray.shape, np.float32))
    image.update(make_model(raw))
    return load_wcs(
        image,
        {reftype: str(path) for reftype, path in references.items()},
        nrs_slit_y_range=list(_SLIT_RANGE),
        nrs_ifu_slice_wcs=True,
    )


def _grid(wcs: Any, shape: tuple[int, int]) -> tuple[Values, Values]:
    x, y = grid_from_bounding_box(wcs.bounding_box, step=1, center=True)
    rows = np.flatnonzero((y[:, 0] >= 0) & (y[:, 0] < shape[0]))
    columns = np.flatnonzero((x[0] >= 0) & (x[0] < shape[1]))
    part = np.ix_(rows, columns)
    return x[part], y[part]


def _trace_slice(image: Any, number: int) -> tuple[NDArray[np.int64], Values]:
    wcs = nirspec.nrs_wcs_set_input(image, number)
    x, y = _grid(wcs, image.shape)
    v2, v3, wavelength = wcs.get_transform("detector", "v2v3")(x, y)[:3]
    lit = np.isfinite(wavelength)
    places = y[lit].astype(int), x[lit].astype(int)
    pixels = np.ravel_multi_index(places, image.shape)
    return pixels, np.stack([v2[lit], v3[lit], wavelength[lit]])


def trace_ifu(raw: RawExposure, references: Mapping[str, Path]) -> IfuLight:
    """Find the lit pixels of the IFU.

    Parameters
    ----------
    raw
        Any exposure of the mode; where it points does not matter.
    references
        The optics by reference type.
    """
    image = _assign_wcs(raw, references)
    traces = [_trace_slice(image, number) for number in range(30)]
    values = np.concatenate([values for _, values in traces], axis=1)
    return IfuLight(np.concatenate([pixels for pixels, _ in traces]), *values)


def trace_slit(
    raw: RawExposure, references: Mapping[str, Path], *, width_arcsec: float
) -> SlitLight:
    """Find the lit pixels of the fixed slit of an exposure."""
    image = _assign_wcs(raw, references)
    wcs = nirspec.nrs_wcs_set_input(image, raw.slit)
    x, y = _grid(wcs, raw.subarray.shape)
    coordinates = np.full((3, *raw.subarray.shape), np.nan)
    coordinates[:, y.astype(int), x.astype(int)] = wcs(x, y)[:3]
    ra, dec, wavelength = coordinates
    return SlitLight(ra, dec, wavelength, width_arcsec)
