"""Where light of the sky falls on the detectors of NIRSpec.

The coordinates are the pipeline's own. The same references are used to simulate and to
calibrate, so a check of the products sees what the pipeline does and not how the optics
were modelled. Bars between shutters are as bright as the shutters, since no bar shadow
is corrected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gwcs.wcs import WCS
from gwcs.wcstools import grid_from_bounding_box
from jwst.assign_wcs import AssignWcsStep, nirspec
from jwst.assign_wcs.assign_wcs import load_wcs
from jwst.assign_wcs.nirspec import generate_compound_bbox, slitlets_wcs
from jwst.assign_wcs.pointing import v23tosky
from jwst.msaflagopen.msaflag_open import boundingbox_to_indices
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import ImageModel
from stdatamodels.jwst.transforms.models import Slit

from .exposures import RawExposure
from .frames import Image
from .headers import primary_cards
from .library import Library
from .nirspec_geometry import Geometry, load_msa_geometry
from .nirspec_optics import SHUTTERS
from .nirspec_references import (
    IFU_PIXEL_ARCSEC2,
    MJY_PER_DN,
    SHUTTER_WIDTH_ARCSEC,
    SLIT_WIDTHS_ARCSEC,
)
from .nirspec_slitlets import Slitlet
from .raw_files import make_model
from .scene import ARCSEC2_SR, JY_PER_MJY, Position, Scene

__all__ = [
    "IfuLight",
    "SlitLight",
    "Tracer",
    "assign_slitlets",
    "assign_wcs",
    "describe_slitlet",
]

_Values = NDArray[np.float64]
"""One value for each lit pixel."""

_SLIT_RANGE = (-0.55, 0.55)
_MARGIN = 0.05
"""Height of light beyond the last shutters, in open shutters."""
_SIGHT = 0.5
"""Height beyond that of which the place in the sky is known."""


@dataclass(frozen=True, slots=True)
class IfuLight:
    """The lit pixels of the IFU; the same for every pointing."""

    pixels: NDArray[np.int64]
    """Flat index into the detector."""
    v2: _Values
    """Place in the field, arcsec."""
    v3: _Values
    """Place in the field, arcsec."""
    wavelength_um: _Values
    """Wavelength."""

    def rate(self, raw: RawExposure, scene: Scene) -> Image:
        """Return the light (DN/s) of a scene in an exposure."""
        brightness = np.full(self.v2.size, scene.background_mjy_sr)
        if scene.spectrum:
            east, north = self.offsets_arcsec(raw, scene.position)
            variance = scene.sigma_arcsec**2
            profile = np.exp(-0.5 * (east**2 + north**2) / variance)
            profile /= 2 * np.pi * variance * ARCSEC2_SR
            flux_mjy = scene.spectrum.flux(self.wavelength_um) / JY_PER_MJY
            brightness += flux_mjy * profile
        image = np.zeros(raw.subarray.shape, np.float32)
        light = brightness * IFU_PIXEL_ARCSEC2 * ARCSEC2_SR / MJY_PER_DN
        np.add.at(image.reshape(-1), self.pixels, light)
        return image

    def offsets_arcsec(
        self, raw: RawExposure, position: Position
    ) -> tuple[_Values, _Values]:
        """Return how far east and north of a place the pixels look in an exposure."""
        ra, dec = v23tosky(make_model(raw))(self.v2, self.v3)
        return position.offsets_arcsec(ra, dec)

    def sees(self, wavelength_um: float) -> bool:
        """Return whether there is light of a wavelength."""
        lit = self.wavelength_um
        return bool(lit.min() < wavelength_um < lit.max())

    def dispersion(self) -> tuple[_Values, _Values]:
        """Return wavelengths of lit pixels, and the change to the next column."""
        steps = np.diff(self.wavelength_um, append=np.nan)
        # From one row to the next there is no step.
        steps[np.diff(self.pixels, append=-1) != 1] = np.nan
        ok = np.isfinite(steps)
        return self.wavelength_um[ok], steps[ok]


@dataclass(frozen=True, slots=True)
class SlitLight:
    """The lit pixels of a slit or a slitlet; the same for every pointing."""

    box: tuple[slice, slice]
    """Rows and columns of the subarray around them."""
    v2: _Values
    """Place in the field, arcsec; of a slitlet beyond it too."""
    v3: _Values
    """Place in the field, arcsec; likewise."""
    wavelength_um: _Values
    """Wavelength; NaN outside."""
    width_arcsec: float
    """Width of the slit."""

    def rate(self, raw: RawExposure, scene: Scene) -> Image:
        """Return the light (DN/s) of a scene: all light of its source gets through."""
        ra, dec = v23tosky(make_model(raw))(self.v2, self.v3)
        east, north = scene.position.offsets_arcsec(ra, dec)
        # How far it is to the next pixel along the slit, in arcsec.
        step_east, step_north = np.gradient(east, axis=0), np.gradient(north, axis=0)
        step = np.hypot(step_east, step_north)
        along = (east * step_east + north * step_north) / step
        sky_sr = self.width_arcsec * step * ARCSEC2_SR
        flux_mjy = scene.background_mjy_sr * sky_sr
        if scene.spectrum:
            sigma = scene.sigma_arcsec
            profile = np.exp(-0.5 * (along / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)
            source_mjy = scene.spectrum.flux(self.wavelength_um) / JY_PER_MJY
            flux_mjy = flux_mjy + source_mjy * profile * step
        light = np.nan_to_num(flux_mjy / MJY_PER_DN).astype(np.float32)
        image = np.zeros(raw.subarray.shape, np.float32)
        image[self.box] = np.where(np.isfinite(self.wavelength_um), light, 0)
        return image

    def dispersion(self) -> tuple[_Values, _Values]:
        """Return wavelengths of lit pixels, and the change to the next column."""
        steps = np.gradient(self.wavelength_um, axis=1)
        ok = np.isfinite(steps)
        return self.wavelength_um[ok], steps[ok]


class Tracer:
    """Finds the lit pixels, once for each detector and optics.

    Parameters
    ----------
    library
        The references of NIRSpec.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._ifu: dict[object, IfuLight] = {}
        self._slits: dict[object, SlitLight] = {}
        self._slitlets: dict[object, list[SlitLight]] = {}

    def trace_ifu(self, raw: RawExposure) -> IfuLight:
        """Find the lit pixels of the IFU."""
        key = raw.detector, raw.optics
        if key not in self._ifu:
            image = assign_wcs(raw, self._select(raw))
            traces = [_trace_slice(image, number) for number in range(30)]
            values = np.concatenate([values for _, values in traces], axis=1)
            pixels = np.concatenate([pixels for pixels, _ in traces])
            self._ifu[key] = IfuLight(pixels, *values)
        return self._ifu[key]

    def trace_slit(self, raw: RawExposure) -> SlitLight:
        """Find the lit pixels of the fixed slit of an exposure."""
        key = raw.exp_type, raw.slit, raw.subarray, raw.detector, raw.optics
        if key not in self._slits:
            image = assign_wcs(raw, self._select(raw))
            self._slits[key] = _trace_slit(image, raw)
        return self._slits[key]

    def trace_slitlets(
        self, raw: RawExposure, slitlets: tuple[Slitlet, ...]
    ) -> list[SlitLight]:
        """Find the lit pixels of slitlets."""
        key = slitlets, raw.detector, raw.optics
        if key not in self._slitlets:
            geometry = load_msa_geometry()
            slits = [describe_slitlet(each, geometry) for each in slitlets]
            image = assign_slitlets(raw, self._select(raw), slits)
            self._slitlets[key] = [_trace_slitlet(image, slit) for slit in slits]
        return self._slitlets[key]

    def _select(self, raw: RawExposure) -> dict[str, str]:
        return self._library.select(
            primary_cards(raw), AssignWcsStep.reference_file_types
        )


