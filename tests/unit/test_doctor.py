"""The doctor: each thing that can be wrong as data, and a site with servers."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import find_free_port
from crds_server import crds_serving
from mast_server import mast_server
from prefect.settings import PREFECT_API_URL, temporary_settings
from small_crds import write_cache
from sqlalchemy import text
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import DatabaseError
from flows.provenance import HEAD, find_revision, make_engine, upgrade
from flows.upkeep import Check, CheckState
from flows.upkeep.doctor import (
    ClusterLook,
    Disk,
    MastLook,
    Prefect,
    Software,
    judge_archive,
    judge_cache,
    judge_clocks,
    judge_cluster,
    judge_database,
    judge_disk,
    judge_folder,
    judge_lock,
    judge_prefect,
    judge_token,
    judge_versions,
)
from workers.references.looking import CacheLook
from workers.rehearsal import Rehearsal

OK, WARNING, FAILED = CheckState
SECRET = "6d1c0ffee0badcafe1234"  # of nobody

VERSIONS = {"jwst": "3.0.0", "dask": "2026.8.0"}
SOFTWARE = Software(
    "3.11.7", ">=3.11", VERSIONS, ("jwst==3.0.0", "dask>=2026.8.0"), VERSIONS
)
CACHE = CacheLook("jwst_0001.pmap", "No CRDS server is set", 3, (), 1, 0)
DISK = Disk("/data", is_writable=True, free_bytes=10**12, free_files=10**6)
PREFECT = Prefect("http://here/api", "3.8.8", "3.8.8")
MAST = MastLook("https://mast", has_token=True, user="A. Stronomer")
CLUSTER = ClusterLook("night", "slurm")
REHEARSAL = Rehearsal("node1", 0.0, 10**9, 4, {}, "marker", "", "", 200.0, "")
JUDGES = {
    Software: judge_versions,
    Disk: judge_disk,
    Prefect: judge_prefect,
    MastLook: judge_token,
    ClusterLook: judge_cluster,
    Rehearsal: judge_folder,
}


@pytest.mark.parametrize(
    "sound", [SOFTWARE, DISK, PREFECT, MAST, CLUSTER, REHEARSAL], ids=type
)
def test_what_is_sound_needs_nothing_to_be_done(sound: Any) -> None:
    check = JUDGES[type(sound)](sound)
    assert (check.state, check.remedy) == (OK, "")


@pytest.mark.parametrize(
    ("sound", "changes", "state", "said"),
    [
        (SOFTWARE, {"python": "3.10.2"}, FAILED, "Python 3.10.2 instead of >=3.11"),
        (
            SOFTWARE,
            {"installed": {**VERSIONS, "jwst": "2.0.1"}},
            FAILED,
            "jwst 2.0.1 instead of ==3.0.0",
        ),
        (SOFTWARE, {"wanted": ("prefect",)}, FAILED, "prefect is not installed"),
        (
            SOFTWARE,
            {"installed": {**VERSIONS, "dask": "2026.1.0"}},
            FAILED,
            "dask 2026.1.0 instead of >=2026.8.0",
        ),
        (PREFECT, {"server": None, "error": "no"}, FAILED, "does not answer: no"),
        (PREFECT, {"server": "3.1.0"}, FAILED, "version 3.1.0, this is 3.8.8"),
        (MAST, {"user": None}, FAILED, "does not know the token"),
        (MAST, {"error": "no"}, WARNING, "could not be tried"),
        (DISK, {"is_writable": False}, FAILED, "cannot be written"),
        (DISK, {"free_files": 5}, FAILED, "room for 5 files"),
        (DISK, {"free_bytes": 10**9}, FAILED, "1.0 GB are free"),
        (DISK, {"free_bytes": 2 * 10**10}, WARNING, "20.0 GB are free"),
        (CLUSTER, {"error": "refused"}, FAILED, "cannot be reached: refused"),
        (CLUSTER, {"missing": ("sbatch",)}, FAILED, "needs sbatch"),
        (REHEARSAL, {"scratch_error": "no"}, FAILED, "scratch cannot be written: no"),
        (REHEARSAL, {"link_error": "no"}, FAILED, "no hard link can be made: no"),
        (REHEARSAL, {"scratch_mb_s": 2.0}, WARNING, "scratch takes 2 MB/s"),
    ],
)
def test_what_is_wrong_is_a_line_with_what_to_do(
    sound: Any, changes: Mapping[str, Any], state: CheckState, said: str
) -> None:
    check = JUDGES[type(sound)](replace(sound, **changes))
    assert (check.state, said in check.found, bool(check.remedy)) == (state, True, True)


def test_what_is_not_there_yet_is_nothing_wrong() -> None:
    checks = [
        judge_lock(replace(SOFTWARE, locked=None)),
        judge_prefect(replace(PREFECT, url=None)),
        judge_token(replace(MAST, has_token=False)),
        judge_folder(None),
        judge_database("it", None, HEAD),
        judge_clocks({}),
    ]
    assert {check.state for check in checks} == {OK}


def test_versions_that_are_not_those_of_the_lock_are_a_warning() -> None:
    check = judge_lock(replace(SOFTWARE, installed={**VERSIONS, "jwst": "3.0.1"}))
    assert (check.state, check.found) == (WARNING, "jwst 3.0.1 instead of 3.0.0")


@pytest.mark.parametrize(
    ("changes", "server", "state"),
    [
        ({}, None, OK),
        ({"missing_references": 7}, None, WARNING),
        ({"missing_mappings": ("jwst_nirspec_0001.imap",)}, None, FAILED),
        ({}, "https://away", WARNING),
        ({"missing_mappings": ("jwst_nirspec_0001.imap",)}, "https://away", FAILED),
        ({"absence": None, "missing_mappings": ("a.imap",)}, "https://here", OK),
    ],
)
def test_the_context_must_be_in_the_cache_or_on_a_server_that_answers(
    changes: Mapping[str, Any], server: str | None, state: CheckState
) -> None:
    assert judge_cache(replace(CACHE, **changes), server).state is state


@pytest.mark.parametrize(("revision", "said"), [("0001", "upgrade"), ("9999", "newer")])
def test_a_database_of_another_revision_is_told_with_what_to_do(
    revision: str, said: str
) -> None:
    check = judge_database("it", revision, HEAD)
    assert (check.state, said in check.remedy) == (FAILED, True)


def test_a_clock_that_is_off_says_to_which_side() -> None:
    check = judge_clocks({"MAST": 70.0, "CRDS": -8.0, "Prefect": 0.5})
    assert check.state is FAILED
    assert "70 s ahead of MAST and 8 s behind CRDS" in check.found


def test_without_an_archive_commands_must_name_one() -> None:
    assert judge_archive(None).state is WARNING
    assert judge_archive("mast", "it is away").state is FAILED


def test_the_revision_of_a_database_is_found_and_nothing_is_made(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/rewebb.db"
    assert (find_revision(url), [*tmp_path.iterdir()]) == (None, [])
    engine = make_engine(url)
    upgrade(engine)
    assert find_revision(url) == HEAD
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    engine.dispose()
    there = {*tmp_path.iterdir()}
    assert (find_revision(url), {*tmp_path.iterdir()}) == ("0001", there)
    (tmp_path / "rewebb.db").write_bytes(b"no database" * 99)
    with pytest.raises(DatabaseError, match="not a database"):
        find_revision(url)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prepare a site in which nothing is wrong: a data folder, a cache, an archive."""
    monkeypatch.chdir(tmp_path)
    for name in ("data", "raw"):
        (tmp_path / name).mkdir()
    write_cache(tmp_path / "crds")
    return tmp_path


