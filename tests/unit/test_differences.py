"""What differs between two products, extension by extension."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from workers.content import hash_content
from workers.differences import compare_files


def write(path: Path, data: np.ndarray, *, keyword: str = "A", ra: float = 1) -> Path:
    header = fits.Header({"TARGNAME": keyword, "DATE": path.stem})
    columns = [
        fits.Column("FLUX", "D", array=np.arange(4.0) * ra),
        fits.Column("NAME", "3A", array=["a", "b", "c", "d"]),
    ]
    hdus = [
        fits.PrimaryHDU(header=header),
        fits.ImageHDU(np.zeros((2, 2), "i2"), name="SCI"),
        fits.ImageHDU(data, name="SCI"),
        fits.BinTableHDU.from_columns(columns, name="EXTRACT1D"),
    ]
    fits.HDUList(hdus).writeto(path)
    return path


DATA = np.array([[1, 2], [np.nan, 0]], "f4")


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return write(tmp_path / "first.fits", DATA)


def test_dates_do_not_count_and_the_same_nan_is_the_same(
    first: Path, tmp_path: Path
) -> None:
    second = write(tmp_path / "second.fits", DATA)
    assert first.read_bytes() != second.read_bytes()
    assert hash_content(first) == hash_content(second)
    assert compare_files(first, second) == ()


def test_values_that_differ_are_counted_and_the_largest_difference_is_told(
    first: Path, tmp_path: Path
) -> None:
    changed = DATA * np.array([[1, 1.25], [1, 1]], "f4")
    changed[1, 1] = -0.0
    (one,) = compare_files(first, write(tmp_path / "second.fits", changed))
    assert (one.part, one.values) == ("SCI,2", 2)
    assert one.largest_relative == pytest.approx(0.2)
    assert one.message == "2 of 4 values differ, by up to 0.2 relatively"


def test_a_number_where_there_was_none_has_no_relative_difference(
    first: Path, tmp_path: Path
) -> None:
    changed = DATA.copy()
    changed[1, 0] = 7
    (one,) = compare_files(first, write(tmp_path / "second.fits", changed))
    assert (one.values, one.largest_relative) == (1, None)


def test_columns_keywords_and_shapes_that_differ_are_named(
    first: Path, tmp_path: Path
) -> None:
    second = write(tmp_path / "second.fits", DATA[:1], keyword="B", ra=2)
    header, cards, image, column = compare_files(first, second)
    assert header.part == "PRIMARY,1"
    assert header.message == "keywords differ: TARGNAME 'A' here but 'B'"
    assert cards.message == "keywords differ: NAXIS2 2 here but 1"
    assert image.message == ">f4 (2, 2) here but >f4 (1, 2) there"
    assert (column.part, column.values) == ("EXTRACT1D,1 FLUX", 3)


def test_an_extension_that_is_missing_is_named(first: Path, tmp_path: Path) -> None:
    with fits.open(first) as hdus:
        hdus[:3].writeto(tmp_path / "second.fits")
    (one,) = compare_files(first, tmp_path / "second.fits")
    assert one.part == "EXTRACT1D,1"
    assert "EXTRACT1D here but nothing there" in one.message


def test_other_files_are_compared_byte_by_byte(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.ecsv", "b.ecsv", "c.ecsv")]
    for path, text in zip(paths, ("1", "1", "2"), strict=True):
        path.write_text(text)
    assert compare_files(*paths[:2]) == ()
    assert [one.message for one in compare_files(*paths[1:])] == ["its bytes differ"]
