"""Files that anybody may have put there: pipes, devices, endless headers."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from exposures import mos_program, raw_header
from typer.testing import CliRunner

from flows.archive import FolderArchive, Query, read_text, read_texts
from flows.archive.headers import read_raw_file, read_raw_header
from flows.cli import app
from flows.errors import ArchiveError, OutcomeError
from flows.provenance import load_outcome
from workers.content import file_sha256
from workers.outside import OutsideFileError, open_outside, read_outside
from workers.transfer.fits_checks import FitsError

NAME = "jw99001001001_03101_00001_nrs1"
POOL = "jw99001_20240101t000000_pool.csv"
MOST_READ = 5_000_000

pytestmark = pytest.mark.timeout(60, method="signal")

Make = Callable[[Path], object]


def make_socket(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"/proc/self/fd/{here}/{path.name}")  # its own path is too long
    os.close(here)


def make_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


KINDS = {
    "a pipe": os.mkfifo,
    "a socket": make_socket,
    "a device": make_link_to_a_device,
    "a folder": Path.mkdir,
}


@pytest.fixture(params=KINDS)
def strange(request: pytest.FixtureRequest) -> tuple[str, Make]:
    return request.param, KINDS[request.param]


def write_raw(path: Path, **keywords: object) -> None:
    header = fits.Header(raw_header(path.name.removesuffix("_uncal.fits"), **keywords))
    pixels = fits.ImageHDU(np.ones((2, 2), np.uint16), name="SCI")
    fits.HDUList([fits.PrimaryHDU(header=header), pixels]).writeto(path)


def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, strange: tuple[str, Make]
) -> None:
    what, make = strange
    path = tmp_path / "file"
    make(path)
    for read in (
        open_outside,
        file_sha256,
        lambda path: read_outside(path, most_bytes=9),
        read_raw_file,
    ):
        with pytest.raises(OutsideFileError, match=f"{what} instead of a regular"):
            read(path)


def test_a_pool_that_is_no_regular_file_does_not_hang_a_folder(
    tmp_path: Path, strange: tuple[str, Make]
) -> None:
    what, make = strange
    write_raw(tmp_path / f"{NAME}_uncal.fits")
    make(tmp_path / POOL)
    if what == "a folder":  # folders are walked, and are no files
        assert FolderArchive(tmp_path).find("99001").pool is None
        return
    with pytest.raises(ArchiveError, match=f"{POOL}.*{what} instead of a regular"):
        FolderArchive(tmp_path).find("99001")


def test_a_raw_file_that_is_no_regular_file_is_rejected(
    tmp_path: Path, strange: tuple[str, Make]
) -> None:
    what, make = strange
    write_raw(tmp_path / f"{NAME}_uncal.fits")
    other = NAME.replace("00001_nrs1", "00002_nrs1")
    make(tmp_path / f"{other}_uncal.fits")
    unusable = FolderArchive(tmp_path).find("99001").unusable
    listed = FolderArchive(tmp_path).search(Query(program="99001")).files
    assert [file.name for file in listed if NAME in file.name]
    if what != "a folder":
        [file] = unusable
        assert f"{what} instead of a regular file" in file.reason


def test_a_metafile_that_is_no_regular_file_is_a_defect(
    tmp_path: Path, strange: tuple[str, Make]
) -> None:
    _, make = strange
    exposure = mos_program("99001")[0]
    name = str(exposure.header["MSAMETFL"])
    write_raw(tmp_path / f"{exposure.name}_uncal.fits", **exposure.header)
    make(tmp_path / name)
    [found] = FolderArchive(tmp_path).find("99001").exposures
    assert found.metafile is not None
    assert "expected a regular file" in str(found.metafile.defect)


@pytest.mark.parametrize(
    "command", ["asn --pool {0}", "asn --headers {1} --diff {0}", "show {0}"]
)
def test_a_pipe_that_is_named_hangs_no_command(tmp_path: Path, command: str) -> None:
    (tmp_path / "raw").mkdir()
    write_raw(tmp_path / "raw" / f"{NAME}_uncal.fits")
    os.mkfifo(tmp_path / "pipe")
    arguments = command.format(tmp_path / "pipe", tmp_path / "raw").split()
    variables = {"REWEBB_DATA_DIR": str(tmp_path / "data")}
    assert CliRunner().invoke(app, arguments, env=variables).exit_code == 2


def test_records_that_are_no_regular_files_are_no_records(
    tmp_path: Path, strange: tuple[str, Make]
) -> None:
    _, make = strange
    make(tmp_path / "outcome.json")
    with pytest.raises(OutcomeError, match=r"outcome\.json cannot be read"):
        load_outcome(tmp_path / "outcome.json")


def test_text_of_no_sane_size_is_refused_without_reading_it(tmp_path: Path) -> None:
    with (tmp_path / "a_asn.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ArchiveError, match="larger than 268435456 bytes"):
        read_texts(tmp_path, "*_asn.json")
    (tmp_path / "fit").write_text("é")
    assert read_text(tmp_path / "fit") == "é"


def count_bytes_read() -> int:
    """Count what this process has read from files."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("rchar: "):
            return int(line.removeprefix("rchar: "))
    raise AssertionError


@pytest.fixture(params=["of blanks", "of cards", "of zeros"])
def endless(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Return a file of 200 MB that begins as FITS does and has no END."""
    path = tmp_path / f"{NAME}_uncal.fits"
    card = {"of cards": b"HISTORY and so on".ljust(80)}.get(request.param, b" " * 80)
    with path.open("wb") as file:
        file.write(b"SIMPLE  =                    T".ljust(80))
        if request.param != "of zeros":
            for _ in range(200):
                file.write(card * 12_500)
        file.truncate(200_000_000)
    yield path
    path.unlink()


def test_a_header_without_end_is_given_up_after_a_bounded_read(endless: Path) -> None:
    before = count_bytes_read()
    with pytest.raises(FitsError, match="expected a FITS header at byte 0"):
        read_raw_file(endless)
    assert count_bytes_read() - before < MOST_READ
    [unusable] = FolderArchive(endless.parent).find("99001").unusable
    assert "expected a FITS header" in unusable.reason


def test_a_second_header_without_end_is_a_defect_after_a_bounded_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / f"{NAME}_uncal.fits"
    write_raw(path)
    extension = b"XTENSION= 'IMAGE   '".ljust(80)
    with path.open("ab") as file:
        file.write(extension)
        for _ in range(20):
            file.write(b" " * 1_000_000)
    before = count_bytes_read()
    assert "expected a FITS header" in str(read_raw_file(path).defect)
    assert count_bytes_read() - before < 2 * MOST_READ


def test_a_header_of_many_cards_is_read() -> None:
    header = fits.PrimaryHDU(header=fits.Header(raw_header(NAME))).header
    for number in range(20_000):
        header.add_history(f"step {number}")
    header["LAST"] = 7
    assert read_raw_header(header.tostring().encode()).header["LAST"] == 7
