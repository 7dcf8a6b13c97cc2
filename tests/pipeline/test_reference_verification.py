"""Verifying and repairing a CRDS cache, and the commands over it."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from crds_server import CrdsServer, crds_serving
from prefetching import PHOTOM, RMAP, SPEC2_PARS, find, hash_files, spoil, verify
from typer.testing import CliRunner

from flows.cli.refs import refs_app
from workers.sample import SampleSet


@pytest.fixture
def server(sample: SampleSet) -> Iterator[CrdsServer]:
    with crds_serving(sample.crds) as server:
        yield server


@pytest.fixture
def filled(sample: SampleSet, tmp_path: Path) -> Path:
    """Return a whole cache of which files may be replaced."""
    return shutil.copytree(sample.crds, tmp_path / "crds", copy_function=os.link)


def test_verification_lists_what_is_bad_missing_and_unknown(
    server: CrdsServer, filled: Path
) -> None:
    spoil(filled, PHOTOM)
    find(filled, RMAP).unlink()
    own = find(filled, PHOTOM).with_name("jwst_nirspec_photom_9999.asdf")
    own.write_bytes(b"mine")
    report = verify(filled, server.url)
    assert [problem.name for problem in report.bad] == [PHOTOM]
    assert report.missing == (RMAP,)
    assert report.unknown == (own.name,)
    assert report.repaired == ()


def test_verification_repairs_what_is_bad_or_missing(
    sample: SampleSet, server: CrdsServer, filled: Path
) -> None:
    spoil(filled, PHOTOM, truncate=True)
    find(filled, RMAP).unlink()
    report = verify(filled, server.url, repair=True)
    assert [problem.name for problem in report.repaired] == [PHOTOM]
    assert report.failed == ()
    assert hash_files(filled) == hash_files(sample.crds)


def test_verification_reads_bytes_although_size_and_time_stand(
    server: CrdsServer, filled: Path
) -> None:
    known = verify(filled, server.url).files
    before = find(filled, PHOTOM).stat()
    spoil(filled, PHOTOM)
    os.utime(find(filled, PHOTOM), ns=(before.st_atime_ns, before.st_mtime_ns))
    report = verify(filled, server.url, known=known)
    assert [problem.name for problem in report.bad] == [PHOTOM]


def test_without_a_server_files_are_compared_with_what_was_seen(
    server: CrdsServer, filled: Path
) -> None:
    known = verify(filled, server.url).files
    spoil(filled, PHOTOM)
    find(filled, SPEC2_PARS).unlink()
    report = verify(filled, None, known=known, repair=True)
    assert [problem.name for problem in report.bad] == [PHOTOM]
    assert report.missing == (SPEC2_PARS,)
    assert {problem.name for problem in report.failed} == {PHOTOM, SPEC2_PARS}
    assert find(filled, PHOTOM).exists()


@pytest.fixture
def refs(
    monkeypatch: pytest.MonkeyPatch,
    server: CrdsServer,
    sample: SampleSet,
    tmp_path: Path,
) -> CliRunner:
    """Return what runs the commands, over the cache in ``crds``."""
    monkeypatch.chdir(tmp_path)
    variables = {
        "CRDS_PATH": str(tmp_path / "crds"),
        "CRDS_SERVER_URL": server.url,
        "CRDS_CONTEXT": "",
        "REWEBB_ARCHIVE": str(sample.archive),
    }
    return CliRunner(env=variables)


def test_refs_sync_all_fills_a_cache_that_refs_verify_finds_good(
    refs: CliRunner, sample: SampleSet, tmp_path: Path
) -> None:
    synced = refs.invoke(refs_app, ["sync", "--all", "--json"])
    assert synced.exit_code == 0, synced.output
    report = json.loads(synced.stdout)
    assert len(report["fetched"]) == report["checked"]
    truth, here = hash_files(sample.crds), hash_files(tmp_path / "crds")
    assert {name: truth[name] for name in here} == here
    verified = refs.invoke(refs_app, ["verify"])
    assert verified.exit_code == 0, verified.output
    assert f"{len(here)} files read, 0 bad, 0 missing, 0 unknown" in verified.output


def test_refs_sync_of_a_program_brings_what_its_exposures_need(
    refs: CliRunner, tmp_path: Path
) -> None:
    synced = refs.invoke(refs_app, ["sync", "99001"])
    assert synced.exit_code == 0, synced.output
    assert "fetching references" in synced.output
    assert find(tmp_path / "crds", PHOTOM).is_file()


def test_refs_verify_fails_on_a_bad_file_until_it_is_repaired(
    refs: CliRunner, filled: Path
) -> None:
    sound = find(filled, PHOTOM).read_bytes()
    spoil(filled, PHOTOM)
    found = refs.invoke(refs_app, ["verify"])
    assert found.exit_code == 1
    assert f"bad {find(filled, PHOTOM)} is bad: expected sha1" in found.output
    told = json.loads(refs.invoke(refs_app, ["verify", "--json"]).stdout)
    assert [one["name"] for one in told["bad"]] == [PHOTOM]
    assert refs.invoke(refs_app, ["verify", "--repair"]).exit_code == 0
    assert find(filled, PHOTOM).read_bytes() == sound
    assert refs.invoke(refs_app, ["verify"]).exit_code == 0


def test_refs_sync_needs_a_server(refs: CliRunner) -> None:
    ended = refs.invoke(refs_app, ["sync"], env={"CRDS_SERVER_URL": ""})
    assert ended.exit_code == 2
    assert "No CRDS server is set" in ended.output
