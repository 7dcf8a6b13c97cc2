"""Products of the sample programs are found by what they are of and made from."""

import json
import warnings
from io import BytesIO, StringIO
from typing import Any

import pytest
from astropy.io import fits, votable
from astropy.table import Table
from processed import Processed
from typer.testing import CliRunner

from flows.cli import app
from flows.factory import open_records
from workers.contract import Stage


def ask(done: Processed, *arguments: str) -> str:
    data = str(done.settings.data_dir)
    shown = CliRunner().invoke(
        app, ["find", "products", *arguments, "--data-dir", data]
    )
    assert shown.exit_code == 0, shown.output
    return shown.stdout


def find(done: Processed, *arguments: str) -> list[Any]:
    found: list[Any] = json.loads(ask(done, *arguments, "--json"))
    return found


def name_all(found: list[Any]) -> set[str]:
    return {one["product"]["name"] for one in found}


def list_products(done: Processed, *stages: Stage) -> set[str]:
    outcomes = done.list_outcomes().values()
    return {p.name for o in outcomes if o.job.stage in stages for p in o.products}


def test_every_fits_product_says_what_it_is_of(fixed_slit: Processed) -> None:
    found = find(fixed_slit)
    assert name_all(found) == list_products(fixed_slit, *Stage)
    for one in found:
        facts = one["facts"]
        assert (facts["target"], facts["instrument"]) == ("SAMPLE-SOURCE", "NIRSPEC")
        assert (facts["grating"], facts["filter"]) == ("PRISM", "CLEAR")
        assert facts["ra_deg"] == pytest.approx(150.0, abs=1e-3)
        assert facts["dec_deg"] == pytest.approx(2.0, abs=1e-3)
    (combined,) = (one["facts"] for one in found if one["stage"] == "spec3"
                   and one["kind"] == "x1d")  # fmt: skip
    assert (combined["dataproduct_type"], combined["calib_level"]) == ("spectrum", 3)
    assert combined["exposure_s"] == pytest.approx(3 * 15.584)
    # Ten minutes lie between the begins of the three exposures.
    assert (combined["end_mjd"] - combined["start_mjd"]) * 1440 == pytest.approx(
        20, abs=0.5
    )


def test_spectra_are_found_by_place_and_wavelength(fixed_slit: Processed) -> None:
    near = "--near=10:00:00,+2:00:00,1arcsec"
    spectra = find(fixed_slit, near, "--kind", "x1d", "--wave", "5,6")
    assert len(spectra) == 4
    assert all(one["sources"][0]["slit"] == "S200A1" for one in spectra)
    assert find(fixed_slit, near, "--wave", "6,7") == []
    # The slit of the first nod reaches to 0.6 arcsec from the target.
    at_the_end = find(fixed_slit, "--near=150.0000306,1.9998448,0.01arcsec")
    assert {one["kind"] for one in at_the_end} == {"cal", "s2d"}
    assert find(fixed_slit, "--near=330,-2,1") == []


def test_products_are_found_downstream_of_a_reference(fixed_slit: Processed) -> None:
    outcomes = fixed_slit.list_outcomes().values()
    first = next(o.job for o in outcomes if o.job.stage is Stage.DETECTOR1)
    (linearity,) = (use.file for use in first.references if use.reftype == "linearity")
    assert linearity is not None
    rates = list_products(fixed_slit, Stage.DETECTOR1)
    assert name_all(find(fixed_slit, "--reference", linearity.name)) == rates
    everything = find(fixed_slit, "--reference", linearity.sha1, "--downstream")
    assert name_all(everything) == list_products(fixed_slit, *Stage)


def test_a_votable_and_csv_hold_what_obscore_asks_for(fixed_slit: Processed) -> None:
    text = ask(fixed_slit, "--votable")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = StringIO()
        assert votable.validate(BytesIO(text.encode()), output=report), (
            report.getvalue()
        )
    table = votable.parse(BytesIO(text.encode()), verify="exception")
    fields = {field.name: field for field in table.get_first_table().fields}
    assert (str(fields["em_min"].unit), fields["em_min"].ucd) == ("m", "em.wl;stat.min")
    assert fields["em_min"].utype == (
        "obscore:Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit"
    )
    rows = table.get_first_table().to_table()
    assert len(rows) == len(list_products(fixed_slit, *Stage))
    (row,) = rows[(rows["calib_level"] == 3) & (rows["kind"] == "x1d")]
    assert row["em_max"] == pytest.approx(5.38e-6, rel=0.01)
    with fits.open(next(fixed_slit.folder.glob("jw?????-*_x1d.fits"))) as file:
        assert row["em_xel"] == len(file["EXTRACT1D", 1].data)
    assert (row["s_ra"], row["s_dec"]) == pytest.approx((150.0, 2.0))
    listed = Table.read(ask(fixed_slit, "--csv"), format="ascii.csv")
    assert list(listed["sha256"]) == list(rows["sha256"])


def test_exposures_are_recorded_with_the_hashes_of_their_files(
    fixed_slit: Processed,
) -> None:
    outcomes = fixed_slit.list_outcomes().values()
    raw = {o.job.name: o.job.inputs[0] for o in outcomes
           if o.job.stage is Stage.DETECTOR1}  # fmt: skip
    with open_records(fixed_slit.settings) as database:
        known = database.exposures.find(fixed_slit.summary.program)
        (program,) = database.exposures.list_programs()
    assert program.id == fixed_slit.summary.program
    assert {one.name: (one.path, one.sha256) for one in known} == {
        name: (file.path, file.sha256) for name, file in raw.items()
    }
    assert {(one.target, one.grating, one.role) for one in known} == {
        ("SAMPLE-SOURCE", "PRISM", "science")
    }
    assert all(one.duration_s and one.started_at for one in known)


def test_products_are_found_by_the_known_issues_that_apply(bots: Processed) -> None:
    for state, issues in bots.summary.issues.items():
        for issue in issues:
            found = find(bots, "--issue", issue.lower())
            assert found, issue
            assert {one["issues"][issue] for one in found} == {state}
    assert name_all(find(bots, "--kind", "whtlt", "--target", "sample*")) == {
        name for name in list_products(bots, Stage.TSO3) if "whtlt" in name
    }


def test_each_source_of_the_msa_is_found_where_it_is(mos: Processed) -> None:
    (spectrum, *_) = find(mos, "--stage", "spec2", "--kind", "x1d")
    sources = spectrum["facts"]["sources"]
    assert [source["ra_deg"] is None for source in sources] == [False] * 3 + [True]
    second = sources[1]
    place = f"{second['ra_deg']},{second['dec_deg']}"
    found = find(mos, f"--near={place},0.1arcsec")
    assert all(
        [source["name"] for source in one["sources"]] == [second["name"]]
        for one in found
    )
    of_sources = {one["product"]["name"] for one in found if one["stage"] == "spec3"}
    assert {name.split("_")[1] for name in of_sources} == {"s000000002"}
    kinds = {one["kind"] for one in found if one["stage"] == "spec2"}
    assert kinds == {"cal", "s2d", "x1d"}