def assign_wcs(raw: RawExposure, references: Mapping[str, str]) -> Any:
    """Build coordinates with the pipeline's code, without CRDS."""
    return load_wcs(
        _make_image(raw),
        dict(references),
        nrs_slit_y_range=list(_SLIT_RANGE),
        nrs_ifu_slice_wcs=True,
    )


def assign_slitlets(
    raw: RawExposure, references: Mapping[str, str], slits: Sequence[Slit]
) -> Any:
    """Build those of slitlets with the pipeline's code, without a metafile."""
    image = _make_image(raw)
    image.meta.wcs = WCS(slitlets_wcs(image, dict(references), slits))
    image.meta.wcs.bounding_box = generate_compound_bbox(image, slits)
    return image


def _make_image(raw: RawExposure) -> Any:
    image = ImageModel(np.zeros(raw.subarray.shape, np.float32))
    image.update(make_model(raw))
    return image


def describe_slitlet(slitlet: Slitlet, geometry: Geometry) -> Slit:
    """Describe an opening in the words of the pipeline, in units of an open shutter."""
    quadrant = geometry.quadrants[slitlet.quadrant - 1]
    scale = quadrant.pitch[1] / quadrant.opening[1]
    low, high = ((column - slitlet.middle) * scale for column in slitlet.columns)
    return Slit(
        name=slitlet.number,
        shutter_id=slitlet.row + (slitlet.middle - 1) * SHUTTERS[0],
        dither_position=1,
        xcen=slitlet.row,
        ycen=slitlet.middle,
        ymin=low - 0.5 - _MARGIN - _SIGHT,
        ymax=high + 0.5 + _MARGIN + _SIGHT,
        quadrant=slitlet.quadrant,
        source_id=slitlet.number,
        slit_id=slitlet.number,
    )


