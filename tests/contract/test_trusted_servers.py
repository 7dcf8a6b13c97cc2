"""Whom secrets are given to, and whose bytes are believed."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certificates import Authority, make_self_signed
from loopback import Answer, Loopback, Request, serving
from mast_files import write_archive
from mast_server import MastServer, mast_server
from typer.testing import CliRunner, Result

from flows.archive.access import Token
from flows.archive.mast import MastSource
from flows.archive.s3 import S3Source
from flows.archive.source import Query
from flows.cli import app
from flows.errors import ArchiveError, RewebbError
from workers.errors import TransferError, TransientTransferError, WorkerError
from workers.references.server import CrdsServer
from workers.transfer import Pacing, RetryPolicy
from workers.transfer.http import HostToken, HttpClient, HttpOpener

HERE = "127.0.0.1"
TOKEN = "6d1c0ffee0badcafe1234"  # of nobody
ONCE = RetryPolicy(fruitless_tries=1)
QUICK = Pacing(sleep=lambda _: None)

Ask = Callable[[str], object]


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Return an authority that clients trust."""
    authority = Authority.create(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    return authority


def answer(_: Request) -> Answer:
    return Answer(404, b"nothing here")


def open_a_file(url: str) -> None:
    with (
        HttpClient(user_agent="tests", connections=4) as client,
        HttpOpener(client, f"{url}/f")(),
    ):
        pass


def search_mast(url: str) -> None:
    MastSource(url, policy=ONCE, pacing=QUICK, parallel=4).search(
        Query(program="99001")
    )


def ask_mast_who_we_are(url: str) -> None:
    MastSource(url, token=Token(TOKEN), policy=ONCE, pacing=QUICK, parallel=4).whoami()


def ask_crds(url: str) -> None:
    with HttpClient(user_agent="tests", connections=4) as client:
        CrdsServer(url, client, policy=ONCE, pacing=QUICK)


def search_s3(url: str) -> None:
    S3Source("s3://bucket/jwst", endpoint=url, policy=ONCE, parallel=4).search(
        Query(program="99001")
    )


CLIENTS = [open_a_file, search_mast, ask_mast_who_we_are, ask_crds, search_s3]
"""Every way in which a server is asked over TLS."""


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_server_that_proves_its_name_is_asked(
    authority: Authority, tmp_path: Path, ask: Ask
) -> None:
    with serving(answer, tls=authority.make_server(tmp_path, HERE)) as server:
        with suppress(RewebbError, WorkerError):
            ask(server.url)
        assert server.requests


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")  # it is to be seen
@pytest.mark.parametrize("ask", CLIENTS)
@pytest.mark.parametrize("kind", ["self-signed", "of another host"])
def test_a_server_that_does_not_prove_its_name_is_asked_nothing(
    authority: Authority, tmp_path: Path, ask: Ask, kind: str
) -> None:
    if kind == "self-signed":
        tls = make_self_signed(tmp_path, HERE)
    else:
        tls = authority.make_server(tmp_path, "elsewhere.example.org")
    with serving(answer, tls=tls) as server:
        with pytest.raises((RewebbError, WorkerError), match=r"(?i)certificate|ssl"):
            ask(server.url)
        assert server.requests == []


def test_a_certificate_that_cannot_be_verified_is_said_in_one_try(
    authority: Authority, tmp_path: Path
) -> None:
    other = authority.make_server(tmp_path, "elsewhere.example.org")
    with (
        serving(answer, tls=other) as server,
        pytest.raises(
            TransferError, match=r"cannot be verified \(.*SSL_CERT_FILE"
        ) as e,
    ):
        open_a_file(server.url)
    assert not isinstance(e.value, TransientTransferError)  # which is tried again


def redirect(to: str) -> Callable[[Request], Answer]:
    return lambda _: Answer(302, b"", {"Location": f"{to}/f"})


def has_token(server: Loopback) -> bool:
    return any(TOKEN in str(request) for request in server.requests)


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_token_follows_no_redirect_to_another_port_or_down_to_http(
    authority: Authority, tmp_path: Path, scheme: str
) -> None:
    certificate = authority.make_server(tmp_path, HERE)
    other = certificate if scheme == "https" else None
    with (
        serving(answer, tls=other) as elsewhere,
        serving(redirect(elsewhere.url), tls=certificate) as first,
        HttpClient(
            user_agent="tests", connections=4, auth=HostToken(first.url, TOKEN)
        ) as client,
    ):
        with suppress(TransferError), HttpOpener(client, f"{first.url}/f")():
            pass
        assert has_token(first)
        assert elsewhere.requests
        assert not has_token(elsewhere)


@pytest.mark.parametrize("host", ["mast.example.org", "10.0.0.7", "[2001:db8::1]"])
def test_a_token_goes_to_no_other_machine_over_plain_http(host: str) -> None:
    with pytest.raises(ArchiveError, match="expected https for a server that gets"):
        MastSource(f"http://{host}", token=Token(TOKEN), parallel=4)


@pytest.fixture
def mast(tmp_path: Path) -> Iterator[MastServer]:
    """Serve programs of which one is exclusive."""
    folder = write_archive(tmp_path / "archive")
    locked = {"99022": datetime.now(UTC) + timedelta(days=100)}
    with mast_server(folder, exclusive=locked, tokens={TOKEN: ["99022"]}) as server:
        yield server


def fetch(folder: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Result:
    """Say what there is to fetch, with a token, from a folder."""
    for name in [name for name in os.environ if name.startswith("REWEBB_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    command = ["fetch", "99022", "--archive", "mast", "--dry-run"]
    return CliRunner().invoke(app, command, env={"MAST_API_TOKEN": TOKEN, **variables})


def test_a_file_in_the_working_directory_sends_the_token_nowhere(
    mast: MastServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rewebb.toml").write_text(f"mast_url = '{mast.url}'\n")
    ended = fetch(tmp_path, monkeypatch)
    assert ended.exit_code == 2
    assert "REWEBB_MAST_URL" in ended.output
    assert mast.loopback.requests == []


def test_the_environment_may_say_where_the_token_goes(
    mast: MastServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = fetch(tmp_path, monkeypatch, REWEBB_MAST_URL=mast.url)
    assert ended.exit_code == 0, ended.output
    assert has_token(mast.loopback)
