"""Runs the pipeline of a job over its inputs, and checks that it did as resolved."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from jwst.assign_wcs.util import NoDataOnDetectorError
from stdatamodels.jwst.datamodels.dqflags import pixel
from stpipe import Pipeline, Step

from ..contract import (
    BROUGHT,
    EXTRACT1D,
    PERSISTENCE,
    TAKERS,
    Caveat,
    CaveatKind,
    Combined,
    Job,
    ProductFacts,
    Stage,
    StepStatus,
)
from ..errors import ResolvedNotUsedError
from ..references.fence import fenced
from .caveats import (
    find_caveats,
    get_steps,
    list_reference_conflicts,
    name_edited_apertures,
    read_headers,
)
from .extraction import can_extract, extract_again, take_rest
from .looking import look_at
from .parameter_files import check_pars
from .pipelines import configure, get_parameters, list_steps
from .repeated_steps import do_once
from .resolve import read_header

__all__ = ["Calibrated", "calibrate"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What is found of the products of a job."""

    steps: tuple[StepStatus, ...]
    """The status of the steps."""
    caveats: tuple[Caveat, ...]
    """What a scientist must know."""
    facts: tuple[ProductFacts, ...] = ()
    """What the products are of."""


def calibrate(
    job: Job,
    *,
    inputs: Path,
    shared: Path,
    combined: Combined | None = None,
) -> Calibrated:
    """Run a job, leaving its products in the current folder, which has no other files.

    The folder of the inputs, with the association, is relative to the current one:
    products keep the paths that a pipeline is given.

    Parameters
    ----------
    shared
        Where is what other jobs have made of the same members.
    combined
        What an earlier job has made that differs in the extraction of spectra alone;
        it is used if it is intact.

    Raises
    ------
    ResolvedNotUsedError
        Other parameters apply, or a step is given or a product records other
        references, than resolved.
    """
    header = read_header(str(inputs / job.inputs[0].name))
    with fenced((*job.references, *job.pars), job=job.name):
        pipeline = configure(job.stage, header, job.overrides)
        check_pars(pipeline, job.pars, job.overrides)
    _check_parameters(job, get_parameters(pipeline))
    pipeline.save_results = True
    do_once(pipeline, job, shared)
    if job.stage is Stage.DETECTOR1:
        _chain(job, pipeline.persistence, inputs)
    _hand_over(job, pipeline, inputs)
    if combined and not can_extract(combined):
        combined = None
    if combined:
        extract_again(pipeline, job, combined)
    primary = inputs / (job.association_name or job.inputs[0].name)
    try:
        with fenced((*job.references, *job.pars), job=job.name):
            pipeline.run(str(primary))
    except NoDataOnDetectorError as error:
        why = f"{job.name}: {error.args[-1]}"  # the first argument is an exit code
        return Calibrated((), (Caveat(CaveatKind.NO_DATA_ON_DETECTOR, why),))
    if combined:
        take_rest(combined)
    products = sorted(path for path in Path().iterdir() if path.is_file())
    _log_rejected(products)
    headers = read_headers(products)
    if conflicts := list_reference_conflicts(job, headers, inputs):
        raise ResolvedNotUsedError(
            f"{job.name}: resolved is not used: {'; '.join(conflicts)}."
        )
    aliases = list_steps(pipeline)
    steps = get_steps(headers, set(aliases.values()))
    looked = look_at(job.stage, products)
    caveats = find_caveats(job, products, steps, aliases, empty=looked.empty)
    return Calibrated(steps, caveats, looked.facts)


def _chain(job: Job, persistence: Step, inputs: Path) -> None:
    """Let the step `persistence` begin with what the exposure before left.

    What it leaves is kept even if no exposure follows, which does not concern this
    job.
    """
    if persistence.skip:
        return
    persistence.save_persistence = f"{job.name}_{PERSISTENCE}.asdf"
    for file in job.inputs:
        if file.exptype == PERSISTENCE:
            persistence.persistence_array_file = str(inputs / file.name)


def _log_rejected(products: Iterable[Path]) -> None:
    """Log what outlier detection has rejected, which its own log does not say.

    The page of NIRSpec MOS asks to look at it (Level 3 spectral combination).
    """
    for path in products:
        if path.stem.endswith("_crf"):
            with fits.open(path) as hdus:
                flags = [hdu.data.ravel() for hdu in hdus if hdu.name == "DQ"]
            quality = np.concatenate(flags)
            outliers = quality & pixel["OUTLIER"] > 0
            used = outliers | (quality & pixel["DO_NOT_USE"] == 0)
            share = outliers.sum() / max(used.sum(), 1)
            _log.info("outlier_detection rejected %.3f %% of %s", 100 * share, path)


def _hand_over(job: Job, pipeline: Pipeline, inputs: Path) -> None:
    """Let steps take the files that a user has brought, and edited apertures.

    It is done when the parameters were compared: recipes set no paths.
    """
    given = {f.exptype: f.name for f in job.inputs if f.exptype in BROUGHT}
    if edited := name_edited_apertures(job):
        given[EXTRACT1D] = edited
    for exptype, name in given.items():
        step, parameter = TAKERS[exptype, job.stage]
        if exptype == EXTRACT1D:
            _lend(getattr(pipeline, step), exptype, inputs / name)
        else:
            setattr(getattr(pipeline, step), parameter, str(inputs / name))


def _lend(step: Step, reftype: str, path: Path) -> None:
    """Let a step take a file in place of a reference, and record its bare name.

    Of ``override_...`` stpipe records the absolute path, which names the attempt.
    """
    select = step.get_reference_file

    def get_reference_file(model: Any, kind: str) -> Any:
        if kind != reftype:
            return select(model, kind)
        step._reference_files_used.append((kind, path.name))  # noqa: SLF001  # no other way
        return str(path.absolute())

    step.get_reference_file = get_reference_file


def _check_parameters(job: Job, used: Mapping[str, object]) -> None:
    differences = sorted(_diff("", job.parameters, used))
    if differences:
        raise ResolvedNotUsedError(
            f"{job.name}: other parameters apply to the input of {job.stage} than were "
            f"resolved from the raw header: {'; '.join(differences)}."
        )


def _diff(where: str, resolved: object, used: object) -> list[str]:
    if isinstance(resolved, Mapping) and isinstance(used, Mapping):
        return [
            line
            for key in sorted({*resolved, *used})
            for line in _diff(f"{where}.{key}", resolved.get(key), used.get(key))
        ]
    if json.dumps(resolved) == json.dumps(used):
        return []
    return [f"{where.removeprefix('.')} {resolved!r} but {used!r}"]
