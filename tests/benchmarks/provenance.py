"""How the database copes with an archive of many jobs: recording, and questions.

    python tests/benchmarks/provenance.py [SHARE [URL]]

The whole archive has 1 000 000 exposures and 3 000 000 jobs; SHARE of it is recorded
(0.1 by default), through the path on which outcomes of workers are, into a new SQLite
database or the empty one of URL (``own-postgresql`` starts a server). Then come the
questions of `docs/operator/schema.md`, with what their plans read whole.
"""

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from outcomes import NOON, make_input, make_job, make_outcome, make_product
from postgresql import running_server
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from flows.models.products import ProductQuery
from flows.provenance import Database, make_engine, upgrade
from workers.contract import (
    Job,
    Outcome,
    ParsUse,
    ReferenceFile,
    ReferenceUse,
    Stage,
    StepStatus,
)

EXPOSURES = 1_000_000
MEMBERS = 4
"""Exposures of a spec3 job; each is made with as many recipes, so that an exposure
comes to three jobs."""
MODES = 400
"""Combinations of detector, grating, filter and dates that select references alike."""
BATCH = 500

OF_FILE = "SELECT fingerprint, product FROM product_reference WHERE sha1 = '{sha1}'"
DOWNSTREAM = """
WITH RECURSIVE made (fingerprint) AS (
    SELECT fingerprint FROM product_reference WHERE sha1 = '{sha1}'
    UNION
    SELECT job_input.fingerprint FROM made
    JOIN product ON product.fingerprint = made.fingerprint
    JOIN job_input ON job_input.sha256 = product.sha256
)
SELECT product.name FROM made JOIN product ON product.fingerprint = made.fingerprint
"""
NEWEST = "SELECT * FROM newest_products WHERE product = '{product}'"


@dataclass(frozen=True, slots=True)
class Answer:
    """How long a question took."""

    name: str
    rows: int
    elapsed_s: float
    read_whole: str
    """Tables that its plan reads whole."""


def make_file(name: str) -> ReferenceFile:
    """Make a CRDS file."""
    sha1 = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
    return ReferenceFile(name, sha1, 10**6, 7)


def make_template(stage: Stage, mode: int, recipe: int) -> Job:
    """Make what the jobs of a mode have in common, as large as real ones."""
    values = {f"parameter_{n}": (n * 0.5, "none", True)[n % 3] for n in range(9)}
    steps = {f"step_{n}": values for n in range(20)}
    changed = {"threshold": 4.0 + recipe}
    return replace(
        make_job(stage=stage, context="jwst_1464.pmap"),
        parameters={"steps": {**steps, "jump": changed}},
        overrides={"steps": {"jump": changed}},
        origins={"jump.threshold": f"recipe number-{recipe}"},
        references=tuple(
            ReferenceUse(f"type{n}", make_file(f"{stage}-{mode % (25 * n + 1)}-{n}"))
            for n in range(18)
        ),
        pars=tuple(
            ParsUse(f"pars-{n}", make_file(f"pars-{stage}-{n}")) for n in range(6)
        ),
        mappings=tuple(make_file(f"{stage}-{n}.rmap") for n in range(25)),
        versions={f"package{n}": "1.2.3" for n in range(25)},
    )


