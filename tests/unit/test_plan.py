import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from exposures import bots_program, ifu_program, make_exposure, mos_program
from hypothesis import given
from hypothesis import strategies as st
from plans import DoneStore, make_binder, make_graph, make_resolved, with_raw

from flows.models.exposures import Exposure
from flows.models.jobs import Content
from flows.models.runs import JobState
from flows.planning import (
    Limits,
    Plan,
    PlanEntry,
    PlannedJob,
    ResolvedSet,
    build_plan,
    count_workload,
)
from workers.contract import (
    METAFILE,
    Caveat,
    CaveatKind,
    ErrorInfo,
    FileHash,
    Stage,
    Status,
    Usage,
)

DITHER_1 = "jw99001001001_03101_00001_nrs1"
SKY = "jw99001002001_03101_00001_nrs1"
NO_NRS2 = f"{DITHER_1}: there is no NRS2"
WITHOUT_SKY = Caveat(
    CaveatKind.PARTIAL,
    f"made without {SKY}_rate.fits (FAILED: {SKY}_uncal.fits: truncated)",
)


def plan(
    graph: Sequence[PlannedJob],
    store: DoneStore,
    resolved: ResolvedSet | None = None,
    *,
    allow_partial: bool = False,
) -> Plan:
    used = resolved or make_resolved(graph)
    return build_plan(graph, make_binder(used, store, allow_partial=allow_partial))


def do(made: Plan, store: DoneStore, **how: object) -> int:
    """Do what could run now."""
    ready = [e.job for e in made.entries if e.state is JobState.DUE and e.job]
    for job in ready:
        store.add(job, **how)
    return len(ready)


def do_all(graph: Sequence[PlannedJob], resolved: ResolvedSet) -> DoneStore:
    store = DoneStore()
    while do(plan(graph, store, resolved), store):
        pass
    return store


def states(made: Plan) -> dict[str, JobState]:
    return {entry.planned.key: entry.state for entry in made.entries}


def find(made: Plan, key: str) -> PlanEntry:
    [entry] = [entry for entry in made.entries if entry.planned.key == key]
    return entry


def damage(exposures: list[Exposure], name: str) -> list[Exposure]:
    return [replace(e, defect="truncated") if e.name == name else e for e in exposures]


@pytest.fixture
def graph() -> tuple[PlannedJob, ...]:
    return make_graph(ifu_program(), selfcal=True)


def test_everything_is_due_at_first(graph: tuple[PlannedJob, ...]) -> None:
    made = plan(graph, DoneStore())
    assert made.count(JobState.DUE) == len(graph)
    assert find(made, f"detector1:{DITHER_1}").why == "never done"


def test_only_jobs_whose_inputs_are_there_have_a_fingerprint(
    graph: tuple[PlannedJob, ...],
) -> None:
    for entry in plan(graph, DoneStore()).entries:
        assert (entry.job is not None) == (entry.planned.stage is Stage.DETECTOR1)


def test_every_job_that_is_due_says_what_it_will_take(
    graph: tuple[PlannedJob, ...],
) -> None:
    for entry in plan(graph, DoneStore()).entries:
        assert entry.estimate_bytes > 0
        assert entry.expected_s > 0
        assert entry.disk_bytes > 0


def test_a_job_that_can_run_says_how_large_it_is() -> None:
    exposures = [
        replace(e, header={**e.header, "SUBSIZE1": 512, "SUBSIZE2": 32, "NGROUPS": 5})
        for e in bots_program()
    ]
    made = plan(make_graph(exposures), DoneStore())
    jobs = [entry.job for entry in made.entries if entry.job]
    assert {(job.workload.pixels, job.workload.groups) for job in jobs} == {(16384, 5)}


def with_cubes(
    graph: Sequence[PlannedJob], *cubes: tuple[int, int, int]
) -> ResolvedSet:
    """Predict cubes for every job of spec3."""
    resolved = make_resolved(graph)
    by_key = {
        key: replace(one, cubes=cubes) if key.startswith("spec3") else one
        for key, one in resolved.by_key.items()
    }
    return replace(resolved, by_key=by_key)


