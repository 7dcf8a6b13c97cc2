"""How fast files come from a server on loopback, by curl and by Rewebb.

    python tests/benchmarks/download.py [FOLDER] [MEGABYTES] [ROUNDS]

The server has a process of its own and sends with sendfile, so that it costs little.
Every way fetches four files at once, in turns; the best and the middle of all rounds
are printed. Nothing is asserted: times depend on the machine and what else it does.
"""

import json
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from rich.console import Console
from rich.table import Table

from workers.transfer import Expected, receive
from workers.transfer.fits_checks import verify_fits
from workers.transfer.http import HttpClient, HttpOpener

FILES = 4
MEGABYTE = 10**6
ETAG = '"benchmark"'


@dataclass(frozen=True, slots=True)
class Measured:
    """What one way took, once."""

    wall_s: float
    """Until all files were there; what Python takes to start is left out."""
    cpu_s: float
    """Of the client, system time included."""
    peak_bytes: int | None
    """Most memory of the client, if it is ours."""


Way = Callable[[str, Path], list[list[str]]]
"""Commands that fetch the files, one after the other, for URL and folder."""


def curl_at_once(url: str, folder: Path) -> list[list[str]]:
    files = [part for name in names() for part in ("-o", str(folder / name), url)]
    return [["curl", "--silent", "--fail", "--parallel", *files]]


def curl_each(url: str, folder: Path) -> list[list[str]]:
    fetch = f"curl --silent --fail -o {folder}/{{}} {url}"
    return [["sh", "-c", f"printf '%s\\n' {' '.join(names())} | {in_parallel(fetch)}"]]


def curl_and_sha256sum(url: str, folder: Path) -> list[list[str]]:
    check = in_parallel(f"sha256sum {folder}/{{}}")
    listed = f"printf '%s\\n' {' '.join(names())}"
    return [*curl_at_once(url, folder), ["sh", "-c", f"{listed} | {check} >/dev/null"]]


def bytes_alone(url: str, folder: Path) -> list[list[str]]:
    return [[sys.executable, __file__, "--bytes", url, str(folder)]]


def received(url: str, folder: Path) -> list[list[str]]:
    return [[sys.executable, __file__, "--receive", url, str(folder)]]


def received_and_verified(url: str, folder: Path) -> list[list[str]]:
    return [[sys.executable, __file__, "--verify", url, str(folder)]]


WAYS: dict[str, Way] = {
    "curl --parallel": curl_at_once,
    "curl, a process for each file": curl_each,
    "curl --parallel, then sha256sum": curl_and_sha256sum,
    "Rewebb, the bytes alone": bytes_alone,
    "Rewebb, with sha256 and fsync": received,
    "Rewebb, with FITS sums too (as it is used)": received_and_verified,
}


def names() -> list[str]:
    return [f"{number}.fits" for number in range(FILES)]


def in_parallel(command: str) -> str:
    return f"xargs -P {FILES} -I '{{}}' {command}"


def fetch(kind: str, url: str, folder: Path) -> None:
    """Fetch all files; what a child of this script does."""
    get = fetch_bytes if kind == "--bytes" else fetch_file
    start = time.perf_counter()
    with (
        HttpClient(user_agent="rewebb benchmark", connections=FILES) as client,
        ThreadPoolExecutor(FILES) as pool,
    ):
        opener = HttpOpener(client, url)
        done = [pool.submit(get, opener, folder / name, kind) for name in names()]
        resumed = sum(future.result() for future in done)
    wall_s = time.perf_counter() - start
    # That of getrusage would be that of whoever forked us, too.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    took = {"wall_s": wall_s, "peak_bytes": int(peak[1]) * 1024, "resumed": resumed}
    print(json.dumps(took))


def fetch_bytes(opener: HttpOpener, target: Path, _: str) -> int:
    with opener() as body, target.open("wb", buffering=0) as stream:
        for chunk in body.chunks:
            stream.write(chunk)
    return 0


def fetch_file(opener: HttpOpener, target: Path, kind: str) -> int:
    verify = verify_fits if kind == "--verify" else None
    expected = Expected(uri="benchmark:file", verify=verify)
    return receive(opener, target, expected=expected).resumed_bytes


