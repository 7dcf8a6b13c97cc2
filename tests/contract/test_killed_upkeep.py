"""Commands that keep the data folder in order, and get SIGKILL in the middle."""

import random
from pathlib import Path

from kept_folders import KeptFolder
from killed_commands import open_killer

from flows.provenance import Database, compare

KILLS = 6
SEED = 20261123
MIGRATION = "provenance/migration.py"
REBUILDING = "upkeep/rebuilding.py"


def choose_places(calls: int) -> list[int]:
    """Choose places all over the work of a command, as a seed says."""
    draw = random.Random(SEED)  # noqa: S311  # nothing secret
    part = calls // KILLS
    return [number * part + draw.randrange(1, part) for number in range(KILLS)]


def test_a_rebuild_that_is_killed_anywhere_is_done_again(
    filled: KeptFolder, database_url: str, tmp_path: Path
) -> None:
    command = ("db", "rebuild", "--data-dir", str(filled.data))
    with open_killer({"REWEBB_DATABASE_URL": f"sqlite:///{tmp_path}/quiet.db"}) as one:
        calls = one.count_calls(*command, within=REBUILDING)
    with open_killer({"REWEBB_DATABASE_URL": database_url}) as killer:
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
