import errno
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.errors import AccessDeniedError, TransferError, TransientTransferError
from workers.transfer import Body, Expected, Pacing, Received, RetryPolicy, receive

OLD, NEW = b"old bytes " * 500, b"the new ones " * 600
LONG = random.Random(1).randbytes(500_000)  # noqa: S311  # no secret
POLICY = RetryPolicy(fruitless_tries=4, tries=30, lock_wait_s=5)
PATIENT = Pacing(sleep=lambda _: None)


@dataclass
class Try:
    """How one try goes."""

    content: bytes = OLD
    entity: str | None = '"old"'
    modified: str | None = None
    is_dated: bool = False
    breaks_after: int | None = None
    """Bytes of the body after which the connection is lost."""
    has_ranges: bool = True
    says_length: bool = True
    ends_after: int | None = None
    """Bytes after which the body simply ends."""
    error: TransferError | None = None
    """Instead of any answer."""


@dataclass
class Server:
    """Answers as it is told; at last for ever as the last time."""

    tries: Sequence[Try]
    asked: list[int] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    """How much of the begin was asked for, to compare it."""

    @contextmanager
    def __call__(
        self,
        *,
        start_byte: int = 0,
        end_byte: int | None = None,
        entity: str | None = None,
    ) -> Iterator[Body]:
        """Answer as the next try says."""
        now = self.tries[min(len(self.asked), len(self.tries) - 1)]
        if end_byte is not None:
            self.begins.append(end_byte)
            whole = replace(now, breaks_after=None, ends_after=end_byte)
            yield self._body(whole, 0)
            return
        self.asked.append(start_byte)
        if now.error is not None:
            raise now.error
        version = now.entity or (now.modified if now.is_dated else None)
        is_same = entity in {None, version} and start_byte <= len(now.content)
        yield self._body(now, start_byte if now.has_ranges and is_same else 0)

    def _body(self, now: Try, start: int) -> Body:
        length = len(now.content) if now.says_length else None
        chunks = self._give(now, start)
        return Body(start, length, now.entity, now.modified, chunks, now.is_dated)

    @staticmethod
    def _give(now: Try, start: int) -> Iterator[bytes]:
        rest = now.content[start:][: now.ends_after]
        for place in range(0, len(rest[: now.breaks_after]), 700):
            yield rest[: now.breaks_after][place : place + 700]
        if now.breaks_after is not None:
            raise TransientTransferError("connection lost")


def fetch(
    server: Server,
    folder: Path,
    *,
    expected: Expected | None = None,
    policy: RetryPolicy = POLICY,
    on_bytes: Callable[[int], object] = lambda _: None,
    pacing: Pacing = PATIENT,
) -> Received:
    return receive(
        server,
        folder / "file",
        expected=expected or Expected(uri="archive:file"),
        policy=policy,
        on_bytes=on_bytes,
        pacing=pacing,
    )


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def leave_part(folder: Path, size_bytes: int = 2000, **how: Any) -> None:
    """Give up after some bytes."""
    denied = AccessDeniedError("denied")
    server = Server([Try(breaks_after=size_bytes, **how), Try(error=denied)])
    with pytest.raises(AccessDeniedError):
        fetch(server, folder)
    assert names(folder) == {".file.part", ".file.part.json"}


def test_a_lost_connection_costs_only_the_missing_bytes(tmp_path: Path) -> None:
    server, came = Server([Try(breaks_after=1500), Try()]), list[int]()
    got = fetch(server, tmp_path, on_bytes=came.append)
    assert got.path.read_bytes() == OLD
    assert got.sha256 == hashlib.sha256(OLD).hexdigest()
    assert (server.asked, sum(came), got.tries) == ([0, 1500], len(OLD), 2)
    assert names(tmp_path) == {"file"}


def test_what_another_run_left_is_gone_on_with(tmp_path: Path) -> None:
    leave_part(tmp_path)
    server = Server([Try()])
    got = fetch(server, tmp_path)
    assert (server.asked, got.resumed_bytes, got.tries) == ([2000], 2000, 1)
    assert got.sha256 == hashlib.sha256(OLD).hexdigest()
    assert got.path.read_bytes() == OLD