def _grid(wcs: Any, shape: tuple[int, int]) -> tuple[_Values, _Values]:
    x, y = grid_from_bounding_box(wcs.bounding_box, step=1, center=True)
    rows = np.flatnonzero((y[:, 0] >= 0) & (y[:, 0] < shape[0]))
    columns = np.flatnonzero((x[0] >= 0) & (x[0] < shape[1]))
    part = np.ix_(rows, columns)
    return x[part], y[part]


def _trace_slice(image: Any, number: int) -> tuple[NDArray[np.int64], _Values]:
    wcs = nirspec.nrs_wcs_set_input(image, number)
    x, y = _grid(wcs, image.shape)
    v2, v3, wavelength = wcs.get_transform("detector", "v2v3")(x, y)[:3]
    lit = np.isfinite(wavelength)
    places = y[lit].astype(int), x[lit].astype(int)
    pixels = np.ravel_multi_index(places, image.shape)
    return pixels, np.stack([v2[lit], v3[lit], wavelength[lit]])


def _trace_slit(image: Any, raw: RawExposure) -> SlitLight:
    wcs = nirspec.nrs_wcs_set_input(image, raw.slit)
    x, y = _grid(wcs, image.shape)
    lit = np.isfinite(wcs(x, y)[2])  # as far as the box goes, which the grid rounds
    v2, v3, wavelength = np.full((3, *image.shape), np.nan)
    for picture, values in zip(
        (v2, v3, wavelength), wcs.get_transform("detector", "v2v3")(x, y), strict=False
    ):
        picture[y[lit].astype(int), x[lit].astype(int)] = values[lit]
    width = SLIT_WIDTHS_ARCSEC[str(raw.slit)]
    return SlitLight((slice(None), slice(None)), v2, v3, wavelength, width)


def _trace_slitlet(image: Any, slit: Slit) -> SlitLight:
    wcs, box = image.meta.wcs, image.meta.wcs.bounding_box[slit.name]
    left, right, bottom, top = boundingbox_to_indices(image.shape, box)
    y, x = np.mgrid[bottom:top, left:right]
    _, _, height, _ = wcs.get_transform("detector", "slit_frame")(x, y, slit.name)
    inside = (height > slit.ymin + _SIGHT) & (height < slit.ymax - _SIGHT)
    v2, v3, wavelength = wcs.get_transform("detector", "v2v3")(x, y, slit.name)[:3]
    lit = np.where(inside, wavelength, np.nan)
    box = slice(bottom, top), slice(left, right)
    return SlitLight(box, v2, v3, lit, SHUTTER_WIDTH_ARCSEC)
