import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.modeling.models import Shift
from astropy.table import Table
from gwcs import WCS
from gwcs.coordinate_frames import Frame2D
from hypothesis import given
from hypothesis import strategies as st
from stdatamodels.jwst.datamodels import (
    IFUCubeModel,
    ImageModel,
    MultiSlitModel,
    MultiSpecModel,
)
from stdatamodels.schema import walk_schema

from workers.content import (
    _VOLATILE_KEYWORDS,
    _VOLATILE_META,
    _VOLATILE_MODEL,
    content_sha256,
    file_sha256,
)

Change = Callable[[Any], object]


def set_pixel(model: Any) -> None:
    model.data[1, 2] += 1


def set_wcs(shift: float) -> Change:
    def change(model: Any) -> None:
        steps = [(Frame2D(name="detector"), Shift(shift) & Shift(2)), (Frame2D(), None)]
        model.meta.wcs = WCS(steps)

    return change


def set_meta(name: str, value: object) -> Change:
    return lambda model: model.update({"meta": _nest(name.split("."), value)})


def _nest(names: list[str], value: object) -> object:
    return {names[0]: _nest(names[1:], value)} if names else value


def write(path: Path, *changes: Change) -> Path:
    """Write a product with a WCS and a log, as `jwst` does."""
    model = ImageModel(np.arange(16, dtype=np.float32).reshape(4, 4))
    set_wcs(1.0)(model)
    model.meta.date = "2026-01-01T00:00:00"
    model.meta.observation.program_number = "99001"
    for change in changes:
        change(model)
    model.save(path)
    model.close()
    return path


MATTERS: dict[str, Change] = {
    "one pixel": set_pixel,
    "a science keyword": set_meta("target.ra", 3.5),
    "the WCS in the ASDF tree": set_wcs(1.5),
    "a flag": lambda model: setattr(model, "dq", np.eye(4, dtype=np.uint32)),
    "the status of a step": set_meta("cal_step.photom", "COMPLETE"),
}

DOES_NOT_MATTER: dict[str, Change] = {
    "context": set_meta("ref_file.crds.context_used", "jwst_0002.pmap"),
    "version": set_meta("calibration_software_version", "9.9.9"),
    "name of a reference": set_meta("ref_file.photom.name", "crds://other.fits"),
    "association table": set_meta("asn.table_name", "other_asn.json"),
    "log": lambda model: setattr(model, "cal_logs", {"calwebb_spec2": ["a line"]}),
    "name of the file": set_meta("filename", "/scratch/99001/1/work/b.fits"),
    "version of the ground system": set_meta("prd_software_version", "PRDOPS-1"),
}


def set_part(**changes: object) -> Change:
    """Change a part that is a data model in itself, as a slit is."""
    part: dict[str, object] = {"meta": {}, "name": "S200A1", "lines": {}}
    return lambda model: setattr(model, "parts", [part | changes])


MATTERS_IN_A_PART: dict[str, Change] = {
    "a date of something else": set_part(meta={"observation": {"date": "2026-01-02"}}),
    "a line with such a name": set_part(lines={"date": 1, "filename": 2, "asn": 3}),
    "its own name": set_part(name="S200A2"),
    "a history of something else": set_part(lines={"history": [1.0]}),
}

DOES_NOT_MATTER_IN_A_PART: dict[str, Change] = {
    "date": set_part(meta={"date": "2026-01-02"}),
    "name of the file": set_part(meta={"filename": "/scratch/99001/1/work/b.fits"}),
    "references": set_part(meta={"ref_file": {"photom": {"name": "crds://b.fits"}}}),
    "log": set_part(cal_logs={"calwebb_spec2": ["a line"]}),
    "history": set_part(history=[{"description": "made by hand"}]),
}


@pytest.mark.parametrize("change", MATTERS.values(), ids=MATTERS.keys())
def test_what_is_science_changes_the_hash(tmp_path: Path, change: Change) -> None:
    one, other = write(tmp_path / "a.fits"), write(tmp_path / "b.fits", change)
    assert content_sha256(one) != content_sha256(other)


@pytest.mark.parametrize("change", DOES_NOT_MATTER.values(), ids=DOES_NOT_MATTER.keys())
def test_what_tells_of_the_making_does_not(tmp_path: Path, change: Change) -> None:
    paths = [tmp_path / folder / "a.fits" for folder in ("one", "other")]
    for path in paths:
        path.parent.mkdir()
    one, other = write(paths[0]), write(paths[1], change)
    assert content_sha256(one) == content_sha256(other)
    assert file_sha256(one) != file_sha256(other)


