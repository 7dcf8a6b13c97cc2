"""What a policy removes, of any graph of runs and jobs."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from outcomes import NOON, make_run

from flows.models.retention import KeptJob, KeptRun, Policy
from flows.models.runs import RunState
from flows.upkeep.retention import select
from workers.contract import Stage

_SUFFIXES = ("rate", "rateints", "cal", "x1d")
_policies = st.builds(
    Policy,
    runs=st.integers(1, 3),
    kinds=st.frozensets(st.sampled_from(_SUFFIXES)),
    programs=st.frozensets(st.sampled_from(["01111", "02222"])),
)


@st.composite
def _graphs(draw: st.DrawFn) -> tuple[list[KeptRun], list[KeptJob]]:
    """Draw jobs that read what jobs before them made, and runs that have some."""
    jobs: list[KeptJob] = []
    for number in range(draw(st.integers(0, 8))):
        earlier = [job.fingerprint for job in jobs]
        makers = st.frozensets(st.sampled_from(earlier)) if earlier else st.just(())
        suffixes = draw(st.frozensets(st.sampled_from(_SUFFIXES), max_size=2))
        job = KeptJob(
            fingerprint=f"f{number}",
            stage=draw(st.sampled_from(Stage)),
            name=f"j{number}",
            program=draw(st.sampled_from(["01111", "02222"])),
            products={f"j{number}_{suffix}.fits": 1 for suffix in suffixes},
            makers=frozenset(draw(makers)),
        )
        jobs.append(job)
    keys = [job.fingerprint for job in jobs]
    runs = [
        KeptRun(
            replace(
                make_run(f"r{number}", started_at=NOON + timedelta(hours=number)),
                program=draw(st.sampled_from(["01111", "02222"])),
                state=draw(st.sampled_from(RunState)),
            ),
            tags=draw(st.sampled_from([(), ("dr1",)])),
            jobs=frozenset(draw(st.frozensets(st.sampled_from(keys))))
            if keys
            else frozenset(),
            is_published=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 6)))
    ]
    return runs, jobs


def _reach(key: str, jobs: dict[str, KeptJob]) -> set[str]:
    """List a job, and all that its inputs were made by."""
    return {key}.union(*(_reach(maker, jobs) for maker in jobs[key].makers))


@given(_graphs(), _policies)
def test_a_run_that_is_kept_stays_whole_and_a_policy_is_obeyed(
    graph: tuple[list[KeptRun], list[KeptJob]], policy: Policy
) -> None:
    runs, jobs = graph
    by_key = {job.fingerprint: job for job in jobs}
    chosen = select(runs, jobs, policy, stored=by_key.keys())
    removed = {one.fingerprint for one in chosen.removals}
    kept = [one for one in runs if one.run.id in chosen.kept_runs]
    for one in kept:
        for key in one.jobs:
            assert removed.isdisjoint(_reach(key, by_key))
    claimed = set().union(*(one.jobs for one in runs))
    assert removed <= claimed
    assert chosen.unclaimed == len(by_key.keys() - claimed)
    for key in removed:
        kinds = {name[3:-5] for name in by_key[key].products}
        assert kinds
        assert not policy.kinds or kinds <= policy.kinds
        assert not policy.programs or by_key[key].program in policy.programs
    stages = [[*Stage].index(by_key[one.fingerprint].stage) for one in chosen.removals]
    assert stages == sorted(stages)


@given(_graphs(), _policies)
def test_what_is_removed_is_removed_once_and_more_is_kept_of_more_runs(
    graph: tuple[list[KeptRun], list[KeptJob]], policy: Policy
) -> None:
    runs, jobs = graph
    keys = {job.fingerprint for job in jobs}
    removed = {
        one.fingerprint for one in select(runs, jobs, policy, stored=keys).removals
    }
    assert select(runs, jobs, policy, stored=keys - removed).removals == ()
    more = replace(policy, runs=policy.runs + 1)
    fewer = {one.fingerprint for one in select(runs, jobs, more, stored=keys).removals}
    assert fewer <= removed


@given(_graphs(), _policies)
def test_the_newest_successes_and_runs_with_names_published_or_under_way_are_kept(
    graph: tuple[list[KeptRun], list[KeptJob]], policy: Policy
) -> None:
    runs, jobs = graph
    kept = set(select(runs, jobs, policy, stored=()).kept_runs)
    for one in runs:
        if one.tags or one.is_published or one.run.state is RunState.RUNNING:
            assert one.run.id in kept
        newer = [
            other
            for other in runs
            if other.run.program == one.run.program
            and other.run.state is RunState.SUCCEEDED
            and other.run.started_at > one.run.started_at
        ]
        if len(newer) < policy.runs:
            assert one.run.id in kept
