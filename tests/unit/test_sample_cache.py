import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_cache import KEPT, SEEN, hash_sources, list_sources, provide

import workers.sample
from workers.sample import Mode, SampleSet

TABLE = "truth/table.ecsv"
WORKERS = Path(workers.sample.__file__).parents[1]


class Maker:
    """Makes samples of two small files, and counts them."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, directory: Path) -> SampleSet:
        """Make one, whole, as `make_sample` does."""
        self.made += 1
        sample = SampleSet(directory, tuple(Mode))
        for folder in (sample.truth, sample.crds):
            folder.mkdir(parents=True)
            (folder / "table.ecsv").write_text(f"sample {self.made}")
        sample.write_manifest()
        return sample


@pytest.fixture
def maker() -> Maker:
    return Maker()


Provide = Callable[..., SampleSet]


@pytest.fixture
def give(tmp_path: Path, maker: Maker) -> Provide:
    """Provide a sample as the next run of the tests does."""
    numbers = iter(range(100))

    def give(key: str = "k", make: Callable[[Path], SampleSet] = maker) -> SampleSet:
        folder = tmp_path / f"run{next(numbers)}"
        return provide(folder, cache=tmp_path / "cache", key=key, make=make)

    return give


def find(tmp_path: Path, name: str = TABLE, key: str = "k") -> Path:
    return SampleSet(tmp_path / "cache" / key, ()).folder / name


def test_a_sample_is_made_once_for_many_runs(give: Provide, maker: Maker) -> None:
    samples = [give() for _ in range(3)]
    assert maker.made == 1
    assert {one.directory.name for one in samples} == {"run0", "run1", "run2"}
    assert {(one.folder / TABLE).read_text() for one in samples} == {"sample 1"}


def test_other_sources_have_another_sample(give: Provide, maker: Maker) -> None:
    give("one")
    give("other")
    assert maker.made == 2


def spoil_byte(path: Path) -> None:
    path.write_text("sample X")  # as long as it was, with the links of earlier runs


def cut(path: Path) -> None:
    os.truncate(path, 1)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("name", [TABLE, "sample.json", f"../{SEEN}"])
@pytest.mark.parametrize("spoil", [spoil_byte, cut, remove])
def test_a_broken_sample_is_never_used(
    give: Provide,
    maker: Maker,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    name: str,
) -> None:
    give()
    spoil(find(tmp_path, name))
    assert (give().folder / TABLE).read_text() == "sample 2"
    give()
    assert maker.made == 2


def test_a_sample_that_is_not_as_its_manifest_says_is_not_kept(
    give: Provide, maker: Maker, tmp_path: Path
) -> None:
    def make(directory: Path) -> SampleSet:
        sample = maker(directory)
        spoil_byte(sample.folder / TABLE)
        return sample

    with pytest.raises(AssertionError, match="not as the manifest says"):
        give(make=make)
    assert [p for p in (tmp_path / "cache").iterdir() if p.is_dir()] == []


def test_what_was_half_made_is_never_used(
    give: Provide, maker: Maker, tmp_path: Path
) -> None:
    def die(directory: Path) -> SampleSet:
        maker(directory)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        give(make=die)
    assert not (tmp_path / "cache" / "k").exists()
    (tmp_path / "cache" / ".making-killed").mkdir()
    assert (give().folder / TABLE).read_text() == "sample 2"
    assert [p.name for p in (tmp_path / "cache").iterdir() if p.is_dir()] == ["k"]


def test_without_a_place_for_a_cache_a_sample_is_made_where_it_is_used(
    give: Provide, maker: Maker, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("in the way")
    for number in (1, 2):
        assert (give().folder / TABLE).read_text() == f"sample {number}"
    assert maker.made == 2


def test_only_the_newest_are_kept(give: Provide, tmp_path: Path) -> None:
    for number in range(KEPT + 2):
        give(f"k{number}")
        os.utime(tmp_path / "cache" / f"k{number}", (number, number))
    kept = {path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()}
    assert kept == {f"k{number}" for number in range(KEPT + 2)[-KEPT:]}


def test_the_hash_changes_with_any_source_and_with_the_lock(tmp_path: Path) -> None:
    lock, source = tmp_path / "requirements.lock", tmp_path / "geometry.json"
    found = []
    for texts in (("one", "one"), ("one", "two"), ("two", "two")):
        lock.write_text(texts[0])
        source.write_text(texts[1])
        found.append(hash_sources([source], lock))
    assert len(set(found)) == 3
    assert hash_sources() == hash_sources()


def test_a_sample_depends_on_what_its_modules_import_and_on_nothing_else() -> None:
    sources = {str(path.relative_to(WORKERS)) for path in list_sources()}
    own = {str(path.relative_to(WORKERS)) for path in WORKERS.glob("sample/*.*")}
    assert own < sources
    assert "environment.py" in sources
    assert not {"run.py", "stages/calibration.py"} & sources
