"""A cluster is tried: a real worker of this machine, and nodes with flaws as data."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.run.check import NodeReport, list_flaws
from workers.rehearsal import Rehearsal, RehearsalRequest, rehearse

VERSIONS = {"jwst": "3.0.0", "numpy": "2.4.0"}

SOUND = Rehearsal(
    host="node1",
    now_s=0.0,
    memory_bytes=10**9,
    cores=4,
    versions=VERSIONS,
    link="marker-node1",
    link_error="",
    crds_error="",
    scratch_mb_s=200.0,
    scratch_error="",
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        (
            {"versions": {**VERSIONS, "jwst": "2.0.0"}},
            "it has other versions: jwst 2.0.0 instead of 3.0.0",
        ),
        ({"crds_error": "no"}, "the CRDS cache cannot be read: no"),
        ({"link_error": "no"}, "no hard link can be made: no"),
        ({"scratch_error": "no"}, "scratch cannot be written: no"),
        ({"scratch_mb_s": 2.0}, "scratch is slow: 2.0 MB/s"),
        ({"memory_bytes": 10}, "it offers 11 bytes, and has 10"),
    ],
)
def test_what_is_wrong_with_a_node_is_a_sentence(
    changes: dict[str, object], said: str | None
) -> None:
    found = replace(SOUND, **changes)
    report = NodeReport("a", 11, 2, is_same_folder=True, clock_s=0, rehearsal=found)
    assert list_flaws(report, VERSIONS) == ([said] if said else [])


def test_another_folder_and_a_wrong_clock_are_flaws() -> None:
    report = NodeReport("a", 11, 2, is_same_folder=False, clock_s=70, rehearsal=SOUND)
    assert list_flaws(report, VERSIONS) == [
        "its data folder is not that of this host",
        "its clock is off by 70 s",
    ]


def test_a_rehearsal_links_writes_and_reads(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    mapping = tmp_path / "crds/mappings/jwst/jwst_0001.pmap"
    mapping.parent.mkdir(parents=True)
    mapping.touch()
    request = RehearsalRequest(str(tmp_path), str(tmp_path / "crds"), str(marker))
    found = rehearse(request)
    assert (found.link_error, found.crds_error, found.scratch_error) == ("", "", "")
    assert (tmp_path / found.link).samefile(marker)
    assert found.scratch_mb_s > 0
    assert [*(tmp_path / "scratch").iterdir()] == []


def test_a_rehearsal_tells_what_it_cannot_do(tmp_path: Path) -> None:
    (tmp_path / "scratch").touch()
    request = RehearsalRequest(
        str(tmp_path), str(tmp_path / "none"), str(tmp_path / "gone")
    )
    found = rehearse(request)
    assert "gone" in found.link_error
    assert "none" in found.crds_error
    assert "scratch" in found.scratch_error


def check(folder: Path, **variables: str) -> tuple[int, list[dict[str, object]]]:
    """Check the cluster of this machine."""
    runner = CliRunner(env={"REWEBB_SLOTS": "1", "REWEBB_CLUSTER": "", **variables})
    ended = runner.invoke(
        app, ["cluster", "check", "local", "--data-dir", str(folder), "--json"]
    )
    return ended.exit_code, json.loads(ended.stdout)


def test_this_machine_is_checked_and_left_as_it_was(tmp_path: Path) -> None:
    code, [report] = check(tmp_path, CRDS_PATH="", REWEBB_CRDS_PATH="")
    assert report["flaws"] == []
    assert code == 0
    assert [*(tmp_path / "clusters").iterdir()] == []


def test_a_node_without_the_cache_and_the_memory_is_wrong(tmp_path: Path) -> None:
    much = {"REWEBB_MEMORY_BYTES": str(1 << 60)}
    code, [report] = check(tmp_path, REWEBB_CRDS_PATH=str(tmp_path / "no"), **much)
    assert code == 1
    cache, memory = report["flaws"]
    assert "CRDS cache cannot be read" in cache
    assert f"offers {1 << 60} bytes" in memory
