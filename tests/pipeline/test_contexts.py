"""What is due in another context, told by a plan alone."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from processed import Processed, find_outcomes
from processing import make_request, make_settings, plan, process
from typer.testing import CliRunner

from config.settings import Settings
from config.subscriptions import Budget, Subscription, Subscriptions
from flows.cli import app
from flows.execution import Cluster
from flows.factory import open_database
from flows.models.runs import JobState
from flows.planning import Cause, DifferenceKind, JudgedJob, Staleness
from flows.reports import JobLine, RunSummary
from flows.run import (
    Shared,
    find_recorded,
    judge_only,
    plan_only,
)
from flows.watching import decide, look
from flows.watching import judge as judge_candidates
from workers.contract import Job, Outcome
from workers.sample import Mode, SampleSet


@pytest.fixture(scope="session")
def ifu_in_0002(ifu: Processed, sample: SampleSet, shared: Shared) -> RunSummary:
    settings = use(ifu, sample.contexts[1])
    request = make_request(Mode.NIRSPEC_IFU_PRISM)
    return plan_only(settings, request, shared=shared)


def use(done: Processed, context: str) -> Settings:
    return done.settings.model_copy(update={"crds_context": context})


def select(summary: RunSummary, stage: str) -> list[JobLine]:
    return [job for job in summary.jobs if job.key.startswith(f"{stage}:")]


def states(jobs: list[JobLine]) -> set[JobState]:
    return {job.state for job in jobs}


def test_detector1_does_not_depend_on_the_flux(ifu_in_0002: RunSummary) -> None:
    assert states(select(ifu_in_0002, "detector1")) == {JobState.REUSED}


def test_spec2_is_due_and_says_by_which_file_and_parameter(
    ifu_in_0002: RunSummary,
) -> None:
    jobs = select(ifu_in_0002, "spec2")
    assert states(jobs) == {JobState.DUE}
    for job in jobs:
        assert "photom jwst_nirspec_photom_0001.fits" in job.why
        assert "-> jwst_nirspec_photom_0002.fits" in job.why
        assert "badpix_selfcal.flagfrac_upper 0.0015 -> 0.003" in job.why


def test_spec3_waits_for_spec2(ifu_in_0002: RunSummary) -> None:
    jobs = select(ifu_in_0002, "spec3")
    assert states(jobs) == {JobState.DUE}
    assert all(job.why.startswith("waits for spec2:") for job in jobs)


def test_a_plan_leaves_no_run(ifu_in_0002: RunSummary, ifu: Processed) -> None:
    assert (ifu_in_0002.run, ifu_in_0002.folder) == ("", "")
    runs = ifu.settings.data_dir / "runs"
    assert {path.stem for path in runs.glob("*/*")} == {ifu.folder.name}


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_of_the_time_series_is_due_in_any_context(
    bots: Processed, sample: SampleSet, cluster: Cluster, number: int
) -> None:
    context = sample.contexts[number]
    request = make_request(Mode.NIRSPEC_BOTS_PRISM)
    summary = plan(use(bots, context), request, cluster)
    assert states(list(summary.jobs)) == {JobState.REUSED}
    assert summary.context == context
    made = bots.summary.context
    assert {job.made_in for job in summary.jobs} == {made}
    why = f"in {made}, nothing has changed in {context}" if context != made else "done"
    assert all(why in job.why for job in summary.jobs)


@pytest.mark.slow
def test_what_is_current_in_a_context_comes_out_the_same_when_it_is_made_in_it(
    bots: Processed, sample: SampleSet, cluster: Cluster, tmp_path: Path
) -> None:
    request = make_request(Mode.NIRSPEC_BOTS_PRISM)
    planned = plan(use(bots, sample.contexts[1]), request, cluster)
    assert states(list(planned.jobs)) == {JobState.REUSED}
    settings = make_settings(sample, tmp_path, context=sample.contexts[1])
    assert process(settings, request).context == sample.contexts[1]
    made, expected = find_pixels(find_outcomes(tmp_path)), bots.list_outcomes()
    assert made == find_pixels(expected)


def find_pixels(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """Return a hash of the pixels of each FITS product, by name."""
    products = [product for one in outcomes.values() for product in one.products]
    return {each.name: each.pixels_sha256 for each in products if each.pixels_sha256}


@pytest.fixture
def crds(sample: SampleSet, tmp_path: Path) -> Path:
    """Return a cache of which files may be replaced."""
    return shutil.copytree(sample.crds, tmp_path / "crds", copy_function=os.link)


def change(crds: Path, done: Processed, reftype: str, old: bytes, new: bytes) -> str:
    """Change the bytes of the file of a type that jobs have used; give its name."""
    jobs = [outcome.job for outcome in done.list_outcomes().values()]
    uses = [use for job in jobs for use in (*job.references, *job.pars)]
    [name] = {use.file.name for use in uses if use.reftype == reftype and use.file}
    [path] = crds.rglob(name)
    content = path.read_bytes()
    assert old in content
    path.unlink()
    path.write_bytes(content.replace(old, new, 1))
    return name


def judge(done: Processed, crds: Path, shared: Shared) -> dict[str, JudgedJob]:
    settings = done.settings.model_copy(update={"crds_path": crds})
    with open_database(settings, read_only=True) as database:
        recorded = find_recorded(database, done.summary.program)
    assert recorded is not None
    judged = judge_only(settings, recorded, shared=shared)
    assert judged.cost.jobs == sum(job.is_due for job in judged.jobs)
    return {job.key: job for job in judged.jobs}


def pick(judged: Mapping[str, JudgedJob], stage: str) -> list[JudgedJob]:
    return [job for key, job in judged.items() if key.startswith(f"{stage}:")]


def test_another_photom_makes_spec2_stale_and_what_follows_it(
    bots: Processed, crds: Path, shared: Shared
) -> None:
    name = change(crds, bots, "photom", b"Synthetic", b"synthetic")
    judged = judge(bots, crds, shared)
    assert {j.staleness for j in pick(judged, "detector1")} == {Staleness.CURRENT}
    for job in pick(judged, "spec2"):
        assert job.staleness is Staleness.STALE
        assert job.why.startswith(f"reference photom {name} (")
        assert "; " not in job.why
    [last] = pick(judged, "tso3")  # which reads it, too
    kinds = [reason.kind for reason in last.reasons]
    assert kinds == [DifferenceKind.REFERENCE, Cause.UPSTREAM]


def test_another_dark_makes_everything_stale(
    bots: Processed, crds: Path, shared: Shared
) -> None:
    change(crds, bots, "dark", b"Synthetic", b"synthetic")
    judged = judge(bots, crds, shared)
    assert {job.staleness for job in judged.values()} == {Staleness.STALE}
    kinds = {
        key.partition(":")[0]: [reason.kind for reason in job.reasons]
        for key, job in judged.items()
    }
    waits = [Cause.UPSTREAM]
    first = [DifferenceKind.REFERENCE]
    assert kinds == {"detector1": first, "spec2": waits, "tso3": waits}


def test_another_value_in_a_pars_file_is_told_with_that_file(
    bots: Processed, crds: Path, shared: Shared
) -> None:
    change(crds, bots, "pars-detector1pipeline", b"8.0", b"7.0")
    judged = judge(bots, crds, shared)
    text = "parameter detector1.jump.rejection_threshold 8.0 -> 7.0 "
    for job in pick(judged, "detector1"):
        pars, parameter = job.reasons
        assert pars.text.startswith("reference pars-detector1pipeline jwst_nirspec_")
        assert parameter.text == f"{text}(pars-detector1pipeline)"


def test_the_command_says_what_is_stale_and_that_nothing_is(
    bots: Processed, sample: SampleSet, crds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWEBB_SLOTS", "1")
    folder = str(bots.settings.data_dir)
    where = ["--archive", str(sample.archive), "--data-dir", folder]
    where += ["--context", sample.contexts[1]]

    def stale(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["stale", *arguments, *where])
        assert done.exit_code == 0, done.output
        return done.stdout

    monkeypatch.setenv("REWEBB_CRDS_PATH", str(sample.crds))
    said = stale(bots.summary.program)
    assert said.strip().splitlines()[-1].startswith("Nothing is out of date: 5 jobs")
    change(crds, bots, "photom", b"Synthetic", b"synthetic")
    monkeypatch.setenv("REWEBB_CRDS_PATH", str(crds))
    told = json.loads(stale("--all", "--json"))
    assert told["counts"] == {"CURRENT": 2, "STALE": 3}
    assert told["cost"]["jobs"] == 3
    assert told["errors"] == {}
    [program] = told["programs"]
    reasons = [reason for job in program["jobs"] for reason in job["reasons"]]
    assert {reason["kind"] for reason in reasons} == {"reference", "upstream"}
    assert {reason["action"] for reason in reasons} == {"rerun"}


@pytest.mark.parametrize(
    ("program", "mode", "texts"),
    [
        ("bots", Mode.NIRSPEC_BOTS_PRISM, []),
        (
            "ifu",
            Mode.NIRSPEC_IFU_PRISM,
            ["reference photom jwst_nirspec_photom_0001.fits -> _0002.fits"],
        ),
    ],
)
def test_a_watch_runs_again_what_another_context_makes_stale(
    request: pytest.FixtureRequest,
    sample: SampleSet,
    shared: Shared,
    *,
    program: str,
    mode: Mode,
    texts: list[str],
) -> None:
    done: Processed = request.getfixturevalue(program)
    wanted = Subscription(name="ours", programs=(mode.program,), recipe=mode.recipe)
    settings = use(done, sample.contexts[1])
    [seen] = look(settings, Subscriptions(subscription=(wanted,)))
    before = replace(seen.basis, context=sample.contexts[0])
    told: list[str] = []
    [one] = judge_candidates(
        settings, [replace(seen, done=before)], shared=shared, tell=told.append
    )
    assert told == [done.summary.program]
    reasons = [
        reason for due in decide([one], Budget()).start for reason in due.reasons
    ]
    assert bool(reasons) is bool(texts) is bool(one.cost.jobs)
    for text in texts:
        assert any(text in reason for reason in reasons)
    assert one.cost.jobs < seen.cost.jobs


def test_a_context_of_the_same_rules_is_told_from_mappings_alone(
    bots: Processed, crds: Path, shared: Shared
) -> None:
    mode = Mode.NIRSPEC_BOTS_PRISM
    wanted = Subscription(name="ours", programs=(mode.program,), recipe=mode.recipe)
    mappings = crds / "mappings" / "jwst"
    shutil.copy(mappings / bots.summary.context, mappings / "jwst_0009.pmap")
    settings = use(bots, "jwst_0009.pmap").model_copy(update={"crds_path": crds})
    [seen] = look(settings, Subscriptions(subscription=(wanted,)))
    before = replace(seen.basis, context=bots.summary.context)
    told: list[str] = []
    [one] = judge_candidates(
        settings, [replace(seen, done=before)], shared=shared, tell=told.append
    )
    assert (told, one.stale, one.cost.jobs) == ([], (), 0)
    assert decide([one], Budget()).start == ()


def test_the_command_says_what_a_context_changes_for_what_is_recorded(
    ifu: Processed, sample: SampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWEBB_CRDS_PATH", str(sample.crds))
    where = ["--data-dir", str(ifu.settings.data_dir)]

    def ask(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["context", *arguments, *where])
        assert done.exit_code == 0, done.output
        return done.stdout

    told = json.loads(ask("diff", *sample.contexts[:2], "--preview", "--json"))
    assert (told["before"], told["after"]) == sample.contexts[:2]
    found = {change["reftype"]: change for change in told["changes"]}
    assert {*found} == {"photom", "pars-spec2pipeline"}
    photom = found["photom"]
    names = ["jwst_nirspec_photom_0001.fits", "jwst_nirspec_photom_0002.fits"]
    assert [photom["before"], photom["after"]] == names
    assert photom["match"][0] == ["META.EXPOSURE.TYPE", "NRS_IFU"]
    spec2 = [o for o in ifu.list_outcomes().values() if o.job.stage == "spec2"]
    used = [o for o in ifu.list_outcomes().values() if uses(o.job, names[0])]
    assert (photom["jobs"], photom["programs"]) == (len(used), 1)
    assert len(used) >= len(spec2)
    for change in photom["preview"]["arrays"]:
        assert change["ratio"] == pytest.approx([1.05, 1.05, 1.05])
    assert found["pars-spec2pipeline"]["preview"]["other"] == [
        "badpix_selfcal.flagfrac_upper 0.0015 -> 0.003"
    ]
    said = ask("diff", *sample.contexts[:2])
    assert "2 of 2 changes are of files that recorded jobs used" in said
    same = ask("diff", sample.contexts[0], sample.contexts[0])
    assert same.strip().endswith(f"selects the same files as {sample.contexts[0]}.")
    listed = json.loads(ask("list", "--json"))["contexts"]
    counts = {one["context"]: (one["cached"], one["jobs"]) for one in listed}
    assert counts[ifu.summary.context] == (True, len(ifu.list_outcomes()))
    refused = CliRunner().invoke(
        app, ["context", "diff", "jwst_0001.pmap", "x", *where]
    )
    assert refused.exit_code == 2


def uses(job: Job, name: str) -> bool:
    """Return whether a job has used a reference."""
    return any(use.file and use.file.name == name for use in job.references)
