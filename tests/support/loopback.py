"""A server on loopback that answers as it is told, and can be told to fail.

`mast_server`, `crds_server` and the tests of the byte path put their protocols on it.
"""

import io
import random
import select
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import StrEnum
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

__all__ = [
    "Answer",
    "Fault",
    "Faults",
    "Loopback",
    "RandomFaults",
    "Request",
    "ScriptedFaults",
    "Validator",
    "serve_file",
    "serving",
]

_BLOCK = 1 << 20


class Validator(StrEnum):
    """What a server says of the version of its files."""

    STRONG = "a strong ETag, and Last-Modified"
    WEAK = "a weak ETag, and Last-Modified"
    DATE = "Last-Modified alone"
    CHANGING_DATE = "a Last-Modified that is another one in every answer"
    NONE = "nothing"


class Fault(StrEnum):
    """What goes wrong with one request."""

    TOO_MANY = "429 with Retry-After"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    CUT = "the connection is reset within the body"
    SHORT = "half of the body, with the Content-Length of all"
    SHORT_UNSAID = "half of the body, without Content-Length"
    ONE_BLOCK = "the first block of a FITS file alone, without Content-Length"
    WRONG_BYTES = "wrong bytes of the right size"
    WRONG_DATA = "one wrong bit, three quarters down the body"
    WRONG_HEADER = "one wrong letter, in the comment of the first card"
    SLOW = "the body drips"
    HANG = "nothing is ever answered"
    NEW_ENTITY = "another ETag and other bytes than a moment ago"
    EXPIRED = "401, as for an expired token"
    PAGE_LOST = "the last row of the page of a search is left out"


