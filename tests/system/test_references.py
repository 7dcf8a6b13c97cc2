"""A CRDS cache that is filled from its server, by runs and by hand."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from commands import Rewebb, assert_refused
from crds_server import CrdsServer, crds_serving

from workers.sample import SampleSet


@pytest.fixture
def crds(sample: SampleSet) -> Iterator[CrdsServer]:
    with crds_serving(sample.crds) as server:
        yield server


@pytest.fixture
def empty(
    make_rewebb: Callable[..., Rewebb],
    finished: Rewebb,
    crds: CrdsServer,
    standing: Mapping[str, str],
) -> Rewebb:
    """Return a finished program, an empty cache, and a server to fill it from."""
    rewebb = make_rewebb(finished)
    return rewebb.given(
        CRDS_PATH=rewebb.folder / "crds", CRDS_SERVER_URL=crds.loopback.url, **standing
    )


@pytest.mark.slow
def test_a_run_fills_an_empty_cache_and_finds_its_fingerprints_again(
    empty: Rewebb, sample: SampleSet
) -> None:
    planned = empty.call_here("plan", "99002", "--json")
    assert set(planned.states.values()) == {"DUE"}
    assert "are to be fetched first" in planned.out
    ended = empty("run", "99002", "--json")
    assert ended.code == 0, ended
    assert set(ended.states.values()) == {"REUSED"}
    assert ended.record["context"] == sample.contexts[0]
    fetched = list(Path(empty.variables["CRDS_PATH"]).rglob("jwst_*.fits"))
    assert len(fetched) > 0
    assert all(path.read_bytes() == _original(sample, path) for path in fetched)


def test_without_a_server_nothing_can_be_synced(rewebb: Rewebb) -> None:
    assert_refused(rewebb.call_here("refs", "sync"), "CRDS_SERVER_URL")


def _original(sample: SampleSet, path: Path) -> bytes:
    (original,) = sample.crds.rglob(path.name)
    return original.read_bytes()
