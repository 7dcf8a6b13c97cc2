"""Whatever is killed, however often: a program ends, and nothing is lost or doubled.

`make chaos SEEDS=20` tries more seeds than the two of every day.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from chaos import KILLS, draw_kills, open_site, survive
from commands import Rewebb, find_processes, wait_until
from sqlalchemy import Engine, text

from workers.job_layout import OUTCOME_NAME

MakeRewebb = Callable[..., Rewebb]

JOBS = 5
"""Jobs of program 99002."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each seed."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("seeds")))


def ask(engine: Engine, statement: str) -> list[tuple[object, ...]]:
    """Ask the database."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def list_contents(store: Path) -> dict[str, dict[str, str]]:
    """List the content of all products, by fingerprint and name."""
    found = {}
    for path in store.glob(f"*/*/{OUTCOME_NAME}"):
        outcome = json.loads(path.read_text())
        contents = {p["name"]: p["content_sha256"] for p in outcome["products"]}
        found[outcome["job"]["fingerprint"]] = contents
    return found


def list_attempts(store: Path) -> dict[str, str]:
    """List the attempt that each job in the store was made by."""
    found = {}
    for path in store.glob(f"*/*/{OUTCOME_NAME}"):
        outcome = json.loads(path.read_text())
        found[outcome["job"]["fingerprint"]] = outcome["attempt"]
    return found


@pytest.mark.slow
def test_a_program_ends_as_if_nothing_had_been_killed(
    make_rewebb: MakeRewebb, finished: Rewebb, seed: int
) -> None:
    rewebb = make_rewebb()
    seen: dict[str, str] = {}
    with open_site(rewebb) as site:
        for store in survive(site, draw_kills(seed), "99002"):
            made = list_attempts(store)
            assert seen.items() <= made.items(), f"done again, after {site.killed}"
            seen = made
        print(f"seed {seed} killed {[str(one) for one in site.killed]}")
        states = ask(site.engine, "select distinct state from run")
        undone = ask(
            site.engine, "select key from run_job where state in ('RUNNING', 'DUE')"
        )
        leases = ask(site.engine, "select program from lease")
        done = ask(
            site.engine,
            "select fingerprint, id from attempt where status = 'SUCCEEDED'",
        )
    assert 0 < len(site.killed) <= KILLS
    assert ("SUCCEEDED",) in states
    assert ("RUNNING",) not in states
    assert (undone, leases) == ([], [])
    assert len(done) == JOBS
    assert dict(done) == list_attempts(rewebb.data / "store")
    assert list_contents(rewebb.data / "store") == list_contents(
        finished.data / "store"
    )
    assert "Traceback" not in "".join(site.ended)
    wait_until(lambda: not find_processes(rewebb.data), timeout_s=30, pause_s=0.3)