@dataclass(frozen=True)
class Request:
    """What a client asks."""

    method: str
    path: str
    """Without the query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes
    number: int
    """How many requests of this method, path and query came before."""
    validator: Validator = Validator.STRONG
    """What the server says of versions."""
    total_number: int = 0
    """How many requests of any kind came before."""


@dataclass
class Answer:
    """What is answered."""

    status: int = 200
    body: bytes | Path = b""
    """Bytes, or a file of which `start` to `end` are sent."""
    headers: dict[str, str] = field(default_factory=dict)
    start: int = 0
    end: int | None = None

    @property
    def length(self) -> int:
        """How many bytes are sent."""
        whole = self.body.stat().st_size if isinstance(self.body, Path) else None
        end = self.end if self.end is not None else whole
        return (len(self.body) if end is None else end) - self.start  # type: ignore[arg-type]  # a path has a size


_UNSAID = frozenset({Fault.SHORT_UNSAID, Fault.ONE_BLOCK})
"""What ends without having said where it would."""

Faults = Callable[[Request], Fault | None]
"""Decides what goes wrong with a request."""


class RandomFaults:
    """A share of all requests fails, the same ones in every run.

    Parameters
    ----------
    share
        Of the requests.
    kinds
        What may go wrong.
    most
        How often in a row one file may be struck, so that it can arrive at last.
    """

    def __init__(
        self, share: float, kinds: Sequence[Fault], *, seed: int = 1, most: int = 2
    ) -> None:
        self._share = share
        self._kinds = tuple(kinds)
        self._seed = seed
        self._most = most

    def __call__(self, request: Request) -> Fault | None:
        """Throw dice that depend on the request and its number alone."""
        if request.number % (self._most + 1) == self._most:
            return None
        asked = f"{request.path} {sorted(request.query.items())} {request.body!r}"
        text = f"{self._seed} {asked}"
        dice = random.Random(f"{text} {request.number}")  # noqa: S311  # no secret
        return dice.choice(self._kinds) if dice.random() < self._share else None


class ScriptedFaults:
    """The first requests for what a text occurs in fail as listed, the rest do not.

    Parameters
    ----------
    script
        Faults in order (None for none), by a part of path or query. The last one goes
        on for ever if it is listed in `persistent`.
    """

    def __init__(
        self,
        script: Mapping[str, Sequence[Fault | None]],
        *,
        persistent: Sequence[str] = (),
    ) -> None:
        self._script = dict(script)
        self._persistent = frozenset(persistent)

    def __call__(self, request: Request) -> Fault | None:
        """Look the request up."""
        text = f"{request.path}?{request.query}"
        for part, faults in self._script.items():
            if part in text:
                if request.number < len(faults):
                    return faults[request.number]
                return faults[-1] if part in self._persistent else None
        return None


@dataclass
class Loopback:
    """A server that runs."""

    url: str
    """``http://127.0.0.1:PORT``."""
    requests: list[Request] = field(default_factory=list)
    """Everything that was asked, in order."""
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes of bodies that were sent, by path and query."""
    faults: Faults = lambda _: None
    """May be replaced while it runs."""
    validator: Validator = Validator.STRONG
    """What is said of the versions of files; may be changed while it runs."""
    drip_s: float = 0.002
    """Pause after each kilobyte of a file that drips."""
    struck: list[tuple[Request, Fault]] = field(default_factory=list)
    """What went wrong, in order."""
    left: list[tuple[Request, Fault]] = field(default_factory=list)
    """Those of them that hung or dripped until the client had enough."""
    most_at_once: int = 0
    """Most requests that were under way together."""


@contextmanager
def serving(
    answer: Callable[[Request], Answer],
    *,
    faults: Faults | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Loopback]:
    """Serve until the block is left; requests that hang are let go then.

    Parameters
    ----------
    tls
        Serve https with this certificate.
    """
    state = _State(answer)
    handler = type("Handler", (_Handler,), {"state": state})
    server = _Server(("127.0.0.1", 0), handler)
    scheme = "http" if tls is None else "https"
    state.loopback.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    if tls is not None:  # hands are shaken by the threads of the requests
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    if faults is not None:
        state.loopback.faults = faults
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state.loopback
    finally:
        state.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def serve_file(request: Request, path: Path, *, entity: str | None = None) -> Answer:
    """Answer with a file, or with the rest of it (Range, If-Range, If-None-Match).

    Parameters
    ----------
    entity
        ETag; by default made of the bytes.
    """
    etag = entity or f'"{sha256(path.read_bytes()).hexdigest()[:16]}"'
    headers = {"Accept-Ranges": "bytes", **_validate(request, path, etag)}
    if request.headers.get("if-none-match") == etag:
        return Answer(304, b"", headers)
    size, wanted = path.stat().st_size, request.headers.get("range", "")
    strong = etag if request.validator is Validator.STRONG else None
    version = strong or headers.get("Last-Modified")
    same = request.headers.get("if-range", version) == version
    if not (wanted.startswith("bytes=") and same):
        return Answer(200, path, headers)
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    start, end = int(first), min(int(last or size - 1), size - 1) + 1
    if start >= size:
        return Answer(416, b"", headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return Answer(206, path, headers, start, end)


def _validate(request: Request, path: Path, etag: str) -> dict[str, str]:
    """Say what there is to say of the version of a file; it is a day old."""
    changed_s = path.stat().st_mtime - 86400
    match request.validator:
        case Validator.STRONG:
            headers = {"ETag": etag}
        case Validator.WEAK:
            headers = {"ETag": f"W/{etag}"}
        case Validator.DATE:
            headers = {}
        case Validator.CHANGING_DATE:
            headers, changed_s = {}, changed_s - 60 * request.total_number
        case Validator.NONE:
            return {}
    return headers | {"Last-Modified": formatdate(changed_s, usegmt=True)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def shutdown_request(self, request: Any) -> None:
        """Only close: to shut down first would make an end of a reset."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are part of the tests."""