def plan_limited(
    graph: Sequence[PlannedJob], resolved: ResolvedSet, store: DoneStore, limits: Limits
) -> Plan:
    return build_plan(graph, make_binder(resolved, store, limits=limits))


def test_a_cube_of_too_many_voxels_cannot_be_planned_and_says_what_to_change(
    graph: tuple[PlannedJob, ...],
) -> None:
    resolved = with_cubes(graph, (1000, 700, 600), (10, 7, 6))
    made = plan_limited(graph, resolved, DoneStore(), Limits(most_voxels=10**8))
    [entry, *_] = [e for e in made.entries if e.planned.stage is Stage.SPEC3]
    assert entry.state is JobState.FAILED
    assert "4.2e+08 voxels (1000 wavelengths of 600 x 700 spaxels)" in entry.why
    for name in ("1e+08", "scalexy", "scalew", "output_type", "grating and filter"):
        assert name in entry.why


def test_a_cube_of_as_many_voxels_as_are_allowed_is_planned(
    graph: tuple[PlannedJob, ...],
) -> None:
    limits = Limits(most_voxels=420_000_000)
    resolved = with_cubes(graph, (1000, 700, 600))
    made = plan_limited(graph, resolved, DoneStore(), limits)
    assert made.count(JobState.DUE) == len(graph)


def test_a_job_that_is_larger_than_every_node_is_refused_with_both_numbers(
    graph: tuple[PlannedJob, ...],
) -> None:
    limits = Limits(most_voxels=10**10, find_largest_bytes=lambda: 4 * 10**9)
    resolved = with_cubes(graph, (10_000, 1000, 100))
    made = plan_limited(graph, resolved, DoneStore(), limits)
    refused = [e for e in made.entries if e.state is JobState.FAILED]
    assert {entry.planned.stage for entry in refused} == {Stage.SPEC3}
    peak_gb, node_gb = map(float, re.findall(r"([\d.]+) GB", refused[0].why))
    assert peak_gb > node_gb == 4.0


def test_what_an_attempt_took_is_known_better_than_what_it_was_expected_to_take(
    graph: tuple[PlannedJob, ...],
) -> None:
    limits = Limits(most_voxels=10**10, find_largest_bytes=lambda: 4 * 10**9)
    resolved = with_cubes(graph, (10_000, 1000, 100))
    store = DoneStore()
    for planned in graph:
        taken = Usage(1.0, 1.0, 3 * 10**9, 4 * 10**9)
        store.usages[planned.stage, planned.name] = [(Status.SUCCEEDED, taken)]
    made = plan_limited(graph, resolved, store, limits)
    assert made.count(JobState.DUE) == len(graph)


def test_a_job_that_waits_says_for_what(graph: tuple[PlannedJob, ...]) -> None:
    entry = find(plan(graph, DoneStore()), f"spec2:{DITHER_1}")
    assert entry.why.startswith("waits for detector1:")
    assert entry.why.endswith("output is unchanged")


def test_everything_is_reused_once_it_is_done(graph: tuple[PlannedJob, ...]) -> None:
    resolved = make_resolved(graph)
    made = plan(graph, do_all(graph, resolved), resolved)
    assert made.count(JobState.REUSED) == len(graph)
    assert made.entries[0].why.endswith("UTC, nothing has changed")


@given(st.integers(0, 4))
def test_planning_again_gives_the_same_plan(rounds: int) -> None:
    graph = make_graph(ifu_program(), selfcal=True)
    store = DoneStore()
    for _ in range(rounds):
        do(plan(graph, store), store)
    assert plan(graph, store) == plan(graph, store)


