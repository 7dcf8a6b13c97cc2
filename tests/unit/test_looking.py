"""What products are of, as their headers and tables say."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from workers.contract import ProductFacts, Stage
from workers.stages.looking import look_at

PRIMARY = {
    "INSTRUME": "NIRSPEC", "EXP_TYPE": "NRS_MSASPEC", "DETECTOR": "NRS1",
    "GRATING": "PRISM", "FILTER": "CLEAR", "TARGPROP": "FIELD 1",
    "TARG_RA": 150.0, "TARG_DEC": 2.0, "EXPSTART": 60000.0, "EXPEND": 60000.5,
    "EFFEXPTM": 42.5,
}  # fmt: skip
REGION = "POLYGON ICRS  150.1 2.1 150.2 2.1 150.2 2.2 150.1 2.2"


def write(folder: Path, name: str, *hdus: object, **cards: object) -> ProductFacts:
    """Write a product of spec2, and read what it is of."""
    header = fits.Header({**PRIMARY, **cards})
    fits.HDUList([fits.PrimaryHDU(header=header), *hdus]).writeto(folder / name)
    (facts,) = look_at(Stage.SPEC2, [folder / name]).facts
    return facts


def make_spectrum(*wavelengths_um: float, **cards: object) -> fits.BinTableHDU:
    table = Table({"WAVELENGTH": wavelengths_um, "FLUX": np.ones(len(wavelengths_um))})
    return fits.BinTableHDU(table, fits.Header(cards), name="EXTRACT1D")


def make_image(shape: tuple[int, ...] = (2, 2), **cards: object) -> fits.ImageHDU:
    data = np.ones(shape, np.float32)
    return fits.ImageHDU(data, fits.Header(cards), name="SCI")


def test_each_source_of_a_product_has_its_own_place_and_range(tmp_path: Path) -> None:
    facts = write(
        tmp_path,
        "a_x1d.fits",
        make_spectrum(0.6, 5.3, SRCNAME="1_7", SOURCEID=7, SLTNAME="3",
                      SRCRA=150.01, SRCDEC=2.02),
        make_spectrum(np.nan, 0.0, 1.0, 3.0, SRCNAME="1_8", SOURCEID=8, SLTNAME="4",
                      SRCRA=150.03, SRCDEC=2.04),
    )  # fmt: skip
    one, other = facts.sources
    assert (one.name, one.slit) == ("1_7", "3")
    assert (one.ra_deg, one.dec_deg) == (150.01, 2.02)
    assert (one.samples, other.samples) == (2, 4)
    assert (other.wave_min_m, other.wave_max_m) == pytest.approx((1e-6, 3e-6))
    assert (facts.wave_min_m, facts.wave_max_m) == pytest.approx((0.6e-6, 5.3e-6))
    assert (facts.ra_deg, facts.dec_deg) == pytest.approx((150.02, 2.03), abs=1e-6)
    assert facts.dataproduct_type == "spectrum"
    assert (facts.start_mjd, facts.end_mjd) == (60000.0, 60000.5)
    assert (facts.exposure_s, facts.target) == (42.5, "FIELD 1")


def test_a_slitlet_of_empty_sky_is_nowhere_rather_than_at_0_0(tmp_path: Path) -> None:
    cards = {"SRCNAME": "1_BKG4", "SRCRA": 0.0, "SRCDEC": 0.0, "SLTNAME": "4"}
    facts = write(tmp_path, "a_x1d.fits", make_spectrum(1.0, 2.0, **cards))
    assert (facts.sources[0].ra_deg, facts.sources[0].dec_deg) == (None, None)
    assert (facts.ra_deg, facts.dec_deg) == (150.0, 2.0)


def test_a_slitlet_with_a_footprint_is_in_the_middle_of_it(tmp_path: Path) -> None:
    cards = {"SLTNAME": "4", "S_REGION": REGION, "WAVSTART": 6e-7, "WAVEND": 5.3e-6}
    facts = write(tmp_path, "a_cal.fits", make_image(**cards))
    (slit,) = facts.sources
    assert slit.region == facts.region == REGION.replace("  ", " ")
    assert (slit.ra_deg, slit.dec_deg) == pytest.approx((150.15, 2.15), abs=1e-5)
    assert (slit.wave_min_m, slit.wave_max_m) == (6e-7, 5.3e-6)
    assert facts.dataproduct_type == "image"


def test_planes_of_a_cube_are_even_or_in_a_table(tmp_path: Path) -> None:
    even = {"CTYPE3": "WAVE", "CRVAL3": 1.5, "CDELT3": 0.25, "CRPIX3": 1.0}
    facts = write(tmp_path, "a_s3d.fits", make_image((5, 2, 2), **even))
    assert (facts.wave_min_m, facts.wave_max_m) == pytest.approx((1.5e-6, 2.5e-6))
    assert facts.sources[0].samples == 5
    listed = fits.BinTableHDU(
        Table({"wavelength": [[5.0, 7.0, 9.0]]}), name="WCS-TABLE"
    )
    cube = make_image((3, 2, 2), CTYPE3="WAVE-TAB", CRVAL3=1.0)
    facts = write(tmp_path, "b_s3d.fits", cube, listed)
    assert (facts.wave_min_m, facts.wave_max_m) == pytest.approx((5e-6, 9e-6))
    assert facts.dataproduct_type == "cube"


def test_a_product_of_no_source_is_where_the_target_is(tmp_path: Path) -> None:
    facts = write(tmp_path, "a_rate.fits", make_image())
    (field,) = facts.sources
    assert (field.name, field.slit, field.ra_deg, field.dec_deg) == ("", "", 150, 2)
    assert (field.wave_min_m, facts.wave_max_m, field.samples) == (None, None, None)


def test_of_several_slits_the_one_that_was_pointed_at_has_the_target(
    tmp_path: Path,
) -> None:
    slits = [make_spectrum(1.0, 2.0, SLTNAME=name) for name in ("S200A1", "S200A2")]
    facts = write(tmp_path, "a_x1d.fits", *slits, FXD_SLIT="S200A2")
    assert [source.ra_deg for source in facts.sources] == [None, 150.0]


def test_headers_that_say_nothing_give_no_facts(tmp_path: Path) -> None:
    empty = {
        "TARG_RA": fits.card.Undefined(), "TARG_DEC": "north", "EXPSTART": True,
        "EXPEND": "N/A", "EFFEXPTM": fits.card.Undefined(), "GRATING": "N/A",
        "FILTER": fits.card.Undefined(), "TARGPROP": "",
    }  # fmt: skip
    facts = write(
        tmp_path,
        "a_x1d.fits",
        make_spectrum(0.0, np.nan, S_REGION="POLYGON ICRS nothing"),
        **empty,
    )
    assert (facts.ra_deg, facts.dec_deg, facts.wave_min_m) == (None, None, None)
    assert (facts.start_mjd, facts.end_mjd, facts.exposure_s) == (None, None, None)
    assert (facts.grating, facts.filter, facts.target) == ("", "", "")


def test_a_light_curve_is_of_what_its_spectra_are(tmp_path: Path) -> None:
    write(tmp_path, "a_x1dints.fits", make_spectrum(1.0, 2.0))
    curve = tmp_path / "a_whtlt.ecsv"
    curve.write_text("# %ECSV 1.0")
    paths = [tmp_path / "a_x1dints.fits", curve]
    combined = look_at(Stage.TSO3, paths).facts
    assert [facts.product for facts in combined] == ["a_whtlt.ecsv", "a_x1dints.fits"]
    assert {facts.dataproduct_type for facts in combined} == {"timeseries"}
    assert {facts.calib_level for facts in combined} == {3}
    assert look_at(Stage.TSO3, [curve]).facts == ()


def test_slits_of_several_exposures_have_no_time_of_one(tmp_path: Path) -> None:
    slits = [make_image(SLTNAME="1"), make_image(SLTNAME="1")]
    write(tmp_path, "a_crf.fits", *slits)
    (facts,) = look_at(Stage.SPEC3, [tmp_path / "a_crf.fits"]).facts
    assert (facts.start_mjd, facts.exposure_s, facts.calib_level) == (None, None, 2)
    assert len(facts.sources) == 1
