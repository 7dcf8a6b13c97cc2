import math
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from exposures import bots_program, ifu_program, mos_program
from fake_cluster import WORKER_DIED, FakeCluster, MemoryRecorder, Script
from hypothesis import given
from hypothesis import strategies as st
from outcomes import make_outcome
from plans import DoneStore, make_binder, make_graph, make_resolved, with_raw
from simulated_cluster import (
    SimulatedCluster,
    Site,
    make_survey,
    make_survey_costs,
)

from flows.execution import Orchestrator, Progress
from flows.models.jobs import StoredJob
from flows.models.runs import JobState
from flows.planning import Plan, PlannedJob, ResolvedSet, build_plan
from workers.beginnings import begin, get_scratch
from workers.contract import Job, Stage, Status, to_json
from workers.job_layout import OUTCOME_NAME, get_attempt_folder
from workers.memory import MARGIN

SUCCEEDED, FAILED = Status.SUCCEEDED, Status.FAILED
LOST, OUT_OF_MEMORY = Status.LOST, Status.OUT_OF_MEMORY

GRAPH = make_graph(ifu_program(), selfcal=True)
BOTS = make_graph(bots_program())
KEYS = [planned.key for planned in GRAPH]
FIRST = "detector1:jw99001001001_03101_00001_nrs1"
SKY_SPEC2 = "spec2:jw99001002001_03101_00001_nrs1"

ENDS = st.sampled_from([SUCCEEDED, FAILED, LOST, OUT_OF_MEMORY, WORKER_DIED])
SCRIPTS = st.dictionaries(st.sampled_from(KEYS), st.lists(ENDS, max_size=4))


@dataclass
class Ran:
    """What a run of the orchestrator left."""

    plan: Plan
    cluster: FakeCluster
    recorder: MemoryRecorder
    progress: list[Progress] = field(default_factory=list)

    @property
    def states(self) -> dict[str, JobState]:
        """State of each job, by key."""
        return {entry.planned.key: entry.state for entry in self.plan.entries}

    def why(self, key: str) -> str:
        """Say why a job came to its state."""
        return next(e.why for e in self.plan.entries if e.planned.key == key)


def run(
    graph: Sequence[PlannedJob] = GRAPH,
    script: Script | None = None,
    *,
    store: DoneStore | None = None,
    resolved: ResolvedSet | None = None,
    recorder: MemoryRecorder | None = None,
    data_dir: Path = Path("data"),
    **of_cluster: object,
) -> Ran:
    done = store or DoneStore()
    cluster = FakeCluster(done, script, **of_cluster)
    binder = make_binder(resolved or make_resolved(graph), done)
    recorder, progress = recorder or MemoryRecorder(), list[Progress]()
    plan = Orchestrator(
        build_plan(graph, binder),
        binder=binder,
        cluster=cluster,
        recorder=recorder,
        data_dir=data_dir,
        max_attempts=3,
        stall_s=900,
        listener=progress.append,
    ).run()
    return Ran(plan, cluster, recorder, progress)


def run_long(expected_s: float, **of_cluster: object) -> Ran:
    """Run jobs of which the first are expected to take so long."""
    done, recorder, progress = DoneStore(), MemoryRecorder(), list[Progress]()
    cluster = FakeCluster(done, **of_cluster)
    binder = make_binder(make_resolved(GRAPH), done)
    entries = build_plan(GRAPH, binder).entries
    plan = Orchestrator(
        Plan(tuple(replace(entry, expected_s=expected_s) for entry in entries)),
        binder=binder,
        cluster=cluster,
        recorder=recorder,
        data_dir=Path("data"),
        max_attempts=3,
        stall_s=900.0,
        listener=progress.append,
    ).run()
    return Ran(plan, cluster, recorder, progress)


def test_no_job_starts_that_takes_longer_than_its_node_stays() -> None:
    ran = run_long(3600.0, longest_s=7200.0, times_s=[10.0, 3000.0, 3600.0])
    assert set(ran.states.values()) == {JobState.SUCCEEDED}
    assert ran.cluster.waits == 2


def test_a_job_that_no_node_can_ever_end_fails_by_name() -> None:
    ran = run_long(7300.0, longest_s=7200.0)
    assert ran.cluster.submissions == []
    assert ran.states[FIRST] is JobState.FAILED
    assert "2.0 h, and no node of this cluster stays for more than 2.0 h" in ran.why(
        FIRST
    )
    assert "`walltime`" in ran.why(FIRST)


def test_every_job_succeeds_and_is_recorded_once() -> None:
    ran = run()
    assert set(ran.states.values()) == {JobState.SUCCEEDED}
    assert len(ran.recorder.outcomes) == len(GRAPH)


