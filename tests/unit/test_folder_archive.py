import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from exposures import raw_header
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.archive import FolderArchive, role_of
from flows.errors import ArchiveError, UnknownProgramError
from flows.models.exposures import Role
from flows.stages import list_start_suffixes
from workers.contract import Stage

FIRST = "jw99001001001_03101_00001_nrs1"
SECOND = "jw99001001001_03101_00002_nrs1"
BACKGROUND = "jw99001002001_03101_00001_nrs1"
OTHER_PROGRAM = "jw99002001001_04101_00001-seg001_nrs1"

WriteRaw = Callable[..., Path]


@pytest.fixture
def write_raw(tmp_path: Path) -> WriteRaw:
    def write(
        name: str = FIRST,
        folder: str = "",
        suffix: str = "uncal",
        **keywords: str | float | bool | None,
    ) -> Path:
        header = fits.Header({**raw_header(name), "COMMENT": "a comment"})
        for keyword, value in keywords.items():
            header[keyword] = value
        name_of_data = "EXTRACT1D" if suffix == "x1d" else "SCI"
        pixels = fits.ImageHDU(np.ones((2, 50, 50), np.uint16), name=name_of_data)
        table = fits.BinTableHDU(np.zeros(3, dtype=[("when", "f8")]), name="INT_TIMES")
        path = tmp_path / folder / f"{name}_{suffix}.fits"
        path.parent.mkdir(parents=True, exist_ok=True)
        fits.HDUList([fits.PrimaryHDU(header=header), pixels, table]).writeto(path)
        return path

    return write


@pytest.fixture
def archive(tmp_path: Path) -> FolderArchive:
    return FolderArchive(tmp_path)


def test_exposures_are_found_at_any_depth_in_the_order_of_their_names(
    archive: FolderArchive, write_raw: WriteRaw
) -> None:
    write_raw(BACKGROUND, "a")
    write_raw(SECOND, "z/deeper/still")
    path = write_raw(FIRST, "z")
    write_raw(OTHER_PROGRAM)
    found = archive.find("99001")
    assert [e.name for e in found.exposures] == [FIRST, SECOND, BACKGROUND]
    assert not found.unusable
    assert found.exposures[0].path == path


def test_an_exposure_tells_what_its_name_and_file_and_header_tell(
    archive: FolderArchive, write_raw: WriteRaw
) -> None:
    path = write_raw(FIRST, PATT_NUM=3, EXPSTART=60000.5, LAMP=None)
    [exposure] = archive.find("99001").exposures
    assert exposure.defect is None
    assert (exposure.observation, exposure.visit) == ("001", "001")
    assert exposure.size_bytes == path.stat().st_size
    assert (exposure.exp_type, exposure.role) == ("NRS_IFU", Role.SCIENCE)
    assert exposure.header["PATT_NUM"] == 3
    assert exposure.header["EXPSTART"] == 60000.5
    assert exposure.header["BKGDTARG"] is False
    assert not {"LAMP", "COMMENT", ""} & set(exposure.header)


def test_programs_are_counted_by_their_raw_files(
    archive: FolderArchive, write_raw: WriteRaw, tmp_path: Path
) -> None:
    for name in (OTHER_PROGRAM, FIRST, SECOND):
        write_raw(name)
    (tmp_path / f"{FIRST}_rate.fits").touch()
    (tmp_path / "notes_uncal.fits").touch()
    (tmp_path / f"._{FIRST}_uncal.fits").touch()
    assert archive.programs() == {"99001": 2, "99002": 1}


def test_an_unknown_program_is_answered_with_what_there_is(
    archive: FolderArchive, write_raw: WriteRaw
) -> None:
    for name in (OTHER_PROGRAM, FIRST, SECOND):
        write_raw(name)
    words = r"12345: .* holds 99001 \(2 exposures\), 99002 \(1 exposure\)"
    with pytest.raises(UnknownProgramError, match=words):
        archive.find("12345")


def test_an_empty_folder_says_so(archive: FolderArchive) -> None:
    with pytest.raises(UnknownProgramError, match="holds no uncal files"):
        archive.find("12345")


@pytest.mark.parametrize("root", ["nowhere", "a_file"])
def test_a_folder_that_is_none_is_an_error(tmp_path: Path, root: str) -> None:
    (tmp_path / "a_file").touch()
    with pytest.raises(ArchiveError, match=root):
        FolderArchive(tmp_path / root).find("99001")


