"""A real cluster of one worker: what is lost is called again, all else is told."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cluster_work
import limited_cluster
import pytest

from flows.execution import CallError, Cluster, WorkerLostError, open_cluster
from workers.contract import ErrorInfo


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    support = str(Path(cluster_work.__file__).parent)
    scratch = tmp_path_factory.mktemp("dask")
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("PYTHONPATH", support)  # for the worker
        with open_cluster(
            scheduler=None, slots=2, memory_bytes=1000, scratch=scratch
        ) as cluster:
            yield cluster


def test_answers_come_in_the_order_of_the_items(
    cluster: Cluster, tmp_path: Path
) -> None:
    items = [tmp_path / name for name in "abc"]
    answers = cluster.map(cluster_work.answer_name, items, memory_bytes=1)
    assert answers == ["a", "b", "c"]


def test_a_call_whose_worker_dies_is_made_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    items = [tmp_path / "a-0", tmp_path / "b-2"]
    answers = cluster.map(cluster_work.die_until, items, memory_bytes=1)
    assert answers == ["a-0", "b-2"]


def test_there_is_an_end_to_calling_again(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "a-9"
    with pytest.raises(WorkerLostError, match="died"):
        cluster.map(cluster_work.die_until, [path], memory_bytes=1)
    assert path.read_text() == "xxx"


def test_a_call_whose_child_is_lost_is_made_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    items = [tmp_path / "a-0", tmp_path / "b-2", tmp_path / "c-9"]
    one, two, lost = cluster.map(cluster_work.lose_child_until, items, memory_bytes=1)
    assert (one, two) == ("a-0", "b-2")
    assert isinstance(lost, ErrorInfo)


def test_whatever_a_call_raises_is_told(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(CallError, match=r"OddError|TypeError"):
        cluster.map(cluster_work.raise_odd, [tmp_path], memory_bytes=1)


def test_a_cluster_offers_what_its_process_is_given(tmp_path: Path) -> None:
    offered = subprocess.run(
        [sys.executable, limited_cluster.__file__, tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert offered.stdout.split() == ["1", str(int(0.9 * limited_cluster.LIMIT_BYTES))]