def make_outcomes(exposures: int) -> Iterator[Outcome]:
    """Make all that the jobs of an archive leave, observation by observation."""
    templates: dict[tuple[Stage, int, int], Job] = {}

    def fill(stage: Stage, name: str, read: Sequence[str], recipe: int = 0) -> Outcome:
        key = (stage, number // MEMBERS % MODES, recipe)
        if key not in templates:
            templates[key] = make_template(*key)
        own = f"{stage}-{recipe}-{name}"
        inputs = tuple(
            replace(make_input(each), sha256=f"sha256-{each}") for each in read
        )
        job = replace(
            templates[key],
            fingerprint=hashlib.sha256(own.encode()).hexdigest(),
            name=name,
            program=f"{number // 200:05d}",
            inputs=inputs,
        )
        outcome = make_outcome(
            job,
            attempt=f"{own}-1",
            finished_at=NOON + timedelta(seconds=number),
            products=[make_product(f"{own}_{n}.fits") for n in range(2)],
        )
        ran = tuple(StepStatus(f"step_{n}", "COMPLETE") for n in range(13))
        return replace(outcome, steps=ran)

    for number in range(0, exposures, MEMBERS):
        names = [f"jw{number + n:08d}" for n in range(MEMBERS)]
        for name in names:
            yield fill(Stage.DETECTOR1, name, [f"{name}_uncal.fits"])
            yield fill(Stage.SPEC2, name, [f"detector1-0-{name}_0.fits"])
        read = [f"spec2-0-{name}_0.fits" for name in names]
        for recipe in range(MEMBERS):
            yield fill(Stage.SPEC3, f"o{number}", read, recipe)


def batch(outcomes: Iterator[Outcome]) -> Iterator[list[Outcome]]:
    """Cut outcomes into batches."""
    held: list[Outcome] = []
    for outcome in outcomes:
        held.append(outcome)
        if len(held) == BATCH:
            yield held
            held = []
    if held:
        yield held


def record(database: Database, exposures: int) -> tuple[int, float, float]:
    """Record an archive; give the jobs, the time, and the CPU time of this process."""
    jobs = 0
    elapsed_s = cpu_s = 0.0
    for outcomes in batch(make_outcomes(exposures)):
        started_s, used_s = time.perf_counter(), time.process_time()
        database.jobs.record_outcomes(outcomes)
        elapsed_s += time.perf_counter() - started_s
        cpu_s += time.process_time() - used_s
        jobs += len(outcomes)
    return jobs, elapsed_s, cpu_s


def take_best(work: Callable[[], object]) -> float:
    """Do it three times; give the shortest time."""
    times = []
    for _ in range(3):
        started_s = time.perf_counter()
        work()
        times.append(time.perf_counter() - started_s)
    return min(times)


def ask(engine: Engine, name: str, query: str) -> Answer:
    """Ask a question in SQL."""
    is_sqlite = engine.dialect.name == "sqlite"
    explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
    with engine.connect() as connection:
        plan = [str(row[-1]) for row in connection.execute(text(f"{explain} {query}"))]
        rows = len(connection.execute(text(query)).all())
        elapsed_s = take_best(lambda: connection.execute(text(query)).all())
    scans = ("SCAN ", "Seq Scan")
    whole = [line.strip() for line in plan if any(scan in line for scan in scans)]
    return Answer(name, rows, elapsed_s, "; ".join(whole) or "-")


def call(name: str, work: Callable[[], object]) -> Answer:
    """Ask a question of the API."""
    return Answer(name, 1, take_best(work), "")


def find(database: Database, name: str, query: ProductQuery) -> Answer:
    """Find products, as `rewebb find products` does."""
    rows = len(database.products.find(query))
    took_s = take_best(lambda: database.products.find(query))
    return Answer(f"find products {name}", rows, took_s, "")


def ask_all(engine: Engine, database: Database) -> Iterator[Answer]:
    """Ask for a file of few products and one of many, and for single products."""
    for kind, name in (("few", "spec2-7-17"), ("many", "detector1-0-1")):
        sha1 = make_file(name).sha1
        yield ask(engine, f"products of a file of {kind}", OF_FILE.format(sha1=sha1))
        if kind == "few":
            yield ask(engine, "downstream of it", DOWNSTREAM.format(sha1=sha1))
        newest = ProductQuery(references=(sha1,), limit=100)
        yield find(database, f"of a file of {kind}", newest)
        below = replace(newest, is_downstream=True)
        yield find(database, f"downstream of a file of {kind}", below)
    product = "spec3-1-o4_0.fits"
    yield ask(engine, "newest of a name", NEWEST.format(product=product))
    (found,) = database.jobs.find_products(name=product)
    yield call("find a product", lambda: database.jobs.find_products(name=product))
    yield call("show a job", lambda: database.jobs.get_job(found.fingerprint))
    yield call("lineage", lambda: database.jobs.find_lineage([found.fingerprint]))


def main() -> None:
    """Record a share of the archive, ask, and print what it took."""
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 0.1
    with ExitStack() as stack:
        url = sys.argv[2] if len(sys.argv) > 2 else ""
        if url == "own-postgresql":
            url = stack.enter_context(running_server())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        engine = make_engine(url or f"sqlite:///{folder}/rewebb.db")
        upgrade(engine)
        database = Database(engine)
        jobs, elapsed_s, cpu_s = record(database, int(share * EXPOSURES))
        if engine.dialect.name == "postgresql":
            with engine.connect() as connection:
                connection.execute(text("ANALYZE"))
                connection.commit()
        table = Table(title=f"{jobs} jobs in {engine.dialect.name}")
        for column in ("what", "rows", "time", "read whole"):
            table.add_column(column, justify="left" if "w" in column else "right")
        rate = f"{jobs / elapsed_s:.0f}/s, {1e3 * cpu_s / jobs:.2f} CPU ms each"
        table.add_row("recorded", f"{jobs}", rate, "")
        for answer in ask_all(engine, database):
            took = f"{1e3 * answer.elapsed_s:.1f} ms"
            table.add_row(answer.name, f"{answer.rows}", took, answer.read_whole)
        engine.dispose()
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
