"""What products say of themselves: step status, references, and whether they hold data.

A return without an exception is not a success: calwebb_spec2 ends well with every
pixel NaN when no flat applies, and steps that fail or skip only say so in a keyword.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from astropy.io import fits
from stdatamodels.jwst.datamodels import read_metadata

from ..contract import (
    BACKGROUND_SPECTRUM,
    BROUGHT,
    EXTRACT1D,
    METAFILE,
    NOT_APPLICABLE,
    PERSISTENCE,
    TAKERS,
    Caveat,
    CaveatKind,
    Input,
    Job,
    StepStatus,
)
from ..edits import name_derived
from .expected_products import list_expected, name_source_products

__all__ = [
    "Header",
    "find_caveats",
    "get_steps",
    "list_reference_conflicts",
    "name_edited_apertures",
    "read_headers",
]

_CAL_STEP = "meta.cal_step."
_REF_FILE = "meta.ref_file."
_CONTEXT = "crds.context_used"
_NO_EXPOSURES = BROUGHT | {METAFILE, PERSISTENCE}
"""Exptypes of inputs that record no references."""

_GRAVITY = {"SKIPPED": 1, "COMPLETE": 2, "FAILED": 3}
"""Of several products, the gravest tells the status of a step."""

_STEPS_OF_MEMBERS = {
    "background": "bkg_subtract",
    "imprint": "imprint_subtract",
    "selfcal": "badpix_selfcal",
    "target_acquisition": "targ_centroid",
}
"""The step of calwebb_spec2 for which each exptype is a member."""


Header = Mapping[str, Any]
"""What a file says of itself: values by paths such as ``meta.cal_step.photom``."""


def read_headers(files: Iterable[Path]) -> list[Header]:
    """Read what FITS files among these say of themselves.

    It takes a second for an exposure of the IFU, whose WCS is read with it.
    """
    names = [str(path) for path in files if path.suffix == ".fits"]
    return [read_metadata(name, flatten=True) for name in names]


def get_steps(headers: Iterable[Header], aliases: set[str]) -> tuple[StepStatus, ...]:
    """Return the status of the steps with these aliases, as the products record it."""
    found: dict[str, str] = {}
    for header in headers:
        for key, status in header.items():
            step = key.removeprefix(_CAL_STEP)
            if key.startswith(_CAL_STEP) and step in aliases:
                found[step] = max(
                    found.get(step, "SKIPPED"), status, key=lambda s: _GRAVITY.get(s, 0)
                )
    return tuple(StepStatus(step, found[step]) for step in sorted(found))


def list_reference_conflicts(
    job: Job, headers: Iterable[Header], inputs: Path
) -> list[str]:
    """List where products record another reference or context than was resolved.

    What an input records is not a conflict: each exposure of spec3 keeps the references
    of its own spec2, and those differ between the bands of the MRS. Its sources keep
    the context too, which is another one where an exposure was calibrated elsewhere,
    or in a context in which the same references applied; a last product has its own.
    """
    expected = {
        use.reftype: f"crds://{use.file.name}" if use.file else NOT_APPLICABLE
        for use in job.references
    }
    # What a user has brought, or edited, is used in place of a reference.
    expected |= {f.exptype: f.name for f in job.inputs if f.exptype == EXTRACT1D}
    if edited := name_edited_apertures(job):
        expected[EXTRACT1D] = edited
    expected[_CONTEXT] = job.context
    recorded = set(_list_recorded(headers, expected))
    conflicts = {
        (reftype, used) for reftype, used in recorded if used != expected[reftype]
    }
    if conflicts:
        has_own = (_CONTEXT, job.context) in recorded
        kept = expected if has_own else expected.keys() - {_CONTEXT}
        exposures = (each for each in job.inputs if each.exptype not in _NO_EXPOSURES)
        read = (inputs / each.name for each in exposures)
        conflicts -= set(_list_recorded(read_headers(read), kept))
    return sorted(
        f"{reftype} {expected[reftype]} but {used}" for reftype, used in conflicts
    )


def name_edited_apertures(job: Job) -> str | None:
    """Name what is made of the apertures of the context; None if they stay."""
    if not any(edit.file == EXTRACT1D for edit in job.edits):
        return None
    uses = (use for use in job.references if use.reftype == EXTRACT1D)
    return next((name_derived(use.file.name) for use in uses if use.file), None)


def _list_recorded(
    headers: Iterable[Header], reftypes: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """List the references, and the context, that files record."""
    wanted = list(reftypes)
    for header in headers:
        for reftype in wanted:
            key = reftype if reftype == _CONTEXT else f"{reftype}.name"
            used = header.get(_REF_FILE + key)
            if used is not None:
                yield reftype, used


def find_caveats(
    job: Job,
    products: Sequence[Path],
    steps: Iterable[StepStatus],
    aliases: Mapping[str, str],
    *,
    empty: Iterable[str],
) -> tuple[Caveat, ...]:
    """Find what a scientist must know of the products of a job.

    Parameters
    ----------
    aliases
        The name of each step in products.
    empty
        Extensions without a finite value, in words.
    """
    recorded = {step.step: step.status for step in steps}
    status = {step: recorded.get(alias) for step, alias in aliases.items()}
    return (
        *_missing(job, products, status),
        *_unexpected(job, products),
        *(
            Caveat(CaveatKind.ALL_NAN, f"the {where} holds no finite value")
            for where in empty
        ),
        *(
            Caveat(CaveatKind.STEP_FAILED, f"the step {step} FAILED")
            for step, word in sorted(recorded.items())
            if word == "FAILED"
        ),
        *_skipped(job, status),
    )


def _missing(
    job: Job, products: Iterable[Path], status: Mapping[str, str | None]
) -> Iterator[Caveat]:
    stems = {path.stem for path in products}
    suffixes = {_suffix(path) for path in products}
    steps: Any = job.parameters.get("steps", {})
    for row in list_expected(job.stage, job.exp_type, job.parameters):
        step = row.get("step", "")
        # Of a step that was skipped, or failed, it is said anyway.
        if steps.get(step, {}).get("skip") or status.get(step) in {"SKIPPED", "FAILED"}:
            continue
        missing = list(row.get("lost", ()))
        for suffix in row["suffixes"]:
            if names := _name_apart(job, row):
                # Spectra that are not combined are numbered where there are several.
                missing += [
                    f"{name}_{suffix}.fits"
                    for name in names
                    if stems.isdisjoint({f"{name}_{suffix}", f"{name}_0_{suffix}"})
                ]
            elif suffix not in suffixes:
                missing.append(f"{suffix} product")
        for what in missing:
            message = f"{job.stage} of {job.name} made no {what}"
            yield Caveat(CaveatKind.MISSING_PRODUCT, message)


def _name_apart(job: Job, row: Mapping[str, Any]) -> Sequence[str]:
    """Name the products of a row, if there is one for each source or part."""
    if row.get("per_source"):
        return name_source_products(job)
    return [f"{job.name}_{part}" for part in row.get("parts", ())]


def _unexpected(job: Job, products: Iterable[Path]) -> Iterator[Caveat]:
    """Find products that the stage does not make for a mode that is known."""
    rows = list_expected(job.stage, job.exp_type, job.parameters)
    expected = {suffix for row in rows for suffix in row["suffixes"]}
    if not expected or "save_" in json.dumps(job.overrides):
        return
    for path in products:
        if _suffix(path) not in expected:
            message = f"{job.stage} does not make a {path.name} of {job.exp_type}"
            yield Caveat(CaveatKind.UNEXPECTED_PRODUCT, message)


def _suffix(path: Path) -> str:
    return path.stem.rpartition("_")[2]


def _skipped(job: Job, status: Mapping[str, str | None]) -> Iterator[Caveat]:
    for step, why in sorted(_wanted_steps(job).items()):
        if status.get(step) == "SKIPPED":
            message = f"the pipeline skipped {step} although {why}"
            reason = _why_no_background(job) if step == "bkg_subtract" else ""
            yield Caveat(CaveatKind.STEP_SKIPPED, message + reason)


def _why_no_background(job: Job) -> str:
    """Name the backgrounds before which the grating wheel of NIRSpec has moved.

    The wheel comes back with a slightly different tilt, so that wavelengths shift;
    the step compares them exactly (``jwst/background/background_step.py``).
    """
    science, *others = (
        (file, _read_tilt(file))
        for file in job.inputs
        if file.exptype in {"science", "background"}
    )
    moved = [
        f"{file.name} ({', '.join(map(str, tilt))})"
        for file, tilt in others
        if file.exptype == "background" and tilt != science[1]
    ]
    if not moved:
        return ""
    return (
        f": GWA_XTIL and GWA_YTIL of {', '.join(moved)} are not those of the science "
        f"({', '.join(map(str, science[1]))})"
    )


def _read_tilt(file: Input) -> tuple[object, ...]:
    header = fits.getheader(file.path)
    return tuple(header.get(keyword) for keyword in ("GWA_XTIL", "GWA_YTIL"))


def _wanted_steps(job: Job) -> dict[str, str]:
    """Return the steps that the recipe or the members ask for, with why."""
    parameters: Any = job.parameters.get("steps", {})
    wanted = {
        _STEPS_OF_MEMBERS[file.exptype]: f"there are {file.exptype} members"
        for file in job.inputs
        if file.exptype in _STEPS_OF_MEMBERS
        and _STEPS_OF_MEMBERS[file.exptype] in parameters
    }
    for file in job.inputs:
        if file.exptype == BACKGROUND_SPECTRUM:
            step, _ = TAKERS[file.exptype, job.stage]
            wanted[step] = "there is a spectrum for it, which needs force_subtract "
            wanted[step] += "where spec2 has subtracted a background"
    overrides: Any = job.overrides.get("steps", {})
    for step, given in overrides.items():
        if given.get("skip") is False:
            wanted[step] = "the recipe asks for it"
    return {step: why for step, why in wanted.items() if not parameters[step]["skip"]}
