"""What all tests share."""

import shutil
from collections.abc import Iterator

import hypothesis
import pytest

from workers.sample import SampleSet, make_sample

# A busy machine is no failure.
hypothesis.settings.register_profile("rewebb", deadline=None)
hypothesis.settings.load_profile("rewebb")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleSet]:
    """All sample programs, made once in a run of the tests. Do not write to it."""
    directory = tmp_path_factory.mktemp("sample")
    yield make_sample(directory)
    shutil.rmtree(directory)
