"""What can be told apart in the content of a file."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from workers.content import content_sha256, hash_content, read_cards


def write(path: Path, *, pixel: int = 1, **cards: object) -> Path:
    """Write a small exposure."""
    header = fits.Header({"FILTER": "CLEAR", "DATE": "today", **cards})
    data = fits.ImageHDU(np.full((2, 2), pixel), name="SCI")
    fits.HDUList([fits.PrimaryHDU(header=header), data]).writeto(path, overwrite=True)
    return path


def test_pixels_and_cards_of_a_file_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a_uncal.fits"
    content, pixels = hash_content(write(path))
    cards = read_cards(path)
    edited, edited_pixels = hash_content(write(path, pixel=2))
    assert (edited != content, edited_pixels != pixels) == (True, True)
    assert read_cards(path) == cards
    changed, same_pixels = hash_content(write(path, FILTER="F100LP"))
    assert (changed != content, same_pixels) == (True, pixels)
    assert cards["FILTER"] == "'CLEAR'"
    assert read_cards(path) == {**cards, "FILTER": "'F100LP'"}


def test_cards_are_those_that_the_content_holds(tmp_path: Path) -> None:
    path = tmp_path / "a_uncal.fits"
    before = read_cards(write(path))
    content = content_sha256(path)
    assert read_cards(write(path, DATE="tomorrow")) == before
    assert content_sha256(path) == content


def test_what_is_no_fits_file_has_neither(tmp_path: Path) -> None:
    path = tmp_path / "a_asn.json"
    path.write_text("{}")
    assert hash_content(path) == (content_sha256(path), "")
    assert read_cards(path) == {}
