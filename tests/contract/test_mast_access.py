"""Tokens and files of exclusive access, at a server that speaks as MAST does."""

import logging
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from loopback import Fault, ScriptedFaults
from mast_files import write_archive
from mast_server import MastServer, mast_server

from flows.archive.access import Token, describe_withheld, probe, withhold
from flows.archive.mast import MastSource
from flows.archive.source import Access, Query
from flows.errors import AccessError, ArchiveError
from workers.errors import AccessDeniedError
from workers.transfer import Pacing

SECRET = "6d1c0ffee0badcafe1234"  # of nobody
FUTURE = datetime.now(UTC).replace(microsecond=0) + timedelta(days=100)
ALL = Query()
QUICK = Pacing(sleep=lambda _: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def server(folder: Path) -> Iterator[MastServer]:
    """Serve two programs of which one observation and one program are exclusive."""
    locked = {"99021002": FUTURE, "99022": FUTURE + timedelta(days=1)}
    with mast_server(folder, exclusive=locked, tokens={SECRET: ["99021"]}) as server:
        yield server


def connect(server: MastServer, secret: str | None = None) -> MastSource:
    token = None if secret is None else Token(secret)
    return MastSource(server.url, token=token, pacing=QUICK, parallel=4)


def test_exclusive_files_are_listed_with_the_date_they_become_public(
    server: MastServer,
) -> None:
    listed = connect(server).search(Query(access=Access.EXCLUSIVE)).files
    raw = [file for file in listed if file.name.endswith("_uncal.fits")]
    assert {(f.program, f.observation) for f in raw} == {
        ("99021", "002"),
        ("99022", "001"),
        ("99022", "002"),
    }
    assert {f.public_from - FUTURE for f in raw if f.public_from} == {
        timedelta(0),
        timedelta(days=1),
    }


def test_without_a_token_exclusive_files_are_withheld_and_the_rest_is_not(
    server: MastServer,
) -> None:
    source = connect(server)
    allowed, withheld = withhold(source.search(ALL), has_token=source.has_token)
    assert {file.access for file in allowed} == {Access.PUBLIC}
    assert {file.access for file in withheld} == {Access.EXCLUSIVE}
    assert describe_withheld(withheld)[0] == (
        "program 99021 observation 002: 3 files of exclusive access, public from "
        f"{FUTURE:%Y-%m-%d}; set MAST_API_TOKEN to a token of the program to have them "
        "before"
    )
    assert withhold(withheld, has_token=True) == (withheld, ())


def test_an_exclusive_file_is_only_given_with_a_token_of_its_program(
    server: MastServer,
) -> None:
    named = {file.name: file for file in connect(server).search(ALL)}
    ours = named["jw99021002001_03101_00001_nrs1_uncal.fits"]
    theirs = named["jw99022001001_03101_00001_mirifulong_uncal.fits"]
    with connect(server, SECRET).opener(ours)() as body:
        assert sum(map(len, body.chunks)) == ours.size_bytes
    for source, file in [(connect(server), ours), (connect(server, SECRET), theirs)]:
        with pytest.raises(AccessDeniedError, match=r"401|403"), source.opener(file)():
            pass
        with pytest.raises(AccessDeniedError), source.opener(file)(end_byte=9):
            pass


def test_nothing_is_asked_with_the_token_that_needs_none(server: MastServer) -> None:
    source = connect(server, SECRET)
    probe(source, source.search(Query(program="99021", observations=("001",))))
    source.whoami()
    told = ["authorization" in request.headers for request in server.loopback.requests]
    assert told == [False, False, True]
    assert server.asked("whoami")
    assert not [r for r in server.loopback.requests if "cookie" in r.headers]
    assert SECRET not in "".join(
        str(r.query) + r.path for r in server.loopback.requests
    )


def test_a_good_token_passes_the_probe(server: MastServer) -> None:
    source = connect(server, SECRET)
    probe(source, source.search(Query(program="99021")))
    asked = server.asked("retrieve_product")
    assert [request.headers["range"] for request in asked] == ["bytes=0-0"]


def test_whoami_says_whose_the_token_is(server: MastServer) -> None:
    assert connect(server, SECRET).whoami() == "A. Stronomer"
    assert connect(server, "old").whoami() is None
    assert connect(server).whoami() is None
    server.loopback.faults = ScriptedFaults({"whoami": [Fault.WRONG_BYTES]})
    assert connect(server, SECRET).whoami() == "A. Stronomer"
    server.loopback.faults = lambda _: Fault.UNAVAILABLE
    with pytest.raises(ArchiveError, match="whoami: it is given up after 6 tries"):
        connect(server, SECRET).whoami()


@pytest.mark.parametrize("fault", [None, Fault.EXPIRED])
def test_an_expired_token_is_found_before_a_run(
    server: MastServer, fault: Fault | None
) -> None:
    source = connect(server, SECRET)
    listing = source.search(ALL)
    del server.tokens[SECRET]
    server.loopback.faults = lambda _: fault
    with pytest.raises(AccessError, match="expired or unknown token") as caught:
        probe(source, listing)
    assert SECRET not in str(caught.value)


def test_a_token_without_access_to_a_program_is_found_before_a_run(
    server: MastServer,
) -> None:
    source = connect(server, SECRET)
    with pytest.raises(AccessError, match="no access to program 99022") as caught:
        probe(source, source.search(ALL))
    assert "99021" not in str(caught.value)


def test_without_a_token_nothing_is_probed(server: MastServer) -> None:
    source = connect(server)
    listing = source.search(ALL)
    probe(source, listing)
    assert not server.asked("whoami")


@pytest.mark.parametrize("fault", list(Fault))
def test_the_token_is_in_no_error_no_log_and_no_text(
    server: MastServer, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    caplog.set_level(logging.DEBUG)
    limits_source = connect(server, SECRET)
    file = limits_source.search(ALL).files[-1]
    server.loopback.faults = lambda _: fault if fault is not Fault.HANG else Fault.CUT
    texts = [repr(limits_source), str(vars(limits_source)), caplog.text]
    for call in (
        limits_source.whoami,
        lambda: limits_source.search(ALL),
        lambda: limits_source.may_read(file),
    ):
        try:
            call()
        except ArchiveError as error:
            texts += _texts_of(error)
    assert SECRET not in "".join(texts) + caplog.text


def _texts_of(error: BaseException | None) -> list[str]:
    if error is None:
        return []
    return [repr(error), *_texts_of(error.__cause__), *_texts_of(error.__context__)]


def test_a_source_with_a_token_is_not_pickled(server: MastServer) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(connect(server, SECRET))


@pytest.mark.parametrize("url", ["http://mast.stsci.edu", "http://10.0.0.1:8000"])
def test_a_token_is_never_sent_in_the_clear(url: str) -> None:
    with pytest.raises(AccessError, match="expected https"):
        MastSource(url, token=Token(SECRET), parallel=4)
