"""Edited metafiles in the pipeline: the slits that it cuts, and the jobs that run."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from processed import Processed
from processing import make_request, plan_with
from slit_work import Slit, cut_slits
from stdatamodels.jwst.datamodels import MultiSlitModel

from flows.execution import Cluster
from flows.factory import open_services
from flows.models.runs import JobState
from flows.planning import Plan
from workers.child import run_in_child
from workers.contract import Caveat, CaveatKind, Edit, Stage, Status
from workers.run import run_job
from workers.sample import Mode, SampleSet

pytestmark = pytest.mark.slow

METAFILE = "jw99004001001_01_msa.fits"
FIRST = "jw99004001001_03101_00001_nrs1"

GIB = 1 << 30


@pytest.fixture
def cut(mos: Processed, sample: SampleSet, tmp_path: Path) -> Any:
    """Return what cuts out the slits of the first nod with an edited metafile."""

    def give(*edits: tuple[str, dict[str, Any]]) -> Iterable[Slit]:
        end = run_in_child(
            cut_slits,
            str(mos.folder / f"{FIRST}_rate.fits"),
            str(sample.archive / Mode.NIRSPEC_MOS_PRISM.program / METAFILE),
            str(sample.crds),
            str(tmp_path / "slits"),
            [Edit(METAFILE, name, values) for name, values in edits],
        )
        assert isinstance(end.answer, list), end
        return [Slit(*slit) for slit in end.answer]

    return give


def test_slitlets_are_split_placed_typed_and_taken_for_background(cut: Any) -> None:
    assert cut(
        ("split-slitlets", {}),
        ("set-stellarity", {"sources": [2], "source_type": "POINT"}),
        ("place-source", {"source": 1, "x": 0.4, "y": 0.6}),
        ("make-background", {"sources": ["99004_3"]}),
        (
            "add-background",
            {"row": 200, "shutters": {"quadrant": 3, "first": 60, "last": 61}},
        ),
    ) == [
        Slit("1", "99004_1", "POINT", "1x1", 60, 0.1),
        Slit("5", "99004_BKG5", "EXTENDED", "x", 73, 0.0),
        Slit("2", "99004_2", "POINT", "1x1", 75, 0.0),
        Slit("6", "99004_BKG6", "EXTENDED", "x", 77, 0.0),
        Slit("3", "99004_BKG3", "EXTENDED", "1x1", 90, 0.0),
        Slit("4", "99004_BKG4", "EXTENDED", "1x1", 104, 0.0),
        Slit("9", "99004_BKG9", "EXTENDED", "x1", 60, 0.0),
    ]


def test_slitlets_are_extended_and_shutters_of_the_sky_dropped(cut: Any) -> None:
    assert cut(
        ("extend-slitlets", {}),
        ("drop-background", {"slitlets": [4], "columns": [104]}),
    ) == [
        Slit("1", "99004_1", "POINT", "11x11", 60, 0.0),
        Slit("2", "99004_2", "EXTENDED", "111x111", 75, 0.0),
        Slit("3", "99004_3", "POINT", "11x11", 90, 0.0),
        Slit("4", "99004_BKG4", "EXTENDED", "x", 103, 0.0),
        Slit("5", "99004_BKG5", "EXTENDED", "x", 105, 0.0),
    ]


def test_a_long_slit_is_cut_shutter_by_shutter_and_sources_are_selected(
    cut: Any,
) -> None:
    light = {"quadrant": 3, "first": 75, "last": 76}
    assert cut(
        ("explode-long-slit", {"slitlets": [2], "sources_in": [light]}),
        ("select-sources", {"sources": [1, 5]}),
    ) == [
        Slit("1", "99004_1", "POINT", "1x1", 60, 0.0),
        Slit("5", "99004_BKG5", "EXTENDED", "x", 73, 0.0),
        Slit("6", "99004_BKG6", "EXTENDED", "x", 74, 0.0),
        Slit("8", "99004_5", "EXTENDED", "x", 76, 0.0),
        Slit("9", "99004_BKG9", "EXTENDED", "x", 77, 0.0),
        Slit("4", "99004_BKG4", "EXTENDED", "1x1", 104, 0.0),
    ]


RECIPE = f"""
title = "The first slitlet of the first nod, with neighbours"
[associations]
backgrounds = "same-program"
[[edits]]
edit = "add-background"
match.exposure = "{FIRST}"
row = 140
shutters = {{quadrant = 3, first = 62, last = 63}}
[[edits]]
edit = "extend-slitlets"
match.exposure = "{FIRST}"
sources = [1]
"""


@pytest.fixture(scope="module")
def planned(
    mos: Processed, tmp_path_factory: pytest.TempPathFactory, cluster: Cluster
) -> Plan:
    """Return the plan of the program with edits of one exposure."""
    path = tmp_path_factory.mktemp("recipe") / "edited.toml"
    path.write_text(RECIPE)
    with open_services(mos.settings, read_only=True) as services:
        request = replace(make_request(Mode.NIRSPEC_MOS_PRISM), recipe=str(path))
        return plan_with(services, request, cluster).plan


def test_an_edit_of_one_exposure_makes_due_what_is_made_of_it(planned: Plan) -> None:
    due = {e.planned.key: e.why for e in planned.entries if e.state is JobState.DUE}
    level_3 = "spec3:jw99004-o001_{source_id}_nirspec_clear-prism"
    assert due.keys() == {f"spec2:{FIRST}", level_3}
    assert f"new edit extend-slitlets of {METAFILE}" in due[f"spec2:{FIRST}"]


def test_a_job_makes_its_edits_and_says_what_it_could_not(
    planned: Plan, sample: SampleSet, tmp_path: Path
) -> None:
    original = sample.archive / Mode.NIRSPEC_MOS_PRISM.program / METAFILE
    before = original.read_bytes()
    [job] = [e.job for e in planned.entries if e.planned.key == f"spec2:{FIRST}"]
    assert job is not None
    assert job.stage is Stage.SPEC2
    outcome = run_job(
        job, attempt="one", data_dir=tmp_path / "data", granted_bytes=8 * GIB
    )
    assert outcome.status is Status.SUCCEEDED, outcome.error
    assert original.read_bytes() == before
    why = "slitlet 1 was not extended to column 62: slitlet 5 has this shutter"
    kind = CaveatKind.EDIT_INCOMPLETE
    assert outcome.caveats == (Caveat(kind, f"{METAFILE}: {why}"),)
    cal = tmp_path / "data" / outcome.folder / f"{FIRST}_cal.fits"
    with MultiSlitModel(cal) as model:
        shutters = {slit.source_name: slit.shutter_state for slit in model.slits}
    assert shutters["99004_1"] == "11x1"
    assert shutters["99004_BKG5"] == "x1"
