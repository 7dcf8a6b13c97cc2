"""Commands that keep the data folder in order, and get SIGKILL in the middle."""

import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from kept_folders import KeptFolder, publish
from killed_commands import Killer, open_killer
from outcomes import NOON, make_run, make_run_job

from flows.layout import get_run_folder
from flows.models.findings import FindingKind
from flows.models.runs import JobState, RunState
from flows.provenance import Database, Records, Store, compare, load_outcome
from flows.upkeep import check
from workers.content import file_sha256

KILLS = 5
MIGRATION = "provenance/migration.py"
REBUILDING = "upkeep/rebuilding.py"
COLLECTING = "upkeep/collecting.py:_remove"
SEED = 20261123
NEEDED = ("a" * 64, "b" * 64)
"""Jobs of the run that is kept."""
OLD = tuple(digit * 64 for digit in "123")
"""Jobs of runs that are not."""


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    with open_killer() as opened:
        yield opened


def choose_places(calls: int) -> list[int]:
    """Choose places all over the work of a command, as a seed says."""
    draw = random.Random(SEED)  # noqa: S311  # nothing secret
    part = calls // KILLS
    return [number * part + draw.randrange(1, part) for number in range(KILLS)]


def test_a_rebuild_that_is_killed_anywhere_is_done_again(
    filled: KeptFolder, killer: Killer, database_url: str, tmp_path: Path
) -> None:
    command = ("db", "rebuild", "--data-dir", str(filled.data))
    alone = killer.given(REWEBB_DATABASE_URL=f"sqlite:///{tmp_path}/quiet.db")
    calls = alone.count_calls(*command, within=REBUILDING)
    killer = killer.given(REWEBB_DATABASE_URL=database_url)
    # There is no table then, and nothing may be left of those that were begun.
    assert killer.kill(*command, within=MIGRATION, at=20_000)
    killed = [
        # Each goes on with what those before it have left.
        killer.kill(*command, within=REBUILDING, at=at)
        for at in choose_places(calls)
    ]
    killer.count_calls(*command, within=REBUILDING)
    assert sum(killed) > KILLS // 2  # backends differ in how many calls they take
    with (
        Database.open(filled.url) as before,
        Database.open(database_url) as database,
    ):
        assert [*compare(database.rows, before.rows)] == []


@pytest.fixture
def grown(kept: KeptFolder) -> KeptFolder:
    """Add runs before the others, which have jobs of the newest too."""
    with Database.open(kept.url, records=Records(kept.data)) as database:
        store = Store(kept.data, database, patience=timedelta(seconds=1))
        for number, key in enumerate(OLD):
            _run(kept, database, store, number, key)
    return kept


def _run(
    kept: KeptFolder, database: Database, store: Store, number: int, key: str
) -> None:
    run = make_run(f"{number}-older", started_at=NOON - timedelta(days=9 - number))
    database.runs.start_run(run)
    job = replace(kept.make_jobs()[0], fingerprint=key, name=f"old{number}")
    names = [f"old{number}_{kind}.fits" for kind in ("rate", "x1d")]
    made = publish(kept.data, job, dict.fromkeys(names, "old"), attempt=f"{number}-1")
    store.record(made, run_id=run.id)
    entries = [
        replace(make_run_job(f"{key[0]}", JobState.SUCCEEDED), fingerprint=key)
        for key in (job.fingerprint, *NEEDED)
    ]
    database.runs.set_jobs(run.id, entries)
    database.runs.finish_run(run.id, RunState.SUCCEEDED, "done", now=NOON)
    folder = kept.data / get_run_folder(run)
    folder.mkdir(parents=True)
    for name in names:
        os.link(kept.data / made.folder / name, folder / name)


def list_stored(data: Path) -> set[str]:
    """List the jobs of the store, each of which has all its products as they were."""
    found = set()
    for path in data.glob("store/*/*/outcome.json"):
        for product in load_outcome(path).products:
            assert file_sha256(path.with_name(product.name)) == product.sha256
        found.add(path.parent.name)
    return found


def test_a_removal_that_is_killed_anywhere_loses_nothing_and_is_finished(
    grown: KeptFolder, killer: Killer, tmp_path: Path
) -> None:
    def copy(name: str) -> KeptFolder:
        """Copy the folder with its links, but not to the originals."""
        subprocess.run(["cp", "-a", grown.data, tmp_path / name], check=True)
        return KeptFolder(tmp_path / name, grown.crds)

    def collect(kept: KeptFolder) -> tuple[str, ...]:
        return ("gc", "--keep", "1", "--delete", "--data-dir", str(kept.data))

    quiet = copy("quiet")
    killer.count_calls(*collect(quiet), within=COLLECTING)
    assert list_stored(quiet.data) == {*NEEDED}
    left = {str(p.relative_to(quiet.data)) for p in quiet.data.rglob("*.fits")}
    seen = set()
    draw = random.Random(SEED)  # noqa: S311  # nothing secret
    for number in range(KILLS):
        # A removal takes hundreds of calls, and what follows thousands.
        at = draw.randrange(50 * 2**number, 100 * 2**number)
        kept = copy(str(number))
        assert killer.kill(*collect(kept), within=COLLECTING, at=at)
        stored = list_stored(kept.data)
        assert stored >= {*NEEDED}
        seen.add(len(stored))
        killer.count_calls(*collect(kept), within=COLLECTING)
        assert list_stored(kept.data) == {*NEEDED}
        assert {
            str(p.relative_to(kept.data)) for p in kept.data.rglob("*.fits")
        } == left
        with Database.open(kept.url) as database:
            found = check(kept.data, database, reads_bytes=True)
            # There is nothing left to do for which the lease would be taken over.
            odd = [one for one in found if one.kind is not FindingKind.DEAD_LEASE]
            assert odd == []
    assert seen & {3, 4}, "they were all killed before or after the work"