def test_a_part_that_is_whole_costs_one_byte_to_ask_for_its_version(
    tmp_path: Path,
) -> None:
    leave_part(tmp_path, len(OLD))
    server = Server([Try()])
    got = fetch(server, tmp_path)
    assert server.asked == [len(OLD) - 1]
    assert got.path.read_bytes() == OLD


def test_another_version_is_fetched_from_its_begin(tmp_path: Path) -> None:
    leave_part(tmp_path)
    server = Server([Try(NEW, '"new"')])
    got = fetch(server, tmp_path)
    assert got.path.read_bytes() == NEW
    assert (got.entity, got.resumed_bytes) == ('"new"', 0)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"modified": "Monday", "is_dated": True},
        {"modified": "Monday"},
        {"has_ranges": False},
        {"says_length": False},
    ],
    ids=str,
)
def test_without_an_etag_the_bytes_before_the_cut_come_again_and_are_compared(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    server = Server([Try(LONG, None, breaks_after=n, **how) for n in (300_000, None)])
    expected, came = Expected(uri="archive:file", size_bytes=len(LONG)), list[int]()
    got = fetch(server, tmp_path, expected=expected, on_bytes=came.append)
    assert got.path.read_bytes() == LONG
    assert got.sha256 == hashlib.sha256(LONG).hexdigest()
    assert server.asked == [0, 300_000 - 65_536]
    assert server.begins == ([] if how.get("is_dated") else [65_536])
    assert sum(came) == len(LONG)


@pytest.mark.parametrize("place", [0, 65_535, 299_999])
@pytest.mark.parametrize("has_ranges", [True, False])
def test_without_an_etag_another_version_shows_at_the_begin_or_before_the_cut(
    tmp_path: Path,
    place: int,
    has_ranges: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    other = LONG[:place] + b"#" + LONG[place + 1 :]
    first = Try(LONG, None, breaks_after=300_000)
    server = Server([first, Try(other, None, has_ranges=has_ranges)])
    got = fetch(server, tmp_path)
    assert got.path.read_bytes() == other
    assert got.sha256 == hashlib.sha256(other).hexdigest()


def test_where_all_comes_again_the_bytes_before_the_first_other_one_are_kept(
    tmp_path: Path,
) -> None:
    """A date that is another one is no reason to throw bytes away that are not."""
    other = LONG[:200_000] + b"#" + LONG[200_001:]
    leave_part(
        tmp_path, 300_000, content=LONG, entity=None, modified="Monday", is_dated=True
    )
    came = list[int]()
    server = Server([Try(other, None, "Tuesday", is_dated=True)])
    got = fetch(server, tmp_path, on_bytes=came.append)
    assert got.path.read_bytes() == other
    assert (got.resumed_bytes, sum(came)) == (200_000, len(LONG) - 200_000)
    assert got.modified == "Tuesday"


def test_a_date_that_changes_though_the_bytes_do_not_is_asked_with_no_more(
    tmp_path: Path,
) -> None:
    days = [str(day) for day in range(10)]
    tries = [Try(LONG, None, d, is_dated=True, breaks_after=90_000) for d in days]
    server = Server([*tries, Try(LONG, None)])
    assert fetch(server, tmp_path).path.read_bytes() == LONG
    # All comes again once, then only what is missing, and what is compared.
    assert server.asked[:2] == [0, 45_000]
    assert server.asked[2:] == sorted(server.asked[2:])
    assert 0 not in server.asked[2:]


@pytest.mark.parametrize("entity", [None, '"new"'])
def test_a_kill_while_another_version_comes_mixes_nothing(
    tmp_path: Path, entity: str | None
) -> None:
    """What was compared is of both versions, what was not is of the old one."""

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    other = LONG[:200_000] + b"#" + LONG[200_001:]
    dated = {"modified": "Monday", "is_dated": True}
    leave_part(tmp_path, 300_000, content=LONG, entity=None, **dated)
    new = {"entity": entity, "modified": "Tuesday", "is_dated": entity is None}
    with pytest.raises(KeyboardInterrupt):
        fetch(Server([Try(other, **new)]), tmp_path, on_bytes=stop)
    got = fetch(Server([Try(other, **new)]), tmp_path)
    assert got.path.read_bytes() == other


def test_a_part_of_an_earlier_version_of_the_label_is_gone_on_with(
    tmp_path: Path,
) -> None:
    leave_part(tmp_path)
    sidecar = tmp_path / ".file.part.json"
    label = json.loads(sidecar.read_text())
    del label["is_dated"]
    sidecar.write_text(json.dumps(label))
    server = Server([Try()])
    assert fetch(server, tmp_path).resumed_bytes == 2000


def test_without_ranges_all_is_fetched_again(tmp_path: Path) -> None:
    server = Server([Try(breaks_after=1500), Try(has_ranges=False)])
    assert fetch(server, tmp_path).path.read_bytes() == OLD


def test_a_part_from_elsewhere_is_not_gone_on_with(tmp_path: Path) -> None:
    leave_part(tmp_path)
    server = Server([Try()])
    got = fetch(server, tmp_path, expected=Expected(uri="mirror:file"))
    assert (server.asked, got.resumed_bytes) == ([0], 0)


@pytest.mark.parametrize(
    "label",
    [b"", b"{", b"[]", b'{"uri": "archive:file"}', b'{"total_bytes": "x"}', None],
)
def test_a_part_that_is_not_labelled_is_not_gone_on_with(
    tmp_path: Path, label: bytes | None
) -> None:
    leave_part(tmp_path)
    sidecar = tmp_path / ".file.part.json"
    if label is None:
        sidecar.unlink()
    elif b"total" in label:
        whole = {**json.loads(sidecar.read_text()), **json.loads(label)}
        sidecar.write_text(json.dumps(whole))
    else:
        sidecar.write_bytes(label)
    server = Server([Try()])
    assert fetch(server, tmp_path).path.read_bytes() == OLD
    assert server.asked == [0]


def test_a_part_from_before_a_crash_of_the_machine_is_not_gone_on_with(
    tmp_path: Path,
) -> None:
    leave_part(tmp_path)
    sidecar = tmp_path / ".file.part.json"
    sidecar.write_text(sidecar.read_text().replace('"boot": "', '"boot": "another '))
    server = Server([Try()])
    assert fetch(server, tmp_path).path.read_bytes() == OLD
    assert server.asked == [0]


def test_a_part_that_was_published_already_is_never_written_to(tmp_path: Path) -> None:
    leave_part(tmp_path)
    (tmp_path / "version 1").hardlink_to(tmp_path / ".file.part")
    fetch(Server([Try(NEW, '"new"')]), tmp_path)
    assert (tmp_path / "version 1").read_bytes() == OLD[:2000]
    assert (tmp_path / "file").read_bytes() == NEW


def test_a_target_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    server = Server([Try()])
    with pytest.raises(FileExistsError, match="is there already"):
        fetch(server, tmp_path)
    assert server.asked == []
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert names(tmp_path) == {"file"}


def test_what_a_kill_left_beside_a_published_target_is_tidied_up(
    tmp_path: Path,
) -> None:
    leave_part(tmp_path)
    (tmp_path / "file").hardlink_to(tmp_path / ".file.part")
    with pytest.raises(FileExistsError):
        fetch(Server([Try()]), tmp_path)
    assert names(tmp_path) == {"file"}


def test_a_target_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    def appear(_: int) -> None:
        (tmp_path / "file").write_bytes(b"mine")

    with pytest.raises(FileExistsError):
        fetch(Server([Try()]), tmp_path, on_bytes=appear)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_wrong_bytes_are_fetched_anew(tmp_path: Path) -> None:
    sha1 = hashlib.sha1(OLD).hexdigest()  # noqa: S324  # what CRDS lists
    expected = Expected(uri="crds:file", size_bytes=len(OLD), sha1=sha1.upper())
    wrong = OLD.replace(b"y", b"z")
    server = Server([Try(wrong), Try()])
    got = fetch(server, tmp_path, expected=expected)
    assert (server.asked, got.sha1) == ([0, 0], sha1)
    assert got.checks == ("length", "size", "sha1")


def test_bytes_that_stay_wrong_are_an_error_with_what_was_expected(
    tmp_path: Path,
) -> None:
    server = Server([Try()])
    with pytest.raises(
        TransferError,
        match=r"crds:file is given up after 3 tries .* expected sha1 00, got",
    ):
        fetch(server, tmp_path, expected=Expected(uri="crds:file", sha1="00"))
    assert names(tmp_path) == set()


def test_what_verifies_names_its_checks(tmp_path: Path) -> None:
    seen = []

    def verify(path: Path) -> Sequence[str]:
        seen.append(path.read_bytes())
        if len(seen) == 1:
            raise TransientTransferError("DATASUM does not hold")
        return ["DATASUM"]

    got = fetch(
        Server([Try()]), tmp_path, expected=Expected(uri="archive:file", verify=verify)
    )
    assert seen == [OLD, OLD]
    assert (got.checks, got.tries) == (("length", "DATASUM"), 2)


def test_another_size_than_listed_is_an_error_before_a_byte_is_fetched(
    tmp_path: Path,
) -> None:
    came = list[int]()
    expected = Expected(uri="archive:file", size_bytes=7)
    with pytest.raises(
        TransferError, match="expected 7 bytes, as listed; the server has"
    ):
        fetch(Server([Try()]), tmp_path, expected=expected, on_bytes=came.append)
    assert came == []


def test_a_body_that_ends_early_and_does_not_say_so_is_gone_on_with(
    tmp_path: Path,
) -> None:
    server = Server([Try(says_length=False, ends_after=1500), Try(says_length=False)])
    expected = Expected(uri="archive:file", size_bytes=len(OLD))
    got = fetch(server, tmp_path, expected=expected)
    assert got.path.read_bytes() == OLD
    assert (server.asked, got.checks) == ([0, 1500], ("size",))


def test_a_body_that_never_ends_is_left(tmp_path: Path) -> None:
    came = list[int]()
    server = Server([Try(OLD * 1000, says_length=False)])
    expected = Expected(uri="archive:file", size_bytes=len(OLD))
    with pytest.raises(TransferError, match="got more"):
        fetch(server, tmp_path, expected=expected, on_bytes=came.append)
    assert sum(came) < 4 * len(OLD)


def test_an_empty_file_arrives(tmp_path: Path) -> None:
    assert fetch(Server([Try(b"")]), tmp_path).size_bytes == 0
    assert names(tmp_path) == {"file"}


def test_what_another_try_does_not_mend_is_said_at_once(tmp_path: Path) -> None:
    server = Server([Try(error=AccessDeniedError("the token has expired"))])
    with pytest.raises(AccessDeniedError, match="archive:file: the token has expired"):
        fetch(server, tmp_path)
    assert server.asked == [0]
    assert names(tmp_path) == set()


def test_tries_that_bring_nothing_end(tmp_path: Path) -> None:
    server = Server([Try(error=TransientTransferError("answered 503"))])
    with pytest.raises(
        TransferError, match=r"archive:file is given up after 4 tries .* answered 503"
    ):
        fetch(server, tmp_path)


def test_tries_that_bring_something_each_do_not_count(tmp_path: Path) -> None:
    server = Server([Try(breaks_after=100)] * 49 + [Try()])
    assert fetch(server, tmp_path).tries == 50 > POLICY.tries
    assert server.asked == list(range(0, 5000, 100))


def test_tries_that_bring_nothing_end_though_others_bring_something(
    tmp_path: Path,
) -> None:
    away = Try(error=TransientTransferError("answered 503"))
    server = Server([away, away, Try(breaks_after=10)] * 50)
    with pytest.raises(TransferError, match="after 44 tries"):
        fetch(server, tmp_path)


def test_tries_that_bring_a_byte_each_end_with_the_time(tmp_path: Path) -> None:
    now_s = 0.0

    def sleep(_: float) -> None:
        nonlocal now_s
        now_s += 10.0

    pacing = Pacing(sleep=sleep, clock=lambda: now_s, dice=lambda: 0.0)
    server = Server([Try(breaks_after=1)])
    policy = RetryPolicy(deadline_s=1000)
    with pytest.raises(TransferError, match=r"after 10\d tries in 10\d\d\.. s"):
        fetch(server, tmp_path, policy=policy, pacing=pacing)


def test_tries_that_bring_the_same_bytes_again_are_fruitless(tmp_path: Path) -> None:
    server = Server([Try(entity=None, breaks_after=1500, has_ranges=False)])
    with pytest.raises(TransferError, match="after 5 tries"):
        fetch(server, tmp_path)


def test_versions_that_take_turns_end(tmp_path: Path) -> None:
    turns = [Try(breaks_after=1500), Try(NEW, '"new"', breaks_after=1500)] * 20
    with pytest.raises(TransferError, match="after 5 tries"):
        fetch(Server(turns), tmp_path)


def test_a_body_that_drips_is_given_up_and_that_ends(tmp_path: Path) -> None:
    now_s = 0.0

    def clock() -> float:
        nonlocal now_s
        now_s += 1.0
        return now_s

    drips = Pacing(sleep=lambda _: None, clock=clock)
    policy = RetryPolicy(slowest_bytes_per_s=701, slow_window_s=3, fruitless_tries=2)
    server = Server([Try()])
    with pytest.raises(TransferError, match=r"after 2 tries .* came with 700 bytes/s"):
        fetch(server, tmp_path, policy=policy, pacing=drips)
    assert server.asked == [0, 2100]


def test_ctrl_c_keeps_what_has_come(tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(Server([Try()]), tmp_path, on_bytes=stop)
    server = Server([Try()])
    assert fetch(server, tmp_path).resumed_bytes == 700


def test_two_that_want_the_same_file_fetch_it_once(tmp_path: Path) -> None:
    server, start = Server([Try()]), threading.Barrier(8)

    def run(_: int) -> str:
        start.wait()
        try:
            return fetch(server, tmp_path, pacing=Pacing()).sha256
        except FileExistsError:
            return "there already"

    with ThreadPoolExecutor(8) as pool:
        got = sorted(pool.map(run, range(8)))
    assert got == sorted([hashlib.sha256(OLD).hexdigest()] + ["there already"] * 7)
    assert server.asked == [0]


def test_waiting_for_another_process_ends(tmp_path: Path) -> None:
    def want_too(_: int) -> None:
        impatient = RetryPolicy(lock_wait_s=0)
        with pytest.raises(TransferError, match="is being fetched by another process"):
            fetch(Server([Try()]), tmp_path, policy=impatient)

    assert fetch(Server([Try()]), tmp_path, on_bytes=want_too).path.exists()


FULL_DISK = """
import pathlib, resource, sys
sys.path.insert(0, sys.argv[1])
import test_transfer_receive as here
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
try:
    here.fetch(here.Server([here.Try()]), pathlib.Path(sys.argv[2]))
except here.TransferError as error:
    print(error)
"""


def test_a_full_disk_is_an_error_and_what_fits_is_kept(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(Path(__file__).parent), tmp_path]
    said = subprocess.check_output(command, text=True)
    assert said == (
        f"archive:file cannot be written to {tmp_path}: {os.strerror(errno.EFBIG)}\n"
    )
    assert fetch(Server([Try()]), tmp_path).resumed_bytes == 3000


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="archive:file cannot be written to"):
        fetch(Server([Try()]), tmp_path / "none")


Tries = st.builds(
    Try,
    content=st.sampled_from([OLD, NEW, OLD[:4000] + NEW[4000:]]),
    entity=st.sampled_from(['"old"', '"new"', None]),
    modified=st.sampled_from(["Monday", "Tuesday", None]),
    is_dated=st.booleans(),
    breaks_after=st.none() | st.integers(0, 6000),
    has_ranges=st.booleans(),
    says_length=st.booleans(),
    ends_after=st.none() | st.integers(0, 6000),
    error=st.none() | st.just(TransientTransferError("answered 503")),
)


@given(first=st.lists(Tries, max_size=5), then=st.lists(Tries, max_size=5))
def test_over_two_runs_the_file_arrives_as_it_should_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory, first: list[Try], then: list[Try]
) -> None:
    folder = tmp_path_factory.mktemp("two")
    sha1 = hashlib.sha1(OLD).hexdigest()  # noqa: S324  # what CRDS lists
    expected = Expected(uri="crds:file", size_bytes=len(OLD), sha1=sha1)
    for tries in (first, then):
        try:
            got = fetch(
                Server([*tries, Try(entity='"at last"')]), folder, expected=expected
            )
        except TransferError:
            assert "file" not in names(folder)
        except FileExistsError:
            assert (folder / "file").read_bytes() == OLD
        else:
            assert got.path.read_bytes() == OLD
            assert got.sha256 == hashlib.sha256(OLD).hexdigest()
            assert names(folder) == {"file"}


def test_the_control_plane_can_load_it_at_no_cost() -> None:
    code = "import sys, workers.transfer; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"httpx", "numpy", "astropy", "urllib3"} & set(loaded)
