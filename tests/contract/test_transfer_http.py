"""What is asked of an HTTP server, and what its answers are taken for."""

import gzip
import json
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from loopback import Answer, Fault, Loopback, Request, serving

from workers.errors import (
    AccessDeniedError,
    NotHeldError,
    TransferError,
    TransientTransferError,
)
from workers.transfer.http import HostToken, HttpClient, HttpOpener

WHOLE = bytes(range(200)) * 10
TOKEN = "s3cr3t-t0k3n"
ETAG = '"v1"'

Respond = Callable[[Request], Answer]


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with HttpClient(
        user_agent="rewebb/0 (+tests)", connections=4, read_timeout_s=0.3
    ) as made:
        yield made


@pytest.fixture
def serve() -> Iterator[Callable[[Respond], Loopback]]:
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(serving(answer))


def respond(status: int = 200, body: bytes = WHOLE, **headers: str | None) -> Respond:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"ETag": ETAG} | named
    said = {name: value for name, value in given.items() if value is not None}
    return lambda _: Answer(status, body, said)


def read(
    opener: HttpOpener, start_byte: int = 0, entity: str | None = None
) -> tuple[int, bytes]:
    with opener(start_byte=start_byte, entity=entity) as body:
        return body.start_byte, b"".join(body.chunks)


