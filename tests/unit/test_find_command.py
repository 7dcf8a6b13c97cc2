"""`rewebb find products`, in this process."""

import csv
import json
from pathlib import Path

import pytest
from outcomes import make_job, make_outcome, make_product
from typer.testing import CliRunner, Result

from config.settings import load_settings
from flows.cli import app
from flows.factory import open_database
from workers.contract import ProductFacts, SourceFacts

NAME = "jw02736007001_03103_00001_nrs1_x1d.fits"
SOURCE = SourceFacts(name="2736_7", ra_deg=359.9999, dec_deg=-89.5)
FACTS = ProductFacts(
    NAME,
    "spectrum",
    2,
    target="<M 31> & \u00e9",
    ra_deg=359.9999,
    dec_deg=-89.5,
    wave_min_m=6e-7,
    wave_max_m=5.3e-6,
    sources=(SOURCE,),
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def recorded() -> None:
    with open_database(load_settings()) as database:
        made = [make_product(NAME), make_product("odd_rate.fits")]
        outcome = make_outcome(make_job(), products=made, facts=[FACTS])
        database.jobs.record_outcome(outcome)


def find(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["find", "products", *arguments])


@pytest.mark.usefixtures("recorded")
def test_what_is_found_is_a_table_of_what_it_is_of() -> None:
    done = find("--near=0h0m0s,-89.5d,1arcsec", "--kind", "x1d")
    assert done.exit_code == 0, done.output
    _, row, _, count = done.output.splitlines()
    assert row.startswith(NAME)
    assert "359.99990, -89.50000" in row
    assert "0.600-5.300" in row
    assert "jwst_1464.pmap" in row
    assert count == "1 product in rewebb-data"
    assert find("--near=0,-89.5,0.001arcsec").output.endswith(
        "0 products in rewebb-data\n"
    )


@pytest.mark.usefixtures("recorded")
def test_csv_and_json_hold_what_is_known_and_nothing_else() -> None:
    rows = list(csv.DictReader(find("--csv").output.splitlines()))
    assert [row["product"] for row in rows] == [NAME, "odd_rate.fits"]
    assert rows[0]["target_name"] == FACTS.target
    assert float(rows[0]["s_ra"]) == SOURCE.ra_deg
    assert (rows[1]["s_ra"], rows[1]["target_name"], rows[1]["em_min"]) == ("", "", "")
    first, second = json.loads(find("--json").output)
    assert first["facts"]["sources"][0]["name"] == "2736_7"
    assert second["facts"] is None


@pytest.mark.usefixtures("recorded")
def test_a_votable_holds_names_that_xml_would_not() -> None:
    done = find("--votable")
    assert done.exit_code == 0, done.output
    assert "&lt;M 31&gt; &amp; \u00e9" in done.output


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--caveat", "al_nan"], "no caveat al_nan; did you mean ALL_NAN?"),
        (["--caveat", "x"], "there are NO_DATA_ON_DETECTOR"),
        (["--issue", "NS-IFU5"], "no known issue NS-IFU5; did you mean NS-IFU"),
        (["--reference", "jwst_nirspec_dark_001.fits"],
         "did you mean jwst_nirspec_dark_0001.fits?"),
        (["--reference", "a" * 40], f"file of sha1 {'a' * 40}"),
        (["--reference", "' OR 1=1 --"], "No recorded job has used"),
        (["--reference", "%"], "No recorded job has used"),
        (["--reference", "x" * 501], "1 to 500 printable"),
        (["--target", "a\x07b"], "printable"),
        (["--near=nan,0,1"], "Expected RA"),
        (["--near=1,2"], "three angles"),
        (["--near=1,2,1e400"], "Expected RA"),
        (["--wave", "nan,1"], "two wavelengths"),
        (["--wave", "1,1e308"], "two wavelengths"),
        (["--wave", "2,1"], "two wavelengths"),
        (["--wave", "one,two"], "two wavelengths in um such as"),
        (["--wave", "1"], "two wavelengths in um such as"),
        (["--limit", "0"], "limit of 1 or more"),
        (["--limit", str(2**70)], "limit of 1 or more"),
        (["--jwst", "3.0.0;"], "version such as 3.0.0"),
        (["--kind", "../x1d"], "kind of products"),
        (["--program", "2736"], "02736"),
        (["--downstream"], "of which reference"),
        (["--json", "--csv"], "Give one of"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_a_sentence(
    arguments: list[str], said: str
) -> None:
    done = find(*arguments)
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
    assert "Traceback" not in done.output


def test_a_data_folder_that_is_not_there_is_not_made(elsewhere: Path) -> None:
    done = find("--kind", "x1d")
    assert done.exit_code == 2
    assert "holds no record of a run" in done.output
    assert list(elsewhere.iterdir()) == []


@pytest.mark.usefixtures("recorded")
def test_a_folder_that_cannot_be_written_is_searched_and_left_as_it_is(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root sees it: it may write anywhere, so it is told that it must not."""
    monkeypatch.setattr("os.access", lambda *_: False)
    data = elsewhere / "rewebb-data"
    before = {path: path.read_bytes() for path in data.iterdir()}
    assert f"{NAME} " in find("--kind", "x1d").output
    assert {path: path.read_bytes() for path in data.iterdir()} == before
