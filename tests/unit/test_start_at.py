"""Runs that start after detector1, from what an archive has calibrated already."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from exposures import (
    bots_program,
    ifu_program,
    mos_program,
    mrs_program,
    raw_header,
    with_calibrated,
)
from plans import DoneStore, find_entry, make_binder, make_graph, make_resolved

from config.costs import load_costs
from config.recipe import load_recipe
from config.settings import load_settings
from flows.errors import ArchiveError
from flows.factory import open_services
from flows.models.exposures import Exposure, UnusableFile
from flows.models.runs import JobState
from flows.planning import Plan, PlanEntry, PlannedJob, build_plan
from flows.run import Found, Request, associate, draw, find, plan_unfetched
from flows.stages import STARTS, is_reached, list_start_suffixes
from workers.contract import METAFILE, CaveatKind, Stage

DITHERS = [f"jw99001001001_03101_0000{number}_nrs1" for number in (1, 2)]
SKY = "jw99003002001_02101_00001_mirifushort"


def hold(exposures: Sequence[Exposure], *suffixes: str) -> list[Exposure]:
    """Put the same files of all exposures into the archive."""
    return [with_calibrated(exposure, *suffixes) for exposure in exposures]


def without(exposures: Sequence[Exposure], name: str, suffix: str) -> list[Exposure]:
    """Take one file out of the archive."""
    return [
        replace(e, calibrated={s: f for s, f in e.calibrated.items() if s != suffix})
        if e.name == name
        else e
        for e in exposures
    ]


def plan(
    graph: Sequence[PlannedJob], store: DoneStore, *, allow_partial: bool = False
) -> Plan:
    binder = make_binder(make_resolved(graph), store, allow_partial=allow_partial)
    return build_plan(graph, binder)


def entry_of(made: Plan, key: str) -> PlanEntry:
    entry = find_entry(made, key)
    assert isinstance(entry, PlanEntry)
    return entry


def stages(graph: Sequence[PlannedJob]) -> set[Stage]:
    return {planned.stage for planned in graph}


def test_a_time_series_ends_in_tso3_wherever_it_starts() -> None:
    assert all(is_reached(Stage.TSO3, start) for start in STARTS)
    assert not is_reached(Stage.SPEC2, Stage.SPEC3)


def test_files_of_earlier_stages_tell_of_an_exposure_too() -> None:
    assert list_start_suffixes(Stage.DETECTOR1) == ("uncal",)
    assert list_start_suffixes(Stage.SPEC2) == ("rate", "rateints", "uncal")
    assert list_start_suffixes(Stage.SPEC3)[:2] == ("cal", "calints")
    assert set(list_start_suffixes(Stage.SPEC2)) < set(list_start_suffixes(Stage.SPEC3))


def test_at_spec2_countrates_are_of_the_archive_and_nothing_is_of_detector1() -> None:
    program = hold(ifu_program(), "rate")
    graph = make_graph(program, selfcal=True, start_at=Stage.SPEC2)
    assert stages(graph) == {Stage.SPEC2, Stage.SPEC3}
    for planned in graph:
        from_archive = {file.producer is None for file in planned.inputs}
        assert from_archive == {planned.stage is Stage.SPEC2}


def test_at_spec3_there_is_spec3_alone_with_the_members_of_a_whole_run() -> None:
    program = hold(ifu_program(), "cal", "x1d")
    graph = make_graph(program, start_at=Stage.SPEC3)
    whole = [p for p in make_graph(program) if p.stage is Stage.SPEC3]
    assert stages(graph) == {Stage.SPEC3}
    assert [p.association for p in graph] == [p.association for p in whole]
    assert all(file.path == file.name for p in graph for file in p.inputs)


def test_a_time_series_starts_from_its_integrations() -> None:
    program = hold(bots_program(), "rate", "rateints", "cal", "calints")
    [last] = make_graph(program, start_at=Stage.SPEC3)
    assert last.stage is Stage.TSO3
    assert all(file.name.endswith("_calints.fits") for file in last.inputs)
    first, *_ = make_graph(program, start_at=Stage.SPEC2)
    assert first.inputs[0].name.endswith("_rateints.fits")


def test_shutters_are_read_at_spec2_and_not_at_spec3() -> None:
    program = hold(mos_program(), "rate", "cal")
    for start_at in (Stage.SPEC2, Stage.SPEC3):
        for planned in make_graph(program, start_at=start_at):
            exptypes = {file.exptype for file in planned.inputs}
            assert (METAFILE in exptypes) == (planned.stage is Stage.SPEC2)


def test_a_file_that_is_not_there_blocks_what_needs_it() -> None:
    program = without(hold(ifu_program(), "rate", "cal", "x1d"), DITHERS[1], "cal")
    graph = make_graph(program, start_at=Stage.SPEC3)
    made = plan(graph, DoneStore())
    failed = entry_of(made, f"spec2:{DITHERS[1]}")
    assert failed.state is JobState.FAILED
    assert failed.why == (
        f"{DITHERS[1]}_cal.fits: expected it in the archive, which has "
        f"{DITHERS[1]}_rate.fits, {DITHERS[1]}_x1d.fits"
    )
    blocked = [entry for entry in made.entries if entry.state is JobState.BLOCKED]
    assert [entry.blocked_by for entry in blocked] == [(failed.planned.key,)]


def test_a_background_without_a_spectrum_is_missed() -> None:
    graph = make_graph(hold(mrs_program(), "cal"), start_at=Stage.SPEC3)
    [lacking] = [planned for planned in graph if planned.defect]
    assert (lacking.key, lacking.inputs) == (f"spec2:{SKY}", ())
    assert f"{SKY}_x1d.fits: expected it" in str(lacking.defect)


def test_partial_goes_on_without_it_and_says_so() -> None:
    graph = make_graph(hold(mrs_program(), "cal"), start_at=Stage.SPEC3)
    made = plan(graph, DoneStore(), allow_partial=True)
    [[caveat]] = [entry.caveats for entry in made.entries if entry.caveats]
    assert caveat.kind is CaveatKind.PARTIAL
    assert f"{SKY}_x1d.fits (FAILED: " in caveat.message


def test_a_damaged_file_fails_by_its_own_name() -> None:
    first, *others = hold(ifu_program(), "rate")
    damaged = replace(first.calibrated["rate"], defect="it ends early")
    program = [replace(first, calibrated={"rate": damaged}), *others]
    made = plan(make_graph(program, start_at=Stage.SPEC2), DoneStore())
    entry = entry_of(made, f"detector1:{first.name}")
    assert entry.why == f"{first.name}_rate.fits: it ends early"


def test_a_file_that_cannot_be_read_blocks_what_it_may_be_a_member_of() -> None:
    name = "jw99001001001_09101_00001_nrs1"
    unknown = UnusableFile(Path(f"{name}_cal.fits"), "99001", "001", "it is none")
    program = hold(ifu_program(), "cal", "x1d")
    graph = make_graph(program, unusable=[unknown], start_at=Stage.SPEC3)
    made = plan(graph, DoneStore())
    assert entry_of(made, f"spec2:{name}").state is JobState.FAILED
    assert JobState.BLOCKED in {entry.state for entry in made.entries}


def test_what_was_calibrated_as_the_run_does_is_no_caveat() -> None:
    made = plan(
        make_graph(hold(ifu_program(), "cal", "x1d"), start_at=Stage.SPEC3), DoneStore()
    )
    assert {entry.caveats for entry in made.entries} == {()}


def test_what_was_calibrated_elsewhere_is_told_of_all_downstream() -> None:
    old = [with_calibrated(e, "rate", software="1.14.0") for e in ifu_program()]
    graph = make_graph(old, start_at=Stage.SPEC2)
    store = DoneStore()
    for entry in [entry for entry in plan(graph, store).entries if entry.job]:
        assert entry.planned.stage is Stage.SPEC2
        [caveat, *_] = entry.caveats
        assert "elsewhere with jwst 1.14.0 in jwst_0001.pmap" in caveat.message
        store.add(entry.job)
    last = [e for e in plan(graph, store).entries if e.planned.stage is Stage.SPEC3]
    for entry in last:
        assert {caveat.kind for caveat in entry.caveats} == {
            CaveatKind.MIXED_PROVENANCE
        }
        assert len(entry.caveats) == len(entry.planned.inputs)


def find_dithers(
    folder: Path, suffix: str, request: Request, *, positions: int = 2
) -> Found:
    """Find two exposures of a pattern, of which there is one file each."""
    for number, name in enumerate(DITHERS, start=1):
        header = fits.Header(raw_header(name, PATT_NUM=number, NUMDTHPT=positions))
        data = fits.ImageHDU(np.ones((3, 3), np.float32), name="SCI")
        hdus = fits.HDUList([fits.PrimaryHDU(header=header), data])
        hdus.writeto(folder / f"{name}_{suffix}.fits")
    settings = load_settings(archive=folder, crds_path=folder, data_dir=folder / "data")
    with open_services(settings, start_at=request.start_at) as services:
        return find(request, load_recipe(request.recipe), services.archive)


@pytest.mark.parametrize(
    ("suffix", "start_at", "words"),
    [
        ("uncal", Stage.SPEC2, "cannot start at spec2: .* no rate or rateints file"),
        ("rate", Stage.SPEC3, "cannot start at spec3: .* no cal or calints or x1d"),
    ],
)
def test_a_run_cannot_start_where_nothing_was_made(
    tmp_path: Path, suffix: str, start_at: Stage, words: str
) -> None:
    with pytest.raises(ArchiveError, match=words):
        find_dithers(tmp_path, suffix, Request("99001", start_at=start_at))


def test_what_the_recipe_sets_for_a_stage_before_is_noted(tmp_path: Path) -> None:
    request = Request("99001", recipe="selfcal", start_at=Stage.SPEC3)
    drawn = draw(associate(find_dithers(tmp_path, "cal", request)))
    assert stages(drawn.graph) == {Stage.SPEC3}
    [note] = drawn.notes
    assert note.startswith("what the recipe selfcal sets for spec2 is not applied")


@pytest.mark.parametrize(
    ("observations", "failed"), [((), 1), (("001", "002"), 1), (("001",), 0)]
)
def test_an_unreadable_file_that_is_alone_in_its_observation_is_a_failed_job(
    tmp_path: Path, observations: tuple[str, ...], failed: int
) -> None:
    unreadable = "jw99001002001_03101_00001_nrs1"
    (tmp_path / f"{unreadable}_uncal.fits").write_text("no FITS file")
    found = find_dithers(tmp_path, "uncal", Request("99001", observations))
    made = plan_unfetched(draw(associate(found)), load_costs()).plan
    states = {e.planned.key: e.state for e in made.entries}
    assert len(states) == 5 + failed
    assert list(states.values()).count(JobState.FAILED) == failed
    assert states.get(f"detector1:{unreadable}", JobState.FAILED) is JobState.FAILED


@pytest.mark.parametrize("observations", [(), ("001",)])
def test_a_run_knows_what_its_products_are_the_less_for(
    tmp_path: Path, observations: tuple[str, ...]
) -> None:
    request = Request("99001", observations, start_at=Stage.SPEC2)
    drawn = draw(associate(find_dithers(tmp_path, "rate", request, positions=3)))
    lacking = {planned.stage: planned.lacking for planned in drawn.graph}
    [said] = lacking[Stage.SPEC3]
    assert said == (
        f"{DITHERS[0]}: its pattern has 3 positions (NUMDTHPT), of which the archive "
        "has 1, 2 alone"
    )
    assert lacking[Stage.SPEC2] == ()