def test_a_second_run_submits_nothing() -> None:
    store = DoneStore()
    run(store=store)
    again = run(store=store)
    assert set(again.states.values()) == {JobState.REUSED}
    assert again.cluster.submissions == []


def test_what_sees_nothing_at_all_ends_without_a_job() -> None:
    graph = make_graph(mos_program(detectors=("nrs2",)))
    blind = [planned.key for planned in graph if planned.stage is Stage.SPEC2]
    ran = run(graph, without_data=blind)
    assert ran.states[graph[-1].key] is JobState.NO_DATA
    assert len(ran.cluster.submissions) == len(graph) - 1
    assert ran.recorder.jobs[-1].state is JobState.NO_DATA


def test_memory_is_doubled_and_the_last_try_gets_the_largest_node() -> None:
    script = {FIRST: [OUT_OF_MEMORY, OUT_OF_MEMORY]}
    [estimate, *_] = run().cluster.list_grants(FIRST)
    largest = 50 * estimate
    ran = run(script=script, largest_bytes=largest)
    assert ran.cluster.list_grants(FIRST) == [estimate, 2 * estimate, largest]
    assert ran.states[FIRST] is JobState.SUCCEEDED


def test_memory_grows_to_what_was_reached_where_that_is_more() -> None:
    [estimate, *_] = run().cluster.list_grants(FIRST)
    script = {FIRST: [OUT_OF_MEMORY]}
    ran = run(script=script, peak_bytes=10 * estimate)
    assert ran.cluster.list_grants(FIRST) == [estimate, int(MARGIN * 10 * estimate)]


def test_the_next_run_starts_from_what_was_learned() -> None:
    store = DoneStore()
    first = run(script={FIRST: [OUT_OF_MEMORY] * 3}, store=store, largest_bytes=10**10)
    assert first.states[FIRST] is JobState.FAILED
    again = run(store=store)
    assert again.cluster.list_grants(FIRST)[0] == 2 * 10**10
    assert again.states[FIRST] is JobState.SUCCEEDED


def test_a_job_that_others_have_starved_is_given_the_largest_node_again() -> None:
    ran = run(script={FIRST: [OUT_OF_MEMORY] * 9}, largest_bytes=1000, peak_bytes=900)
    assert ran.cluster.list_grants(FIRST) == [1000, 1000, 1000]
    assert ran.states[FIRST] is JobState.FAILED


def test_a_job_that_was_lost_may_still_run_out_of_memory_as_often() -> None:
    script = {FIRST: [LOST, OUT_OF_MEMORY, WORKER_DIED, OUT_OF_MEMORY]}
    ran = run(script=script)
    assert ran.states[FIRST] is JobState.SUCCEEDED
    first, again, *_, last = ran.cluster.list_grants(FIRST)
    assert (again, last) == (first, 1 << 40)


def test_a_job_that_fills_the_largest_node_is_not_tried_again() -> None:
    ran = run(script={FIRST: [OUT_OF_MEMORY]}, largest_bytes=1000)
    assert ran.cluster.list_grants(FIRST) == [1000]
    assert ran.states[FIRST] is JobState.FAILED


@pytest.mark.parametrize("end", [LOST, WORKER_DIED])
def test_a_lost_job_is_tried_again_with_the_same_memory(end: Status | str) -> None:
    ran = run(script={FIRST: [end, end]})
    grants = ran.cluster.list_grants(FIRST)
    assert len(grants) == 3
    assert len(set(grants)) == 1
    assert ran.states[FIRST] is JobState.SUCCEEDED


def test_an_attempt_is_kept_with_the_worker_that_it_was_lost_with() -> None:
    ran = run(script={FIRST: [WORKER_DIED]})
    [lost] = [o for o in ran.recorder.outcomes if o.status is LOST]
    assert lost.node == "node2-a"
    assert lost.usage.granted_bytes == ran.cluster.list_grants(FIRST)[0]


def test_an_attempt_whose_worker_died_is_kept_with_where_it_began(
    tmp_path: Path,
) -> None:
    def note(job: Job, attempt: str) -> None:
        begin(get_scratch(tmp_path, job.program, attempt), "node2-b")

    ran = run(script={FIRST: [WORKER_DIED]}, data_dir=tmp_path, on_submit=note)
    [lost] = [o for o in ran.recorder.outcomes if o.status is LOST]
    assert (lost.host, lost.node) == (socket.gethostname(), "node2-b")
    assert lost.started_at <= lost.finished_at


