"""What all tests share."""

import hypothesis
import pytest
from filelock import FileLock

from workers.sample import SampleSet, make_sample

# A busy machine is no failure.
hypothesis.settings.register_profile("rewebb", deadline=None)
hypothesis.settings.load_profile("rewebb")

_FOLDERS = ("pipeline", "system", "contract", "unit")
"""The longest first, so that processes end together."""

_TOGETHER = frozenset({"pipeline", "system"})
"""Folders whose tests share what one process holds: programs that were processed."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal tests to processes: folders that share much to one, others by file."""
    items.sort(key=lambda item: _FOLDERS.index(item.path.parent.name))
    for item in items:
        folder = item.path.parent.name
        group = folder if folder in _TOGETHER else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> SampleSet:
    """All sample programs, made once in a run of the tests. Do not write to it."""
    base = tmp_path_factory.getbasetemp()
    directory = (base if worker_id == "master" else base.parent) / "sample"
    with FileLock(f"{directory}.lock"):
        return make_sample(directory)
