"""The scripts of deploy/ do what they say."""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from commands import Rewebb

MakeRewebb = Callable[..., Rewebb]

DEPLOY = Path(__file__).parents[2] / "deploy"

MISSING = [name for name in ("rsync", "sqlite3") if shutil.which(name) is None]


def back_up(data: Path, backup: Path) -> None:
    """Back a data folder up."""
    subprocess.run([DEPLOY / "backup.sh", data, backup], check=True)


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_a_backup_is_a_data_folder_in_which_all_is_done(
    make_rewebb: MakeRewebb, finished: Rewebb, standing: Mapping[str, str]
) -> None:
    rewebb = make_rewebb(finished).given(**standing)
    backup = rewebb.folder / "backup"
    back_up(rewebb.data, backup)  # nothing but a store
    assert rewebb("run", "99002").code == 0
    back_up(rewebb.data, backup)
    shutil.rmtree(rewebb.data)
    restored = rewebb.given(REWEBB_DATA_DIR=backup)
    assert restored.call_here("db", "verify").code == 0
    assert len(restored.call_here("runs", "--json").record) == 1
    again = restored("run", "99002", "--json")
    assert set(again.states.values()) == {"REUSED"}
    links = [path.stat().st_nlink for path in backup.glob("runs/*/*/*_x1dints.fits")]
    assert links
    assert min(links) > 1