def test_all_of_a_file_is_asked_for_in_plain_bytes(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    loopback = serve(respond(Last_Modified="Fri, 20 Nov 2026 00:00:00 GMT"))
    with HttpOpener(client, f"{loopback.url}/f")() as body:
        assert (body.start_byte, body.total_bytes, body.entity) == (0, 2000, ETAG)
        assert body.modified == "Fri, 20 Nov 2026 00:00:00 GMT"
        assert b"".join(body.chunks) == WHOLE
    (asked,) = loopback.requests
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["user-agent"] == "rewebb/0 (+tests)"
    assert "range" not in asked.headers


LONG_AGO = "Fri, 20 Nov 2020 00:00:00 GMT"
GIVEN = "Fri, 20 Nov 2026 00:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "is_dated"),
    [
        ({"Last_Modified": LONG_AGO, "ETag": None}, True),
        ({"Last_Modified": "Thu, 19 Nov 2026 23:59:00 GMT", "ETag": None}, True),
        ({"Last_Modified": "Thu, 19 Nov 2026 23:59:01 GMT", "ETag": None}, False),
        ({"Last_Modified": "Sat, 21 Nov 2026 00:00:00 GMT", "ETag": None}, False),
        ({"Last_Modified": LONG_AGO, "ETag": None, "Date": "soon"}, False),
        ({"Last_Modified": "long ago", "ETag": None}, False),
        ({"Last_Modified": LONG_AGO}, False),
        ({"Last_Modified": LONG_AGO, "ETag": 'W/"v1"'}, False),
        ({"ETag": None}, False),
    ],
)
def test_a_date_stands_for_bytes_if_they_had_not_just_changed_and_there_is_no_etag(
    client: HttpClient,
    serve: Callable[[Respond], Loopback],
    headers: dict[str, str | None],
    is_dated: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """RFC 9110, 8.8.2.2 and 13.1.5."""
    loopback = serve(respond(**{"Date": GIVEN} | headers))
    with HttpOpener(client, f"{loopback.url}/f")() as body:
        assert body.is_dated == is_dated


@pytest.mark.parametrize("said", [LONG_AGO, None], ids=["said", "not said"])
def test_the_rest_is_asked_for_by_date(
    client: HttpClient, serve: Callable[[Respond], Loopback], said: str | None
) -> None:
    ranged = {"Content_Range": "bytes 500-1999/2000", "ETag": None}
    loopback = serve(respond(206, WHOLE[500:], **ranged, Last_Modified=said))
    opener = HttpOpener(client, f"{loopback.url}/f")
    assert read(opener, 500, LONG_AGO) == (500, WHOLE[500:])
    (asked,) = loopback.requests
    assert asked.headers["if-range"] == LONG_AGO


def test_the_rest_of_another_date_is_not_taken(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    def answer(request: Request) -> Answer:
        if "range" not in request.headers:
            return respond()(request)
        part = "bytes 500-1999/2000"
        rest = respond(206, WHOLE[500:], Content_Range=part, Last_Modified=GIVEN)
        return rest(request)

    opener = HttpOpener(client, f"{serve(answer).url}/f")
    assert read(opener, 500, LONG_AGO) == (0, WHOLE)


def test_of_no_version_the_rest_is_asked_for_without_a_condition(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    ranged = respond(206, WHOLE[500:], Content_Range="bytes 500-1999/2000")
    loopback = serve(ranged)
    assert read(HttpOpener(client, f"{loopback.url}/f"), 500) == (500, WHOLE[500:])
    (asked,) = loopback.requests
    assert asked.headers["range"] == "bytes=500-"
    assert "if-range" not in asked.headers


def test_a_range_and_its_condition_follow_a_redirect(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    there = serve(respond(206, WHOLE[500:], Content_Range="bytes 500-1999/2000"))
    away = serve(respond(302, b"", Location=f"{there.url}/f"))
    assert read(HttpOpener(client, f"{away.url}/f"), 500, ETAG) == (500, WHOLE[500:])
    (asked,) = there.requests
    assert (asked.headers["range"], asked.headers["if-range"]) == ("bytes=500-", ETAG)


@pytest.mark.parametrize("has_ranges", [True, False])
def test_the_begin_alone_is_read(
    client: HttpClient,
    serve: Callable[[Respond], Loopback],
    has_ranges: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    part = respond(206, WHOLE[:300], Content_Range="bytes 0-299/2000")
    loopback = serve(part if has_ranges else respond())
    with HttpOpener(client, f"{loopback.url}/f")(end_byte=300) as body:
        assert (body.start_byte, body.total_bytes) == (0, 2000)
        assert b"".join(body.chunks) == WHOLE[:300]
    assert loopback.requests[0].headers["range"] == "bytes=0-299"


def test_the_rest_is_asked_for_only_of_the_same_version(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    ranged = respond(206, WHOLE[500:], Content_Range="bytes 500-1999/2000")
    loopback = serve(ranged)
    with HttpOpener(client, f"{loopback.url}/f")(start_byte=500, entity=ETAG) as body:
        assert (body.start_byte, body.total_bytes) == (500, 2000)
        assert b"".join(body.chunks) == WHOLE[500:]
    (asked,) = loopback.requests
    assert asked.headers["range"] == "bytes=500-"
    assert asked.headers["if-range"] == ETAG


@pytest.mark.parametrize("etag", ['W/"v1"', "v1", ""])
def test_a_weak_version_is_none(
    client: HttpClient, serve: Callable[[Respond], Loopback], etag: str
) -> None:
    loopback = serve(respond(ETag=etag))
    opener = HttpOpener(client, f"{loopback.url}/f")
    with opener(start_byte=500, entity=etag) as body:
        assert (body.start_byte, body.entity) == (0, None)
    assert "range" not in loopback.requests[0].headers


def test_a_server_without_ranges_gives_all(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    loopback = serve(respond())
    opener = HttpOpener(client, f"{loopback.url}/f")
    assert read(opener, 500, ETAG) == (0, WHOLE)
    assert len(loopback.requests) == 1


@pytest.mark.parametrize(
    "lie",
    [
        respond(206, WHOLE[400:], Content_Range="bytes 400-1999/2000"),
        respond(206, WHOLE[500:], Content_Range="bytes 500-1899/2000"),
        respond(206, WHOLE[500:], Content_Range="pages 5-19/20"),
        respond(206, WHOLE[500:]),
        respond(206, WHOLE[500:], Content_Range="bytes 500-1999/2000", ETag='"v2"'),
        respond(206, WHOLE[500:], Content_Range="bytes 500-1999/2000", ETag=None),
        respond(416, b"", Content_Range="bytes */400"),
    ],
    ids=["begin", "end", "unit", "no range", "version", "no version", "too short"],
)
def test_when_the_rest_is_not_what_was_asked_for_all_is(
    client: HttpClient, serve: Callable[[Respond], Loopback], lie: Respond
) -> None:
    def answer(request: Request) -> Answer:
        return lie(request) if "range" in request.headers else respond()(request)

    opener = HttpOpener(client, f"{serve(answer).url}/f")
    assert read(opener, 500, ETAG) == (0, WHOLE)


def test_a_part_is_not_taken_for_the_whole(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    opener = HttpOpener(client, f"{serve(respond(206)).url}/f")
    with pytest.raises(TransientTransferError, match="expected the whole file"):
        read(opener)


def test_bytes_that_are_packed_are_refused(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    opener = HttpOpener(client, f"{serve(respond(Content_Encoding='gzip')).url}/f")
    with pytest.raises(TransferError, match="expected plain bytes, got them in gzip"):
        read(opener)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AccessDeniedError),
        (403, AccessDeniedError),
        (404, NotHeldError),
        (410, NotHeldError),
        (408, TransientTransferError),
        (429, TransientTransferError),
        (500, TransientTransferError),
        (503, TransientTransferError),
        (400, TransferError),
        (304, TransferError),
    ],
)
def test_a_status_says_what_to_do_next(
    client: HttpClient,
    serve: Callable[[Respond], Loopback],
    status: int,
    error: type[TransferError],
) -> None:
    opener = HttpOpener(client, f"{serve(respond(status, b'')).url}/f?key={TOKEN}")
    with pytest.raises(TransferError, match=f"/f answered {status}") as raised:
        read(opener)
    assert type(raised.value) is error
    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize(
    ("make_text", "least_s", "most_s"),
    [
        (lambda: "7", 7, 7),
        (
            lambda: format_datetime(
                datetime.now(UTC) + timedelta(hours=1), usegmt=True
            ),
            3000,
            3600,
        ),
        (lambda: "Fri, 20 Nov 2020 00:00:00 GMT", 0, 0),
    ],
    ids=["seconds", "date", "date that is over"],
)
def test_how_long_to_wait_is_read(
    client: HttpClient,
    serve: Callable[[Respond], Loopback],
    make_text: Callable[[], str],
    least_s: float,
    most_s: float,
) -> None:
    text = make_text()
    opener = HttpOpener(client, f"{serve(respond(503, b'', Retry_After=text)).url}/f")
    with pytest.raises(TransientTransferError) as raised:
        read(opener)
    assert raised.value.retry_after_s is not None
    assert least_s <= raised.value.retry_after_s <= most_s


def test_what_cannot_be_read_as_a_wait_is_none(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    opener = HttpOpener(client, f"{serve(respond(429, b'', Retry_After='soon')).url}/f")
    with pytest.raises(TransientTransferError) as raised:
        read(opener)
    assert raised.value.retry_after_s is None


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.SHORT, Fault.HANG])
def test_a_broken_connection_is_transient_and_named_without_secrets(
    client: HttpClient, serve: Callable[[Respond], Loopback], fault: Fault
) -> None:
    loopback = serve(respond())
    loopback.faults = lambda _: fault
    opener = HttpOpener(client, f"{loopback.url}/f?key={TOKEN}")
    with pytest.raises(TransientTransferError, match=f"{loopback.url}/f: ") as raised:
        read(opener)
    assert TOKEN not in str(raised.value)


def test_nobody_at_home_is_transient(client: HttpClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    opener = HttpOpener(client, f"http://127.0.0.1:{port}/f")
    with pytest.raises(TransientTransferError, match="Connection refused"):
        read(opener)


def test_a_token_goes_to_its_host(serve: Callable[[Respond], Loopback]) -> None:
    loopback = serve(respond())
    auth = HostToken(loopback.url, TOKEN)
    with HttpClient(user_agent="tests", connections=4, auth=auth) as client:
        read(HttpOpener(client, f"{loopback.url}/f"))
    assert loopback.requests[0].headers["authorization"] == f"token {TOKEN}"
    assert TOKEN not in repr(auth)


def test_a_token_goes_to_no_other_host(serve: Callable[[Respond], Loopback]) -> None:
    other = serve(respond())
    away = serve(respond(302, b"", Location=f"{other.url}/f"))
    auth = HostToken(away.url, TOKEN)
    with HttpClient(user_agent="tests", connections=4, auth=auth) as client:
        assert read(HttpOpener(client, f"{away.url}/f")) == (0, WHOLE)
        read(HttpOpener(client, f"{other.url}/f"))
    assert "authorization" in away.requests[0].headers
    assert len(other.requests) == 2
    assert not [r for r in other.requests if TOKEN in str(r)]


def test_a_header_of_the_caller_does_not_follow_a_redirect_either(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    other = serve(respond())
    away = serve(respond(307, b"", Location=f"{other.url}/f"))
    headers = {"Authorization": TOKEN, "Cookie": TOKEN}
    assert client.ask(f"{away.url}/f", headers=headers) == WHOLE
    assert TOKEN in str(away.requests[0])
    assert TOKEN not in str(other.requests[0])


def test_a_token_that_is_no_header_is_not_shown(
    serve: Callable[[Respond], Loopback],
) -> None:
    loopback = serve(respond())
    auth = HostToken(loopback.url, f"{TOKEN}\n")
    with (
        HttpClient(user_agent="tests", connections=4, auth=auth) as client,
        pytest.raises(TransferError) as raised,
    ):
        read(HttpOpener(client, f"{loopback.url}/f"))
    assert TOKEN not in "".join(traceback.format_exception(raised.value))


def test_redirects_that_never_end_are_no_file(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    opener = HttpOpener(client, f"{serve(respond(302, b'', Location='/f')).url}/f")
    with pytest.raises(TransferError, match="TooManyRedirects"):
        read(opener)


def test_threads_share_a_few_connections(serve: Callable[[Respond], Loopback]) -> None:
    gate = threading.Semaphore(0)

    def answer(request: Request) -> Answer:
        gate.acquire(timeout=0.05)
        return respond()(request)

    loopback = serve(answer)
    with (
        HttpClient(user_agent="tests", connections=3) as client,
        ThreadPoolExecutor(12) as pool,
    ):
        opener = HttpOpener(client, f"{loopback.url}/f")
        got = list(pool.map(lambda _: read(opener), range(24)))
    assert got == [(0, WHOLE)] * 24
    assert loopback.most_at_once == 3


def test_a_connection_is_used_again_and_one_with_a_rest_in_it_is_not(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    opener = HttpOpener(client, f"{serve(respond(body=WHOLE * 500)).url}/f")
    with opener() as body:
        assert next(body.chunks)
    assert read(opener) == (0, WHOLE * 500)
    assert read(opener) == (0, WHOLE * 500)


@pytest.mark.parametrize("fault", [None, Fault.SHORT, Fault.CUT, Fault.SERVER_ERROR])
def test_every_connection_is_given_back(
    serve: Callable[[Respond], Loopback], fault: Fault | None
) -> None:
    loopback = serve(respond(body=WHOLE * 500))
    loopback.faults = lambda _: fault
    with HttpClient(user_agent="tests", connections=1, pool_timeout_s=1) as client:
        opener = HttpOpener(client, f"{loopback.url}/f")
        for _ in range(4):
            with suppress(TransientTransferError), opener() as body:
                next(body.chunks)
        for _ in range(4):
            with suppress(TransientTransferError):
                read(opener)
        loopback.faults = lambda _: None
        assert read(opener) == (0, WHOLE * 500)


def test_other_requests_go_the_same_way(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    loopback = serve(lambda request: Answer(200, request.body))
    assert client.ask_json(f"{loopback.url}/search", {"limit": 5}) == {"limit": 5}


def test_answers_may_be_packed(
    client: HttpClient, serve: Callable[[Respond], Loopback]
) -> None:
    rows = list(range(300_000))
    packed = gzip.compress(json.dumps(rows).encode())
    loopback = serve(respond(body=packed, Content_Encoding="gzip"))
    assert client.ask_json(loopback.url, {}) == rows
    assert loopback.requests[0].headers["accept-encoding"] == "gzip"


def test_a_proxy_of_the_environment_is_used(
    serve: Callable[[Respond], Loopback], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, there = serve(respond()), serve(respond())
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HttpClient(user_agent="tests", connections=4) as client:
        assert read(HttpOpener(client, "http://far.invalid/f")) == (0, WHOLE)
        read(HttpOpener(client, f"{there.url}/f"))
    assert proxy.requests[0].headers["host"] == "far.invalid"
    assert len(proxy.requests) == len(there.requests) == 1