class _State:
    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self.answer = answer
        self.loopback = Loopback("")
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.numbers: Counter[tuple[str, ...]] = Counter()
        self.under_way = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    state: _State

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_HEAD = do_GET  # noqa: N815  # the names are given

    def _handle(self) -> None:
        state = self.state
        with state.lock:
            state.under_way += 1
            most = max(state.loopback.most_at_once, state.under_way)
            state.loopback.most_at_once = most
        try:
            request = self._read()
            fault = state.loopback.faults(request)
            if fault is not None:
                state.loopback.struck.append((request, fault))
            self._respond(request, fault)
        finally:
            with state.lock:
                state.under_way -= 1

    def _read(self) -> Request:
        url = urlsplit(self.path)
        query = {k: v[-1] for k, v in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.state.lock:
            key = (self.command, self.path, body.decode("latin1"))
            number = self.state.numbers[key]
            self.state.numbers[key] += 1
            headers = {k.lower(): v for k, v in self.headers.items()}
            loopback = self.state.loopback
            request = Request(
                *(self.command, url.path, query, headers, body, number),
                validator=loopback.validator,
                total_number=len(loopback.requests),
            )
            loopback.requests.append(request)
        return request

    def _respond(self, request: Request, fault: Fault | None) -> None:
        match fault:
            case Fault.TOO_MANY:
                self._send(Answer(429, b"slow down", {"Retry-After": "0"}), request)
            case Fault.SERVER_ERROR:
                self._send(Answer(500, b"broken"), request)
            case Fault.UNAVAILABLE:
                self._send(Answer(503, b"away"), request)
            case Fault.EXPIRED:
                self._send(Answer(401, b"unauthorized"), request)
            case Fault.HANG:
                self._hang(request)
            case _:
                self._send(self.state.answer(request), request, fault)

    def _send(
        self, answer: Answer, request: Request, fault: Fault | None = None
    ) -> None:
        length = answer.length
        headers = dict(answer.headers)
        self.send_response_only(answer.status)
        self.send_header("Date", headers.pop("Date", self.date_time_string()))
        if fault is Fault.NEW_ENTITY:
            headers |= _say_changed(request, headers)
        for name, value in headers.items():
            self.send_header(name, value)
        if fault in _UNSAID:
            self.send_header("Connection", "close")
        elif "Content-Length" in headers:
            self.close_connection = True  # it lies
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if request.method != "HEAD":
            self._send_body(answer, length, request, fault)

    def _send_body(
        self, answer: Answer, length: int, request: Request, fault: Fault | None
    ) -> None:
        short = fault in {Fault.CUT, Fault.SHORT, *_UNSAID}
        left = length // 2 if short else length
        left = min(length, 2880) if fault is Fault.ONE_BLOCK else left
        place, wrong = answer.start, _wrong_place(answer, length, fault)
        stream = _open(answer)
        with stream:
            while left > 0:
                size = 1024 if fault is Fault.SLOW else _BLOCK
                block = stream.read(min(size, left))
                if fault in {Fault.WRONG_BYTES, Fault.NEW_ENTITY}:
                    block = bytes(byte ^ 0x5A for byte in block)
                if place <= wrong < place + len(block):
                    block = _spoil(block, wrong - place)
                self.wfile.write(block)
                left -= len(block)
                place += len(block)
                with self.state.lock:
                    key = f"{request.path}?{request.query}"
                    self.state.loopback.sent[key] += len(block)
                if fault is Fault.SLOW:
                    self._drip(answer, request)
        self.wfile.flush()
        if short:
            self._hang_up(reset=fault is Fault.CUT)

    def _drip(self, answer: Answer, request: Request) -> None:
        is_file = isinstance(answer.body, Path)
        try:
            self.wfile.flush()
        except OSError:
            self.state.loopback.left.append((request, Fault.SLOW))
            raise
        time.sleep(self.state.loopback.drip_s if is_file else 0.002)

    def _hang(self, request: Request) -> None:
        """Say nothing until the client goes away, or the server does."""
        while not self.state.over.wait(0.02):
            if select.select([self.connection], [], [], 0)[0]:
                self.state.loopback.left.append((request, Fault.HANG))
                break
        self.close_connection = True

    def _hang_up(self, *, reset: bool) -> None:
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True


def _say_changed(request: Request, headers: Mapping[str, str]) -> dict[str, str]:
    """Say that a file is another one by now, as far as the server says anything."""
    if etag := headers.get("ETag"):
        weak = "W/" * etag.startswith("W/")
        return {"ETag": f'{weak}"changed-{request.number}"'}
    if "Last-Modified" in headers:
        return {"Last-Modified": formatdate(10**9 + request.number, usegmt=True)}
    return {}


def _wrong_place(answer: Answer, length: int, fault: Fault | None) -> int:
    """Choose the byte of a file that is wrong; -1 for none."""
    if "json" in answer.headers.get("Content-Type", ""):
        return -1
    if fault is Fault.WRONG_HEADER:
        return 50
    return answer.start + length * 3 // 4 if fault is Fault.WRONG_DATA else -1


def _spoil(block: bytes, place: int) -> bytes:
    return block[:place] + bytes([block[place] ^ 1]) + block[place + 1 :]


def _open(answer: Answer) -> BinaryIO:
    if isinstance(answer.body, Path):
        stream: BinaryIO = answer.body.open("rb")
    else:
        stream = io.BytesIO(answer.body)
    stream.seek(answer.start)
    return stream
