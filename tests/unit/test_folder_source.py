"""What is of a folder alone, beside the contract of all sources."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from exposures import raw_header

from flows.archive import FolderArchive
from flows.archive.source import Query, RemoteFile
from flows.errors import ArchiveError
from workers.errors import NotHeldError, TransientTransferError

FIRST = "jw99001001001_03101_00001_nrs1_uncal.fits"
OTHER_PROGRAM = "jw99002001001_04101_00001_nrs1_uncal.fits"
POOL = "jw99001_20240101t000000_pool.csv"


@pytest.fixture
def source(tmp_path: Path) -> FolderArchive:
    for name in (FIRST, OTHER_PROGRAM):
        write_raw(tmp_path / name)
    return FolderArchive(tmp_path)


def write_raw(path: Path) -> None:
    header = fits.Header(raw_header(path.name.removesuffix("_uncal.fits")))
    pixels = np.ones((10, 1000, 1000), dtype=np.uint16)
    hdus = [fits.PrimaryHDU(header=header), fits.ImageHDU(pixels, name="SCI")]
    path.parent.mkdir(exist_ok=True)
    fits.HDUList(hdus).writeto(path)


def first_of(source: FolderArchive) -> RemoteFile:
    return source.search(Query(program="99001")).files[0]


def read(source: FolderArchive, file: RemoteFile) -> Iterator[bytes]:
    with source.opener(file)() as body:
        yield from body.chunks


def test_all_programs_are_searched_if_none_is_asked_for(source: FolderArchive) -> None:
    assert [file.name for file in source.search(Query())] == [FIRST, OTHER_PROGRAM]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="nowhere"):
        FolderArchive(tmp_path / "nowhere").search(Query())


def test_a_folder_may_be_named_from_where_we_are(
    source: FolderArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = FolderArchive(Path())
    monkeypatch.chdir("/")
    assert here.search(Query()) == source.search(Query())


def test_a_folder_may_have_any_name(source: FolderArchive, tmp_path: Path) -> None:
    place = tmp_path / "50% of #1, really?"
    place.mkdir()
    (tmp_path / FIRST).rename(place / FIRST)
    assert b"".join(read(source, first_of(source))) == (place / FIRST).read_bytes()


def test_links_are_followed_and_count_once(
    source: FolderArchive, tmp_path: Path
) -> None:
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "more").mkdir()
    for place in (tmp_path, tmp_path / "more"):
        (place / POOL).write_text("the same")
    names = [file.name for file in source.search(Query(program="99001"))]
    assert names == [FIRST, POOL]


def test_different_files_of_one_name_are_an_error(
    source: FolderArchive, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    for place in (tmp_path, tmp_path / "more"):
        (place / POOL).write_text(str(place))
    with pytest.raises(ArchiveError, match=f"two different files are named {POOL}"):
        source.search(Query())


def test_what_is_no_regular_file_is_listed_to_be_missed(
    source: FolderArchive, tmp_path: Path
) -> None:
    (tmp_path / FIRST).unlink()
    os.mkfifo(tmp_path / FIRST)
    file = first_of(source)
    with pytest.raises(NotHeldError, match="regular file"):
        next(read(source, file))


@pytest.mark.parametrize("place", ["/etc/passwd", "{root}/../x", "{root}"])
def test_no_file_outside_of_the_folder_is_opened(
    source: FolderArchive, tmp_path: Path, place: str
) -> None:
    (tmp_path.parent / "x").touch()
    uri = f"file://{place.format(root=tmp_path)}"
    with pytest.raises(NotHeldError):
        next(read(source, replace(first_of(source), uri=uri)))


def test_a_file_that_is_written_to_while_it_is_read_is_told(
    source: FolderArchive, tmp_path: Path
) -> None:
    blocks = read(source, first_of(source))
    next(blocks)
    with (tmp_path / FIRST).open("r+b") as file:
        file.write(b"other")
    with pytest.raises(TransientTransferError, match="changed while it was read"):
        list(blocks)


def test_a_file_that_is_cut_while_it_is_read_is_told(
    source: FolderArchive, tmp_path: Path
) -> None:
    blocks = read(source, first_of(source))
    next(blocks)
    os.truncate(tmp_path / FIRST, 2880)
    with pytest.raises(TransientTransferError, match="changed while it was read"):
        list(blocks)


def test_a_file_that_is_replaced_while_it_is_read_comes_in_its_old_version(
    source: FolderArchive, tmp_path: Path
) -> None:
    old = (tmp_path / FIRST).read_bytes()
    blocks = read(source, first_of(source))
    first = next(blocks)
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "new").replace(tmp_path / FIRST)
    assert first + b"".join(blocks) == old
