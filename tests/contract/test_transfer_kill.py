"""A process that fetches is killed; the next one goes on with what it left."""

import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from loopback import Answer, Fault, Loopback, Request, Validator, serve_file, serving

from workers.errors import TransferError
from workers.transfer import Expected, Received, RetryPolicy, receive
from workers.transfer.http import HttpClient, HttpOpener

SIZE_BYTES = 3_000_000

FETCH = """
import sys
from pathlib import Path
from workers.transfer import Expected, receive
from workers.transfer.http import HttpClient, HttpOpener

_, url, target = sys.argv
with HttpClient(user_agent="tests", connections=4) as client:
    receive(HttpOpener(client, url), Path(target), expected=Expected(uri="mast:f"))
"""


@pytest.fixture
def held(tmp_path: Path) -> Path:
    path = tmp_path / "held"
    path.write_bytes(random.Random(1).randbytes(SIZE_BYTES))  # noqa: S311  # no secret
    return path


@pytest.fixture
def server(held: Path) -> Iterator[Loopback]:
    def answer(request: Request) -> Answer:
        return serve_file(request, held)

    with serving(answer) as loopback:
        yield loopback


@pytest.fixture(params=list(Validator))
def any_server(server: Loopback, request: pytest.FixtureRequest) -> Loopback:
    """Return a server that says one kind of thing, or nothing, of versions."""
    server.validator = request.param
    return server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder / "f"


@contextmanager
def fetching_slowly(server: Loopback, target: Path, share: float) -> Iterator[None]:
    """Let a process fetch until it has a share of the bytes; kill it at last."""
    server.faults = lambda _: Fault.SLOW
    part = target.with_name(".f.part")
    command = [sys.executable, "-c", FETCH, f"{server.url}/first", str(target)]
    with subprocess.Popen(command) as process:
        while not part.exists() or part.stat().st_size < SIZE_BYTES * share:
            assert process.poll() is None
            time.sleep(0.01)
        yield
        process.kill()
    server.faults = lambda _: None


def kill_within(server: Loopback, target: Path, share: float = 0.25) -> int:
    """Kill a process when it has some of the bytes; say how many there are."""
    with fetching_slowly(server, target, share):
        pass
    assert not target.exists()
    return target.with_name(".f.part").stat().st_size


def go_on(
    server: Loopback,
    target: Path,
    policy: RetryPolicy = RetryPolicy(),  # noqa: B008
) -> Received:
    with HttpClient(user_agent="tests", connections=4) as client:
        opener = HttpOpener(client, f"{server.url}/then")
        expected = Expected(uri="mast:f")
        return receive(opener, target, expected=expected, policy=policy)


def test_only_the_missing_bytes_are_fetched(
    server: Loopback, held: Path, target: Path
) -> None:
    there_bytes = kill_within(server, target)
    got = go_on(server, target)
    assert SIZE_BYTES / 4 <= got.resumed_bytes == there_bytes < SIZE_BYTES
    assert sum(n for key, n in server.sent.items() if "/then" in key) == (
        SIZE_BYTES - there_bytes
    )
    assert got.sha256 == hashlib.sha256(held.read_bytes()).hexdigest()
    assert target.read_bytes() == held.read_bytes()
    assert list(target.parent.iterdir()) == [target]


def test_if_the_file_has_changed_all_of_it_is(
    any_server: Loopback, held: Path, target: Path
) -> None:
    kill_within(any_server, target)
    held.write_bytes(held.read_bytes()[::-1])
    got = go_on(any_server, target)
    assert got.resumed_bytes == 0
    assert target.read_bytes() == held.read_bytes()


def test_it_may_be_killed_again_and_again(
    any_server: Loopback, held: Path, target: Path
) -> None:
    there_bytes = [kill_within(any_server, target, share) for share in (0.2, 0.4)]
    assert go_on(any_server, target).resumed_bytes == there_bytes[-1]
    assert target.read_bytes() == held.read_bytes()


def test_two_processes_never_write_one_part(server: Loopback, target: Path) -> None:
    with (
        fetching_slowly(server, target, 0.1),
        pytest.raises(TransferError, match="is being fetched by another process"),
    ):
        go_on(server, target, RetryPolicy(lock_wait_s=0))


PEAK = """
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
"""Prints the most memory of a process, in kB; that of getrusage is its parent's too."""


def test_memory_stays_flat(server: Loopback, held: Path, target: Path) -> None:
    with held.open("r+b") as stream:
        stream.truncate(200_000_000)
    command = [sys.executable, "-c", FETCH + PEAK, f"{server.url}/f", str(target)]
    assert int(subprocess.check_output(command)) < 80_000
    assert target.stat().st_size == 200_000_000
