"""Folders are removed in one place, and never outside the folder it is given."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
import flows
import workers
from workers.errors import TreeError
from workers.trees import in_use, remove_tree

REMOVERS = {"rmtree", "removedirs"}

PARTS = st.sampled_from(["..", ".", "", "a", "b", "to-outside", "to-a", "file", "a\0"])
"""Names on a way: folders, links, a file, and what leads up."""


def plant(folder: Path) -> tuple[Path, Path]:
    """Make a folder to remove below, and something outside that must stay."""
    scratch, outside = folder / "data" / "scratch", folder / "outside"
    for made in (scratch / "a" / "b", scratch / "b", outside / "a" / "b"):
        made.mkdir(parents=True)
        (made / "kept").write_text("kept")
    (scratch / "file").write_text("kept")
    for place in (scratch, scratch / "a"):
        (place / "to-outside").symlink_to(outside)
        (place / "to-a").symlink_to(scratch / "a")
    return scratch, outside


def list_tree(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Path, Path]:
    return plant(tmp_path)


@given(parts=st.lists(PARTS, max_size=4), from_outside=st.booleans())
def test_nothing_outside_the_folder_is_ever_removed(
    *, parts: list[str], from_outside: bool
) -> None:
    with TemporaryDirectory() as name:
        scratch, outside = plant(Path(name))
        held = list_tree(outside)
        path = scratch / "/".join(parts)
        try:
            remove_tree(outside / path.name if from_outside else path, below=scratch)
        except TreeError:
            assert (scratch / "a" / "b" / "kept").exists()
        assert list_tree(outside) == held
        assert scratch.is_dir()
        assert (scratch / "file").exists()


def test_a_folder_goes_with_its_links_but_not_with_what_they_lead_to(
    planted: tuple[Path, Path],
) -> None:
    scratch, outside = planted
    held = list_tree(outside)
    remove_tree(scratch / "a", below=scratch)
    assert not (scratch / "a").exists()
    assert list_tree(outside) == held


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../outside", "a/../../outside", "/etc", "a\0b", "x" * 300]
)
def test_a_path_that_is_not_below_is_refused(
    planted: tuple[Path, Path], name: str
) -> None:
    scratch, _ = planted
    held = list_tree(scratch)
    with pytest.raises(TreeError, match="Refused to remove"):
        remove_tree(scratch / name, below=scratch)
    assert list_tree(scratch) == held


@pytest.mark.parametrize("name", ["to-outside", "to-outside/a", "to-a", "to-a/b"])
def test_a_way_through_a_link_is_refused(planted: tuple[Path, Path], name: str) -> None:
    scratch, outside = planted
    held = list_tree(scratch) + list_tree(outside)
    with pytest.raises(TreeError, match="move it away"):
        remove_tree(scratch / name, below=scratch)
    assert list_tree(scratch) + list_tree(outside) == held


def test_the_folder_itself_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk" / "scratch" / "a").mkdir(parents=True)
    (tmp_path / "data").symlink_to("disk")
    below = tmp_path / "data" / "scratch"
    remove_tree(below / "a", below=below)
    assert list_tree(tmp_path / "disk") == [tmp_path / "disk" / "scratch"]


def test_what_is_not_there_is_removed_already(tmp_path: Path) -> None:
    remove_tree(tmp_path / "a", below=tmp_path)
    remove_tree(tmp_path / "a" / "b", below=tmp_path / "a")


def list_sources() -> Iterator[Path]:
    for package in (config, flows, workers):
        (root,) = package.__path__
        yield from Path(root).rglob("*.py")


def test_trees_are_removed_in_one_place() -> None:
    found = {
        path.name
        for path in list_sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if REMOVERS & {getattr(node, field, None) for field in ("attr", "id", "name")}
    }
    assert found == {"trees.py"}


HOLD = """
import sys, time
from pathlib import Path
from workers.trees import in_use
with in_use(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_command_has_left_is_removed_and_what_is_in_use_is_not(
    tmp_path: Path,
) -> None:
    names = ("ours", "theirs", "foreign")
    ours, theirs, foreign = (tmp_path / name for name in names)
    for folder in (ours, theirs, foreign):
        folder.mkdir()
        (folder / "key.pem").touch()
    command = [sys.executable, "-c", HOLD, str(theirs)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with in_use(ours):
                assert {path.name for path in tmp_path.iterdir()} == {*names}
        finally:
            holder.kill()
    with in_use(ours):
        assert {path.name for path in tmp_path.iterdir()} == {"ours", "foreign"}
