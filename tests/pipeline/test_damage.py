"""What a plan says of files that some of the jobs need: one sentence each.

Runs over damaged files are in system/test_bad_input.py.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from processed import Processed
from processing import make_request, plan
from spoiling import Spoil, copy_files, cut, drop_card, remove

from flows.execution import Cluster
from flows.models.runs import JobState
from workers.sample import Mode, SampleSet

RAW = "jw99002001001_04101_00001-seg001_nrs1_uncal.fits"
DETECTOR_1, DETECTOR_2, SPEC_1, SPEC_2 = (
    f"{stage}:jw99002001001_04101_00001-seg00{segment}_nrs1"
    for stage in ("detector1", "spec2")
    for segment in (1, 2)
)
TSO = "tso3:jw99002-o001_t001_nirspec_clear-prism-s1600a1-sub512"
PHOTOM = "jwst_nirspec_photom_0003.fits"
FAILED, BLOCKED, REUSED = JobState.FAILED, JobState.BLOCKED, JobState.REUSED


@dataclass(frozen=True)
class Damage:
    """Something that some of the jobs need, and others do not."""

    spoil: Spoil
    """How it came about."""
    states: Mapping[str, JobState]
    """What the plan makes of the jobs."""
    culprit: str
    """A job that fails."""
    words: tuple[str, ...]
    """What is said of it: file, expected and got."""


UNKNOWN_ROLE = {DETECTOR_1: FAILED, DETECTOR_2: REUSED, SPEC_2: REUSED, TSO: BLOCKED}
"""When a raw file may be a member of any association but those of one exposure, or is
not there."""

NO_SPECTRA = {
    DETECTOR_1: REUSED,
    DETECTOR_2: REUSED,
    SPEC_1: FAILED,
    SPEC_2: FAILED,
    TSO: BLOCKED,
}
"""When something is bad that only spec2 needs."""

DAMAGES = {
    "a missing segment": Damage(
        remove(RAW), UNKNOWN_ROLE, DETECTOR_1, (RAW, "expected segment 1 of 2")
    ),
    "a raw file without EXP_TYPE": Damage(
        drop_card(RAW, "EXP_TYPE"),
        UNKNOWN_ROLE,
        DETECTOR_1,
        (RAW, "expected EXP_TYPE", "got None"),
    ),
    "a missing reference": Damage(
        remove(PHOTOM), NO_SPECTRA, SPEC_1, (PHOTOM, "not in the CRDS cache: expected")
    ),
    "a truncated reference": Damage(
        cut(PHOTOM, share=0.5),
        NO_SPECTRA,
        SPEC_1,
        (PHOTOM, "truncated", "expected at least", "got"),
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_does_not_need_the_bad_file_is_planned_and_the_rest_says_why(
    name: str, bots: Processed, sample: SampleSet, cluster: Cluster, tmp_path: Path
) -> None:
    case, files = DAMAGES[name], copy_files(sample, tmp_path)
    case.spoil(files)
    # Without its database, the data folder does not know what CRDS has delivered.
    store = bots.settings.data_dir / "store"
    shutil.copytree(store, tmp_path / "data" / "store", copy_function=os.link)
    settings = bots.settings.model_copy(
        update={
            "archive": str(files.archive),
            "crds_path": files.crds,
            "data_dir": tmp_path / "data",
        }
    )
    jobs = plan(settings, make_request(Mode.NIRSPEC_BOTS_PRISM), cluster).jobs
    assert {job.key: job.state for job in jobs} == case.states
    whys = {job.key: job.why for job in jobs}
    assert [word for word in case.words if word not in whys[case.culprit]] == []
    assert "\n" not in whys[case.culprit]
    blocked = [job.key for job in jobs if job.state is BLOCKED]
    assert all("needs " in whys[key] for key in blocked)