def test_the_same_product_of_another_day_has_the_same_hash(tmp_path: Path) -> None:
    hashes = set()
    for day in ("one", "other"):
        (tmp_path / day).mkdir()
        path = write(tmp_path / day / "a.fits")
        with fits.open(path, mode="update") as hdus:
            hdus[0].header["DATE"] = f"the {day} day"
        hashes.add(content_sha256(path))
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("change", "matters"),
    [
        *((change, True) for change in MATTERS_IN_A_PART.values()),
        *((change, False) for change in DOES_NOT_MATTER_IN_A_PART.values()),
    ],
    ids=[*MATTERS_IN_A_PART, *DOES_NOT_MATTER_IN_A_PART],
)
def test_the_same_holds_anywhere_in_the_tree(
    tmp_path: Path, change: Change, *, matters: bool
) -> None:
    one = write(tmp_path / "a.fits", set_part())
    other = write(tmp_path / "b.fits", change)
    assert (content_sha256(one) != content_sha256(other)) is matters


@pytest.mark.parametrize("column", ["DATE", "FILENAME"])
def test_columns_of_any_name_count(tmp_path: Path, column: str) -> None:
    hashes = set()
    for value in ("one", "two"):
        path = tmp_path / f"{value}.fits"
        Table({"RA": ["x"], column: [value]}).write(path)
        hashes.add(content_sha256(path))
    assert len(hashes) == 2


@pytest.mark.parametrize("hdu", [0, "SCI"])
@pytest.mark.parametrize(
    ("keyword", "count"), [("FILENAME", 1), ("DATE", 1), ("TARG_RA", 2)]
)
def test_cards_of_every_header_that_tell_of_the_making_do_not_count(
    tmp_path: Path, hdu: int | str, keyword: str, count: int
) -> None:
    hashes = set()
    for value in ("one", "two"):
        path = tmp_path / f"{value}.fits"
        hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(name="SCI")])
        hdus[hdu].header[keyword] = value
        hdus.writeto(path)
        hashes.add(content_sha256(path))
    assert len(hashes) == count


@pytest.mark.parametrize("model", [MultiSlitModel, MultiSpecModel, IFUCubeModel])
def test_a_card_is_left_out_where_its_key_in_the_tree_is(model: Any) -> None:
    """The two say the same, so that neither keeps what the other leaves out."""
    for keyword, key in iterate_keywords(model().schema):
        *_, above, name = ("", *key.split("."))
        volatile = _VOLATILE_META if above == "meta" else _VOLATILE_MODEL
        of_making = {"asn", "ref_file"} & set(key.split("."))
        left_out = name in volatile or bool(of_making)
        assert bool(_VOLATILE_KEYWORDS.fullmatch(keyword)) is left_out, (keyword, key)


def iterate_keywords(schema: Any) -> Iterator[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def visit(part: Any, path: list[object], *_: object) -> None:
        if "fits_keyword" in part:
            found.append((part["fits_keyword"], ".".join(map(str, path))))

    walk_schema(schema, visit, {})
    return iter(found)


@pytest.mark.parametrize(("column", "count"), [("DATE", 1), ("TARG_RA", 2)])
def test_headers_of_members_count_but_for_dates(
    tmp_path: Path, column: str, count: int
) -> None:
    hashes = set()
    for value in ("one", "two"):
        table = Table({"DATE": ["x"], "TARG_RA": ["y"], column: [value]})
        path = tmp_path / f"{value}.fits"
        hdus = [fits.PrimaryHDU(), fits.BinTableHDU(table, name="HDRTAB")]
        fits.HDUList(hdus).writeto(path)
        hashes.add(content_sha256(path))
    assert len(hashes) == count


@given(
    st.integers(0, 15),
    st.floats(width=32, allow_nan=False).filter(lambda value: value != 0),
)
def test_any_pixel_counts(
    tmp_path_factory: pytest.TempPathFactory, pixel: int, value: float
) -> None:
    folder = tmp_path_factory.mktemp("pixels")
    data = np.zeros((2, 4, 4), np.float32)
    data[1].flat[pixel] = value
    paths = [folder / "a.fits", folder / "b.fits"]
    for path, plane in zip(paths, data, strict=True):
        fits.PrimaryHDU(plane).writeto(path)
    assert content_sha256(paths[0]) != content_sha256(paths[1])


def test_world_coordinates_that_hold_themselves_are_hashed(tmp_path: Path) -> None:
    def tie(name: str) -> Change:
        def change(model: Any) -> None:
            knot: dict[str, Any] = {"name": name}
            knot["inverse"] = {"inverse": knot}
            model.knot = knot

        return change

    names = {"one": "same", "two": "same", "three": "other"}
    hashes = []
    for folder, name in names.items():
        (tmp_path / folder).mkdir()
        path = write(tmp_path / folder / "a.fits", tie(name))
        hashes.append(content_sha256(path))
    assert hashes[0] == hashes[1] != hashes[2]


def test_of_other_files_the_bytes_are_hashed(tmp_path: Path) -> None:
    path = tmp_path / "curve.ecsv"
    path.write_text("flux\n1.0\n")
    assert content_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_a_truncated_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "short.fits"
    fits.PrimaryHDU(np.zeros((100, 100), np.float32)).writeto(path)
    path.write_bytes(path.read_bytes()[:5760])
    with pytest.raises(OSError, match=r"short\.fits"):
        content_sha256(path)
