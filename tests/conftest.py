"""What all tests share."""

from collections.abc import Iterator
from pathlib import PurePath

import hypothesis
import pytest
from filelock import FileLock
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from workers.sample import SampleSet, make_sample

# A busy machine is no failure.
hypothesis.settings.register_profile("rewebb", deadline=None)
hypothesis.settings.load_profile("rewebb")

_FOLDERS = ("pipeline", "system", "contract", "unit")
"""The longest first, so that processes end together."""

_TOGETHER = frozenset({"pipeline", "system"})
"""Folders whose tests share what one process holds: programs that were processed."""

_APART = ("test_sample_*.py", "test_*_geometry.py")
"""Files of these folders whose tests need only the sample."""


class _ByFolder(LoadScopeScheduling):
    """Deals tests to processes: folders that share much to one, others by file."""

    def _split_scope(self, nodeid: str) -> str:
        path = PurePath(nodeid.partition("::")[0])
        is_apart = any(path.match(pattern) for pattern in _APART)
        if is_apart or path.parent.name not in _TOGETHER:
            return str(path)
        return path.parent.name


def pytest_xdist_make_scheduler(
    config: pytest.Config, log: Producer
) -> LoadScopeScheduling:
    """Let `pytest -n` deal by folder."""
    return _ByFolder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest."""
    items.sort(key=lambda item: _FOLDERS.index(item.path.parent.name))


@pytest.fixture(scope="session", autouse=True)
def no_user_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no `rewebb.toml` of whoever runs the tests set anything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> SampleSet:
    """All sample programs, made once in a run of the tests. Do not write to it."""
    base = tmp_path_factory.getbasetemp()
    directory = (base if worker_id == "master" else base.parent) / "sample"
    with FileLock(f"{directory}.lock"):
        return make_sample(directory)
