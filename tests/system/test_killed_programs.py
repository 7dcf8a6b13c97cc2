"""Whatever is killed, however often: a program ends, and nothing is lost or doubled.

`make chaos` alone runs these; `tests/contract/test_random_kills.py` is their short
counterpart of every day.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Rewebb, find_processes, wait_until
from killed_site import draw_kills, open_site, survive
from sqlalchemy import Engine, text

from workers.job_layout import OUTCOME_NAME

MakeRewebb = Callable[..., Rewebb]

JOBS = 5
"""Jobs of program 99002."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each seed that is asked for."""
    if "seed" in metafunc.fixturenames:
        seeds = range(metafunc.config.getoption("seeds") or 0)
        alone = pytest.mark.skip(reason="`make chaos` alone")
        metafunc.parametrize("seed", seeds or [pytest.param(0, marks=alone)])


def ask(engine: Engine, statement: str) -> list[tuple[object, ...]]:
    """Ask the database."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def list_attempts(store: Path) -> dict[str, str]:
    """List the attempt that each job in the store was made by."""
    found = [json.loads(p.read_text()) for p in store.glob(f"*/*/{OUTCOME_NAME}")]
    return {one["job"]["fingerprint"]: one["attempt"] for one in found}


def list_contents(store: Path) -> dict[str, dict[str, str]]:
    """List the content of all products, by fingerprint and name."""
    found = [json.loads(p.read_text()) for p in store.glob(f"*/*/{OUTCOME_NAME}")]
    return {
        one["job"]["fingerprint"]: {
            product["name"]: product["content_sha256"] for product in one["products"]
        }
        for one in found
    }


@pytest.mark.slow
def test_a_program_ends_as_if_nothing_had_been_killed(
    make_rewebb: MakeRewebb, finished: Rewebb, seed: int
) -> None:
    rewebb = make_rewebb()
    store, seen = rewebb.data / "store", dict[str, str]()
    with open_site(rewebb) as site:
        for _ in survive(site, draw_kills(seed), "99002"):
            made = list_attempts(store)
            assert seen.items() <= made.items(), f"done again, after {site.killed}"
            seen = made
        assert site.killed != []
        states = ask(site.engine, "select state from run order by started_at desc")
        done = ask(
            site.engine,
            "select fingerprint, id from attempt where status = 'SUCCEEDED'",
        )
        open_jobs = ask(
            site.engine, "select key from run_job where state in ('RUNNING', 'DUE')"
        )
        leases = ask(site.engine, "select program from lease")
    assert states[0] == ("SUCCEEDED",)
    assert ("RUNNING",) not in states
    assert (open_jobs, leases) == ([], [])
    assert len(done) == JOBS
    assert dict(done) == list_attempts(store)
    assert list_contents(store) == list_contents(finished.data / "store")
    assert not (rewebb.data / "scratch/99002").exists()
    wait_until(lambda: not find_processes(rewebb.data), timeout_s=30, pause_s=0.3)
