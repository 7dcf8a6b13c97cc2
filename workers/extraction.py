"""Whether two jobs of spec3 differ only in how spectra are extracted.

Then the later one can take the cubes, or rectified images, that the earlier one has
combined (`workers.stages.extraction`).
"""

import json
from typing import Any, Final

from .contract import EXTRACT1D, Job, Stage

__all__ = ["COMBINE", "differs_in_extraction"]

COMBINE: Final = {
    "MIR_MRS": "cube_build",
    "NRS_FIXEDSLIT": "resample_spec",
    "NRS_IFU": "cube_build",
    "NRS_MSASPEC": "resample_spec",
}
"""The step whose products spectra are extracted from, by EXP_TYPE.

Only modes of which tests show that the products are those of the whole stage.
"""

_STEPS: Final = ("extract_1d", "spectral_leak", "combine_1d")
"""Steps of calwebb_spec3 (jwst 3.0.0) after that."""

_REFERENCES: Final = frozenset({EXTRACT1D, "apcorr", "mrsptcorr"})
"""Types of references that only these steps read, of the modes above."""


def differs_in_extraction(job: Job, earlier: Job) -> bool:
    """Return whether a job does as an earlier one, up to the extraction of spectra.

    It is in the same context, so that the headers of what is taken are right, too.
    """
    combine = COMBINE.get(job.exp_type)
    if job.stage is not Stage.SPEC3 or combine is None:
        return False
    steps: Any = job.parameters.get("steps", {})
    if any(steps.get(name, {}).get("skip", True) for name in (combine, "extract_1d")):
        return False
    return job.fingerprint != earlier.fingerprint and _before(job) == _before(earlier)


def _before(job: Job) -> tuple[object, ...]:
    """List what decides what a job does before it extracts spectra."""
    steps: Any = job.parameters.get("steps", {})
    kept = {name: given for name, given in steps.items() if name not in _STEPS}
    return (
        *(job.stage, job.name, job.exp_type, job.context, dict(job.versions)),
        *(job.association, job.association_name),
        json.dumps({**job.parameters, "steps": kept}, sort_keys=True),
        {
            (file.name, file.exptype, file.content_sha256)
            for file in job.inputs
            if file.exptype != EXTRACT1D
        },
        {
            use.reftype: use.file.sha1 if use.file else None
            for use in job.references
            if use.reftype not in _REFERENCES
        },
        [each for each in job.edits if each.file != EXTRACT1D],
    )
