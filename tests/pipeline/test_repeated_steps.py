"""Steps that spec2 repeats for members, done once: the same pixels, and less work."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import plain_script
import pytest
from fits_differences import list_differences
from processed import Processed, find_outcomes
from processing import make_settings, process, write_calls

from flows.run import Planned, Request
from workers.contract import Job, Outcome, Stage, Status, StepStatus
from workers.job_layout import SCRATCH, SHARED
from workers.run import run_job
from workers.sample import Mode, SampleSet

RECIPE = """
title = "Bad pixels and 1/f noise of all nods are found in spec2"
[[parameters]]
stage = "spec2"
steps.badpix_selfcal.skip = false
steps.clean_flicker_noise.skip = false
"""
MODE = Mode.NIRSPEC_FS_PRISM
STEPS = ("badpix_selfcal", "clean_flicker_noise", "bkg_subtract")

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Both:
    """A program that was processed by Rewebb and by a plain script."""

    data: Path
    folder: Path
    plain: Path

    def list_spec2(self) -> list[Outcome]:
        """List what the jobs of spec2 have left, by name."""
        outcomes = find_outcomes(self.data).values()
        found = [one for one in outcomes if one.job.stage is Stage.SPEC2]
        return sorted(found, key=lambda one: one.job.name)


def process_both(sample: SampleSet, rates: Path, folder: Path) -> Both:
    """Process rates of three nods, each of which is the background of the others."""
    (folder / "archive").mkdir()
    for path in rates.glob(f"jw{MODE.program}*_rate.fits"):
        os.link(path, folder / "archive" / path.name)
    recipe = folder / "both.toml"
    recipe.write_text(RECIPE)
    with ExitStack() as stack:
        started: list[subprocess.Popen[bytes]] = []

        def start_plain(planned: Planned) -> None:
            calls = write_calls(planned, str(recipe), folder / "plain")
            for path in (folder / "archive").iterdir():
                os.link(path, folder / "plain" / path.name)
            script = plain_script.start(
                calls,
                folder / "plain",
                crds_path=sample.crds,
                context=sample.contexts[0],
            )
            stack.callback(script.wait)
            stack.callback(script.kill)
            started.append(script)

        settings = make_settings(sample, folder / "data")
        settings = settings.model_copy(update={"archive": folder / "archive"})
        request = Request(MODE.program, recipe=str(recipe), start_at=Stage.SPEC2)
        summary = process(settings, request, on_planned=start_plain)
        log = folder / "plain" / "script.log"
        assert started[0].wait() == 0, log.read_text()[-2000:]
    data = settings.data_dir
    return Both(data, data / summary.folder, folder / "plain")


@pytest.fixture(scope="module")
def nods(
    sample: SampleSet,
    fixed_slit: Processed,
    tmp_path_factory: pytest.TempPathFactory,
) -> Both:
    return process_both(sample, fixed_slit.folder, tmp_path_factory.mktemp("nods"))


def compare(both: Both) -> Iterator[str]:
    for path in sorted(both.folder.glob("*.fits")):
        yield from list_differences(path, both.plain / path.name)


def test_products_are_those_of_plain_jwst(nods: Both) -> None:
    assert len([*nods.folder.glob("*_cal.fits")]) == 4
    assert list(compare(nods)) == []
    for outcome in nods.list_spec2():
        assert outcome.status is Status.SUCCEEDED
        assert {StepStatus(step, "COMPLETE") for step in STEPS} <= {*outcome.steps}


def test_each_member_is_cleaned_once_and_bad_pixels_are_found_once(nods: Both) -> None:
    logs = [(nods.data / o.folder / "job.log").read_text() for o in nods.list_spec2()]
    plain = (nods.plain / "script.log").read_text()
    assert len(logs) == 3
    text = "".join(logs)
    assert text.count("Cleaning image") == 3 + 3
    assert plain.count("Cleaning image") == 3 * 3
    assert text.count("was cleaned by another job") == 3
    assert text.count("were found by another job") == 2


def test_nothing_is_left_in_scratch(nods: Both) -> None:
    assert [*(nods.data / SCRATCH).glob(f"{MODE.program}/*")] == []


def without(job: Job, name: str) -> Job:
    """Return a job without one of its members."""
    tree = json.loads(job.association or "")
    [product] = tree["products"]
    product["members"] = [m for m in product["members"] if m["expname"] != name]
    inputs = tuple(file for file in job.inputs if file.name != name)
    text = json.dumps(tree)
    return replace(job, inputs=inputs, association=text, fingerprint="1" * 64)


def clipped(job: Job) -> Job:
    """Return a job that measures noise in fewer pixels."""
    given = {"steps": {"clean_flicker_noise": {"n_sigma": 1.5}}}
    overrides, parameters = (
        merge(known, given) for known in (job.overrides, job.parameters)
    )
    return replace(
        job, overrides=overrides, parameters=parameters, fingerprint="2" * 64
    )


def merge(one: Any, other: Any) -> Any:
    if not isinstance(other, dict):
        return other
    return {**one, **{key: merge(one.get(key), other[key]) for key in other}}


def test_other_members_or_parameters_give_other_results(
    nods: Both, tmp_path: Path
) -> None:
    """Bad pixels are flagged before members are cleaned: other ones, other noise."""
    first, second = (outcome.job for outcome in nods.list_spec2()[:2])
    shared = tmp_path / SCRATCH / MODE.program / SHARED
    counts = []
    for job in (first, second, without(second, first.inputs[0].name), clipped(second)):
        outcome = run_job(job, attempt="one", data_dir=tmp_path, granted_bytes=8 * GIB)
        assert outcome.error is None
        counts.append(len([*shared.glob("*.npy")]))
    # Pixels and two members; the third member; pixels and a member; two members.
    assert counts == [3, 4, 6, 8]
