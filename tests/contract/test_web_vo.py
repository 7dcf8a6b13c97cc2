"""The Virtual Observatory: what its clients find, and the rules of its protocols."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
import pyvo
from astropy.io import fits
from astropy.io.votable import parse, validate
from astropy.io.votable.tree import TableElement, VOTableFile
from pyvo.utils import vocabularies
from web_site import CUBE, NEW, OLD, SPECTRUM, WebClient, fill_site, open_site, running

from flows.provenance import Database

MANDATORY = (
    *("Access.Reference", "Access.Format", "Dataset.DataModel", "Dataset.Length"),
    *("DataID.Title", "Curation.Publisher", "Char.SpatialAxis.Coverage.Location.Value"),
    *("Char.SpatialAxis.Coverage.Bounds.Extent", "Char.FluxAxis.Ucd"),
    *("Char.SpectralAxis.Coverage.Location.Value", "Char.SpectralAxis.Ucd"),
    *("Char.SpectralAxis.Coverage.Bounds.Extent",),
    *("Char.TimeAxis.Coverage.Location.Value", "Char.TimeAxis.Coverage.Bounds.Extent"),
)
"""What SSA 1.1 demands of a row, in its section 4.2.5."""

WORDS = {
    *("#this", "#progenitor", "#derivation", "#coderived", "#preview"),
    "#documentation",
}
"""Of the vocabulary of DataLink that we use."""

QUERY = "/vo/ssa?REQUEST=queryData&POS=150.05,2.05&SIZE=0.2"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebClient]:
    folder = tmp_path_factory.mktemp("web")
    url = f"sqlite:///{folder}/rewebb.db"
    with Database.open(url) as database:
        fill_site(database, folder)
    with open_site(url, folder) as client:
        yield client


def read(site: WebClient, path: str) -> VOTableFile:
    """Read a VOTable; what is not as it should be is an error."""
    answer = site.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/x-votable+xml")
    return parse(BytesIO(answer.content), verify="exception")


def read_table(site: WebClient, path: str) -> TableElement:
    return read(site, path).get_first_table()


def get_status(file: VOTableFile) -> tuple[str, str]:
    infos = {info.name: info for info in file.resources[0].infos}
    return infos["QUERY_STATUS"].value, infos["QUERY_STATUS"].content or ""


def test_pyvo_finds_and_loads_a_spectrum_and_follows_its_links(
    site: WebClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pyvo would ask the IVOA for its vocabulary, to know which words are narrower.
    monkeypatch.setattr(vocabularies, "get_vocabulary", lambda _: {"terms": {}})
    with running(site) as base:
        service = pyvo.dal.SSAService(f"{base}/vo/ssa")
        found = service.search(pos=(150.05, 2.05), diameter=0.1, band=(2e-6, 3e-6))
        assert [one.title for one in found] == [SPECTRUM, SPECTRUM]
        assert found[0]["context"] == "jwst_0002.pmap"
        found[0].cachedataset(filename=str(tmp_path / "spectrum.fits"))
        with fits.open(tmp_path / "spectrum.fits") as file:
            assert file["EXTRACT1D"].columns["FLUX"].unit == "Jy"
        links = list(found[0].getdatalink())
        by_word = {one.semantics: one for one in links}
        assert by_word["#coderived"].access_url.endswith(f"/files/{NEW}/{CUBE}")
        assert by_word["#progenitor"].access_url.endswith("_cal.fits")
        (told,) = (one for one in links if one["local_semantics"] == "provenance")
        assert "entity" in json.loads(told.getdataset().read())
        cube = fits.open(BytesIO(by_word["#coderived"].getdataset().read()))
        assert cube["SCI"].shape == (20, 6, 8)


def test_a_row_of_ssa_has_all_that_is_mandatory(site: WebClient) -> None:
    table = read_table(site, QUERY)
    utypes = {field.utype for field in table.fields}
    assert {f"ssa:{name}" for name in MANDATORY} <= utypes
    for name in MANDATORY:
        (field,) = (f for f in table.fields if f.utype == f"ssa:{name}")
        assert not table.array[field.ID].mask.any(), name
    assert {*table.array["length"]} == {401}
    assert len({field.utype for field in table.fields if field.utype}) == len(
        [field for field in table.fields if field.utype]
    )


@pytest.mark.parametrize(
    ("more", "count"),
    [
        ("", 2),
        ("&SIZE=0.0001&POS=10,10", 0),
        ("&BAND=2e-6/3e-6", 2),
        ("&BAND=/1e-7", 0),
        ("&BAND=9e-6/", 0),
        ("&BAND=3e-6", 2),
        ("&BAND=1e-8/1e-7,3e-6", 2),
        ("&TIME=2023-02-25", 2),
        ("&TIME=2023-02-25T06:00:00/2024-01-01", 2),
        ("&TIME=/2022-01-01", 0),
        ("&TIME=2022-01-01/", 2),
        ("&TARGETNAME=ngc*", 2),
        ("&TARGETNAME=M31", 0),
        ("&FORMAT=application/fits", 2),
        ("&FORMAT=graphic", 0),
        ("&FORMAT=text/html", 0),
        ("&MAXREC=0", 0),
    ],
)
def test_spectra_are_found_by_the_parameters_of_ssa(
    more: str, count: int, site: WebClient
) -> None:
    # Of a parameter that is given twice the last one counts.
    file = read(site, f"{QUERY}{more}")
    assert len(file.get_first_table().array) == count
    assert get_status(file)[0] == ("OVERFLOW" if more == "&MAXREC=0" else "OK")


def test_names_of_parameters_have_no_case(site: WebClient) -> None:
    assert len(read_table(site, "/vo/ssa?request=QUERYDATA&pos=150.05,2.05").array) == 2


def test_an_answer_that_is_cut_off_says_so(site: WebClient) -> None:
    file = read(site, f"{QUERY}&MAXREC=1")
    assert get_status(file)[0] == "OVERFLOW"
    assert len(file.get_first_table().array) == 1


def test_metadata_name_the_parameters(site: WebClient) -> None:
    file = read(site, "/vo/ssa?REQUEST=queryData&FORMAT=METADATA")
    params = {param.name for param in file.resources[0].params}
    names = ("POS", "SIZE", "BAND", "TIME", "FORMAT", "MAXREC")
    assert {f"INPUT:{name}" for name in names} <= params
    assert len(file.get_first_table().array) == 0


@pytest.mark.parametrize(
    "query",
    [
        "",
        "REQUEST=getData",
        "REQUEST=queryData&POS=1",
        "REQUEST=queryData&POS=1,2;GALACTIC",
        "REQUEST=queryData&POS=nan,nan",
        "REQUEST=queryData&POS=400,100",
        "REQUEST=queryData&POS=1,2&SIZE=-1",
        "REQUEST=queryData&BAND=V",
        "REQUEST=queryData&BAND=5/1",
        "REQUEST=queryData&BAND=-1/inf",
        "REQUEST=queryData&TIME=yesterday",
        "REQUEST=queryData&TIME=2024-01-01/2023-01-01",
        "REQUEST=queryData&MAXREC=-1",
        "REQUEST=queryData&MAXREC=1e99",
        "REQUEST=queryData&FORMAT=nonsense",
        "REQUEST=queryData&VERSION=9",
        "REQUEST=queryData&TARGETNAME=%00%01",
        f"REQUEST=queryData&TARGETNAME={'x' * 600}",
        "REQUEST=queryData&POS=<script>",
    ],
)
def test_what_is_wrong_is_said_in_a_votable(query: str, site: WebClient) -> None:
    file = read(site, f"/vo/ssa?{query}")
    state, why = get_status(file)
    assert state == "ERROR"
    assert why


def test_links_keep_the_rules_of_datalink(site: WebClient) -> None:
    path = f"/vo/datalink?ID=ivo://rewebb/products?{NEW}/{SPECTRUM}"
    answer = site.get(path)
    assert answer.headers["content-type"] == (
        "application/x-votable+xml;content=datalink"
    )
    table = read_table(site, path).to_table()
    assert {str(word) for word in table["semantics"]} <= WORDS
    for row in table:
        given = [
            bool(row[name]) for name in ("access_url", "service_def", "error_message")
        ]
        assert sum(given) == 1
        assert row["ID"] == f"ivo://rewebb/products?{NEW}/{SPECTRUM}"
    (this,) = (row for row in table if row["semantics"] == "#this")
    assert this["content_length"] == len(site.get(f"/files/{NEW}/{SPECTRUM}").content)
    assert {row["local_semantics"] for row in table} >= {"page", "provenance"}


def test_links_lead_down_to_what_was_made_of_a_product(site: WebClient) -> None:
    job, name = "spec2-1-raw-dark_0001.fits", "jw02736007001_03103_00001_nrs1_cal.fits"
    table = read_table(site, f"/vo/datalink?ID=ivo://rewebb/products?{job}/{name}")
    rows = table.to_table()
    made = [row["access_url"] for row in rows if row["semantics"] == "#derivation"]
    assert any(url.endswith(f"/files/{OLD}/{SPECTRUM}") for url in made)
    of = [row["access_url"] for row in rows if row["semantics"] == "#progenitor"]
    assert len(of) == 2


@pytest.mark.parametrize(
    "named", ["nonsense", "ivo://other/x?y/z.fits", "a/../b", "%00"]
)
def test_of_an_unknown_product_a_fault_is_told(named: str, site: WebClient) -> None:
    table = read_table(site, f"/vo/datalink?ID={named}").to_table()
    assert str(table["error_message"][0]).startswith("NotFoundFault")


def test_provenance_leads_to_the_raw_exposures(site: WebClient) -> None:
    document = site.get(f"/vo/prov/{NEW}").json()
    assert "sha256:raw-1" in document["entity"]
    assert "run:run-2" in document["activity"]
    assert site.get("/vo/prov/nothing").status_code == 404


def test_a_search_is_a_table_of_obscore_with_addresses_of_the_web(
    site: WebClient,
) -> None:
    table = read_table(site, "/vo/obscore?target=ngc*&kind=x1d").to_table()
    url = f"http://localhost/files/{NEW}/{SPECTRUM}"
    assert str(table["access_url"][0]) == url
    behind = site.get("/vo/obscore?kind=x1d", x_forwarded_proto="https")
    assert b"https://localhost/files/" in behind.content


def test_tables_are_valid(site: WebClient, tmp_path: Path) -> None:
    paths = (
        QUERY,
        "/vo/ssa",
        "/vo/obscore",
        "/vo/ssa?REQUEST=queryData&FORMAT=METADATA",
    )
    for path in paths:
        (tmp_path / "table.xml").write_bytes(site.get(path).content)
        assert validate(tmp_path / "table.xml", output=None), path