def examine(site: Path, **variables: str) -> tuple[int, dict[str, Check], str]:
    """Run the doctor; give its exit code, its checks and all that it has printed."""
    ours = {
        "REWEBB_DATA_DIR": str(site / "data"),
        "REWEBB_ARCHIVE": str(site / "raw"),
        "CRDS_PATH": str(site / "crds"),
        "CRDS_SERVER_URL": "",
        "MAST_API_TOKEN": "",
        **variables,
    }
    ended = CliRunner(env=ours).invoke(app, ["doctor", "--json"])
    assert ended.exit_code in (0, 1), ended.output
    checks = [Check(**one) for one in json.loads(ended.stdout)["checks"]]
    return ended.exit_code, {check.name: check for check in checks}, ended.output


def test_a_sound_site_has_no_check_that_fails(site: Path) -> None:
    rules = site / "crds/mappings/jwst/jwst_nirspec_photom_0001.rmap"
    earlier = "header = {'derived_from': 'jwst_nirspec_photom_0000.rmap'}\n"
    rules.write_text(earlier + rules.read_text())
    code, checks, _ = examine(site)
    wrong = [check for check in checks.values() if check.state == FAILED]
    assert (code, wrong) == (0, [])
    assert checks["crds"].found == (
        "jwst_0001.pmap: 3 mappings and 1 references are here: the cache is complete"
    )
    assert [*(site / "data").rglob("*")] == [
        site / "data/clusters",
        site / "data/scratch",
    ]


