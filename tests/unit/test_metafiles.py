from collections.abc import Callable
from pathlib import Path

import pytest
from astropy.io import fits
from exposures import raw_header

from flows.archive import FolderArchive
from flows.models.exposures import Metafile

RAW = "jw99004001001_03101_00001_nrs1"
NAME = "jw99004001001_01_msa.fits"

Write = Callable[..., Path]


@pytest.fixture
def archive(tmp_path: Path) -> FolderArchive:
    return FolderArchive(tmp_path)


@pytest.fixture
def write_raw(tmp_path: Path) -> Write:
    def write(metafile: str | None = NAME, exp_type: str = "NRS_MSASPEC") -> Path:
        cards = raw_header(RAW, EXP_TYPE=exp_type)
        header = fits.Header({**cards, "MSAMETFL": metafile})
        path = tmp_path / "raw" / f"{RAW}_uncal.fits"
        path.parent.mkdir()
        image = fits.ImageHDU(name="SCI")
        fits.HDUList([fits.PrimaryHDU(header=header), image]).writeto(path)
        return path

    return write


@pytest.fixture
def write_metafile(tmp_path: Path) -> Write:
    def write(folder: str, text: str = "shutters") -> Path:
        path = tmp_path / folder / NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def find(archive: FolderArchive) -> Metafile:
    [exposure] = archive.find("99004").exposures
    assert exposure.defect is None
    assert exposure.metafile is not None
    return exposure.metafile


def test_a_metafile_is_found_beside_the_raw_file(
    archive: FolderArchive, write_raw: Write, write_metafile: Write
) -> None:
    write_raw()
    path = write_metafile("raw")
    write_metafile("elsewhere", "other shutters")
    status = path.stat()
    found = find(archive)
    assert found == Metafile(NAME, path, status.st_size, status.st_mtime_ns)


def test_a_metafile_is_found_anywhere_in_the_archive(
    archive: FolderArchive, write_raw: Write, write_metafile: Write
) -> None:
    write_raw()
    path = write_metafile("a/deep/folder")
    write_metafile("z")
    assert find(archive).path == path


def test_several_that_differ_are_a_defect_that_names_two(
    archive: FolderArchive, write_raw: Write, write_metafile: Write
) -> None:
    write_raw()
    paths = [write_metafile("a"), write_metafile("b", "other shutters")]
    defect = find(archive).defect
    assert defect is not None
    assert all(str(path) in defect for path in paths)


def test_one_that_is_missing_is_a_defect_that_names_file_and_exposure(
    archive: FolderArchive, write_raw: Write
) -> None:
    write_raw()
    defect = find(archive).defect
    assert defect is not None
    assert NAME in defect
    assert RAW in defect
    assert "no such file" in defect


def test_a_folder_is_no_metafile(
    archive: FolderArchive, write_raw: Write, tmp_path: Path
) -> None:
    write_raw()
    (tmp_path / "raw" / NAME).mkdir()
    assert "expected a regular file" in str(find(archive).defect)


@pytest.mark.parametrize("name", ["../jw_msa.fits", "/etc/passwd", ".hidden_msa.fits"])
def test_a_name_that_leads_elsewhere_is_a_defect(
    archive: FolderArchive, write_raw: Write, name: str
) -> None:
    write_raw(name)
    assert "refused the file name" in str(find(archive).defect)


@pytest.mark.parametrize("name", [None, "", "N/A", "none"])
def test_an_exposure_that_names_none_has_none(
    archive: FolderArchive, write_raw: Write, name: str | None
) -> None:
    write_raw(name)
    assert archive.find("99004").exposures[0].metafile is None


def test_other_modes_need_none(archive: FolderArchive, write_raw: Write) -> None:
    write_raw(exp_type="NRS_IFU")
    assert archive.find("99004").exposures[0].metafile is None
