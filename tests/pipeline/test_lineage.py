"""What real products were made of, by the commands that a user has for it."""

from pathlib import Path

import pytest
from commands import Rewebb
from processed import Processed
from prov.model import ProvActivity, ProvDerivation, ProvDocument, ProvUsage

from workers.contract import Stage


@pytest.fixture
def rewebb(bots: Processed) -> Rewebb:
    folder = bots.settings.data_dir
    return Rewebb(folder.parent, {"REWEBB_DATA_DIR": str(folder)})


def test_the_light_curve_leads_up_to_its_raw_segments(
    rewebb: Rewebb, bots: Processed
) -> None:
    outcomes = bots.list_outcomes().values()
    raw = {
        file.name
        for outcome in outcomes
        if outcome.job.stage is Stage.DETECTOR1
        for file in outcome.job.inputs
    }
    (last,) = (one for one in outcomes if one.job.stage is Stage.TSO3)
    name = next(one.name for one in last.products if "x1dints" in one.name)
    ended = rewebb.call_here("lineage", name)
    assert ended.code == 0
    assert all(file in ended.out for file in raw)
    record = rewebb.call_here("lineage", name, "--json").record
    read = {file["name"] for job in record["jobs"] for file in job["inputs"]}
    assert raw <= read
    down = rewebb.call_here("lineage", f"detector1:{bots_exposure(raw)}", "--down")
    assert name in down.out


def bots_exposure(raw: set[str]) -> str:
    return min(raw).removesuffix("_uncal.fits")


def test_the_export_of_a_run_holds_each_job_with_its_references(
    rewebb: Rewebb, bots: Processed, tmp_path: Path
) -> None:
    run = bots.summary.run
    path = tmp_path / "run.json"
    assert rewebb.call_here("prov", run, "--output", str(path)).code == 0
    document = ProvDocument.deserialize(content=path.read_text(), format="json")
    activities = {str(one.identifier) for one in document.get_records(ProvActivity)}
    used = {
        tuple(str(value) for _, value in one.formal_attributes[:2])
        for one in document.get_records(ProvUsage)
    }
    derived = {
        tuple(str(value) for _, value in one.formal_attributes[:2])
        for one in document.get_records(ProvDerivation)
    }
    assert f"run:{run}" in activities
    for outcome in bots.list_outcomes().values():
        job = f"job:{outcome.job.fingerprint}"
        assert job in activities
        for use in (*outcome.job.references, *outcome.job.pars):
            if use.file:
                assert (job, f"sha1:{use.file.sha1}") in used
        for product in outcome.products:
            for file in outcome.job.inputs:
                pair = f"sha256:{product.sha256}", f"sha256:{file.sha256}"
                assert pair in derived


def test_a_run_differs_from_itself_in_nothing(rewebb: Rewebb, bots: Processed) -> None:
    run = bots.summary.run
    ended = rewebb.call_here("diff", run, run)
    count = len(bots.list_outcomes())
    assert ended.out.strip() == f"{count} jobs of the same fingerprint, 0 differ"


def test_a_run_is_not_compared_with_a_product(rewebb: Rewebb, bots: Processed) -> None:
    job = next(iter(bots.list_outcomes().values())).job
    ended = rewebb.call_here("diff", bots.summary.run, job.fingerprint)
    assert ended.code == 2
    assert "is a run" in ended.err
