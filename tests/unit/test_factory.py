"""Settings become services: what holds for the sample, and what cannot be had."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from loopback import Answer, serving
from prefect.settings import PREFECT_API_URL, temporary_settings

from config.settings import Settings
from flows.errors import ArchiveError, DataFolderError, PlanError
from flows.factory import (
    SAMPLE_DIR,
    adapt_to_sample,
    find_crds_cache,
    is_far_away,
    make_archive,
    make_source,
    open_database,
    open_services,
)
from workers.contract import Stage
from workers.sample import Mode, SampleSet

SERVER = "https://jwst-crds.stsci.edu"
BLOCK = "mast-token"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with what a user of the real sky has set."""
    for name in [*os.environ]:
        if name.startswith(("REWEBB_", "MAST_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "real"))
    monkeypatch.setenv("CRDS_SERVER_URL", SERVER)
    monkeypatch.setenv("CRDS_CONTEXT", "jwst_1584.pmap")
    return tmp_path


@pytest.fixture
def sample_here(elsewhere: Path) -> SampleSet:
    """Return a sample that is whole, since its manifest lists nothing."""
    sample = SampleSet(elsewhere / SAMPLE_DIR, tuple(Mode))
    sample.archive.mkdir(parents=True)
    sample.write_manifest()
    return sample


@pytest.fixture
def answered() -> Iterator[list[Answer]]:
    """Let Prefect ask a server that gives the last of these answers."""
    answers = [Answer(404, b"{}")]
    with (
        serving(lambda _: answers[-1]) as server,
        temporary_settings({PREFECT_API_URL: f"{server.url}/api"}),
    ):
        yield answers


def test_the_sample_has_its_own_cache_whatever_is_set(sample_here: SampleSet) -> None:
    with open_services(Settings(archive="sample")) as services:
        assert services.crds_path == sample_here.crds
        assert services.settings.crds_server_url is None
        assert services.settings.crds_context is None


def test_a_folder_has_what_is_set(elsewhere: Path) -> None:
    settings = Settings(archive="raw")
    assert find_crds_cache(settings) == elsewhere / "real"
    assert adapt_to_sample(settings) == settings


def test_a_context_of_the_sample_holds_for_the_sample() -> None:
    settings = Settings(archive="sample", crds_context="jwst_0002.pmap")
    assert adapt_to_sample(settings).crds_context == "jwst_0002.pmap"


def test_settings_are_fitted_without_making_the_sample(elsewhere: Path) -> None:
    adapt_to_sample(Settings(archive="sample"))
    assert [*elsewhere.iterdir()] == []


def test_without_a_cache_nothing_can_be_planned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CRDS_PATH")
    with pytest.raises(PlanError, match="CRDS_PATH"):
        find_crds_cache(Settings(archive="mast"))


@pytest.mark.parametrize("archive", ["mast", "s3://stpubdata/jwst/public"])
def test_what_is_far_away_starts_at_detector1(archive: str) -> None:
    settings = Settings(archive=archive)
    with pytest.raises(
        ArchiveError, match=r"spec2 takes its files from a folder.*rate"
    ):
        make_archive(settings, start_at=Stage.SPEC2)


def test_many_commands_may_begin_at_once_in_one_folder(elsewhere: Path) -> None:
    """Each sees whether it can write there, and removes what it wrote."""

    def begin(number: int) -> None:
        url = f"sqlite:///{elsewhere}/{number % 8}.db"
        with open_database(Settings(database_url=url)):
            pass

    for number in range(8):
        begin(number)  # the tables are made once
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(begin, range(64)))


def test_a_data_folder_that_is_a_file_is_an_error(elsewhere: Path) -> None:
    (elsewhere / "rewebb-data").touch()
    with (
        pytest.raises(DataFolderError, match="REWEBB_DATA_DIR"),
        open_database(Settings()),
    ):
        pass


@pytest.mark.parametrize("data_dir", ["a_file", "a_file/data"])
def test_what_can_be_no_data_folder_is_refused_by_a_plan_too(
    elsewhere: Path, data_dir: str
) -> None:
    (elsewhere / "a_file").touch()
    settings = Settings(archive="raw", data_dir=Path(data_dir))
    with (
        pytest.raises(DataFolderError, match="REWEBB_DATA_DIR"),
        open_services(settings, read_only=True),
    ):
        pass


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (Answer(404, b"{}"), "ValueError"),
        (Answer(500, b"broken"), "PrefectHTTPStatusError"),
        (Answer(200, b"<html>"), "JSONDecodeError"),
    ],
)
def test_a_block_that_prefect_does_not_give_is_an_archive_error(
    answered: list[Answer], answer: Answer, named: str
) -> None:
    answered.append(answer)
    with pytest.raises(ArchiveError, match="mast_token_block") as caught:
        make_source(Settings(archive="mast", mast_token_block=BLOCK))
    assert named in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_prefect_that_is_away_is_an_archive_error() -> None:
    with (
        serving(lambda _: Answer(404)) as gone,
        temporary_settings({PREFECT_API_URL: f"{gone.url}/api"}),
    ):
        pass
    with (
        temporary_settings({PREFECT_API_URL: f"{gone.url}/api"}),
        pytest.raises(ArchiveError, match=f"block {BLOCK} .*PREFECT_API_URL"),
    ):
        make_source(Settings(archive="mast", mast_token_block=BLOCK))


@pytest.mark.parametrize(
    ("archive", "expected"),
    [
        ("mast", True),
        ("s3://bucket/prefix", True),
        ("sample", False),
        ("raw/mast", False),
        (Path("raw"), False),
        (None, False),
    ],
)
def test_an_archive_that_is_far_away_is_told_by_its_name(
    archive: str | Path | None, *, expected: bool
) -> None:
    settings = Settings().model_copy(update={"archive": archive})
    assert is_far_away(settings) is expected
