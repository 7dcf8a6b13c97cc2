"""Files through a server that fails: they arrive whole, or an error says why not."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import Answer, Fault, Loopback, Request, ScriptedFaults, serve_file
from loopback import serving as serving_loopback

from workers.errors import AccessDeniedError, TransferError
from workers.transfer import Expected, Received, RetryPolicy, receive
from workers.transfer.fits_checks import verify_fits
from workers.transfer.http import HttpOpener, make_client

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
def server(held: Path) -> Iterator[Loopback]:
    def answer(request: Request) -> Answer:
        return serve_file(request, held)

    with serving_loopback(answer) as loopback:
        yield loopback


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with make_client(user_agent="rewebb/0 (+tests)", read_timeout_s=0.2) as made:
        yield made


@pytest.fixture
def get(client: httpx.Client, server: Loopback, held: Path, tmp_path: Path) -> Get:
    """Fetch the file, while faults strike."""
    return partial(fetch, client, server, held, tmp_path)


def fetch(
    client: httpx.Client,
    server: Loopback,
    held: Path,
    folder: Path,
    faults: Sequence[Fault | None],
    *,
    is_persistent: bool = False,
    policy: RetryPolicy = POLICY,
) -> Received:
    """Fetch a file from a URL of its own, which faults strike."""
    product = f"{folder.parent.name}-{folder.name}"
    persistent = [product] if is_persistent else []
    script = {product: faults} if faults else {}
    server.faults = ScriptedFaults(script, persistent=persistent)
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


@pytest.mark.parametrize("fault", sorted(set(MENDABLE) - {Fault.CUT}))
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


def test_a_connection_that_is_cut_again_and_again_brings_the_file_at_last(
    get: Get, held: Path, server: Loopback, tmp_path: Path
) -> None:
    got = get([Fault.CUT] * 12)
    assert got.path.read_bytes() == held.read_bytes()
    assert got.tries == 13
    asked = [r for r in server.requests if tmp_path.name in r.query["product"]]
    assert all("range" in request.headers for request in asked[1:])


def test_what_was_there_before_an_error_is_not_fetched_again(
    get: Get, held: Path, server: Loopback, tmp_path: Path
) -> None:
    impatient = RetryPolicy(tries=1)
    with pytest.raises(TransferError):
        get([Fault.SHORT], policy=impatient)
    got = get([])
    assert got.resumed_bytes == held.stat().st_size // 2
    sent = [n for key, n in server.sent.items() if tmp_path.name in key]
    assert sum(sent) == held.stat().st_size


@settings(max_examples=30)
@given(faults=st.lists(st.sampled_from([None, *MENDABLE]), max_size=6))
def test_whatever_strikes_a_file_is_whole_or_not_there(
    tmp_path_factory: pytest.TempPathFactory,
    server: Loopback,
    held: Path,
    faults: list[Fault | None],
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with make_client(user_agent="tests", read_timeout_s=0.05) as client:
        try:
            got = fetch(client, server, held, folder, faults)
            assert got.path.read_bytes() == held.read_bytes()
            assert names(folder) == {FILE}
        except TransferError:
            assert FILE not in names(folder)
