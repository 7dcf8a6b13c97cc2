"""What is drawn of products, what is said of it, and how it is kept."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from drawn_products import MAKERS, draw, make_spectra
from PIL import Image

from flows.layout import get_pictures_path
from flows.reports import find_pictures, read_numbers, read_picture
from workers.contract import Product
from workers.pictures_contract import PictureKind
from workers.stages.pictures.drawing import MOST_PARTS
from workers.stages.pictures.images import draw_detector
from workers.stages.pictures.reading import read_planes, read_spectra

SAID = {
    "rate": ["120 x 100 pixels", "DN/s", "10.0 % of the pixels", "5.0 % have no value"],
    "s2d": ["from 1.000 to 5.000 um", "centred on row 10", "Shutters of the slitlet: "],
    "s3d": ["14 x 12 spaxels and 50 wavelengths", "3.5000 um", "RA 149.9"],
    "x1d": ["40 pixels from 1.0000 to 5.0000 um", "flux is 1 Jy", "1 pixels are not"],
    "x1dints": ["A spectrum of 40 pixels", "scatter of the integrations"],
    "whtlt": ["30 integrations in 0.483 h", "0.99 to 1 of it"],
}


@pytest.mark.parametrize("kind", MAKERS)
def test_each_kind_of_products_is_drawn_and_described_with_numbers(
    kind: str, tmp_path: Path
) -> None:
    drawn = draw(MAKERS[kind](tmp_path))
    assert drawn.notes == ()
    picture = drawn.pictures[0]
    png = (tmp_path / "pictures" / picture.file).read_bytes()
    assert Image.open(BytesIO(png)).size == (picture.width, picture.height)
    assert [said for said in SAID[kind] if said not in picture.alt] == []


@pytest.mark.parametrize("kind", MAKERS)
def test_a_product_that_is_drawn_twice_gives_the_same_bytes(
    kind: str, tmp_path: Path
) -> None:
    product = MAKERS[kind](tmp_path)
    folders = [tmp_path / name for name in ("first", "second")]
    first, second = (draw(product, to=folder) for folder in folders)
    assert first == second
    listed = [{p.name: p.read_bytes() for p in folder.iterdir()} for folder in folders]
    assert listed[0] == listed[1]


def test_the_rows_that_a_spectrum_is_extracted_from_are_drawn(tmp_path: Path) -> None:
    image, spectra = MAKERS["s2d"](tmp_path), make_spectra(tmp_path)
    alone, beside = draw(image, to=tmp_path / "alone"), draw(image, spectra)
    assert "rows 7.5 to 12.5" in beside.pictures[0].alt
    assert "extracted" not in alone.pictures[0].alt


def test_a_spectrum_of_a_vertical_slit_is_drawn_along_its_wavelengths(
    tmp_path: Path,
) -> None:
    path = MAKERS["s2d"](tmp_path)
    with fits.open(path, mode="update") as hdus:
        hdus["SCI"].data = hdus["SCI"].data.T.copy()
        hdus["WAVELENGTH"].data = hdus["WAVELENGTH"].data.T.copy()
        hdus["SCI"].header["DISPAXIS"] = 2
    assert (
        "60 pixels from 1.000 to 5.000 um and 20 across" in draw(path).pictures[0].alt
    )


def test_the_numbers_of_a_spectrum_lie_beside_its_picture(tmp_path: Path) -> None:
    picture = draw(make_spectra(tmp_path)).pictures[0]
    numbers = json.loads((tmp_path / "pictures" / picture.numbers).read_text())
    assert (numbers["wavelength_unit"], numbers["flux_unit"]) == ("um", "Jy")
    assert numbers["flux"][19:22] == [1.0, None, 1.0]
    assert numbers["dq"][2:5] == [0, 1, 0]
    assert {len(numbers[name]) for name in ("wavelength", "flux", "error", "dq")} == {
        40
    }


def test_the_brightest_sources_are_drawn_and_the_rest_is_said(tmp_path: Path) -> None:
    drawn = draw(make_spectra(tmp_path, count=MOST_PARTS + 2))
    assert len(drawn.pictures) == MOST_PARTS
    assert drawn.pictures[0].part == f"slit {MOST_PARTS + 2}, source STAR"
    (note,) = drawn.notes
    assert note == f"the {MOST_PARTS} brightest of 10 spectra are drawn, the others not"


def test_what_cannot_be_drawn_is_noted_and_why(tmp_path: Path) -> None:
    empty = MAKERS["rate"](tmp_path)
    with fits.open(empty, mode="update") as hdus:
        hdus["SCI"].data[:] = np.nan
    text = tmp_path / "text_x1d.fits"
    text.write_text("no FITS")
    other = MAKERS["x1d"](tmp_path).rename(tmp_path / "one_s3d.fits")
    for path, why in (
        (empty, "no pixel of the image has a value"),
        (text, "is not a product that can be read"),
        (other, "has no extension SCI"),
    ):
        drawn = draw(path)
        assert drawn.pictures == ()
        assert why in drawn.notes[0]


def test_text_of_a_header_is_drawn_as_text(tmp_path: Path) -> None:
    hostile = r"$\frac{</script><img src=x onerror=alert(1)>"
    drawn = draw(make_spectra(tmp_path, count=2, name=hostile))
    assert drawn.pictures[0].kind is PictureKind.SPECTRUM
    assert hostile in drawn.pictures[0].part


def test_a_matplotlibrc_of_the_folder_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (plane,) = read_planes(MAKERS["rate"](tmp_path))
    plain = draw_detector(plane).raster
    import matplotlib as mpl

    monkeypatch.setitem(mpl.rcParams, "font.size", 30.0)
    assert draw_detector(plane).raster == plain
    assert mpl.rcParams["font.size"] == 30.0


def test_surface_brightness_is_drawn_where_there_is_no_flux(tmp_path: Path) -> None:
    path = make_spectra(tmp_path)
    with fits.open(path, mode="update") as hdus:
        data = hdus["EXTRACT1D"].data
        data["FLUX"][:] = 0
        columns = [
            fits.Column("SURF_BRIGHT", "D", unit="MJy/sr", array=np.full(40, 7.0)),
            fits.Column("SB_ERROR", "D", unit="MJy/sr", array=np.full(40, 0.7)),
        ]
        more = fits.BinTableHDU.from_columns(data.columns + fits.ColDefs(columns))
        hdus["EXTRACT1D"] = fits.BinTableHDU(more.data, more.header, name="EXTRACT1D")
    (spectra,) = read_spectra(path)
    assert spectra.flux_unit == "MJy/sr"
    assert np.all(spectra.fluxes == 7.0)


def make_kept(data_dir: Path) -> Product:
    path = make_spectra(data_dir)
    fingerprint = "ab" * 32
    folder = (data_dir / get_pictures_path(fingerprint, path.name)).parent
    drawn = draw(path, to=folder)
    return Product(path.name, path.stat().st_size, 0, drawn.sha256, "content")


def test_pictures_are_found_only_of_the_same_bytes_and_whole(tmp_path: Path) -> None:
    product, fingerprint = make_kept(tmp_path), "ab" * 32
    drawn = find_pictures(tmp_path, fingerprint, product)
    assert drawn is not None
    picture = drawn.pictures[0]
    assert read_picture(tmp_path, fingerprint, picture.file).startswith(b"\x89PNG")
    numbers = read_numbers(tmp_path, fingerprint, picture.numbers)
    assert numbers is not None
    assert len(numbers.flux) == 40
    changed = Product(product.name, 1, 0, "f" * 64, "content")
    assert find_pictures(tmp_path, fingerprint, changed) is None
    manifest = tmp_path / get_pictures_path(fingerprint, product.name)
    (manifest.parent / picture.file).unlink()
    assert find_pictures(tmp_path, fingerprint, product) is None


@pytest.mark.parametrize("name", ["../../../rewebb.db", "/etc/passwd", "other.png"])
def test_a_manifest_that_names_other_files_is_not_believed(
    name: str, tmp_path: Path
) -> None:
    product, fingerprint = make_kept(tmp_path), "ab" * 32
    manifest = tmp_path / get_pictures_path(fingerprint, product.name)
    told = json.loads(manifest.read_text())
    told["pictures"][0]["file"] = name
    manifest.write_text(json.dumps(told))
    assert find_pictures(tmp_path, fingerprint, product) is None
    manifest.write_text("{")
    assert find_pictures(tmp_path, fingerprint, product) is None
