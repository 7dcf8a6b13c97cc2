"""Headers of a folder that are remembered: what is not opened again, and what is."""

import os
from functools import partial
from pathlib import Path

from exposures import ifu_program, write_exposures

from flows.archive import FolderArchive, HeaderMemory
from flows.provenance import Database

PROGRAM = "99001"


def open_folder(folder: Path, database: Database, software: str = "1") -> FolderArchive:
    known = database.resolutions
    memory = HeaderMemory(
        find=partial(known.find_headers, software=software),
        remember=known.remember_headers,
        software=software,
    )
    return FolderArchive(folder, headers=memory)


def spoil(path: Path) -> None:
    """Replace all of a file but its size and its times."""
    status = path.stat()
    path.write_bytes(b"\0" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_file_that_has_not_changed_is_not_opened_again(tmp_path: Path) -> None:
    folder = write_exposures(tmp_path / "raw", ifu_program())
    first, *others = sorted(folder.iterdir())
    first.write_bytes(first.read_bytes()[:-2880])  # its header can be read
    with Database.open(f"sqlite:///{tmp_path}/rewebb.db") as database:
        archive = open_folder(folder, database)
        read = archive.find(PROGRAM)
        assert [e.defect is not None for e in read.exposures] == [True] + [False] * 4
        for path in folder.iterdir():
            spoil(path)
        assert archive.find(PROGRAM) == read
        os.utime(others[0])
        again = archive.find(PROGRAM)
        assert [file.path for file in again.unusable] == [others[0]]
        assert len(open_folder(folder, database, "2").find(PROGRAM).unusable) == 5


def test_what_cannot_be_read_is_read_again(tmp_path: Path) -> None:
    folder = write_exposures(tmp_path / "raw", ifu_program())
    path = min(folder.iterdir())
    content, status = path.read_bytes(), path.stat()
    spoil(path)
    with Database.open(f"sqlite:///{tmp_path}/rewebb.db") as database:
        archive = open_folder(folder, database)
        assert len(archive.find(PROGRAM).unusable) == 1
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert archive.find(PROGRAM).unusable == ()
