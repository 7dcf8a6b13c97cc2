import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from workers.errors import TransientTransferError
from workers.transfer.fits_checks import inspect_fits, verify_fits

WHOLE = ("fits structure", "CHECKSUM", "DATASUM")

Arrays = stn.arrays(
    st.sampled_from([np.uint8, np.int16, np.int32, np.float32, np.float64]),
    stn.array_shapes(max_dims=4, max_side=40),
)


def make_hdus() -> fits.HDUList:
    table = fits.BinTableHDU.from_columns(
        [fits.Column("a", "PI()", array=[[1, 2], [3]])], name="WITH_HEAP"
    )
    image = fits.ImageHDU(np.arange(5000, dtype="f4").reshape(50, 100), name="SCI")
    return fits.HDUList([fits.PrimaryHDU(), image, table])


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "whole.fits"
    make_hdus().writeto(path, checksum=True)
    return path


def test_a_whole_file_passes_with_all_sums(whole: Path) -> None:
    assert verify_fits(whole) == WHOLE


def test_sums_that_are_not_there_are_not_claimed(tmp_path: Path) -> None:
    path = tmp_path / "bare.fits"
    make_hdus().writeto(path)
    assert verify_fits(path) == ("fits structure",)


def test_sums_of_some_hdus_are_counted(tmp_path: Path) -> None:
    hdus = make_hdus()
    hdus["SCI"].add_datasum()
    hdus.writeto(tmp_path / "some.fits")
    checks = verify_fits(tmp_path / "some.fits")
    assert checks == ("fits structure", "DATASUM (1 of 3 HDUs)")


@given(data=st.lists(Arrays, min_size=1, max_size=3))
def test_files_of_astropy_pass(
    tmp_path_factory: pytest.TempPathFactory, data: list[np.ndarray]
) -> None:
    path = tmp_path_factory.mktemp("fits") / "any.fits"
    hdus = [fits.PrimaryHDU(data[0]), *map(fits.ImageHDU, data[1:])]
    fits.HDUList(hdus).writeto(path, checksum=True)
    assert verify_fits(path) == WHOLE


@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_one_changed_byte_is_seen_wherever_it_is(
    tmp_path_factory: pytest.TempPathFactory, place: float, flip: int
) -> None:
    path = tmp_path_factory.mktemp("fits") / "spoilt.fits"
    make_hdus().writeto(path, checksum=True)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= flip
    path.write_bytes(content)
    assert inspect_fits(path).defect is not None


@pytest.mark.parametrize("place", range(10))
def test_a_changed_byte_in_the_word_checksum_is_seen(whole: Path, place: int) -> None:
    content = bytearray(whole.read_bytes())
    content[content.rindex(b"CHECKSUM= ") + place] ^= 1
    whole.write_bytes(content)
    assert inspect_fits(whole).defect == (
        "HDU 2 has a DATASUM and no CHECKSUM, as 2 other HDUs have"
    )


@given(kept=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_is_seen_unless_an_hdu_ends_there(
    tmp_path_factory: pytest.TempPathFactory, kept: float
) -> None:
    path = tmp_path_factory.mktemp("fits") / "cut.fits"
    make_hdus().writeto(path)
    with fits.open(path) as hdus:
        ends = {hdu.fileinfo()["datLoc"] + hdu.fileinfo()["datSpan"] for hdu in hdus}
    size = int(kept * path.stat().st_size)
    path.write_bytes(path.read_bytes()[:size])
    assert (inspect_fits(path).defect is None) == (size in ends)


def test_zeros_behind_the_last_hdu_are_padding(whole: Path) -> None:
    with whole.open("ab") as stream:
        stream.write(bytes(10_000_000))
    assert inspect_fits(whole).defect is None


def test_anything_else_behind_the_last_hdu_is_a_defect(whole: Path) -> None:
    with whole.open("ab") as stream:
        stream.write(bytes(2880) + b"<html>")
    assert "no HDU" in str(inspect_fits(whole).defect)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Service unavailable</html>",
        b"SIMPLE  =                    T".ljust(80) + b"END".ljust(2800),
        b"SIMPLE  =                    T".ljust(2880),
    ],
    ids=["nothing", "a page", "no axes", "no end"],
)
def test_what_is_no_fits_file_is_a_defect(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "none.fits"
    path.write_bytes(content)
    with pytest.raises(TransientTransferError, match="expected a whole FITS file"):
        verify_fits(path)


def test_sums_longer_than_one_read_are_those_of_astropy(tmp_path: Path) -> None:
    path = tmp_path / "long.fits"
    pixels = np.random.default_rng(1).integers(-(2**31), 2**31, (3000, 1000), "i4")
    fits.HDUList([fits.PrimaryHDU(pixels)]).writeto(path, checksum=True)
    assert verify_fits(path) == WHOLE


def test_memory_stays_flat(tmp_path: Path) -> None:
    path = tmp_path / "large.fits"
    header = fits.PrimaryHDU().header
    header["BITPIX"], header["NAXIS"], header["NAXIS1"] = 8, 1, 2880 * 10**5
    header["DATASUM"] = "0"
    path.write_bytes(header.tostring().encode())
    with path.open("r+b") as stream:
        stream.truncate(2880 * (1 + 10**5))
    code = (
        "import pathlib, sys, numpy\n"
        "from workers.transfer.fits_checks import verify_fits\n"
        "status = pathlib.Path('/proc/self/status')\n"
        "def peak(): return int(status.read_text().split('VmHWM:')[1].split()[0])\n"
        "before = peak(); verify_fits(pathlib.Path(sys.argv[1]))\n"
        "print(peak() - before)"
    )
    grown = subprocess.check_output([sys.executable, "-c", code, str(path)], text=True)
    assert int(grown) < 10_000
