"""`rewebb serve`: all that a host needs in one command, and nothing left of it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from commands import (
    Rewebb,
    assert_refused,
    find_free_port,
    find_processes,
    query,
    stopped,
    wait_until,
)
from mast_files import write_archive
from small_crds import write_cache


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Rewebb]:
    """Prepare a site without a Prefect server."""
    write_archive(tmp_path / "raw")
    (tmp_path / "subscriptions.toml").write_text(
        '[[subscription]]\nname = "ours"\nprograms = ["99021"]\n'
    )
    yield Rewebb(tmp_path).given(
        CRDS_PATH=write_cache(tmp_path / "crds"),
        REWEBB_ARCHIVE=tmp_path / "raw",
        REWEBB_DATA_DIR=tmp_path / "data",
        REWEBB_SLOTS="1",
        HOME=tmp_path,
    )
    for process in find_processes(tmp_path):
        process.kill()


@pytest.mark.slow
def test_one_command_serves_runs_and_leaves_nothing(site: Rewebb) -> None:
    port = find_free_port()
    with stopped(site.start("serve", "subscriptions.toml", "--port", str(port))) as it:
        assert it.stderr is not None
        said: list[str] = []
        while "serving" not in "".join(said[-1:]):
            line = it.stderr.readline()
            assert line, said
            said.append(line)
        password = site.data / "prefect/password"
        assert password.stat().st_mode & 0o777 == 0o600
        assert [line for line in said if password.read_text().strip() in line] == []
        other = site.given(
            PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
            PREFECT_API_AUTH_STRING=password.read_text().strip(),
            PREFECT_HOME=site.folder / "prefect",
        )
        watch = ("deployment", "run", "watch-archive/rewebb", "--watch")
        ended = wait_until(
            lambda: e if (e := other(*watch, program="prefect")).code == 0 else None
        )
        assert "Completed" in ended.out
        # It is refused for its pool; nothing else could be made of these files.
        states = "select program, state from run"
        wait_until(lambda: query(site.data, states) == [("99021", "FAILED")])
        it.terminate()
        it.communicate(timeout=120)
    assert it.returncode == 143
    wait_until(lambda: not [p for p in find_processes(site.folder) if is_ours(p)])


def is_ours(process: psutil.Process) -> bool:
    """Return whether a process still runs."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_what_cannot_be_served_is_refused_before_anything_starts(site: Rewebb) -> None:
    assert_refused(site("serve", "--cron", "every night"), "every night")
    assert_refused(site("serve", "none.toml"), "none.toml")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_refused(site("serve", "--port", port), port, "choose another port")
