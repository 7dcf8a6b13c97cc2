import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from exposures import bots_program
from outcomes import make_run
from plans import DoneStore, make_binder, make_graph, make_resolved

from flows.layout import get_run_folder
from flows.models.runs import JobState, RunState
from flows.planning import Plan, PlannedJob, build_plan
from flows.reports import (
    RunSummary,
    publish_run_folder,
    summarize,
)

GRAPH = make_graph(bots_program())
RUN = replace(make_run(), state=RunState.SUCCEEDED)


def make_plan(graph: Sequence[PlannedJob], store: DoneStore, rounds: int) -> Plan:
    """Plan after some rounds of doing what could be done."""
    binder = make_binder(make_resolved(graph), store)
    for _ in range(rounds):
        for entry in build_plan(graph, binder).entries:
            if entry.job is not None and entry.state is JobState.DUE:
                store.add(entry.job)
    return build_plan(graph, binder)


def write_store(plan: Plan, data_dir: Path) -> None:
    for entry in plan.entries:
        if entry.done is not None and entry.job is not None:
            folder = data_dir / entry.done.folder
            folder.mkdir(parents=True)
            names = [product.name for product in entry.done.products]
            for name in filter(None, [*names, entry.job.association_name]):
                (folder / name).write_text(name)


def report(plan: Plan, data_dir: Path) -> tuple[RunSummary, Path]:
    summary = summarize(plan, run=RUN, folder=str(get_run_folder(RUN)))
    write_store(plan, data_dir)
    return summary, publish_run_folder(plan, summary, data_dir=data_dir)


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
def test_a_folder_has_products_associations_and_summary(
    tmp_path: Path, rounds: int
) -> None:
    plan = make_plan(GRAPH, DoneStore(), rounds)
    summary, folder = report(plan, tmp_path)
    done = [e.job.association_name for e in plan.entries if e.done and e.job]
    associations = {name for name in done if name}
    names = {path.name for path in folder.iterdir()}
    assert names == {*summary.products, *associations, "run.json"}


def test_products_cost_nothing_and_cannot_differ_from_the_store(tmp_path: Path) -> None:
    plan = make_plan(GRAPH, DoneStore(), 3)
    _, folder = report(plan, tmp_path)
    for path in folder.glob("*.fits"):
        assert path.stat().st_nlink == 2


def test_a_folder_of_a_run_that_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / get_run_folder(RUN)
    half = folder.with_name(f".{folder.name}.making")
    half.mkdir(parents=True)
    (half / "stray.fits").touch()
    _, published = report(make_plan(GRAPH, DoneStore(), 1), tmp_path)
    assert not half.exists()
    assert not (published / "stray.fits").exists()


def test_the_summary_can_be_read_by_a_script(tmp_path: Path) -> None:
    _, folder = report(make_plan(GRAPH, DoneStore(), 1), tmp_path)
    told = json.loads((folder / "run.json").read_text())
    assert told["counts"] == {"DUE": 3, "REUSED": 2}
    assert [job["key"] for job in told["jobs"]] == [p.key for p in GRAPH]


def test_caveats_name_their_job() -> None:
    store = DoneStore()
    entry = make_plan(GRAPH, store, 0).entries[0]
    assert entry.job is not None
    store.add(entry.job, no_data=True)
    summary = summarize(make_plan(GRAPH, store, 0), run=RUN, folder="")
    assert summary.caveats == (
        f"{entry.planned.key}: NO_DATA_ON_DETECTOR: no light falls on it",
    )


@pytest.mark.parametrize("lacked_first", [True, False])
def test_a_summary_says_of_reused_products_what_this_run_lacks(
    *, lacked_first: bool
) -> None:
    """Fingerprints do not hold what the archive has no file of."""
    lacking = [replace(planned, lacking=("there is no NRS2",)) for planned in GRAPH]
    before, after = (lacking, GRAPH) if lacked_first else (GRAPH, lacking)
    store = DoneStore()
    make_plan(before, store, 3)
    summary = summarize(make_plan(after, store, 0), run=RUN, folder="")
    assert summary.counts == {"REUSED": len(GRAPH)}
    assert summary.caveats == tuple(
        f"{planned.key}: PARTIAL: there is no NRS2"
        for planned in GRAPH
        if not lacked_first
    )


def test_the_largest_need_of_memory_is_told() -> None:
    plan = make_plan(GRAPH, DoneStore(), 0)
    needs = [5, 11, *[7] * (len(plan.entries) - 2)]
    entries = tuple(
        replace(entry, estimate_bytes=need)
        for entry, need in zip(plan.entries, needs, strict=True)
    )
    summary = summarize(replace(plan, entries=entries), run=RUN, folder="")
    assert summary.peak_bytes == 11
