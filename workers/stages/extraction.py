"""Spectra extracted again from what an earlier job of spec3 has combined.

The pipeline is that of jwst, and so are the names, headers and pixels of what it makes:
only the steps up to the cubes, or rectified images, give what is there.
"""

import logging
import os
from pathlib import Path
from typing import Any

from jwst.datamodels import ModelContainer
from stdatamodels.jwst import datamodels
from stpipe import Pipeline

from ..content import file_sha256
from ..contract import Combined, Job
from ..extraction import COMBINE

__all__ = ["can_extract", "extract_again", "take_rest"]

_log = logging.getLogger(__name__)

_EXTRACTED = ("_x1d.fits", "_c1d.fits")
"""What the names of spectra end with."""

_BEFORE = ("outlier_detection", "adaptive_trace_model", "pixel_replace")
"""Steps of calwebb_spec3 (jwst 3.0.0) whose work is in what was combined."""


def can_extract(combined: Combined) -> bool:
    """Return whether an earlier job's products are all there, as they were made."""
    names = {product.name for product in combined.products}
    # A slit that was not rectified has no image to extract a spectrum from.
    images = {name.replace("_cal.", "_s2d.") for name in names if "_cal." in name}
    if not images <= names or not any("_s3d." in n or "_s2d." in n for n in names):
        _log.info("%s lacks images: all is done again", combined.folder)
        return False
    for product in combined.products:
        path = Path(combined.folder, product.name)
        if not path.is_file() or file_sha256(path) != product.sha256:
            _log.warning("%s is not as it was made: all is done again", path.name)
            return False
    return True


def extract_again(pipeline: Pipeline, job: Job, combined: Combined) -> None:
    """Let a pipeline take what an earlier job has combined."""
    folder = Path(combined.folder)
    for name in _BEFORE:
        getattr(pipeline, name).run = _pass_on
    combine = COMBINE[job.exp_type]
    if combine == "cube_build":
        # Cubes are made of all exposures, whose background was subtracted.
        pipeline.master_background.run = _pass_on

        def open_cubes(_: object) -> ModelContainer:
            cubes = sorted(folder.glob("*_s3d.fits"))
            return ModelContainer([datamodels.IFUCubeModel(path) for path in cubes])

        pipeline.cube_build.run = open_cubes
    else:

        def open_image(_: object) -> Any:
            return datamodels.open(folder / f"{pipeline.output_file}_s2d.fits")

        pipeline.resample_spec.run = open_image
    _log.info("Spectra are extracted again from the products of %s", folder.name)


def _pass_on(models: Any) -> Any:
    return models


def take_rest(combined: Combined) -> None:
    """Link what an earlier job has made besides spectra, where it was not made anew."""
    for product in combined.products:
        is_spectrum = product.name.endswith(_EXTRACTED)
        if not is_spectrum and not Path(product.name).exists():
            os.link(Path(combined.folder, product.name), product.name)