@given(st.integers(1, 4), st.sampled_from(["reason", "context", "crds_path"]))
def test_what_cannot_change_a_pixel_makes_nothing_due(rounds: int, what: str) -> None:
    graph = make_graph(bots_program())
    resolved = make_resolved(graph)
    store = DoneStore()
    for _ in range(rounds):
        do(plan(graph, store, resolved), store)
    before = states(plan(graph, store, resolved))
    if what == "reason":
        graph = tuple(map(give_other_reasons, graph))
    else:
        resolved = replace(resolved, **{what: "jwst_0002.pmap"})
    assert states(plan(graph, store, resolved)) == before


def give_other_reasons(planned: PlannedJob) -> PlannedJob:
    inputs = (replace(file, reason="because") for file in planned.inputs)
    return replace(planned, inputs=tuple(inputs))


def test_what_was_just_read_of_a_raw_file_is_told_though_no_history_knows_it(
    graph: tuple[PlannedJob, ...],
) -> None:
    resolved = make_resolved(graph)
    store = do_all(graph, resolved)
    path = str(graph[0].exposure.path)
    store.contents = {resolved.raw[path].content_sha256: Content("old", {"A": "1"})}
    edited = FileHash(path, 9, 8, "s", "c", pixels_sha256="old", cards={"A": "2"})
    made = plan(graph, store, with_raw(resolved, edited))
    assert find(made, graph[0].key).why.endswith("has changed: header cards A 1 -> 2")


def test_a_job_whose_products_are_damaged_says_so(
    graph: tuple[PlannedJob, ...],
) -> None:
    resolved = make_resolved(graph)
    store = do_all(graph, resolved)
    [first, *_] = plan(graph, store, resolved).entries
    assert first.job is not None
    store.damage(first.job, "a_rate.fits: expected 9 bytes, got 8")
    damaged = find(plan(graph, store, resolved), first.planned.key)
    assert (damaged.state, damaged.job) == (JobState.DUE, first.job)
    assert damaged.why == (
        "done before, but damaged, so made again: a_rate.fits: expected 9 bytes, got 8"
    )


def test_another_photom_makes_spec2_due_and_says_why() -> None:
    graph = make_graph(bots_program())
    store = do_all(graph, make_resolved(graph))
    made = plan(graph, store, make_resolved(graph, photom="photom_2.fits"))
    due = [entry for entry in made.entries if entry.planned.stage is Stage.SPEC2]
    assert {entry.state for entry in due} == {JobState.DUE}
    assert all("photom photom_1.fits" in entry.why for entry in due)
    assert states(made)[graph[0].key] is JobState.REUSED


def test_the_same_content_in_other_bytes_makes_nothing_due() -> None:
    graph = make_graph(bots_program())
    resolved = make_resolved(graph)
    store = do_all(graph, resolved)
    raw = next(iter(resolved.raw.values()))
    rewritten = replace(raw, sha256="other bytes", mtime_ns=8)
    made = plan(graph, store, with_raw(resolved, rewritten))
    assert made.count(JobState.REUSED) == len(graph)


@pytest.mark.parametrize(("content", "due"), [("same", 0), ("other", 2)])
def test_identical_products_of_a_job_done_again_end_the_work(
    content: str, due: int
) -> None:
    graph = make_graph(bots_program())
    resolved = make_resolved(graph)
    store = DoneStore()
    while do(plan(graph, store, resolved), store, content="same"):
        pass
    raw = next(iter(resolved.raw.values()))
    changed = with_raw(resolved, replace(raw, content_sha256="a new dark column"))
    assert plan(graph, store, changed).count(JobState.DUE) == 3
    do(plan(graph, store, changed), store, content=content)
    assert plan(graph, store, changed).count(JobState.DUE) == due


def test_a_damaged_file_fails_and_blocks_what_needs_it() -> None:
    graph = make_graph(damage(ifu_program(), DITHER_1))
    made = plan(graph, DoneStore())
    assert (
        find(made, f"detector1:{DITHER_1}").why == f"{DITHER_1}_uncal.fits: truncated"
    )
    blocked = find(made, f"spec2:{DITHER_1}")
    assert blocked.state is JobState.BLOCKED
    assert blocked.blocked_by == (f"detector1:{DITHER_1}",)


