"""A context that has the rules which jobs were made by changes nothing for them."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from outcomes import NOON, make_job, make_outcome, make_run, make_run_job

from config.settings import load_settings
from flows.factory import open_database
from flows.models.runs import JobState, RunState
from flows.provenance import Database
from flows.run import CrdsFolder, find_recorded, has_same_rules
from workers.contract import ReferenceFile

BEFORE, AFTER = "jwst_0001.pmap", "jwst_0002.pmap"
DARK, PHOTOM = "jwst_nirspec_dark_0001.rmap", "jwst_nirspec_photom_0001.rmap"
RULES = {"dark": DARK, "photom": PHOTOM, "area": "N/A", "sflat": "OMIT"}


def write(root: Path, name: str, selector: object) -> ReferenceFile:
    """Write a mapping with its sum, as CRDS does."""
    head, tail = "header = {\n", f"}}\nselector = {selector!r}\n"
    digest = hashlib.sha1((head + tail).encode(), usedforsecurity=False).hexdigest()
    path = root / "mappings" / "jwst" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{head}    'sha1sum' : '{digest}',\n{tail}")
    content = path.read_bytes()
    sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    return ReferenceFile(name, sha1, len(content), path.stat().st_mtime_ns)


def write_context(
    root: Path, name: str, rules: dict[str, str]
) -> tuple[ReferenceFile, ...]:
    """Write a context of one instrument."""
    imap = f"jwst_nirspec_{name[5:9]}.imap"
    for rmap in rules.values():
        if rmap.endswith(".rmap") and not (root / "mappings" / "jwst" / rmap).exists():
            write(root, rmap, {})
    return write(root, name, {"NIRSPEC": imap}), write(root, imap, rules)


@pytest.fixture
def crds(tmp_path: Path) -> Path:
    return tmp_path / "crds"


@pytest.fixture
def database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crds: Path
) -> Iterator[Database]:
    """Record a run of one job that has asked for a dark."""
    monkeypatch.chdir(tmp_path)
    heads = write_context(crds, BEFORE, RULES)
    job = replace(make_job(context=BEFORE), mappings=(*heads, write(crds, DARK, {})))
    with open_database(load_settings()) as database:
        database.jobs.record_outcomes([make_outcome(job)])
        record_run(database, RunState.SUCCEEDED)
        yield database


def record_run(database: Database, state: RunState) -> None:
    run = replace(make_run(f"run-{state}"), context=BEFORE)
    database.runs.start_run(run)
    done = replace(make_run_job("one", JobState.SUCCEEDED), fingerprint="f" * 64)
    database.runs.set_jobs(run.id, [done])
    database.runs.finish_run(run.id, state, "", now=NOON)


def is_same(database: Database, crds: Path) -> bool:
    recorded = find_recorded(database, "02736")
    assert recorded is not None
    folder = CrdsFolder(crds, ())
    return has_same_rules(recorded, AFTER, database=database, folder=folder)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"photom": "jwst_nirspec_photom_0002.rmap"}, True),
        ({"photom": "N/A"}, True),
        ({"dark": "jwst_nirspec_dark_0002.rmap"}, False),
        ({"dark": "N/A"}, False),
        ({"area": "jwst_nirspec_area_0001.rmap"}, False),
        ({"sflat": "N/A"}, False),
        ({"fflat": "jwst_nirspec_fflat_0001.rmap"}, False),
    ],
)
def test_what_was_not_asked_for_may_change(
    database: Database, crds: Path, changes: dict[str, str], *, expected: bool
) -> None:
    write_context(crds, AFTER, {**RULES, **changes})
    assert is_same(database, crds) is expected


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: write(folder, DARK, {"NRS1": "another"}),
        lambda folder: (folder / "mappings" / "jwst" / PHOTOM).unlink(),
        lambda folder: (folder / "mappings" / "jwst" / BEFORE).unlink(),
        lambda folder: (folder / "mappings" / "jwst" / AFTER).unlink(),
    ],
    ids=["other bytes", "rules gone", "old context gone", "new context gone"],
)
def test_what_is_not_as_it_was_tells_nothing(
    database: Database, crds: Path, spoil: Callable[[Path], object]
) -> None:
    write_context(crds, AFTER, RULES)
    assert is_same(database, crds)
    spoil(crds)
    assert not is_same(database, crds)


def test_of_a_run_that_failed_nothing_is_told(database: Database, crds: Path) -> None:
    write_context(crds, AFTER, RULES)
    record_run(database, RunState.FAILED)
    assert not is_same(database, crds)


def test_a_job_whose_rules_are_not_known_tells_nothing(
    database: Database, crds: Path
) -> None:
    write_context(crds, AFTER, RULES)
    job = replace(make_job(), mappings=(), fingerprint="e" * 64)
    attempt = "00000000-0000-0000-0000-000000000002"
    database.jobs.record_outcomes([make_outcome(job, attempt=attempt)])
    other = replace(make_run_job("two", JobState.SUCCEEDED), fingerprint="e" * 64)
    [run] = database.runs.list_runs("02736")
    database.runs.set_jobs(run.id, [*database.runs.get_run_jobs(run.id), other])
    assert not is_same(database, crds)


def test_rules_that_workers_fetch_meanwhile_are_seen(crds: Path) -> None:
    write_context(crds, BEFORE, RULES)
    (crds / "mappings" / "jwst" / PHOTOM).unlink()
    folder = CrdsFolder(crds, ())
    lacking = folder.read_context(BEFORE)
    write(crds, PHOTOM, {})
    whole = folder.read_context(BEFORE)
    assert lacking is not None
    assert whole is not None
    assert (lacking.rules, whole.rules) == ({}, {"nirspec": RULES})
