"""What all tests share."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePath

import hypothesis
import pytest
from filelock import FileLock
from sample_cache import find_cache, hash_sources, provide
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from workers.sample import Mode, SampleSet, find_sample, make_sample

# A busy machine is no failure.
hypothesis.settings.register_profile("rewebb", deadline=None)
hypothesis.settings.load_profile("rewebb")

_ORDER = ("pipeline", "contract", "system", "apart", "unit")
"""Many short ones last, so that processes end together."""

_TOGETHER = frozenset({"pipeline"})
"""Folders whose tests share what one process holds: programs that were processed."""

_APART = (
    *("test_sample_*.py", "test_*_geometry.py", "test_brought.py", "test_ifu_nod.py"),
    *("test_level3_recipes.py", "test_measured_position.py", "test_mitigations.py"),
    *("test_mrs_bands.py", "test_mrs_cubes.py", "test_nested_steps.py"),
    *("test_older_data.py", "test_packaged_recipes.py", "test_persistence.py"),
    *("test_prefetch.py", "test_reference_verification.py", "test_schemas.py"),
)
"""Files of `pipeline` that share no processed program with others."""


class _ByFolder(LoadScopeScheduling):
    """Deals tests to processes: folders that share much to one, others by file."""

    def _split_scope(self, nodeid: str) -> str:
        path = PurePath(nodeid.partition("::")[0])
        kind = _sort(path)
        return kind if kind in _TOGETHER else str(path)


def _sort(path: PurePath) -> str:
    """Return the kind of a file of tests, one of `_ORDER`."""
    folder = path.parent.name
    is_apart = any(path.match(f"pipeline/{pattern}") for pattern in _APART)
    return "apart" if is_apart else folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the number of seeds of tests that kill at random, for `make chaos`."""
    parser.addoption("--seeds", type=int)


def pytest_xdist_make_scheduler(
    config: pytest.Config, log: Producer
) -> LoadScopeScheduling:
    """Let `pytest -n` deal by folder."""
    return _ByFolder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests in the order of their kinds, and first what needs no sample.

    While one process makes the sample, the other has work.
    """
    waiting = {item.path for item in items if "sample" in _list_fixtures(item)}

    def find_place(item: pytest.Item) -> tuple[int, bool]:
        return _ORDER.index(_sort(item.path)), item.path in waiting

    items.sort(key=find_place)


def _list_fixtures(item: pytest.Item) -> Sequence[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else ()


@pytest.fixture(scope="session", autouse=True)
def no_user_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no `rewebb.toml` of whoever runs the tests set anything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> SampleSet:
    """All sample programs, made once for their sources. Do not write to it."""
    base = tmp_path_factory.getbasetemp()
    directory = (base if worker_id == "master" else base.parent) / "sample"
    with FileLock(f"{directory}.lock"):
        if found := find_sample(directory):
            return found
        make = partial(make_sample, modes=tuple(Mode))
        return provide(directory, cache=find_cache(), key=hash_sources(), make=make)
