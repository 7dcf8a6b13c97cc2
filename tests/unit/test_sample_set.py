import os
import subprocess
import sys
from pathlib import Path

import pytest

from workers.errors import SampleError
from workers.sample import Mode, SampleSet, find_sample, make_sample
from workers.sample.publishing import publish_text


@pytest.fixture
def whole(tmp_path: Path) -> SampleSet:
    """Make a folder with one file and list it."""
    sample = SampleSet(tmp_path, tuple(Mode))
    sample.truth.mkdir(parents=True)
    (sample.truth / "table.ecsv").write_text("12", "utf-8")
    sample.write_manifest()
    return sample


def test_the_package_loads_no_science_library() -> None:
    code = "import sys, workers.sample; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_whole_sample_is_found(whole: SampleSet) -> None:
    assert find_sample(whole.directory) == whole


def test_programs_with_defects_are_made_on_request_only() -> None:
    on_request = {mode for mode in Mode if mode.is_on_request}
    assert on_request == {mode for mode in Mode if mode.endswith("-flawed")}
    assert {*Mode.list_usual()} == {*Mode} - on_request


def test_an_empty_folder_is_no_sample(tmp_path: Path) -> None:
    assert find_sample(tmp_path) is None


def test_a_sample_that_lacks_a_file_is_not_whole(whole: SampleSet) -> None:
    (whole.truth / "table.ecsv").unlink()
    assert find_sample(whole.directory) is None


def test_a_sample_with_a_cut_file_is_not_whole(whole: SampleSet) -> None:
    (whole.truth / "table.ecsv").write_text("1", "utf-8")
    assert find_sample(whole.directory) is None


def test_a_sample_of_another_version_is_left_where_it_is(whole: SampleSet) -> None:
    other = whole.folder.rename(whole.directory / "v0")
    assert find_sample(whole.directory) is None
    assert (other / "truth" / "table.ecsv").is_file()


def test_what_other_libraries_make_goes_to_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = SampleSet(tmp_path, ()).folder
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"{name}-next")
    assert SampleSet(tmp_path, ()).folder != here


def test_a_whole_sample_is_not_made_again(whole: SampleSet) -> None:
    said: list[str] = []
    assert make_sample(whole.directory, on_progress=said.append) == whole
    assert said == [f"The sample in {whole.directory} is whole."]


def test_what_a_killed_process_left_is_no_file_of_the_sample(whole: SampleSet) -> None:
    rubbish = whole.truth / ".making-1" / "other.ecsv"
    rubbish.parent.mkdir()
    rubbish.touch()
    whole.write_manifest()
    rubbish.unlink()
    assert find_sample(whole.directory) == whole


def test_a_file_that_is_there_is_never_changed(tmp_path: Path) -> None:
    path = publish_text(tmp_path / "rules.rmap", "one")
    before = path.stat()
    assert publish_text(path, "other").read_text("utf-8") == "one"
    assert path.stat() == before


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    sample = SampleSet(tmp_path, ())
    sample.folder.mkdir()
    sample.crds.write_text("in the way", "utf-8")
    with pytest.raises(SampleError, match="could not be written"):
        make_sample(tmp_path)


def test_references_are_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    """Sets have another order in each, and asdf writes one down."""
    code = (
        "import sys, pathlib\n"
        "from workers.sample.library import Library\n"
        "from workers.sample.nirspec_optics import add_all_optics\n"
        "add_all_optics(Library(pathlib.Path(sys.argv[1])))\n"
    )
    made = []
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", code, tmp_path / seed],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        paths = sorted((tmp_path / seed).rglob("*.asdf"))
        made.append({path.name: path.read_bytes() for path in paths})
    assert made[0] == made[1]