def test_what_is_wrong_with_a_site_is_found(site: Path) -> None:
    (site / "crds/mappings/jwst/jwst_nirspec_photom_0001.rmap").unlink()
    nobody = f"127.0.0.1:{find_free_port()}"
    profile = {"there": {"kind": "address", "address": f"tcp://{nobody}"}}
    with temporary_settings({PREFECT_API_URL: f"http://{nobody}/api"}):
        code, checks, said = examine(
            site,
            REWEBB_ARCHIVE=str(site / "none"),
            REWEBB_CLUSTERS=json.dumps(profile),
            REWEBB_CLUSTER="there",
            REWEBB_DATABASE_URL=f"postgresql://us:{SECRET}@{nobody}/rewebb",
        )
    failed = {name for name, check in checks.items() if check.state == FAILED}
    assert (code, failed) == (1, {"archive", "cluster", "crds", "database", "prefect"})
    assert SECRET not in said
    assert "jwst_nirspec_photom_0001.rmap" in checks["crds"].found
    assert nobody in checks["cluster"].found


def test_what_can_never_work_is_found_too(site: Path) -> None:
    """A data folder that is a file, a port that is none, rules that go in a circle."""
    (site / "file").touch()
    rules = site / "crds/mappings/jwst/jwst_nirspec_photom_0001.rmap"
    rules.write_text("selector = {'a': 'jwst_nirspec_0001.imap'}\n")
    profile = {"there": {"kind": "address", "address": "tcp://localhost:999999"}}
    _, checks, _ = examine(
        site,
        REWEBB_DATA_DIR=str(site / "file"),
        REWEBB_CLUSTERS=json.dumps(profile),
        REWEBB_CLUSTER="there",
    )
    assert checks["disk"].state == FAILED
    assert checks["cluster"].state == FAILED
    assert checks["crds"].found.startswith("jwst_0001.pmap: 3 mappings and 0 ref")


def test_a_token_is_tried_and_never_shown(site: Path) -> None:
    with mast_server(site / "raw", tokens={SECRET: []}) as mast:
        ours = {"REWEBB_ARCHIVE": "mast", "REWEBB_MAST_URL": mast.url}
        told = [
            examine(site, MAST_API_TOKEN=secret, **ours)
            for secret in (SECRET, SECRET[::-1], "")
        ]
    assert [checks["token"].state for _, checks, _ in told] == [OK, FAILED, OK]
    assert "A. Stronomer" in told[0][1]["token"].found
    assert "MAST" in told[0][1]["clock"].found
    assert [said for *_, said in told if SECRET in said or SECRET[::-1] in said] == []


def test_a_server_of_crds_has_what_the_cache_lacks(site: Path) -> None:
    empty = site / "empty"
    with crds_serving(site / "crds") as server:
        _, checks, _ = examine(site, CRDS_PATH=str(empty), CRDS_SERVER_URL=server.url)
        assert checks["crds"].state == OK, checks["crds"]
        assert [name for name in server.list_fetched() if "jwst" in name] == []
    assert "has the other 4" in checks["crds"].found
    assert not empty.exists()