def make_file(path: Path, megabytes: int) -> None:
    """Make a FITS file with a DATASUM: the same random block, many times."""
    block = np.random.default_rng(1).integers(0, 2**32, 720 * 1000, "u4").astype(">u4")
    repeats = max(megabytes * MEGABYTE // block.nbytes, 1)
    total = int(block.sum(dtype=np.uint64)) * repeats
    header = fits.PrimaryHDU().header
    header["BITPIX"], header["NAXIS"] = 32, 1
    header["NAXIS1"] = block.size * repeats
    header["DATASUM"] = str(total % (2**32 - 1))
    with path.open("wb") as stream:
        stream.write(header.tostring().encode())
        for _ in range(repeats):
            stream.write(block.tobytes())


def serve(path: str) -> None:
    """Answer every request with the file, or its rest; what a child does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=answer, args=(connection, path)).start()


def answer(connection: socket.socket, path: str) -> None:
    size = Path(path).stat().st_size
    with connection, suppress(OSError), connection.makefile("rb") as asked:
        while line := asked.readline():
            start = 0
            while (line := asked.readline()).strip():
                if found := re.match(rb"range: bytes=(\d+)-", line.lower()):
                    start = int(found[1])
            send(connection, path, start, size)


def send(connection: socket.socket, path: str, start: int, size: int) -> None:
    ranged = f"Content-Range: bytes {start}-{size - 1}/{size}\r\n" if start else ""
    head = (
        f"HTTP/1.1 {206 if start else 200} OK\r\nETag: {ETAG}\r\n{ranged}"
        f"Content-Length: {size - start}\r\n\r\n"
    )
    connection.sendall(head.encode())
    with Path(path).open("rb") as stream:
        connection.sendfile(stream, start)


@contextmanager
def serving(path: Path) -> Iterator[str]:
    command = [sys.executable, __file__, "--serve", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/file"
        finally:
            server.kill()


def measure(way: Way, url: str, folder: Path) -> Measured:
    """Run a way in a process of its own, in an empty folder."""
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        commands = json.dumps(way(url, Path(empty)))
        command = [sys.executable, __file__, "--measure", commands]
        return Measured(**json.loads(subprocess.check_output(command)))


def run_measured(commands: str) -> None:
    """Run commands and print what they took; what a child does."""
    start, said = time.perf_counter(), b""
    for command in json.loads(commands):
        said = subprocess.check_output(command, stderr=subprocess.DEVNULL)
    took = {"wall_s": time.perf_counter() - start, "peak_bytes": None}
    took |= json.loads(said or "{}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = used.ru_utime + used.ru_stime
    measured = Measured(took["wall_s"], cpu_s, took["peak_bytes"])
    print(json.dumps(asdict(measured)))


def measure_resumption(url: str, folder: Path, size: int) -> str:
    """Kill a fetch half-way and run it again; say what it did not fetch again."""
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        (command,) = received(url, Path(empty))
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as killed:
            half = FILES * size / 2
            while count_parts(Path(empty)) < half and killed.poll() is None:
                time.sleep(0.001)
            killed.kill()
        there = count_parts(Path(empty))
        resumed = json.loads(subprocess.check_output(command))["resumed"]
    return f"Killed at {there:,} bytes; {resumed:,} of them were not fetched again."


def count_parts(folder: Path) -> int:
    there = 0
    for path in folder.glob(".*.part"):
        with suppress(FileNotFoundError):  # published meanwhile
            there += path.stat().st_size
    return there


def show(taken: dict[str, list[Measured]], megabytes: float) -> Table:
    """Compare everything with curl, round by round."""
    table = Table("", "MB/s, best", "MB/s, middle", "of curl", "CPU s", "peak MB")
    first = next(iter(taken.values()))
    for name, rounds in taken.items():
        walls = [measured.wall_s for measured in rounds]
        ratios = [a.wall_s / b.wall_s for a, b in zip(first, rounds, strict=True)]
        table.add_row(
            name,
            f"{megabytes / min(walls):.0f}",
            f"{megabytes / statistics.median(walls):.0f}",
            f"{statistics.median(ratios):.2f}",
            f"{statistics.median(m.cpu_s for m in rounds):.1f}",
            show_peak(rounds),
        )
    return table


def show_peak(rounds: list[Measured]) -> str:
    peak = max(measured.peak_bytes or 0 for measured in rounds)
    return f"{peak / MEGABYTE:.0f}" if peak else ""


def main(folder: str = "", megabytes: str = "500", rounds: str = "5") -> None:
    """Measure all ways in turns and print a table."""
    console = Console()
    with tempfile.TemporaryDirectory(dir=folder or None) as made:
        path = Path(made, "held.fits")
        make_file(path, int(megabytes))
        taken: dict[str, list[Measured]] = {name: [] for name in WAYS}
        with serving(path) as url:
            for _ in range(int(rounds)):
                for name, way in WAYS.items():
                    taken[name].append(measure(way, url, Path(made)))
            resumption = measure_resumption(url, Path(made), path.stat().st_size)
        size = path.stat().st_size / MEGABYTE
    console.print(f"{FILES} files of {size:.0f} MB at once, {os.cpu_count()} cores")
    console.print(show(taken, FILES * size))
    console.print(resumption)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve", served]:
            serve(served)
        case ["--measure", listed]:
            run_measured(listed)
        case ["--bytes" | "--receive" | "--verify" as wanted, address, into]:
            fetch(wanted, address, Path(into))
        case given:
            main(*given)