def test_what_is_independent_of_a_failure_is_due_all_the_same() -> None:
    graph = make_graph(damage(ifu_program(), DITHER_1))
    found = states(plan(graph, DoneStore()))
    assert found[f"spec2:{SKY}"] is JobState.DUE
    assert found["spec2:jw99001001001_03101_00002_nrs1"] is JobState.DUE


def test_a_job_that_cannot_be_resolved_fails(graph: tuple[PlannedJob, ...]) -> None:
    resolved = make_resolved(graph)
    key = f"spec2:{DITHER_1}"
    error = ErrorInfo("ReferenceMissingError", "photom_1.fits is not there.", "")
    broken = replace(resolved.by_key[key], error=error)
    made = plan(
        graph,
        DoneStore(),
        replace(resolved, by_key={**resolved.by_key, key: broken}),
    )
    assert find(made, key).why == "photom_1.fits is not there."
    assert states(made)[f"detector1:{DITHER_1}"] is JobState.DUE


def test_a_raw_file_that_cannot_be_hashed_fails_its_job() -> None:
    graph = make_graph(bots_program())
    resolved = make_resolved(graph)
    path = str(graph[0].exposure.path)
    broken = FileHash(path, 0, 0, "", "", ErrorInfo("OSError", "it ends early", ""))
    made = plan(graph, DoneStore(), with_raw(resolved, broken))
    assert made.entries[0].state is JobState.FAILED
    assert made.entries[0].why == f"{path}: it ends early"


def test_partial_goes_on_without_a_failed_background() -> None:
    graph = make_graph(damage(ifu_program(), SKY))
    store = DoneStore()
    do(plan(graph, store, allow_partial=True), store)
    entry = find(plan(graph, store, allow_partial=True), f"spec2:{DITHER_1}")
    assert entry.caveats == (WITHOUT_SKY,)
    assert entry.job is not None
    assert SKY not in str(entry.job.association)


def test_what_is_made_of_a_partial_product_is_partial_too() -> None:
    graph = make_graph(damage(ifu_program(), SKY))
    store = DoneStore()
    for _ in ("detector1", "spec2"):
        do(plan(graph, store, allow_partial=True), store)
    made = plan(graph, store, allow_partial=True)
    [combined] = [e for e in made.entries if "-o001_" in e.planned.key]
    assert combined.caveats == (WITHOUT_SKY,)


def test_a_plan_tells_what_is_partial_before_anything_is_done() -> None:
    graph = make_graph(damage(ifu_program(), SKY))
    made = plan(graph, DoneStore(), allow_partial=True)
    partial = {e.planned.stage for e in made.entries if WITHOUT_SKY in e.caveats}
    assert partial == {Stage.SPEC2, Stage.SPEC3}


@pytest.mark.parametrize("lacked_first", [True, False])
def test_what_is_lacking_is_told_by_the_plan_and_not_by_what_is_reused(
    graph: tuple[PlannedJob, ...], *, lacked_first: bool
) -> None:
    """Fingerprints do not hold what the archive has no file of."""
    whole = list(graph)
    lacking = [replace(planned, lacking=(NO_NRS2,)) for planned in graph]
    before, after = (lacking, whole) if lacked_first else (whole, lacking)
    resolved = make_resolved(graph)
    reused = plan(after, do_all(before, resolved), resolved).entries
    assert {entry.state for entry in reused} == {JobState.REUSED}
    partial = () if lacked_first else (Caveat(CaveatKind.PARTIAL, NO_NRS2),)
    assert {entry.caveats for entry in reused} == {partial}


