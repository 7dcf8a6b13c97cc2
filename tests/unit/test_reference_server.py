"""Asking a CRDS server: contexts, files, and what happens when it does not answer."""

import hashlib
import pprint
from collections.abc import Iterator
from pathlib import Path

import pytest
from crds_server import CrdsServer as Loopback
from crds_server import crds_serving
from loopback import Answer, Fault, ScriptedFaults, serving

from workers.errors import CrdsCacheError, TransferError
from workers.references.catalogue import RememberedCatalogue
from workers.references.server import CrdsServer, open_catalogue
from workers.references.verdict import FileFacts
from workers.transfer import Pacing
from workers.transfer.http import HttpClient

REFERENCE = "jwst_nirspec_photom_0001.fits"
RMAP = "jwst_nirspec_photom_0001.rmap"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return a cache of one reference, its mappings, and a second context."""
    config = {"latest_context": "jwst_0001.pmap", "observatory": "jwst"}
    config |= {"last_synced": "2026-11-20 00:00:00"}
    files = {
        "config/jwst/server_config": pprint.pformat(config),
        "mappings/jwst/jwst_0001.pmap": "jwst_nirspec_0001.imap",
        "mappings/jwst/jwst_0002.pmap": "jwst_nirspec_0001.imap",
        "mappings/jwst/jwst_nirspec_0001.imap": RMAP,
        f"mappings/jwst/{RMAP}": REFERENCE,
        f"references/jwst/nirspec/{REFERENCE}": "photom",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture
def loopback(cache: Path) -> Iterator[Loopback]:
    with crds_serving(cache) as server:
        server.build = "jwst_0002.pmap"
        yield server


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with HttpClient(user_agent="rewebb/test", connections=4) as client:
        yield client


def connect(url: str, client: HttpClient) -> CrdsServer:
    return CrdsServer(url, client, pacing=Pacing(sleep=lambda _: None))


@pytest.mark.parametrize(
    ("wanted", "context"),
    [
        (None, "jwst_0001.pmap"),
        ("latest", "jwst_0001.pmap"),
        ("jwst-operational", "jwst_0001.pmap"),
        ("build", "jwst_0002.pmap"),
        ("edit", "jwst_0001.pmap"),
        ("jwst_0002.pmap", "jwst_0002.pmap"),
        ("jwst-2024-01-01T00:00:00", "jwst_0001.pmap"),
    ],
)
def test_a_context_gets_its_final_name(
    loopback: Loopback, client: HttpClient, wanted: str | None, context: str
) -> None:
    assert connect(loopback.url, client).name_context(wanted) == context


def test_the_files_of_a_context_are_listed(
    loopback: Loopback, client: HttpClient
) -> None:
    server = connect(loopback.url, client)
    mappings = server.list_mappings("jwst_0001.pmap")
    assert set(mappings) == {"jwst_0001.pmap", "jwst_nirspec_0001.imap", RMAP}
    assert server.list_references("jwst_0001.pmap") == [REFERENCE]


@pytest.mark.parametrize("sends_metadata", [True, False])
def test_size_and_sha1_of_files_are_told(
    loopback: Loopback, client: HttpClient, *, sends_metadata: bool
) -> None:
    loopback.sends_metadata = sends_metadata
    facts = connect(loopback.url, client).describe([REFERENCE, "jwst_x_0001.fits"])
    sha1 = hashlib.sha1(b"photom").hexdigest()  # noqa: S324  # what CRDS has
    assert facts == {REFERENCE: FileFacts(REFERENCE, 6, sha1)}


def test_a_sha1_that_the_server_has_not_is_none(
    loopback: Loopback, client: HttpClient
) -> None:
    loopback.claims[REFERENCE] = {"sha1sum": "none", "size": ""}
    facts = connect(loopback.url, client).describe([REFERENCE])
    assert facts[REFERENCE] == FileFacts(REFERENCE, None, None)


def test_an_unknown_context_is_refused_with_the_words_of_the_server(
    loopback: Loopback, client: HttpClient
) -> None:
    server = connect(loopback.url, client)
    with pytest.raises(CrdsCacheError, match=r"'jwst_9999\.pmap' is not known to CRDS"):
        server.list_mappings("jwst_9999.pmap")


@pytest.mark.parametrize(
    "fault",
    [
        Fault.TOO_MANY,
        Fault.SERVER_ERROR,
        Fault.UNAVAILABLE,
        Fault.CUT,
        Fault.SHORT,
        Fault.SHORT_UNSAID,
        Fault.WRONG_BYTES,
    ],
)
def test_a_call_that_fails_is_made_again(
    loopback: Loopback, client: HttpClient, fault: Fault
) -> None:
    loopback.loopback.faults = ScriptedFaults({"get_server_info": [fault, fault]})
    assert connect(loopback.url, client).name_context(None) == "jwst_0001.pmap"
    assert loopback.list_calls() == ["get_server_info"] * 3


def test_a_server_that_goes_on_failing_is_given_up(
    loopback: Loopback, client: HttpClient
) -> None:
    loopback.loopback.faults = lambda _: Fault.UNAVAILABLE
    with pytest.raises(TransferError, match="given up after 4 tries") as raised:
        connect(loopback.url, client)
    assert loopback.url in str(raised.value)


def test_a_server_that_hangs_is_given_up(loopback: Loopback) -> None:
    loopback.loopback.faults = lambda _: Fault.HANG
    with (
        HttpClient(
            user_agent="rewebb/test", connections=4, read_timeout_s=0.2
        ) as impatient,
        pytest.raises(TransferError, match="given up after 4 tries"),
    ):
        connect(loopback.url, impatient)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, b"nothing here"),
        Answer(200, b'{"result": {"observatory": "hst"}, "error": null, "id": "1"}'),
        Answer(200, b'{"result": null, "error": null, "id": "1"}'),
        Answer(200, b"[]"),
    ],
)
def test_what_is_no_crds_server_for_jwst_is_refused(
    answer: Answer, client: HttpClient
) -> None:
    with serving(lambda _: answer) as other:
        with pytest.raises(CrdsCacheError, match="is no CRDS server") as raised:
            connect(other.url, client)
        assert other.url in str(raised.value)


@pytest.mark.parametrize("url", [None, "https://jwst-serverless.stsci.edu"])
def test_without_a_server_the_cache_names_the_operational_context(
    cache: Path, url: str | None
) -> None:
    with open_catalogue(url, root=cache, known=()) as catalogue:
        assert catalogue.absence == "No CRDS server is set"
        assert catalogue.name_context(None) == "jwst_0001.pmap"


def test_without_a_server_a_date_is_refused(cache: Path) -> None:
    remembered = RememberedCatalogue(cache, (), "No CRDS server is set")
    with pytest.raises(CrdsCacheError, match="only a server knows"):
        remembered.name_context("jwst-2024-01-01T00:00:00")


def test_without_a_server_a_folder_that_is_no_cache_is_refused(tmp_path: Path) -> None:
    remembered = RememberedCatalogue(tmp_path, (), "No CRDS server is set")
    with pytest.raises(CrdsCacheError, match=f"{tmp_path} is no CRDS cache"):
        remembered.name_context(None)
