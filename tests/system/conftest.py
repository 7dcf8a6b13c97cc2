"""A Prefect server, and the command line with a data folder of its own."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from commands import Ended, Rewebb, find_free_port
from prefect_servers import start_server

from workers.sample import SampleSet

MakeRewebb = Callable[..., Rewebb]


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let commands be interrupted, although a background job ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Keep the one Prefect server of all system tests."""
    port = find_free_port()
    with start_server(tmp_path_factory.mktemp("prefect"), port):
        yield f"http://127.0.0.1:{port}/api"


@pytest.fixture(scope="session")
def make_rewebb(
    sample: SampleSet, prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> MakeRewebb:
    """Return the command with an empty folder, or with a copy of a finished one."""

    def make(copied: Rewebb | None = None) -> Rewebb:
        folder = tmp_path_factory.mktemp("rewebb")
        data = folder / "data"
        if copied is not None:
            shutil.copytree(copied.data / "store", data / "store", copy_function=_link)
        return Rewebb(folder).given(
            CRDS_PATH=sample.crds,
            REWEBB_ARCHIVE=sample.archive,
            REWEBB_DATA_DIR=data,
            REWEBB_SLOTS="2",
            PREFECT_API_URL=prefect_api,
            PREFECT_HOME=folder / "prefect",
        )

    return make


@pytest.fixture(scope="session")
def standing(make_rewebb: MakeRewebb) -> Iterator[Mapping[str, str]]:
    """Keep one cluster, and give what lets commands use it instead of their own.

    For tests that ask what commands say and make, and not which processes they start:
    most of the time of a short command is the start of its cluster.
    """
    rewebb = make_rewebb()
    started = rewebb("cluster", "start", "--json")
    assert started.code == 0, started
    profile = {
        "kind": "address",
        "address": started.record["address"],
        "credentials": str(rewebb.data / "clusters/local"),
    }
    yield {
        "REWEBB_CLUSTERS": json.dumps({"standing": profile}),
        "REWEBB_CLUSTER": "standing",
    }
    assert rewebb("cluster", "stop").code == 0


@pytest.fixture
def rewebb(make_rewebb: MakeRewebb) -> Rewebb:
    """Return the command with an empty data folder."""
    return make_rewebb()


@pytest.fixture(scope="session")
def first_run(
    make_rewebb: MakeRewebb, standing: Mapping[str, str]
) -> tuple[Rewebb, Ended]:
    """Program 99002 from empty. Do not write to its data folder: copy it."""
    rewebb = make_rewebb().given(**standing)
    return rewebb, rewebb("run", "99002", "--json")


@pytest.fixture(scope="session")
def finished(first_run: tuple[Rewebb, Ended]) -> Rewebb:
    """Finish program 99002. Do not write to its data folder: copy it."""
    rewebb, ended = first_run
    assert ended.code == 0, ended
    return rewebb


@pytest.fixture(scope="session")
def half_done(make_rewebb: MakeRewebb, finished: Rewebb) -> Rewebb:
    """Keep only what detector1 has done. Do not write to it: copy it."""
    half = make_rewebb(finished)
    for outcome in half.data.glob("store/*/*/outcome.json"):
        if not list(outcome.parent.glob("*_rate.fits")):
            shutil.rmtree(outcome.parent)
    return half


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)
