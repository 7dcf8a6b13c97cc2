"""How long a plan takes on so many slots."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from exposures import ifu_program
from hypothesis import given
from hypothesis import strategies as st
from plans import DoneStore, make_binder, make_graph, make_resolved

from flows.models.runs import JobState
from flows.planning import build_plan, sum_costs
from flows.planning.schedule import find_makespan

Graph = tuple[Mapping[str, float], Mapping[str, list[str]]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw jobs, each of which needs some of those before it."""
    names = [f"job{n}" for n in range(draw(st.integers(1, 12)))]
    durations = {name: draw(st.floats(0.0, 100.0)) for name in names}
    needs = {
        name: draw(st.lists(st.sampled_from(names[:n]), unique=True)) if n else []
        for n, name in enumerate(names)
    }
    return durations, needs


def find_chain(graph: Graph) -> float:
    """Find how long the longest chain of jobs takes."""
    durations, needs = graph
    ends: dict[str, float] = {}
    for name, duration in durations.items():
        ends[name] = duration + max((ends[need] for need in needs[name]), default=0.0)
    return max(ends.values())


@given(graphs())
def test_on_one_slot_jobs_follow_each_other(graph: Graph) -> None:
    expected = sum(graph[0].values())
    assert find_makespan(*graph, slots=1) == pytest.approx(expected)


@given(graphs())
def test_on_enough_slots_the_longest_chain_decides(graph: Graph) -> None:
    expected = find_chain(graph)
    assert find_makespan(*graph, slots=len(graph[0])) == pytest.approx(expected)


@given(graphs(), st.integers(1, 6))
def test_a_schedule_is_within_the_bound_of_graham(graph: Graph, slots: int) -> None:
    least = max(find_chain(graph), sum(graph[0].values()) / slots)
    found = find_makespan(*graph, slots=slots)
    assert least - 1e-6 <= found <= (2 - 1 / slots) * least + 1e-6


def test_what_is_done_already_is_not_waited_for() -> None:
    assert find_makespan({"a": 2.0}, {"a": ["done"]}, slots=1) == 2.0


def test_a_plan_without_due_jobs_costs_nothing() -> None:
    assert find_makespan({}, {}, slots=3) == 0.0


def test_only_jobs_that_are_due_cost_anything() -> None:
    graph = make_graph(ifu_program())
    binder = make_binder(make_resolved(graph), DoneStore())
    plan = build_plan(graph, binder)
    first, *rest = plan.entries
    shorter = replace(plan, entries=(replace(first, state=JobState.REUSED), *rest))
    all_of, fewer = (
        sum_costs(each, slots=2, download_bytes=7) for each in (plan, shorter)
    )
    assert (all_of.jobs, all_of.slots, all_of.download_bytes) == (len(graph), 2, 7)
    assert all_of.jobs - fewer.jobs == 1
    assert all_of.cpu_s - fewer.cpu_s == pytest.approx(first.expected_s)
    assert all_of.disk_bytes - fewer.disk_bytes == first.disk_bytes
    assert all_of.peak_bytes == max(entry.estimate_bytes for entry in plan.entries)
    assert all_of.wall_s < all_of.cpu_s
