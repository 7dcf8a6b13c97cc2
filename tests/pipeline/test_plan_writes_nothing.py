"""A plan is a question: data folder, database, archive and cache stay as they are."""

import json
from pathlib import Path

import pytest
from processed import Processed
from processing import make_request, make_settings

from config.settings import Settings
from flows.errors import ArchiveError, PlanError
from flows.models.runs import JobState
from flows.reports import RunSummary
from flows.run import plan_only
from workers.content import file_sha256
from workers.sample import Mode, SampleSet

MODE = Mode.NIRSPEC_BOTS_PRISM

Facts = tuple[int, int, str]


@pytest.fixture
def data_dir(bots: Processed, tmp_path: Path) -> Path:
    """Return a store whose files have other times than the database remembers."""
    found = bots.settings.data_dir
    target = tmp_path / "data"
    for path in (path for path in found.rglob("*") if path.is_file()):
        copy = target / path.relative_to(found)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return target


def take_snapshot(*folders: Path) -> dict[str, Facts]:
    files = [path for folder in folders for path in folder.rglob("*")]
    return {str(p): look_at(p) for p in files if p.is_file()} | {
        str(p): (0, 0, "folder") for p in files if p.is_dir()
    }


def look_at(path: Path) -> Facts:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, file_sha256(path)


def plan(settings: Settings, sample: SampleSet) -> RunSummary:
    folders = (sample.archive / MODE.program, sample.crds, settings.data_dir.parent)
    before = take_snapshot(*folders)
    summary = plan_only(settings, make_request(MODE))
    assert take_snapshot(*folders) == before
    return summary


def test_what_is_done_is_reused(data_dir: Path, sample: SampleSet) -> None:
    jobs = plan(make_settings(sample, data_dir), sample).jobs
    assert {job.state for job in jobs} == {JobState.REUSED}


def test_what_the_database_does_not_know_is_reused_too(
    data_dir: Path, sample: SampleSet
) -> None:
    for path in data_dir.glob("rewebb.db*"):
        path.unlink()
    jobs = plan(make_settings(sample, data_dir), sample).jobs
    assert {job.state for job in jobs} == {JobState.REUSED}


def test_a_data_folder_that_is_not_there_is_not_made(
    tmp_path: Path, sample: SampleSet
) -> None:
    jobs = plan(make_settings(sample, tmp_path / "none" / "data"), sample).jobs
    assert {job.state for job in jobs} == {JobState.DUE}
    assert [*tmp_path.iterdir()] == []


def test_what_nodes_of_a_batch_system_read_is_not_in_the_data_folder(
    tmp_path: Path, sample: SampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = {
        "kind": "slurm",
        "slots": 1,
        "memory_bytes": 1 << 30,
        "walltime": "01:00:00",
        "interface": "lo",
    }
    monkeypatch.setenv("PATH", str(tmp_path))  # there is no sbatch
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("REWEBB_CLUSTERS", json.dumps({"slurm": profile}))
    monkeypatch.setenv("REWEBB_CLUSTER", "slurm")
    settings = make_settings(sample, tmp_path / "data")
    with pytest.raises(PlanError, match="sbatch"):
        plan_only(settings, make_request(MODE))
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert [*(tmp_path / "cache/rewebb/clusters").iterdir()] == []


def test_the_archive_sample_is_found_but_not_made(
    tmp_path: Path, sample: SampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = make_settings(sample, tmp_path / "data").model_copy(
        update={"archive": "sample"}
    )
    with pytest.raises(ArchiveError, match="rewebb sample make"):
        plan_only(settings, make_request(MODE))
    assert [*tmp_path.iterdir()] == []
    (tmp_path / "rewebb-sample").symlink_to(sample.directory)
    assert plan(settings, sample).jobs
    assert [path.name for path in tmp_path.iterdir()] == ["rewebb-sample"]
