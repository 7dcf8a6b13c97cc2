"""Calibrated slits in files of their own become `cal` products of their exposures.

Others than `jwst` save the slits of an exposure one by one (msaexp: ``phot`` files);
spec3 reads exposures, each with all of its slits.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from stdatamodels.jwst import datamodels
from stdatamodels.jwst.datamodels import MultiSlitModel, SlitModel

from ..content import file_sha256
from ..errors import SlitError
from ..publishing import publish

__all__ = ["wrap_slits"]

_UNITS = ("MJy/sr", "MJy")
"""What photom leaves: of extended sources, and of point sources."""


def wrap_slits(paths: Iterable[Path], folder: Path) -> tuple[str, ...]:
    """Write a `cal` product for each exposure that slits are of, and give their names.

    Pixels and metadata stay as they are. That a slit is flux-calibrated, which its
    step status may not say, follows from its unit, and is noted as COMPLETE.

    Raises
    ------
    SlitError
        A file is not a calibrated slit, slits of an exposure do not go together, or
        there is such a product already.
    """
    with ExitStack() as stack:
        by_product: dict[Path, dict[Path, SlitModel]] = defaultdict(dict)
        for path in sorted(paths):
            slit = stack.enter_context(_open(path))
            product = folder / f"{_name_exposure(slit, path)}_cal.fits"
            by_product[product][path] = slit
        for product, slits in by_product.items():
            _check(product, list(slits.values()))
        for product, slits in by_product.items():
            publish(product, _wrap(slits).save)
    return tuple(product.name for product in by_product)


def _open(path: Path) -> SlitModel:
    try:
        model = datamodels.open(path)
    except (OSError, TypeError, ValueError) as error:
        raise SlitError(f"{path}: expected a calibrated slit, got {error}") from error
    unit = model.meta.bunit_data if isinstance(model, SlitModel) else None
    if unit in _UNITS and model.meta.hasattr("wcs"):
        return model
    kind = type(model).__name__
    model.close()
    raise SlitError(
        f"{path}: expected a SlitModel in {' or '.join(_UNITS)} with world "
        f"coordinates, got a {kind} in {unit or 'no unit'}"
    )


def _name_exposure(slit: SlitModel, path: Path) -> str:
    """Name the exposure of a slit, by its header: names of such files differ."""
    of, detector = slit.meta.observation, slit.meta.instrument.detector
    parts = [of.program_number, of.observation_number, of.visit_number]
    parts += [of.visit_group, of.sequence_id, of.activity_id, of.exposure_number]
    if None in (*parts, detector):
        raise SlitError(
            f"{path}: expected PROGRAM, OBSERVTN, VISIT, VISITGRP, SEQ_ID, ACT_ID, "
            "EXPOSURE and DETECTOR, which name the exposure; one is missing"
        )
    *parts, number = parts
    program, observation, visit, group, sequence, activity = parts
    return (
        f"jw{program}{observation}{visit}_{group}{sequence}{activity}"
        f"_{int(number):05d}_{detector.lower()}"
    )


def _check(product: Path, slits: Sequence[SlitModel]) -> None:
    if product.exists():
        raise SlitError(f"{product} is there already: give an empty folder")
    names = [slit.name for slit in slits]
    if len(set(names)) < len(names):
        raise SlitError(f"{product.name}: a slit is given twice: {', '.join(names)}")
    makings = {
        f"jwst {slit.meta.calibration_software_version} in "
        f"{slit.meta.ref_file.crds.context_used}"
        for slit in slits
    }
    if len(makings) > 1:
        raise SlitError(
            f"{product.name}: expected slits that were calibrated alike, got "
            f"{' and '.join(sorted(makings))}"
        )


def _wrap(slits: Mapping[Path, SlitModel]) -> MultiSlitModel:
    exposure = MultiSlitModel()
    exposure.update(next(iter(slits.values())))
    exposure.meta.cal_step.photom = "COMPLETE"
    for path, slit in slits.items():
        entry = f"slit {slit.name} is that of {path.name}, sha256 {file_sha256(path)}"
        exposure.add_history_entry(entry)
        exposure.slits.append(slit)
    return exposure