def test_what_the_archive_has_no_file_of_makes_a_product_partial_once() -> None:
    graph = [
        replace(planned, lacking=(NO_NRS2,))
        if planned.exposure.name == DITHER_1 and planned.stage is not Stage.DETECTOR1
        else planned
        for planned in make_graph(ifu_program())
    ]
    store = do_all(graph, make_resolved(graph))
    entries = plan(graph, store).entries
    partial = {e.planned.key: e.caveats for e in entries if e.caveats}
    assert set(partial.values()) == {(Caveat(CaveatKind.PARTIAL, NO_NRS2),)}
    assert partial.keys() - {f"spec2:{DITHER_1}"} == {
        key for key in states(Plan(entries)) if key.startswith("spec3:jw99001-o001_")
    }


def test_partial_still_blocks_what_has_no_science_left() -> None:
    graph = make_graph(damage(ifu_program(), DITHER_1))
    store = DoneStore()
    do(plan(graph, store, allow_partial=True), store)
    entry = find(plan(graph, store, allow_partial=True), f"spec2:{DITHER_1}")
    assert entry.state is JobState.BLOCKED
    assert "no science input is left" in entry.why


def test_a_detector_without_data_is_left_out_without_being_partial() -> None:
    pair = [
        make_exposure(f"jw99001001001_03101_00001_nrs{number}") for number in (1, 2)
    ]
    graph = make_graph(pair)
    store = DoneStore()
    do(plan(graph, store), store)
    for job in [e.job for e in plan(graph, store).entries if e.job]:
        if job.stage is Stage.SPEC2:
            store.add(job, no_data=job.name.endswith("nrs2"))
    combined = plan(graph, store).entries[-1]
    assert combined.job is not None
    names = [file.name for file in combined.job.inputs]
    assert names == [f"{pair[0].name}_cal.fits"]
    assert combined.caveats == ()


def do_without_data(detector: str) -> tuple[DoneStore, tuple[PlannedJob, ...]]:
    """Do three nods of which a detector sees nothing."""
    graph = make_graph(mos_program(detectors=(detector,)))
    store = DoneStore()
    do(plan(graph, store), store)
    for job in [e.job for e in plan(graph, store).entries if e.job]:
        if job.stage is Stage.SPEC2:
            store.add(job, no_data=True)
    return store, graph


def test_where_no_member_has_data_nothing_is_to_be_made() -> None:
    store, graph = do_without_data("nrs2")
    entry = plan(graph, store).entries[-1]
    assert (entry.state, entry.job, entry.blocked_by) == (JobState.NO_DATA, None, ())
    assert entry.why.startswith("no data: jw99004001001_03101_00001_nrs2_cal.fits: ")


def test_a_member_that_failed_is_not_taken_for_one_without_data() -> None:
    store, graph = do_without_data("nrs2")
    broken = [
        replace(p, defect="it is damaged") if p.key.startswith("spec2:jw9") else p
        for p in graph
    ]
    entry = plan(broken, store, allow_partial=True).entries[-1]
    assert entry.state is JobState.BLOCKED
    assert "no science input is left" in entry.why


def test_spec2_of_the_msa_reads_the_metafile() -> None:
    graph = make_graph(mos_program(detectors=("nrs1",)))
    store = DoneStore()
    do(plan(graph, store), store)
    [job] = [
        e.job
        for e in plan(graph, store).entries
        if e.planned.key == "spec2:jw99004001001_03101_00001_nrs1" and e.job
    ]
    primary, *_, metafile = job.inputs
    assert primary.name == "jw99004001001_03101_00001_nrs1_rate.fits"
    assert (metafile.name, metafile.exptype) == ("jw99004001001_01_msa.fits", METAFILE)
    assert metafile.path == "archive/jw99004001001_01_msa.fits"
    assert metafile.content_sha256 == f"content-{metafile.path}"
    assert "msa" not in str(job.association)