def test_an_attempt_that_a_leaving_worker_has_ended_is_no_failure(
    tmp_path: Path,
) -> None:
    def leave(job: Job, attempt: str) -> None:
        outcome = make_outcome(job, attempt=attempt, status=Status.PREEMPTED)
        path = tmp_path / get_attempt_folder(job.fingerprint, attempt) / OUTCOME_NAME
        path.parent.mkdir(parents=True)
        path.write_text(to_json(outcome))

    died = {FIRST: [WORKER_DIED] * 5}
    ran = run(script=died, data_dir=tmp_path, on_submit=leave)
    statuses = [o.status for o in ran.recorder.outcomes if f":{o.job.name}" in FIRST]
    assert statuses[:5] == [Status.PREEMPTED] * 5
    assert ran.states[FIRST] is JobState.SUCCEEDED


def test_what_the_pipeline_raised_is_not_tried_again() -> None:
    ran = run(script={FIRST: [FAILED]})
    assert len(ran.cluster.list_grants(FIRST)) == 1
    assert ran.why(FIRST) == "It is odd."


def test_every_attempt_is_recorded_with_an_identity_of_its_own() -> None:
    ran = run(script={FIRST: [LOST, WORKER_DIED]})
    attempts = [o for o in ran.recorder.outcomes if f":{o.job.name}" in FIRST]
    tries = [o for o in attempts if o.job.stage == "detector1"]
    assert [o.status for o in tries] == [LOST, LOST, SUCCEEDED]
    assert len({o.attempt for o in tries}) == 3


def test_a_failure_blocks_what_needs_it_and_names_it() -> None:
    ran = run(script={SKY_SPEC2: [FAILED]})
    blocked = {k for k, state in ran.states.items() if state is JobState.BLOCKED}
    assert blocked == {"spec3:jw99001-o002_t001_nirspec_prism"}
    assert all(SKY_SPEC2 in ran.why(key) for key in blocked)


def test_what_is_independent_of_a_failure_finishes() -> None:
    graph = (*GRAPH, *BOTS)
    ran = run(graph, {FIRST: [FAILED]})
    assert all(ran.states[planned.key] is JobState.SUCCEEDED for planned in BOTS)


def test_a_blocked_job_is_told_once() -> None:
    ran = run(script={FIRST: [FAILED]})
    told = [job.key for job in ran.recorder.jobs if job.state is JobState.BLOCKED]
    assert len(told) == len(set(told)) > 1


def test_a_blocked_job_is_told_again_when_more_of_what_it_needs_fails() -> None:
    ran = run(BOTS, {planned.key: [FAILED] for planned in BOTS[:2]})
    told = [job.blocked_by for job in ran.recorder.jobs if job.stage is Stage.TSO3]
    assert told == [BOTS[-1].producers[:1], BOTS[-1].producers]


def test_a_job_is_blocked_by_all_of_its_blocked_producers() -> None:
    ran = run(script={FIRST: [FAILED]})
    [entry] = [e for e in ran.plan.entries if "spec3:jw99001-o001" in e.planned.key]
    assert entry.blocked_by == entry.planned.producers


def test_identical_products_end_the_work() -> None:
    contents = dict.fromkeys([p.key for p in BOTS], "same")
    store, resolved = DoneStore(), make_resolved(BOTS)
    run(BOTS, store=store, resolved=resolved, contents=contents)
    for path, raw in resolved.raw.items():
        resolved = with_raw(resolved, _change(raw, path))
    ran = run(BOTS, store=store, resolved=resolved, contents=contents)
    assert {one.key for one in ran.cluster.submissions} == {p.key for p in BOTS[:2]}
    assert {ran.states[p.key] for p in BOTS[2:]} == {JobState.REUSED}


def _change(raw: object, path: str) -> object:
    return type(raw)(path, 9, 8, f"new-{path}", f"new-content-{path}")


def test_a_success_without_products_fails_that_job_alone() -> None:
    class Forgetful(DoneStore):
        def find_done(self, fingerprint: str) -> StoredJob | None:
            """Find all but one job."""
            done = super().find_done(fingerprint)
            is_first = done and f"{done.stage}:{done.name}" == FIRST
            return None if is_first else done

    ran = run((*GRAPH, *BOTS), store=Forgetful())
    assert ran.states[FIRST] is JobState.FAILED
    assert "its products are not intact in data" in ran.why(FIRST)
    assert_others_go_on(ran)


def assert_others_go_on(ran: Ran) -> None:
    assert {ran.states[planned.key] for planned in BOTS} == {JobState.SUCCEEDED}
    assert JobState.SUCCEEDED in {ran.states[planned.key] for planned in GRAPH}


ODD_ANSWERS = [
    KeyError("steps"),
    ValueError("It is odd."),
    OSError(28, "No space left on device"),
    Exception("TypeError: cannot pickle '_thread.lock' object"),
    "",
    "None",
    '{"status": "SUCCEEDED"}',
    to_json(make_outcome(attempt="of another job")),
]


