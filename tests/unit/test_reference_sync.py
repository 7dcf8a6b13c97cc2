"""Bringing files of a cache to what a catalogue says, with a catalogue in memory."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from memory_catalogue import MemoryCatalogue, sha1

from workers.cache_contract import Account, FileProgress
from workers.contract import ReferenceFile
from workers.errors import CrdsCacheError
from workers.references.layout import iterate_files, place
from workers.references.sync import ReferenceSync
from workers.references.verdict import FileFacts, Verdict, judge
from workers.transfer import Pacing, RetryPolicy

NAME = "jwst_nirspec_photom_0001.asdf"
OTHER = "jwst_miri_photom_0002.asdf"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache, to which CRDS is bound."""
    monkeypatch.setenv("CRDS_PATH", str(tmp_path))
    monkeypatch.setenv("CRDS_READONLY_CACHE", "1")
    return tmp_path


def provide(
    root: Path,
    catalogue: MemoryCatalogue,
    *,
    names: Sequence[str] | None = None,
    known: Iterable[ReferenceFile] = (),
    told: list[FileProgress] | None = None,
    dry_run: bool = False,
) -> Account:
    sync = ReferenceSync(
        root,
        catalogue,
        known=known,
        tell=[].append if told is None else told.append,
        dry_run=dry_run,
        policy=RetryPolicy(fruitless_tries=2),
        pacing=Pacing(sleep=lambda _: None),
    )
    sync.provide(catalogue.files if names is None else names, what="references")
    return sync.get_account()


def test_missing_files_are_fetched_to_the_folder_of_their_instrument(
    root: Path,
) -> None:
    account = provide(root, MemoryCatalogue({NAME: b"one", OTHER: b"two"}))
    assert [file.name for file in account.fetched] == [OTHER, NAME]
    references = root / "references" / "jwst"
    assert (references / "nirspec" / NAME).read_bytes() == b"one"
    assert (references / "miri" / OTHER).read_bytes() == b"two"
    assert (root / "config/jwst/ref_cache_subdir_mode").read_text() == "instrument"


def test_what_is_there_and_good_is_not_fetched_again(root: Path) -> None:
    catalogue = MemoryCatalogue({NAME: b"one"})
    first = provide(root, catalogue)
    second = provide(root, catalogue, known=first.files)
    assert catalogue.opened == [NAME]
    assert second.fetched == ()
    assert second.files == first.files


@pytest.mark.parametrize("spoilt", [b"on", b"two", b""])
def test_a_bad_file_is_moved_aside_and_a_good_one_takes_its_place(
    root: Path, spoilt: bytes
) -> None:
    catalogue = MemoryCatalogue({NAME: b"one"})
    provide(root, catalogue)
    place(NAME).write_bytes(spoilt)
    account = provide(root, catalogue)
    assert place(NAME).read_bytes() == b"one"
    [aside] = (root / "rewebb-set-aside").iterdir()
    assert aside.read_bytes() == spoilt
    [repaired] = account.repaired
    assert str(aside) in repaired.message


def test_what_cannot_be_read_is_moved_aside_too(root: Path) -> None:
    place(NAME).mkdir(parents=True)
    account = provide(root, MemoryCatalogue({NAME: b"one"}))
    assert place(NAME).read_bytes() == b"one"
    [repaired] = account.repaired
    assert "cannot be read: a folder instead of a regular file" in repaired.message


def test_what_cannot_be_had_is_named_and_the_rest_completes(root: Path) -> None:
    catalogue = MemoryCatalogue({NAME: b"one", OTHER: b"two"})
    catalogue.broken.add(OTHER)
    account = provide(root, catalogue)
    [failed] = account.failed
    assert OTHER in failed.message
    assert "2 tries" in failed.message
    assert [file.name for file in account.files] == [NAME]


def test_a_file_that_nobody_has_is_named(root: Path) -> None:
    account = provide(root, MemoryCatalogue({}), names=[NAME])
    [failed] = account.failed
    assert failed.message.startswith(f"{NAME} cannot be had for {root}")


def test_a_file_of_which_nothing_is_known_is_taken_as_it_is(root: Path) -> None:
    path = place(NAME)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"my own")
    account = provide(root, MemoryCatalogue({}), names=[NAME])
    assert [file.sha1 for file in account.files] == [sha1(b"my own")]


