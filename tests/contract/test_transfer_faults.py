"""Files through a server that fails: they arrive whole, or an error says why not."""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import (
    Answer,
    Fault,
    Faults,
    Loopback,
    Request,
    ScriptedFaults,
    Validator,
    serve_file,
)
from loopback import serving as serving_loopback

from workers.errors import AccessDeniedError, TransferError
from workers.transfer import Expected, Received, RetryPolicy, receive
from workers.transfer.fits_checks import verify_fits
from workers.transfer.http import HttpClient, HttpOpener

FILE = "jw99001001001_02101_00001_nrs1_uncal.fits"

POLICY = RetryPolicy(
    first_wait_s=0.001,
    longest_wait_s=0.002,
    slowest_bytes_per_s=4e6,
    slow_window_s=0.1,
    lock_wait_s=5,
)
"""Impatient; a loopback that drips gives half a megabyte a second."""

MENDABLE = sorted(set(Fault) - {Fault.EXPIRED, Fault.PAGE_LOST})

Get = Callable[..., Received]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what the server holds."""
    path = tmp_path_factory.mktemp("held") / FILE
    pixels = np.random.default_rng(1).normal(1e3, 10, (300, 500)).astype("f4")
    image = fits.ImageHDU(pixels, name="SCI")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path, checksum=True)
    return path


@pytest.fixture(scope="module")
def any_server(held: Path) -> Iterator[Loopback]:
    def answer(request: Request) -> Answer:
        return serve_file(request, held)

    with serving_loopback(answer) as loopback:
        yield loopback


@pytest.fixture(params=list(Validator))
def server(any_server: Loopback, request: pytest.FixtureRequest) -> Loopback:
    """Return a server that says one kind of thing, or nothing, of versions."""
    any_server.validator = request.param
    return any_server


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with HttpClient(
        user_agent="rewebb/0 (+tests)", connections=4, read_timeout_s=0.2
    ) as made:
        yield made


@pytest.fixture
def get(client: HttpClient, server: Loopback, held: Path, tmp_path: Path) -> Get:
    """Fetch the file, while faults strike."""
    return partial(fetch, client, server, held, tmp_path)


def fetch(
    client: HttpClient,
    server: Loopback,
    held: Path,
    folder: Path,
    script: Sequence[Fault | None],
    *,
    faults: Faults | None = None,
    is_persistent: bool = False,
    policy: RetryPolicy = POLICY,
) -> Received:
    """Fetch a file from a URL of its own, which faults strike."""
    product = f"{folder.parent.name}-{folder.name}"
    persistent = [product] if is_persistent else []
    scripts = {product: script} if script else {}
    server.faults = faults or ScriptedFaults(scripts, persistent=persistent)
    expected = Expected(
        uri=f"mast:{FILE}", size_bytes=held.stat().st_size, verify=verify_fits
    )
    opener = HttpOpener(client, f"{server.url}/retrieve?product={product}")
    return receive(opener, folder / FILE, expected=expected, policy=policy)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_arrives_verified(get: Get, held: Path, tmp_path: Path) -> None:
    got = get([])
    assert got.path.read_bytes() == held.read_bytes()
    assert got.sha256 == hashlib.sha256(held.read_bytes()).hexdigest()
    assert got.size_bytes == held.stat().st_size
    assert got.checks == ("length", "size", "fits structure", "CHECKSUM", "DATASUM")
    assert (got.tries, got.resumed_bytes) == (1, 0)
    assert names(tmp_path) == {FILE}


@pytest.mark.parametrize("fault", MENDABLE)
def test_a_fault_that_strikes_once_is_overcome(
    get: Get, held: Path, tmp_path: Path, fault: Fault
) -> None:
    got = get([fault])
    assert got.path.read_bytes() == held.read_bytes()
    assert got.sha256 == hashlib.sha256(held.read_bytes()).hexdigest()
    assert got.tries == 2
    assert names(tmp_path) == {FILE}


FRUITLESS = {*MENDABLE} - {Fault.CUT, Fault.SHORT, Fault.SHORT_UNSAID, Fault.ONE_BLOCK}


@pytest.mark.parametrize("fault", sorted(FRUITLESS))
def test_a_fault_that_persists_is_an_error_that_names_file_and_tries(
    get: Get, tmp_path: Path, fault: Fault
) -> None:
    with pytest.raises(TransferError, match=rf"mast:{FILE} is given up after \d+ tr"):
        get([fault], is_persistent=True)
    assert FILE not in names(tmp_path)


def test_an_expired_token_is_not_tried_again(get: Get, server: Loopback) -> None:
    before = len(server.requests)
    with pytest.raises(AccessDeniedError, match=f"mast:{FILE}: .* 401"):
        get([Fault.EXPIRED], is_persistent=True)
    assert len(server.requests) == before + 1


def asked_of(server: Loopback, folder: Path) -> list[Request]:
    product = f"{folder.parent.name}-{folder.name}"
    return [r for r in server.requests if product == r.query["product"]]


def sent_of(server: Loopback, folder: Path) -> int:
    product = f"{folder.parent.name}-{folder.name}"
    return sum(n for key, n in server.sent.items() if f"'{product}'" in key)


def test_a_connection_that_is_cut_again_and_again_brings_the_file_at_last(
    get: Get, held: Path, server: Loopback, tmp_path: Path
) -> None:
    # What a reset leaves unread is lost with it, so that there may be few of them.
    shorts = [Fault.SHORT, Fault.SHORT_UNSAID]
    fates = iter([*shorts * 3, Fault.CUT, Fault.UNAVAILABLE, Fault.SHORT])
    got = get([], faults=lambda r: next(fates, None) if _is_open(r) else None)
    assert got.path.read_bytes() == held.read_bytes()
    assert got.tries == 10
    asked = asked_of(server, tmp_path)
    assert all("range" in request.headers for request in asked[1:])
    if server.validator is not Validator.CHANGING_DATE:
        again = 1000 if server.validator is Validator.STRONG else 1000 + (18 << 16)
        assert sent_of(server, tmp_path) <= held.stat().st_size + again


def _is_open(request: Request) -> bool:
    """Return whether all of the rest is asked for, and not the begin to compare it."""
    return request.headers.get("range", "-").endswith("-")


def test_what_was_there_before_an_error_is_not_fetched_again(
    get: Get, held: Path, server: Loopback, tmp_path: Path
) -> None:
    with pytest.raises(AccessDeniedError):
        get([Fault.SHORT, Fault.EXPIRED])
    there_bytes = (tmp_path / f".{FILE}.part").stat().st_size
    got = get([])
    assert got.resumed_bytes == there_bytes == held.stat().st_size // 2
    if server.validator is not Validator.CHANGING_DATE:
        again = 1000 if server.validator is Validator.STRONG else 1000 + (2 << 16)
        assert sent_of(server, tmp_path) <= held.stat().st_size + again


VERSIONS = {
    Validator.STRONG: '"',
    Validator.DATE: "GMT",
    Validator.CHANGING_DATE: "GMT",
}
"""What is asked with for the rest of a version: an ETag, or a date."""


def test_what_the_server_says_of_a_version_is_asked_with(
    get: Get, server: Loopback, tmp_path: Path
) -> None:
    get([Fault.CUT])
    asked = asked_of(server, tmp_path)[1].headers
    ending = VERSIONS.get(server.validator)
    assert ("if-range" in asked) == (ending is not None)
    assert asked.get("if-range", "").endswith(ending or "")


@pytest.mark.parametrize("fault", [Fault.WRONG_BYTES, Fault.NEW_ENTITY])
def test_other_bytes_after_a_cut_are_never_joined(
    get: Get, held: Path, fault: Fault
) -> None:
    got = get([Fault.CUT, fault, Fault.CUT, fault, Fault.CUT])
    assert got.path.read_bytes() == held.read_bytes()


def test_twenty_megabytes_that_are_cut_six_times_are_fetched_once(
    client: HttpClient, server: Loopback, tmp_path: Path
) -> None:
    """Before, they were fetched anew each time and given up after six tries."""
    held, folder = tmp_path / "held", tmp_path / "here"
    held.write_bytes(random.Random(1).randbytes(20_000_000))  # noqa: S311  # no secret
    folder.mkdir()

    def answer(request: Request) -> Answer:
        whole = serve_file(request, held)
        if whole.length > 3_000_000:  # said to be whole
            whole.headers["Content-Length"] = str(whole.length)
            whole.end = whole.start + 3_000_000
        return whole

    with serving_loopback(answer) as loopback:
        loopback.validator = server.validator
        opener = HttpOpener(client, f"{loopback.url}/f")
        expected = Expected(uri="mast:f", size_bytes=20_000_000)
        policy = replace(POLICY, slow_window_s=10, fruitless_tries=3)
        got = receive(opener, folder / "f", expected=expected, policy=policy)
        assert got.path.read_bytes() == held.read_bytes()
        assert loopback.sent.total() < 20_000_000 + 3_000_000 + (20 << 16)


@settings(max_examples=60)
@given(
    faults=st.lists(st.sampled_from([None, *MENDABLE]), max_size=6),
    validator=st.sampled_from(Validator),
)
def test_whatever_strikes_a_file_is_whole_or_not_there(
    tmp_path_factory: pytest.TempPathFactory,
    any_server: Loopback,
    held: Path,
    faults: list[Fault | None],
    validator: Validator,
) -> None:
    server = any_server
    server.validator = validator
    folder = tmp_path_factory.mktemp("any")
    with HttpClient(user_agent="tests", connections=4, read_timeout_s=0.05) as client:
        try:
            got = fetch(client, server, held, folder, faults)
            assert got.path.read_bytes() == held.read_bytes()
            assert names(folder) == {FILE}
        except TransferError:
            assert FILE not in names(folder)