def test_the_same_file_found_twice_counts_once(
    archive: FolderArchive, write_raw: WriteRaw, tmp_path: Path
) -> None:
    path = write_raw(FIRST, "a")
    for folder in ("b", "c", "d"):
        (tmp_path / folder).mkdir()
    (tmp_path / "b" / path.name).symlink_to(path)
    (tmp_path / "c" / path.name).hardlink_to(path)
    shutil.copy(path, tmp_path / "d")
    [exposure] = archive.find("99001").exposures
    assert exposure.path == path


def test_different_files_of_one_name_are_an_error_that_names_both(
    archive: FolderArchive, write_raw: WriteRaw
) -> None:
    write_raw(FIRST, "a")
    write_raw(FIRST, "b", PATT_NUM=4)
    with pytest.raises(ArchiveError, match=f"a/{FIRST}.* and .*b/{FIRST}"):
        archive.find("99001")


def test_folders_that_link_to_each_other_are_walked_once(
    archive: FolderArchive, write_raw: WriteRaw, tmp_path: Path
) -> None:
    path = write_raw(FIRST, "a/b")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "elsewhere").symlink_to(path.parent)
    assert len(archive.find("99001").exposures) == 1


@pytest.mark.parametrize("missing_bytes", [1, 2880, 2881, 8000])
def test_a_truncated_file_is_an_exposure_with_a_defect(
    archive: FolderArchive, write_raw: WriteRaw, missing_bytes: int
) -> None:
    path = write_raw(FIRST)
    os.truncate(path, path.stat().st_size - missing_bytes)
    [exposure] = archive.find("99001").exposures
    assert exposure.defect is not None
    assert exposure.defect.startswith("expected ")
    assert exposure.header["EXP_TYPE"] == "NRS_IFU"


def test_a_file_cut_within_its_data_says_how_long_it_should_be(
    archive: FolderArchive, write_raw: WriteRaw
) -> None:
    path = write_raw(FIRST)
    os.truncate(path, 10_000)
    [exposure] = archive.find("99001").exposures
    with_pixels = 2880 + 2880 + 4 * 2880
    assert exposure.defect == f"expected at least {with_pixels} bytes, got 10000"


def test_a_file_without_pixels_has_a_defect(
    archive: FolderArchive, write_raw: WriteRaw
) -> None:
    os.truncate(write_raw(FIRST), 2880)
    [exposure] = archive.find("99001").exposures
    assert exposure.defect == "expected an SCI extension, got only PRIMARY"


@pytest.mark.parametrize(
    ("keywords", "reason"),
    [
        ({"PROGRAM": "12345"}, "expected PROGRAM '99001' as in .*, got '12345'"),
        ({"PROGRAM": 99001}, "expected PROGRAM '99001' as in .*, got 99001"),
        ({"PROGRAM": None}, "expected PROGRAM '99001' as in .*, got None"),
        ({"OBSERVTN": "004"}, "expected OBSERVTN '001' as in .*, got '004'"),
        ({"EXP_TYPE": None}, "expected EXP_TYPE in the header, got None"),
    ],
)
def test_a_header_that_belies_the_name_rejects_the_file(
    archive: FolderArchive, write_raw: WriteRaw, keywords: dict[str, str], reason: str
) -> None:
    path = write_raw(FIRST, **keywords)
    found = archive.find("99001")
    assert not found.exposures
    assert found.unusable[0].path == path
    assert re.search(reason, found.unusable[0].reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "expected a FITS file, which starts with SIMPLE, got b''"),
        (b"<html>not found</html>", "got b'<html>not'"),
        (b"SIMPLE  =                    T".ljust(2880), "header at byte 0"),
        (b"SIMPLE  = T", "header at byte 0"),
    ],
)
def test_a_file_without_a_header_is_rejected_and_told_why(
    archive: FolderArchive, tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / f"{FIRST}_uncal.fits").write_bytes(content)
    [unusable] = archive.find("99001").unusable
    assert (unusable.program, unusable.observation) == ("99001", "001")
    assert reason in unusable.reason


def test_what_is_no_regular_file_is_rejected(
    archive: FolderArchive, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / f"{FIRST}_uncal.fits")
    [unusable] = archive.find("99001").unusable
    assert "a pipe instead of a regular file" in unusable.reason


