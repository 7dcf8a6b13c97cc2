"""Spectra extracted again: the products of a whole spec3, without doing all of it.

The whole stage has made them once. What an extraction with other parameters leaves must
give the same, with the parameters of the whole stage.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from processed import Processed
from processing import make_request, plan_with

from flows.execution import Cluster
from flows.factory import open_services
from flows.models.runs import JobState
from workers.contract import Combined, Job, Outcome, Stage, Status
from workers.run import run_job
from workers.sample import Mode

GIB = 1 << 30


def find_spec3(done: Processed) -> Outcome:
    """Find what the first job that combines exposures has left."""
    outcomes = done.list_outcomes()
    first = min(key for key, one in outcomes.items() if one.job.stage is Stage.SPEC3)
    return outcomes[first]


def take(outcome: Outcome, data_dir: Path) -> Combined:
    """Give what a job has made to one that extracts spectra again."""
    return Combined(str(data_dir.absolute() / outcome.folder), outcome.products)


def list_contents(outcome: Outcome) -> dict[str, str]:
    return {product.name: product.content_sha256 for product in outcome.products}


def change(job: Job, **given: Any) -> Job:
    """Return a job that extracts spectra with other parameters."""

    def join(tree: Any) -> Any:
        steps = tree.get("steps", {})
        own = {**steps.get("extract_1d", {}), **given}
        return {**tree, "steps": {**steps, "extract_1d": own}}

    return replace(
        job,
        overrides=join(job.overrides),
        parameters=join(job.parameters),
        fingerprint="4" * 64,
    )


def run(job: Job, folder: Path, combined: Combined) -> Outcome:
    outcome = run_job(
        *(job,),
        attempt="one",
        data_dir=folder,
        granted_bytes=8 * GIB,
        combined=combined,
    )
    assert outcome.status is Status.SUCCEEDED, outcome.error
    return outcome


OTHER: Mapping[str, Mapping[str, Any]] = {
    "fixed_slit": {"use_source_posn": False, "subtract_background": False},
    "ifu": {"ifu_autocen": True},
    "mos": {"use_source_posn": False, "smoothing_length": 3},
    "mrs": {"ifu_autocen": False, "ifu_rscale": 1.0},
}
"""Parameters that programs were not processed with."""
UNCONCERNED = ("jw99004-o001_b000000004_", "jw99004-o001_s000000002_")
"""Spectra that are as they were: of empty sky, and of the extended source."""


@pytest.mark.parametrize("program", OTHER)
def test_what_other_parameters_left_gives_the_products_of_the_whole_stage(
    request: pytest.FixtureRequest, tmp_path: Path, program: str
) -> None:
    """Spectra alone are others, and those of the whole stage come back from there.

    Those of the MSA that have no point source are as they were.
    """
    done: Processed = request.getfixturevalue(program)
    whole = find_spec3(done)
    combined = take(whole, done.settings.data_dir)
    other = run(change(whole.job, **OTHER[program]), tmp_path, combined)
    spectra = {name for name in list_contents(whole) if name.endswith("_x1d.fits")}
    found = list_contents(other).items() ^ list_contents(whole).items()
    concerned = {name for name in spectra if not name.startswith(UNCONCERNED)}
    assert {name for name, _ in found} == concerned != set()
    folder = tmp_path / other.folder
    for name in list_contents(whole):
        if not name.endswith("_cal.fits"):
            is_taken = (folder / name).samefile(Path(combined.folder, name))
            assert is_taken is (name not in spectra), name
    again = run(
        replace(whole.job, fingerprint="5" * 64), tmp_path, take(other, tmp_path)
    )
    assert list_contents(again) == list_contents(whole)
    assert (again.steps, again.caveats) == (whole.steps, whole.caveats)
    log = (folder / "job.log").read_text()
    assert "Spectra are extracted again" in log
    assert "Step outlier_detection running" not in log


def test_what_is_not_as_it_was_made_is_not_used(
    fixed_slit: Processed, tmp_path: Path
) -> None:
    whole = find_spec3(fixed_slit)
    product, *others = whole.products
    spoilt = replace(whole, products=(replace(product, sha256="0" * 64), *others))
    combined = take(spoilt, fixed_slit.settings.data_dir)
    outcome = run(change(whole.job, use_source_posn=False), tmp_path, combined)
    log = (tmp_path / outcome.folder / "job.log").read_text()
    assert f"{product.name} is not as it was made: all is done again" in log
    assert "Step outlier_detection running" in log


LINES = {
    "extract_1d": "steps.extract_1d.use_source_posn = false",
    "outlier_detection": "steps.outlier_detection.skip = true",
}


@pytest.mark.parametrize("step", LINES)
def test_a_plan_says_that_only_spectra_are_extracted_again(
    fixed_slit: Processed, cluster: Cluster, tmp_path: Path, step: str
) -> None:
    head = 'title = "Other"\nextends = "official"\n[[parameters]]\nstage = "spec3"\n'
    path = tmp_path / "other.toml"
    path.write_text(head + LINES[step])
    with open_services(fixed_slit.settings, read_only=True) as services:
        request = replace(make_request(Mode.NIRSPEC_FS_PRISM), recipe=str(path))
        plan = plan_with(services, request, cluster).plan
    [due] = [entry for entry in plan.entries if entry.state is JobState.DUE]
    assert due.planned.stage is Stage.SPEC3
    is_alone = step == "extract_1d"
    assert ("only the extraction of spectra is done again" in due.why) is is_alone
    whole = take(find_spec3(fixed_slit), fixed_slit.settings.data_dir)
    assert (due.combined == whole) is is_alone
