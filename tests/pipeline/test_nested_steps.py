"""Steps that steps make inside: what they read is resolved, or the job fails."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from asking import ask_by_header, ask_by_name
from astropy.io import fits
from fits_differences import list_differences
from plain_script import PipelineCall, start
from prefetching import prefetch, resolve
from processing import make_settings

from config.recipe import load_recipe
from config.settings import Settings
from flows.execution import Cluster
from flows.factory import open_services
from flows.models.runs import JobState
from flows.planning import PlanEntry
from flows.run import (
    Request,
    ask_specs,
    fetch,
    hold_lease,
    make_plan,
    prepare,
)
from flows.run import resolve as resolve_graph
from workers.child import run_in_child
from workers.contract import (
    METAFILE,
    Job,
    Outcome,
    ResolveItem,
    ResolveMember,
    Stage,
    Status,
    StepStatus,
)
from workers.run import run_job
from workers.sample import Mode, SampleSet

FIRST = "jw99004001001_03101_00001_nrs1"
SHUTTERS = "jw99004001001_01_msa.fits"
MASKED = {"clean_flicker_noise": {"skip": False, "mask_science_regions": True}}
RECIPE = """
title = "Noise is measured where no slitlet is"
[[parameters]]
stage = "detector1"
steps.clean_flicker_noise = { skip = false, mask_science_regions = true }
"""

GIB = 1 << 30


@pytest.fixture
def settings(sample: SampleSet, tmp_path: Path) -> Settings:
    """Return an archive of one exposure, and a cache, whose files may be replaced."""
    raw = sample.archive / Mode.NIRSPEC_MOS_PRISM.program
    archive = tmp_path / "archive"
    archive.mkdir()
    for name in (f"{FIRST}_uncal.fits", SHUTTERS):
        os.link(raw / name, archive / name)
    crds = shutil.copytree(sample.crds, tmp_path / "crds", copy_function=os.link)
    made = make_settings(sample, tmp_path / "data")
    return made.model_copy(update={"archive": archive, "crds_path": crds})


@pytest.fixture
def masked(tmp_path: Path) -> str:
    """Return a recipe with which detector1 looks for the slitlets."""
    path = tmp_path / "masked.toml"
    path.write_text(RECIPE)
    return str(path)


def plan_detector1(settings: Settings, recipe: str, cluster: Cluster) -> PlanEntry:
    program = Mode.NIRSPEC_MOS_PRISM.program
    with open_services(settings) as services, hold_lease(services, program):
        request = Request(program, recipe=recipe)
        get_specs = partial(ask_specs, lambda: cluster)
        loaded = load_recipe(recipe)
        drawn = prepare(
            request,
            loaded,
            services.archive,
            data_dir=services.data_dir,
            get_specs=get_specs,
        )
        fetched = fetch(drawn, services.archive)
        resolved = resolve_graph(fetched, services, lambda: cluster)
        return make_plan(resolved, services).plan.entries[0]


def plan_job(settings: Settings, recipe: str, cluster: Cluster) -> Job:
    entry = plan_detector1(settings, recipe, cluster)
    assert entry.job is not None, entry.why
    assert entry.job.stage is Stage.DETECTOR1
    return entry.job


def run(job: Job, data_dir: Path) -> Outcome:
    return run_job(job, attempt="one", data_dir=data_dir, granted_bytes=8 * GIB)


def list_types(job: Job) -> set[str]:
    return {use.reftype for use in job.references if use.file}


def is_same(some: Job, other: Job) -> bool:
    return some.fingerprint == other.fingerprint


@pytest.mark.slow
def test_a_mask_of_the_science_is_that_of_plain_jwst(
    settings: Settings, masked: str, tmp_path: Path, cluster: Cluster
) -> None:
    raw = str(Path(settings.archive) / f"{FIRST}_uncal.fits")
    call = PipelineCall("Detector1Pipeline", raw, {"steps": MASKED})
    job = plan_job(settings, masked, cluster)
    folder = tmp_path / "plain"
    folder.mkdir()
    script = start(
        [call], folder, crds_path=settings.crds_path, context="jwst_0001.pmap"
    )
    outcome = run(job, settings.data_dir)
    assert script.wait() == 0, (folder / "script.log").read_text()[-2000:]
    assert outcome.status is Status.SUCCEEDED, outcome.error
    assert StepStatus("clean_flicker_noise", "COMPLETE") in outcome.steps
    made = settings.data_dir / outcome.folder / f"{FIRST}_rate.fits"
    assert list_differences(made, folder / made.name) == []


def test_detector1_depends_on_what_its_nested_steps_read_and_only_then(
    settings: Settings, masked: str, cluster: Cluster
) -> None:
    job, usual = (
        plan_job(settings, masked, cluster),
        plan_job(settings, "official", cluster),
    )
    assert {"msaoper", "msa", "camera"} <= list_types(job) - list_types(usual)
    roles = [[file.exptype for file in each.inputs] for each in (job, usual)]
    assert roles == [["science", METAFILE], ["science"]]
    edit(Path(settings.archive) / SHUTTERS)
    other, same = (
        plan_job(settings, masked, cluster),
        plan_job(settings, "official", cluster),
    )
    assert (is_same(job, other), is_same(usual, same)) == (False, True)


def edit(shutters: Path) -> None:
    with fits.open(shutters, memmap=False, lazy_load_hdus=False) as hdus:
        hdus["SOURCE_INFO"].data["stellarity"] = 0.2
        shutters.unlink()
        hdus.writeto(shutters)


def test_another_list_of_broken_shutters_is_another_job(
    settings: Settings, masked: str, tmp_path: Path, cluster: Cluster
) -> None:
    job, usual = (
        plan_job(settings, masked, cluster),
        plan_job(settings, "official", cluster),
    )
    (used,) = (use.file for use in job.references if use.reftype == "msaoper")
    assert used is not None
    (file,) = settings.crds_path.rglob(used.name)
    text = file.read_text("utf-8")
    file.unlink()
    file.write_text(text + "\n", "utf-8")
    # The database of the first one knows what CRDS has delivered under the name.
    elsewhere = settings.model_copy(update={"data_dir": tmp_path / "elsewhere"})
    other, same = (
        plan_job(elsewhere, masked, cluster),
        plan_job(elsewhere, "official", cluster),
    )
    assert (is_same(job, other), is_same(usual, same)) == (False, True)


def remove(path: Path) -> None:
    path.unlink()


def rename_program(path: Path) -> None:
    with fits.open(path, memmap=False, lazy_load_hdus=False) as hdus:
        hdus[0].header["PROGRAM"] = "01345"
        path.unlink()
        hdus.writeto(path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(remove, "no such file"), (rename_program, "got one of program 01345")],
)
def test_a_wrong_metafile_fails_only_a_detector1_that_reads_it(
    settings: Settings,
    masked: str,
    cluster: Cluster,
    spoil: Callable[[Path], None],
    words: str,
) -> None:
    spoil(Path(settings.archive) / SHUTTERS)
    entry = plan_detector1(settings, masked, cluster)
    assert entry.state is JobState.FAILED
    assert SHUTTERS in entry.why
    assert words in entry.why
    assert plan_detector1(settings, "official", cluster).state is JobState.DUE


def test_references_of_nested_steps_are_brought(settings: Settings) -> None:
    raw = str(Path(settings.archive) / f"{FIRST}_uncal.fits")
    item = ResolveItem("detector1:x", Stage.DETECTOR1, raw, {"steps": MASKED})
    names = {
        file.name for file in prefetch(settings.crds_path, None, items=[item]).files
    }
    assert any("msaoper" in name for name in names)


@pytest.mark.parametrize("exptype", ["background", "imprint"])
def test_members_that_spec2_cleans_select_references_by_their_own_headers(
    sample: SampleSet, exptype: str
) -> None:
    science = str(sample.list_raw(Mode.NIRSPEC_IFU_PRISM)[0])
    member = sample.list_raw(Mode.NIRSPEC_IFU_GRATINGS)[0]
    members = (ResolveMember(exptype, str(member)),)
    usual, cleaned = (
        ResolveItem(f"{i}", Stage.SPEC2, science, overrides, members=members)
        for i, overrides in enumerate(({}, {"steps": MASKED}))
    )
    without, used = (
        {use.reftype: use.file.name for use in one.references if use.file}
        for one in resolve(sample.crds, [usual, cleaned]).resolved
    )
    whose = f" of {member.name.removesuffix('_uncal.fits')}"
    own = {name for reftype, name in used.items() if reftype.endswith(whose)}
    assert any("disperser" in name for name in own)
    assert not own & set(without.values())
    brought = prefetch(sample.crds, None, items=[cleaned]).files
    assert own <= {file.name for file in brought}


def test_a_job_that_is_given_what_was_not_resolved_fails_and_names_it(
    settings: Settings, masked: str, cluster: Cluster
) -> None:
    job = plan_job(settings, masked, cluster)
    kept = tuple(use for use in job.references if use.reftype != "msaoper")
    outcome = run(replace(job, references=kept), settings.data_dir)
    assert outcome.status is Status.FAILED
    assert outcome.error is not None
    assert outcome.error.type == "ResolvedNotUsedError"
    words = ("MSAFlagOpenStep in CleanFlickerNoiseStep", "msaoper", "_msaoper_000")
    assert [word for word in words if word not in outcome.error.message] == []


def test_a_file_where_none_was_resolved_fails_the_job(
    settings: Settings, cluster: Cluster
) -> None:
    job = plan_job(settings, "official", cluster)
    uses = tuple(
        replace(use, file=None) if use.reftype == "linearity" else use
        for use in job.references
    )
    outcome = run(replace(job, references=uses), settings.data_dir)
    assert outcome.error is not None
    assert "linearity" in outcome.error.message
    assert "(resolved: none)" in outcome.error.message


@pytest.mark.parametrize("ask", [ask_by_header, ask_by_name])
def test_a_step_cannot_hide_what_it_asked_for(
    sample: SampleSet, ask: Callable[[str, str], str]
) -> None:
    raw = str(sample.list_raw(Mode.NIRSPEC_MOS_PRISM)[0])
    said = run_in_child(ask, raw, str(sample.crds)).answer
    assert "jwst_nirspec_gain_000" in said
    assert "was not resolved" in said