@pytest.mark.parametrize("odd", ODD_ANSWERS, ids=lambda odd: str(odd)[:20])
def test_whatever_one_job_answers_fails_that_job_alone(odd: str | Exception) -> None:
    ran = run((*GRAPH, *BOTS), {FIRST: [odd]})
    assert len(ran.cluster.list_grants(FIRST)) == 1
    assert ran.states[FIRST] is JobState.FAILED
    assert ran.why(FIRST)
    [outcome] = [o for o in ran.recorder.outcomes if o.status is FAILED]
    assert f"detector1:{outcome.job.name}" == FIRST
    assert_others_go_on(ran)


def test_memory_that_the_worker_itself_lacks_is_out_of_memory() -> None:
    ran = run(script={FIRST: [MemoryError("Cannot allocate.")]})
    assert [o.status for o in ran.recorder.outcomes if o.error] == [OUT_OF_MEMORY]
    assert ran.states[FIRST] is JobState.SUCCEEDED


def test_a_job_whose_place_cannot_be_cleared_fails_alone() -> None:
    class Locked(MemoryRecorder):
        def make_room(self, job: Job) -> None:
            """Refuse the first job."""
            if f"{job.stage}:{job.name}" == FIRST:
                raise PermissionError(13, "Permission denied", "store/ab")

    ran = run((*GRAPH, *BOTS), recorder=Locked())
    assert ran.states[FIRST] is JobState.FAILED
    assert "Permission denied: 'store/ab'" in ran.why(FIRST)
    assert_others_go_on(ran)


def test_a_file_that_nobody_hashed_blocks_its_job_alone() -> None:
    resolved = make_resolved((*GRAPH, *BOTS))
    lost = GRAPH[0].inputs[0].path
    raw = {path: file for path, file in resolved.raw.items() if path != lost}
    ran = run((*GRAPH, *BOTS), resolved=replace(resolved, raw=raw))
    assert f"{lost} was not hashed" in ran.why(KEYS[0])
    assert_others_go_on(ran)


def test_room_is_made_before_each_attempt() -> None:
    ran = run(script={FIRST: [LOST]})
    assert len(ran.recorder.cleared) == len(ran.cluster.submissions)


@given(SCRIPTS, st.integers(1, 5))
def test_there_are_never_more_jobs_in_flight_than_slots(
    script: Script, slots: int
) -> None:
    ran = run(script=script, slots=slots)
    assert max(one.in_flight for one in ran.cluster.submissions) <= slots


@given(SCRIPTS, st.integers(1, 5))
def test_whatever_happens_every_job_comes_to_an_end(script: Script, slots: int) -> None:
    ran = run(script=script, slots=slots)
    ends = {JobState.SUCCEEDED, JobState.FAILED, JobState.BLOCKED}
    assert set(ran.states.values()) <= ends
    last = ran.progress[-1].counts
    assert {k: n for k, n in last.items() if n} == {
        state: list(ran.states.values()).count(state)
        for state in set(ran.states.values())
    }


@given(SCRIPTS)
def test_nothing_succeeds_on_top_of_what_did_not(script: Script) -> None:
    ran = run(script=script)
    for entry in ran.plan.entries:
        if entry.state is JobState.SUCCEEDED:
            above = {ran.states[key] for key in entry.planned.producers}
            assert above <= {JobState.SUCCEEDED}


@given(SCRIPTS)
def test_a_run_that_goes_on_does_no_finished_job_again(script: Script) -> None:
    store = DoneStore()
    first = run(script=script, store=store)
    again = run(store=store)
    done = {k for k, state in first.states.items() if state is JobState.SUCCEEDED}
    assert done.isdisjoint(one.key for one in again.cluster.submissions)
    assert set(again.states.values()) <= {JobState.SUCCEEDED, JobState.REUSED}


@pytest.mark.parametrize("walltime_s", [math.inf, 2400.0])
def test_slots_are_busy_to_the_tail_though_nodes_go_and_estimates_are_wrong(
    walltime_s: float,
) -> None:
    graph, store = make_survey(60), DoneStore()
    site = Site(nodes=4, slots=16, mean_life_s=3 * 3600.0, walltime_s=walltime_s)
    cluster = SimulatedCluster(store, site)
    binder = make_binder(make_resolved(graph), store, costs=make_survey_costs())
    plan = Orchestrator(
        build_plan(graph, binder),
        binder=binder,
        cluster=cluster,
        recorder=MemoryRecorder(),
        data_dir=Path("data"),
        max_attempts=4,
        stall_s=900,
        listener=lambda _: None,
    ).run()
    assert plan.count(JobState.SUCCEEDED) == len(graph)
    assert cluster.lost_nodes > 0
    assert (cluster.left_nodes > 0) == math.isfinite(walltime_s)
    assert cluster.submitted > len(graph)
    assert cluster.preempted < len(graph) / 20
    assert cluster.utilisation > 0.95
