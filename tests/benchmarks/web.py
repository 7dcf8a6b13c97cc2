"""How quick the pages of `rewebb web` are, over many products and for many people.

    python tests/benchmarks/web.py [PRODUCTS [CLIENTS [SECONDS]]]

PRODUCTS (100 000) are recorded in a new SQLite database, and `rewebb web` is asked for
pages by CLIENTS (20) who each look at a page for a second before they ask for the next
one. What is printed is the time that the server takes, as it says itself
(`Server-Timing`), and its memory before and after.
"""

import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parent))

import httpx
import psutil
from commands import BIN, find_free_port
from outcomes import NOON, make_run, make_run_job
from provenance import batch, make_outcomes
from rich.console import Console
from rich.table import Table
from web_site import make_spectrum

from flows.models.runs import JobState, RunState
from flows.provenance import Database
from workers.contract import Outcome, ProductFacts, SourceFacts, Stage
from workers.job_layout import get_store_folder

PER_EXPOSURE = 6
"""Products that come of an exposure: two of each of three jobs."""

LOOKED_AT = 60
"""Products whose pages are asked for; they have files."""

PAUSE_S = 1.0
"""For which a client looks at a page."""


def name_facts(outcome: Outcome, number: int) -> Outcome:
    """Give the products of a job names of their kind, and say what they are of."""
    kind = "x1d" if outcome.job.stage is Stage.SPEC3 else "cal"
    products = tuple(
        replace(product, name=product.name.replace(".fits", f"_{kind}.fits"))
        for product in outcome.products
    )
    place = {"ra_deg": number * 0.37 % 360, "dec_deg": number * 0.11 % 120 - 60}
    waves = {"wave_min_m": 1e-6, "wave_max_m": 5e-6}
    facts = tuple(
        ProductFacts(
            product=product.name,
            dataproduct_type="spectrum",
            calib_level=3,
            target=f"NGC {number // 40}",
            instrument="NIRSPEC",
            sources=(SourceFacts(name="1", **place, **waves),),
            **place,
            **waves,
        )
        for product in products
    )
    folder = str(get_store_folder(outcome.job.fingerprint))
    return replace(outcome, products=products, facts=facts, folder=folder)


def fill(folder: Path, products: int) -> Sequence[tuple[str, str]]:
    """Record products; give some that have files, by job and name."""
    made: list[Outcome] = []
    spectrum = make_spectrum()
    with Database.open(f"sqlite:///{folder}/rewebb.db") as database:
        number = 0
        for outcomes in batch(make_outcomes(products // PER_EXPOSURE)):
            named = [name_facts(one, number + n) for n, one in enumerate(outcomes)]
            number += len(named)
            database.jobs.record_outcomes(named)
            made += [one for one in named if one.job.stage is Stage.SPEC3][:2]
            record_run(database, named, number)
    step = max(1, len(made) // LOOKED_AT)
    chosen = made[::step][:LOOKED_AT]
    for outcome in chosen:
        place = folder / outcome.folder
        place.mkdir(parents=True, exist_ok=True)
        for product in outcome.products:
            (place / product.name).write_bytes(spectrum)
    return [(one.job.fingerprint, one.products[0].name) for one in chosen]


def record_run(database: Database, outcomes: Sequence[Outcome], number: int) -> None:
    """Record the run that made some products."""
    run = replace(make_run(f"run-{number}"), program=outcomes[0].job.program)
    database.runs.start_run(run)
    jobs = {
        (one.job.stage, one.job.name): replace(
            make_run_job(one.job.name, JobState.SUCCEEDED),
            stage=one.job.stage,
            fingerprint=one.job.fingerprint,
        )
        for one in outcomes
    }
    database.runs.set_jobs(run.id, list(jobs.values()))
    database.runs.finish_run(run.id, RunState.SUCCEEDED, None, now=NOON)


def make_pages(
    looked_at: Sequence[tuple[str, str]], programs: int
) -> dict[str, Callable[[random.Random], str]]:
    """Make what asks for pages of each kind."""

    def choose_product(chance: random.Random) -> str:
        fingerprint, name = chance.choice(looked_at)
        return f"/products/{fingerprint}/{name}"

    return {
        "overview": lambda _: "/",
        "list of products": lambda _: "/products",
        "program": lambda chance: f"/programs/{chance.randrange(programs):05d}",
        "search by target": lambda chance: (
            f"/products?target=NGC {chance.randrange(200)}&kind=x1d"
        ),
        "search by place": lambda chance: (
            f"/products?near={chance.uniform(0, 360):.3f},"
            f"{chance.uniform(-60, 60):.3f},0.5"
        ),
        "search by reference": lambda chance: (
            f"/products?reference=spec2-{chance.randrange(9)}-17"
        ),
        "product": choose_product,
        "job": lambda chance: f"/jobs/{chance.choice(looked_at)[0]}",
        "API": lambda chance: f"/api/v1/products?program={chance.randrange(9):05d}",
        "SSA": lambda chance: (
            f"/vo/ssa?REQUEST=queryData&POS={chance.uniform(0, 360):.3f},2&SIZE=1"
        ),
    }


def ask(
    base: str,
    pages: dict[str, Callable[[random.Random], str]],
    seed: int,
    until_s: float,
    took_ms: dict[str, list[float]],
) -> None:
    """Ask for pages until a time, as a client does."""
    chance = random.Random(seed)  # noqa: S311  # of a benchmark
    with httpx.Client(base_url=base, timeout=60) as client:
        time.sleep(chance.uniform(0, PAUSE_S))
        while time.perf_counter() < until_s:
            kind = chance.choice(list(pages))
            answer = client.get(pages[kind](chance))
            assert answer.status_code == 200, (kind, answer.url, answer.text)
            (dur,) = re.findall(r"dur=([\d.]+)", answer.headers["server-timing"])
            took_ms[kind].append(float(dur))
            time.sleep(chance.uniform(0.5, 1.5) * PAUSE_S)


def serve(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Run `rewebb web`."""
    port = find_free_port()
    command = [BIN / "rewebb", "web", "--port", str(port), "--data-dir", folder]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        base = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                httpx.get(base)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield base, psutil.Process(process.pid)
        process.terminate()


def main() -> None:
    """Record products, ask for pages, and print what it took."""
    given = [int(word) for word in sys.argv[1:]]
    products, clients, seconds = (*given, *(100_000, 20, 30)[len(given) :])
    took_ms: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        looked_at = fill(folder, products)
        pages = make_pages(looked_at, max(1, products // PER_EXPOSURE // 200))
        for base, process in serve(folder):
            ask(base, pages, 0, time.perf_counter() + 5, defaultdict(list))  # warm
            before = process.memory_info().rss
            until_s = time.perf_counter() + seconds
            threads = [
                threading.Thread(target=ask, args=(base, pages, n, until_s, took_ms))
                for n in range(clients)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            after = process.memory_info().rss
    table = Table(title=f"{products} products, {clients} clients")
    for column in ("page", "asked", "p50 (ms)", "p95 (ms)"):
        table.add_column(column, justify="left" if column == "page" else "right")
    everything = sorted(one for values in took_ms.values() for one in values)
    for kind, values in [*sorted(took_ms.items()), ("all", everything)]:
        ordered = sorted(values)
        p50, p95 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.95))
        table.add_row(kind, f"{len(values)}", f"{p50:.0f}", f"{p95:.0f}")
    Console(width=100).print(table)
    print(f"memory: {before / 1e6:.0f} MB before, {after / 1e6:.0f} MB after")


if __name__ == "__main__":
    main()