def test_a_broken_link_is_rejected(archive: FolderArchive, tmp_path: Path) -> None:
    (tmp_path / f"{FIRST}_uncal.fits").symlink_to(tmp_path / "gone")
    [unusable] = archive.find("99001").unusable
    assert "No such file" in unusable.reason


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 2 * 2880 - 1), byte=st.integers(0, 255))
def test_no_damage_to_a_byte_stops_the_search(
    tmp_path_factory: pytest.TempPathFactory, whole: Path, at: int, byte: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(whole.read_bytes())
    content[at] = byte
    (folder / whole.name).write_bytes(content)
    found = FolderArchive(folder).find("99001")
    assert len(found.exposures) + len(found.unusable) == 1


@pytest.fixture
def whole(write_raw: WriteRaw) -> Path:
    return write_raw(FIRST)


@pytest.mark.parametrize(
    ("keywords", "role"),
    [
        ({}, Role.SCIENCE),
        ({"BKGDTARG": True}, Role.BACKGROUND),
        ({"BKGDTARG": True, "IS_IMPRT": True}, Role.IMPRINT),
        ({"BKGDTARG": True, "IS_PSF": True}, Role.SCIENCE),
        ({"EXP_TYPE": "NRS_WATA"}, Role.TARGET_ACQUISITION),
        ({"EXP_TYPE": "NRS_WATA", "IS_IMPRT": True}, Role.TARGET_ACQUISITION),
        ({"EXP_TYPE": "NRS_IMAGE"}, Role.SCIENCE),
    ],
)
def test_the_role_follows_the_official_precedence(
    keywords: dict[str, str | float | bool], role: Role
) -> None:
    assert role_of(raw_header(FIRST, **keywords)) is role


def test_importing_the_archive_does_not_import_astropy() -> None:
    code = "import sys, flows.archive; sys.exit('astropy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def calibrated(tmp_path: Path) -> FolderArchive:
    """Return an archive for runs that start at spec3."""
    return FolderArchive(tmp_path, suffixes=list_start_suffixes(Stage.SPEC3))


def test_an_exposure_has_its_calibrated_files_and_who_made_them(
    calibrated: FolderArchive, write_raw: WriteRaw
) -> None:
    write_raw(FIRST, "raw")
    made = {"CAL_VER": "1.14.0", "CRDS_CTX": "jwst_1225.pmap"}
    paths = {suffix: write_raw(suffix=suffix, **made) for suffix in ("cal", "x1d")}
    [exposure] = calibrated.find("99001").exposures
    assert exposure.path == paths["cal"]
    for suffix, path in paths.items():
        file = exposure.calibrated[suffix]
        assert (file.path, file.defect) == (path, None)
        assert file.size_bytes == path.stat().st_size
        assert (file.software, file.context) == ("1.14.0", "jwst_1225.pmap")


def test_an_exposure_is_found_of_which_only_the_raw_file_is_there(
    calibrated: FolderArchive, write_raw: WriteRaw
) -> None:
    write_raw(FIRST, suffix="cal")
    write_raw(SECOND)
    found = calibrated.find("99001").exposures
    assert [set(one.calibrated) for one in found] == [{"cal"}, set()]


def test_a_calibrated_file_that_is_none_is_missed_beside_a_good_one(
    calibrated: FolderArchive, write_raw: WriteRaw
) -> None:
    write_raw(suffix="cal").write_text("no spectra")
    write_raw(suffix="rate")
    [exposure] = calibrated.find("99001").exposures
    assert exposure.path.name == f"{FIRST}_rate.fits"
    assert "expected a FITS file" in str(exposure.calibrated["cal"].defect)
    assert exposure.calibrated["rate"].defect is None


def test_an_exposure_of_which_nothing_can_be_read_is_rejected_once(
    calibrated: FolderArchive, write_raw: WriteRaw
) -> None:
    for suffix in ("cal", "rate"):
        write_raw(suffix=suffix).write_text("no spectra")
    [file] = calibrated.find("99001").unusable
    assert file.reason.startswith(f"{FIRST}_cal.fits: expected a FITS file")


def test_raw_archives_have_no_use_for_calibrated_files(
    archive: FolderArchive, write_raw: WriteRaw
) -> None:
    write_raw(FIRST)
    write_raw(FIRST, suffix="cal")
    write_raw(SECOND, suffix="cal")
    [exposure] = archive.find("99001").exposures
    assert exposure.calibrated == {}


@pytest.mark.parametrize(
    ("suffix", "stage"), [("rateints", "spec2"), ("calints", "spec3")]
)
def test_a_folder_of_what_a_later_stage_starts_from_names_that_stage(
    tmp_path: Path, suffix: str, stage: str
) -> None:
    (tmp_path / f"jw99002001001_04101_00001_nrs1_{suffix}.fits").touch()
    archive = FolderArchive(tmp_path, suffixes=["uncal"])
    with pytest.raises(UnknownProgramError, match=f"{suffix}.* --start-at {stage}"):
        archive.find("99002")
    with pytest.raises(UnknownProgramError) as refused:
        archive.find("99001")
    assert "--start-at" not in str(refused.value)
