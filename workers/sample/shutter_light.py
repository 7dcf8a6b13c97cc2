"""Where light through slitlets falls on a detector, by the pipeline's own coordinates.

Bars between shutters are as bright as the shutters, since no bar shadow is corrected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gwcs.wcs import WCS
from jwst.assign_wcs.nirspec import generate_compound_bbox, slitlets_wcs
from jwst.assign_wcs.pointing import v23tosky
from jwst.msaflagopen.msaflag_open import boundingbox_to_indices
from stdatamodels.jwst.datamodels import ImageModel
from stdatamodels.jwst.transforms.models import Slit

from .exposures import RawExposure
from .frames import Image
from .geometry import Geometry
from .light import SlitLight, Values
from .msa_references import SHUTTER_WIDTH_ARCSEC
from .optics import SHUTTERS
from .raw_files import make_model
from .scene import Scene
from .slitlets import Slitlet

__all__ = ["SlitletLight", "trace_slitlets"]

_MARGIN = 0.05
"""Height of light beyond the last shutters, in open shutters."""
_SIGHT = 0.5
"""Height beyond that of which the place in the sky is known."""


@dataclass(frozen=True, slots=True)
class SlitletLight:
    """The lit pixels of a slitlet; the same for every pointing."""

    box: tuple[slice, slice]
    """Rows and columns of the detector around them."""
    v2: Values
    """Place in the field, arcsec; beyond the slitlet too."""
    v3: Values
    """Place in the field, arcsec; likewise."""
    wavelength_um: Values
    """Wavelength; NaN outside."""

    def rate(self, raw: RawExposure, scene: Scene) -> Image:
        """Give the light (DN/s) of a scene in an exposure."""
        ra, dec = v23tosky(make_model(raw))(self.v2, self.v3)
        light = SlitLight(ra, dec, self.wavelength_um, SHUTTER_WIDTH_ARCSEC)
        inside = np.isfinite(self.wavelength_um)
        image = np.zeros(raw.subarray.shape, np.float32)
        image[self.box] = np.where(inside, light.rate(scene), 0)
        return image


def _describe(slitlet: Slitlet, geometry: Geometry) -> Slit:
    """Say what is open in the words of the pipeline, in units of an open shutter."""
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


def trace_slitlets(
    raw: RawExposure,
    references: Mapping[str, Path],
    geometry: Geometry,
    slitlets: Sequence[Slitlet],
) -> list[SlitletLight]:
    """Find the lit pixels of slitlets, one after the other.

    Parameters
    ----------
    raw
        Any exposure of the mode; where it points does not matter.
    references
        The optics by reference type.
    geometry
        What they were made of.
    """
    slits = [_describe(slitlet, geometry) for slitlet in slitlets]
    image = _assign_wcs(raw, references, slits)
    return [_trace(image, slit) for slit in slits]


def _assign_wcs(
    raw: RawExposure, references: Mapping[str, Path], slits: Sequence[Slit]
) -> Any:
    """Let the pipeline build its coordinates, without CRDS and without a metafile."""
    image = ImageModel(np.zeros(raw.subarray.shape, np.float32))
    image.update(make_model(raw))
    files = {reftype: str(path) for reftype, path in references.items()}
    image.meta.wcs = WCS(slitlets_wcs(image, files, slits))
    image.meta.wcs.bounding_box = generate_compound_bbox(image, slits)
    return image


def _trace(image: Any, slit: Slit) -> SlitletLight:
    wcs, box = image.meta.wcs, image.meta.wcs.bounding_box[slit.name]
    left, right, bottom, top = boundingbox_to_indices(image.shape, box)
    y, x = np.mgrid[bottom:top, left:right]
    _, _, height, _ = wcs.get_transform("detector", "slit_frame")(x, y, slit.name)
    inside = (height > slit.ymin + _SIGHT) & (height < slit.ymax - _SIGHT)
    v2, v3, wavelength = wcs.get_transform("detector", "v2v3")(x, y, slit.name)[:3]
    lit = np.where(inside, wavelength, np.nan)
    return SlitletLight((slice(bottom, top), slice(left, right)), v2, v3, lit)