def test_another_metafile_is_another_job() -> None:
    graph = make_graph(mos_program(detectors=("nrs1",)))
    store = DoneStore()
    do(plan(graph, store), store)
    do(plan(graph, store), store)
    resolved = make_resolved(graph)
    path = "archive/jw99004001001_01_msa.fits"
    edited = with_raw(resolved, FileHash(path, 9, 8, "edited", "edited"))
    entries = build_plan(graph, make_binder(edited, store)).entries
    whys = [e.why for e in entries if e.planned.stage is Stage.SPEC2]
    assert whys == ["metafile input jw99004001001_01_msa.fits has changed"] * 3
    assert {e.state for e in entries[:3]} == {JobState.REUSED}


def test_an_unreadable_metafile_fails_spec2_and_blocks_spec3() -> None:
    graph = make_graph(mos_program(detectors=("nrs1",)))
    store = DoneStore()
    do(plan(graph, store), store)
    path = "archive/jw99004001001_01_msa.fits"
    error = ErrorInfo("OSError", "it ends early", "")
    resolved = with_raw(make_resolved(graph), FileHash(path, 0, 0, "", "", error))
    entries = build_plan(graph, make_binder(resolved, store)).entries
    states = [entry.state for entry in entries]
    expected = [JobState.REUSED] * 3 + [JobState.FAILED] * 3 + [JobState.BLOCKED]
    assert states == expected
    assert entries[3].why == f"{path}: it ends early"


def test_a_producer_that_made_something_else_blocks() -> None:
    graph = make_graph(bots_program())
    store = DoneStore()
    do(plan(graph, store), store)
    odd = [replace(p, inputs=tuple(_rename(p))) for p in graph]
    entry = plan(odd, store).entries[2]
    assert entry.state is JobState.BLOCKED
    assert "made no odd.fits, only" in entry.why


def _rename(planned: PlannedJob) -> list[object]:
    if planned.stage is Stage.DETECTOR1:
        return list(planned.inputs)
    return [replace(file, name="odd.fits") for file in planned.inputs]


def test_what_a_producer_does_not_make_with_its_parameters_is_told() -> None:
    graph = make_graph([make_exposure(DITHER_1)])
    resolved = make_resolved(graph)
    spec2 = f"spec2:{DITHER_1}"
    one = replace(resolved.by_key[spec2], endings=("0_cal", "x1d"))
    other = replace(resolved, by_key={**resolved.by_key, spec2: one})
    entry = plan(graph, DoneStore(), other).entries[-1]
    assert entry.state is JobState.FAILED
    assert f"_cal.fits, and {spec2} makes only 0_cal, x1d" in entry.why
    assert "output_type of cube_build" in entry.why


def test_outliers_of_an_ifu_are_found_in_windows_of_several_exposures() -> None:
    graph = make_graph(ifu_program())
    detection = {"kernel_size": "7 7", "skip": False}
    parameters = {"steps": {"outlier_detection": detection}}
    found = {}
    for planned in graph:
        own = make_resolved(graph).by_key[planned.key]
        workload = count_workload(planned, replace(own, parameters=parameters))
        found[planned.stage, len(planned.inputs) > 1] = workload.window
    assert found[Stage.SPEC3, True] == 49
    assert found[Stage.SPEC3, False] == 0
    assert {window for (stage, _), window in found.items() if stage < "spec3"} == {0}


def test_jobs_are_looked_up_together_once_their_inputs_are_known() -> None:
    graph = make_graph(ifu_program())
    resolved = make_resolved(graph)
    store = do_all(graph, resolved)
    asked: list[Sequence[str]] = []
    made = build_plan(graph, make_binder(resolved, store, expect=asked.append))
    assert [entry.planned for entry in made.entries] == [*graph]
    by_stage = [
        {e.job.fingerprint for e in made.entries if e.job and e.planned.stage is stage}
        for stage in (Stage.DETECTOR1, Stage.SPEC2, Stage.SPEC3)
    ]
    assert [set(each) for each in asked] == by_stage
    asked.clear()
    empty = DoneStore()
    build_plan(graph, make_binder(resolved, empty, expect=asked.append))
    assert [set(each) for each in asked] == [by_stage[0], set(), set()]