def test_without_a_server_a_bad_file_stays_and_nothing_is_written(root: Path) -> None:
    catalogue = MemoryCatalogue({NAME: b"one"})
    provide(root, catalogue)
    place(NAME).write_bytes(b"two")
    (root / "rewebb-sync.lock").unlink()
    catalogue.absence = "No CRDS server is set"
    [failed] = provide(root, catalogue).failed
    assert "is bad: expected sha1" in failed.message
    assert failed.message.endswith("No CRDS server is set.")
    assert place(NAME).read_bytes() == b"two"
    assert not (root / "rewebb-sync.lock").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../jwst_nirspec_photom_0001.fits",
        "/tmp/jwst_nirspec_photom_0001.fits",  # noqa: S108  # not a file
        "jwst_nirspec_\0.fits",
        "a/b.fits",
        ".jwst_nirspec_photom_0001.fits",
        "jwst_nirspec_" + "x" * 300,
        "photom.fits",
        "",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(root: Path, name: str) -> None:
    account = provide(root, MemoryCatalogue({name: b"evil", NAME: b"one"}))
    assert [problem.name for problem in account.failed] == [name]
    assert [file.name for file in account.files] == [NAME]
    assert [path.name for path, _ in iterate_files(root)] == [NAME]


def test_a_dry_run_lists_what_is_missing_and_fetches_nothing(root: Path) -> None:
    catalogue = MemoryCatalogue({NAME: b"one"})
    account = provide(root, catalogue, dry_run=True)
    assert [(due.name, due.size_bytes) for due in account.due] == [(NAME, 3)]
    assert catalogue.opened == []
    assert list(root.iterdir()) == []


def test_no_file_is_fetched_when_there_is_no_room_for_all(root: Path) -> None:
    catalogue = MemoryCatalogue({NAME: b"one", OTHER: b"two"})
    catalogue.claimed[NAME] = FileFacts(NAME, 1 << 60, sha1(b"one"))
    with pytest.raises(CrdsCacheError, match="has no room for 2 files") as raised:
        provide(root, catalogue)
    assert OTHER in str(raised.value)
    assert catalogue.opened == []


def test_a_fits_file_without_a_sha1_is_refused_when_it_is_truncated(
    root: Path,
) -> None:
    from astropy.io import fits

    path = root / "whole.fits"
    fits.PrimaryHDU(data=[[1.0] * 500] * 500).writeto(path)
    half = path.read_bytes()[: path.stat().st_size // 2]
    name = "jwst_nirspec_photom_0001.fits"
    catalogue = MemoryCatalogue({name: half})
    catalogue.claimed[name] = FileFacts(name, None, None)
    [failed] = provide(root, catalogue).failed
    assert "is truncated" in failed.message
    assert not place(name).exists()


def test_the_bytes_are_told_as_they_come(root: Path) -> None:
    told: list[FileProgress] = []
    provide(root, MemoryCatalogue({NAME: b"one"}), told=told)
    last = told[-1]
    assert (last.doing, last.done, last.done_bytes) == ("fetching references", 1, 3)


def test_a_known_file_is_not_read_again(root: Path) -> None:
    catalogue = MemoryCatalogue({NAME: b"one"})
    known = provide(root, catalogue).files
    (path,) = root.rglob(NAME)
    state = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"two")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert provide(root, catalogue, known=known).files == known
    assert provide(root, catalogue).repaired


@pytest.mark.parametrize(
    ("size_bytes", "file_sha1", "verdict"),
    [
        (3, sha1(b"one"), Verdict.GOOD),
        (None, sha1(b"one"), Verdict.GOOD),
        (3, None, Verdict.GOOD),
        (4, sha1(b"one"), Verdict.BAD),
        (3, sha1(b"two"), Verdict.BAD),
    ],
)
def test_a_file_is_good_when_all_that_is_known_of_it_holds(
    size_bytes: int | None, file_sha1: str | None, verdict: Verdict
) -> None:
    found = ReferenceFile(NAME, sha1(b"one"), 3, 0)
    assert judge(found, FileFacts(NAME, size_bytes, file_sha1)) is verdict
