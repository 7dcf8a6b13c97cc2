"""What real products were made of, by the commands that a user has for it."""

from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from commands import Rewebb
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from processed import Processed
from prov.model import ProvActivity, ProvDerivation, ProvDocument, ProvUsage

from workers.content import file_sha256
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


def test_an_exported_product_has_the_arrays_and_cards_of_the_store(
    rewebb: Rewebb, bots: Processed, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    ended = rewebb.call_here("export", bots.summary.run, str(target), "--json")
    assert ended.code == 0
    (last,) = (
        one for one in bots.list_outcomes().values() if one.job.stage is Stage.TSO3
    )
    ours = {"RW_RUN", "RW_FPRNT", "RW_RECIP", "RW_VERS"}
    names = {one.name for one in last.products if "_crfints" not in one.name}
    assert names <= set(ended.record["written"])
    for name in names:
        if name.endswith(".ecsv"):
            continue
        stored = bots.settings.data_dir / last.folder / name
        with fits.open(stored) as before, fits.open(target / name) as after:
            header = after[0].header
            assert header["RW_FPRNT"] == last.job.fingerprint
            for keyword in ours:
                del header[keyword]
            assert header == before[0].header
            assert len(before) == len(after)
            for old, new in zip(before, after, strict=True):
                assert old.header == new.header
                assert _bytes_of(old) == _bytes_of(new)
    sums = (target / "SHA256SUMS").read_text().splitlines()
    for line in sums:
        sha256, _, name = line.partition("  ")
        assert file_sha256(target / name) == sha256


def _bytes_of(hdu: Any) -> bytes:
    return b"" if hdu.data is None else hdu.data.tobytes()


def test_an_export_is_finished_where_it_was_cut_off(
    rewebb: Rewebb, bots: Processed, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    run = bots.summary.run
    first = rewebb.call_here("export", run, str(target), "--json").record
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*.*")}
    again = rewebb.call_here("export", run, str(target), "--json").record
    assert (again["written"], set(again["kept"])) == ([], set(first["written"]))
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*.*")} == before
    (target / "README.md").unlink()
    spoilt = target / next(name for name in first["written"] if "x1dints" in name)
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    mended = rewebb.call_here("export", run, str(target), "--json").record
    assert set(mended["written"]) == {"README.md", spoilt.name}


def test_an_export_to_a_bucket_is_whole_and_finished(
    rewebb: Rewebb, bots: Processed, tmp_path: Path
) -> None:
    import boto3

    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    s3 = rewebb.given(
        AWS_ENDPOINT_URL=f"http://{host}:{port}",
        AWS_ACCESS_KEY_ID="key",
        AWS_SECRET_ACCESS_KEY="secret",
        AWS_DEFAULT_REGION="us-east-1",
    )
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in s3.variables.items():
                patch.setenv(name, value)
            client = boto3.client("s3")
        target = "s3://results/one"
        run = bots.summary.run
        refused = s3.call_here("export", run, target)
        assert refused.code == 2
        assert "NoSuchBucket" in refused.err
        client.create_bucket(Bucket="results")
        first = s3.call_here("export", run, target, "--json").record
        again = s3.call_here("export", run, target, "--json").record
        assert again["written"] == []
        local = tmp_path / "out"
        rewebb.call_here("export", run, str(local))
        for name in first["written"]:
            answer = client.get_object(Bucket="results", Key=f"one/{name}")
            assert answer["Body"].read() == (local / name).read_bytes()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("out", "--kinds", "s3d"), "it has"),
        (("out", "--kinds", "../x1d"), "it has"),
        (("s3://",), "expected s3://bucket/prefix"),
        (("other",), "holds the run another"),
        (("broken",), "is no manifest"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_sentence(
    rewebb: Rewebb, bots: Processed, tmp_path: Path, given: tuple[str, ...], words: str
) -> None:
    for folder, text in (("other", '{"run": "another"}'), ("broken", "[")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "manifest.json").write_text(text)
    target, *options = given
    if not target.startswith("s3:"):
        target = str(tmp_path / target)
    ended = rewebb.call_here("export", bots.summary.run, target, *options)
    assert ended.code == 2
    assert words in ended.err
    assert not (tmp_path / "out").exists()
