import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from workers.errors import MetafileError
from workers.msa import check_metafile
from workers.sample.nirspec_metafile import write_metafile
from workers.sample.nirspec_mos import SLITLETS, STEPS
from workers.sample.scene import Position

PLACES = {number: Position(150.0, 2.0) for number in (1, 2, 3)}


def header(**changes: object) -> Mapping[str, object]:
    found = {"program_number": "99004", "msa_metadata_id": 1, "position_number": 2}
    found |= changes
    return {
        "meta.observation.program_number": found["program_number"],
        "meta.instrument.msa_metadata_id": found["msa_metadata_id"],
        "meta.dither.position_number": found["position_number"],
    }


@pytest.fixture
def metafile(tmp_path: Path) -> Path:
    return write_metafile(
        tmp_path / "jw99004001001_01_msa.fits", SLITLETS, PLACES, STEPS
    )


def test_the_metafile_of_an_exposure_is_taken(metafile: Path) -> None:
    check_metafile(metafile, header())


def test_one_without_a_program_is_taken(metafile: Path) -> None:
    with fits.open(metafile, mode="update") as hdus:
        del hdus[0].header["PROGRAM"]
    check_metafile(metafile, header())


def test_one_of_another_program_is_refused(metafile: Path) -> None:
    with pytest.raises(MetafileError, match=r"program 01345, got one of program 99004"):
        check_metafile(metafile, header(program_number="01345"))


@pytest.mark.parametrize("change", [{"msa_metadata_id": 7}, {"position_number": 4}])
def test_one_without_the_configuration_or_the_nod_is_refused(
    metafile: Path, change: Mapping[str, int]
) -> None:
    with pytest.raises(MetafileError, match=r"MSAMETID/PATT_NUM .* only for 1/1, 1/2"):
        check_metafile(metafile, header(**change))


def test_an_exposure_that_does_not_say_its_configuration_is_refused(
    metafile: Path,
) -> None:
    with pytest.raises(MetafileError, match="None/2"):
        check_metafile(metafile, header(msa_metadata_id=None))


@pytest.mark.parametrize("table", ["SHUTTER_INFO", "SOURCE_INFO"])
def test_one_without_a_table_is_refused(metafile: Path, table: str) -> None:
    with fits.open(metafile) as hdus:
        kept = fits.HDUList([hdu for hdu in hdus if hdu.name != table])
        kept.writeto(metafile.with_name("less.fits"))
    with pytest.raises(MetafileError, match=table):
        check_metafile(metafile.with_name("less.fits"), header())


def test_an_image_in_the_place_of_the_table_is_refused(tmp_path: Path) -> None:
    names = ("SHUTTER_INFO", "SOURCE_INFO")
    images = [fits.ImageHDU(np.zeros((2, 2)), name=name) for name in names]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(tmp_path / "images.fits")
    with pytest.raises(MetafileError, match="cannot be read"):
        check_metafile(tmp_path / "images.fits", header())


@pytest.mark.filterwarnings("ignore:File may have been truncated")
@pytest.mark.filterwarnings("ignore:Error validating header")
@pytest.mark.parametrize("share", [0.0, 0.5, 0.997])
def test_a_truncated_one_is_refused(metafile: Path, share: float) -> None:
    os.truncate(metafile, int(share * metafile.stat().st_size))
    with pytest.raises(MetafileError, match="expected an MSA metafile"):
        check_metafile(metafile, header())


def test_the_source_of_a_nod_is_in_its_shutter(tmp_path: Path) -> None:
    path = write_metafile(
        tmp_path / "jw99004001001_01_msa.fits", SLITLETS, PLACES, STEPS
    )
    rows = fits.getdata(path, "SHUTTER_INFO")
    primary = rows[(rows["primary_source"] == "Y") & (rows["slitlet_id"] == 2)]
    assert list(primary["shutter_column"]) == [75, 74, 76]
    assert list(primary["dither_point_index"]) == [1, 2, 3]
    empty = rows[rows["slitlet_id"] == 4]
    assert set(empty["source_id"]) == {0}
    assert set(empty["primary_source"]) == {"N"}


def test_a_metafile_written_again_is_the_same(metafile: Path, tmp_path: Path) -> None:
    again = write_metafile(
        tmp_path / "again" / metafile.name,
        [replace(s) for s in SLITLETS],
        PLACES,
        STEPS,
    )
    assert again.read_bytes() == metafile.read_bytes()
