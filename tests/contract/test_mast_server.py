"""The loopback MAST against what astroquery recorded of the real one, and is.

The recorded answers are of HST: they tell the shape. What JWST has in it is from the
rendered outputs of STScI's ``mast_notebooks`` (Querying_MAST_for_JWST_Metadata).
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import astropy.units as u
import httpx
import pytest
from astropy.coordinates import SkyCoord
from astroquery.exceptions import (
    InvalidQueryError,
    LoginError,
    MaxResultsWarning,
    NoResultsWarning,
)
from astroquery.mast import MastMissionsClass, conf
from mast_files import write_archive
from mast_server import MastServer, mast_server

from flows.archive.mast.client import MastClient, MastLimits
from flows.archive.mast.products import SEARCH_COLUMNS
from flows.models.products import Cone
from workers.transfer.http import HttpClient

TOKEN = "1f2e3d4c5b6a"  # of nobody


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MastServer]:
    folder = write_archive(tmp_path_factory.mktemp("archive"))
    with mast_server(folder, tokens={TOKEN: ["99021"]}) as server:
        yield server


@pytest.fixture
def connect(server: MastServer) -> Iterator[Callable[..., Any]]:
    """Return what makes a client of astroquery; it is as the wheel has it."""

    def make(**options: str) -> Any:
        missions = MastMissionsClass(mission="jwst", **options)
        missions._service_api_connection.SERVICE_URL = server.url
        missions._service_api_connection.MISSIONS_DOWNLOAD_URL = f"{server.url}/search/"
        missions.mission = "jwst"
        return missions

    with conf.set_temp("server", server.url):
        yield make


def recorded(name: str) -> Any:
    """Read an answer of the real server, from the wheel of astroquery."""
    path = files("astroquery.mast.tests") / "data" / name
    return json.loads(path.read_text())


def post(server: MastServer, endpoint: str, body: dict[str, Any]) -> Any:
    url = f"{server.url}/search/jwst/api/v0.1/{endpoint}"
    return httpx.post(url, json=body).raise_for_status().json()


def test_our_requests_are_those_of_astroquery(
    server: MastServer, connect: Callable[..., Any]
) -> None:
    """What is asked of the real server is what its own client asks."""
    conditions, cone = {"program": "99021", "instrume": "NIRSPEC"}, Cone(83.6, 2.0, 0.1)
    missions = connect()
    missions.query_criteria_async(
        coordinates=SkyCoord(cone.ra_deg, cone.dec_deg, unit="deg"),
        radius=cone.radius_deg * u.deg,
        limit=7,
        offset=14,
        select_cols=list(SEARCH_COLUMNS),
        sort_by=["fileSetName", "ArchiveFileID"],
        **conditions,
    )
    names = ["jw99021001001_03101_00001"]
    missions.get_product_list_async(names)
    with HttpClient(user_agent="tests", connections=1) as http:
        ours = MastClient(server.url, http, MastLimits(page_rows=7))
        ours.search(conditions, cone, first=14)
        ours.list_products(names)
    *_, theirs, their_products, search, products = [
        request for request in server.loopback.requests if request.method == "POST"
    ]
    for one, other in ((theirs, search), (their_products, products)):
        assert (one.path, json.loads(one.body)) == (other.path, json.loads(other.body))


def test_columns_are_told_as_the_real_server_tells_them(server: MastServer) -> None:
    url = f"{server.url}/search/util/api/v0.1/column_list"
    told = httpx.get(url, params={"mission": "jwst"}).json()
    real = recorded("mission_columns.json")
    assert {frozenset(one) for one in told} == {frozenset(one) for one in real}
    assert {type(value) for one in told for value in one.values()} == {str}
    kinds = {one["qual_type"] for one in real}
    assert {one["qual_type"] for one in told} <= kinds


def test_a_search_is_answered_in_the_recorded_shape(server: MastServer) -> None:
    near = {"target": ["150 2"], "radius": 3, "radius_units": "arcminutes"}
    told = post(server, "search", {"limit": 9, "offset": 0, "conditions": [], **near})
    real = recorded("mission_results.json")
    assert told.keys() == real.keys()
    assert told["search_params"].keys() == real["search_params"].keys()
    assert {frozenset(one) for one in told["info"]} == {frozenset({"name", "type"})}
    assert {one["type"] for one in told["info"]} == {o["type"] for o in real["info"]}
    extra = {"search_key", "search_pos", "ang_sep"}
    assert extra <= real["results"][0].keys()
    assert extra <= told["results"][0].keys()
    assert type(told["totalResults"]) is type(real["totalResults"])


def test_products_are_listed_in_the_recorded_shape(server: MastServer) -> None:
    name = "jw99021001001_03101_00001"
    told = post(server, "post_list_products", {"dataset_ids": [name]})
    real = recorded("mission_products.json")
    assert told.keys() == real.keys()
    types = {key: type(value) for key, value in real["products"][0].items()}
    for product in told["products"]:
        assert {key: type(value) for key, value in product.items()} == types


def test_a_row_is_what_the_notebook_of_stsci_shows(connect: Callable[..., Any]) -> None:
    row = connect().query_criteria(program=99021, exp_type="NRS_MSASPEC")[-1]
    assert len(row.colnames) == 21
    assert row["fileSetName"] == "jw99021001001_03101_00001"
    assert row["productLevel"] == "1b, 2b"
    assert (row["program"], row["observtn"]) == (99021, 1)
    assert row["publicReleaseDate"] == "2024-01-01T00:00:00"
    assert row["access"] == "PUBLIC"


@pytest.mark.parametrize(
    ("criteria", "rows"),
    [
        ({"program": [99021, 99022]}, 10),
        ({"program": "99022"}, 4),
        ({"program": ">99021"}, 4),
        ({"program": "99000..99021", "productLevel": "!3"}, 4),
        ({"exp_type": "NRS_*", "productLevel": "3"}, 3),
        ({"targprop": "ngc*", "productLevel": "!3"}, 2),
        ({"date_obs": "2025-01-01..2025-12-31"}, 2),
        ({"date_obs": "<2024-01-01"}, 0),
    ],
)
@pytest.mark.filterwarnings("ignore::astroquery.exceptions.NoResultsWarning")
def test_conditions_are_read_as_mast_documents_them(
    connect: Callable[..., Any], criteria: dict[str, Any], rows: int
) -> None:
    assert len(connect().query_criteria(**criteria)) == rows


def test_a_cone_gives_what_is_in_it_and_how_far(connect: Callable[..., Any]) -> None:
    where = SkyCoord(83.6, 2.01, unit="deg")
    found = connect().query_region(where, radius=1.0, select_cols=["ang_sep"])
    assert set(found["fileSetName"]) == {
        "jw99022001001_03101_00001",
        "jw99022-o001_t001_miri",
    }
    assert list(found["ang_sep"]) == pytest.approx([0.6, 0.6])


def test_astroquery_warns_of_what_it_warns_of(connect: Callable[..., Any]) -> None:
    with pytest.warns(NoResultsWarning):
        connect().query_criteria(program=1)
    with pytest.warns(MaxResultsWarning):
        connect().query_criteria(program=99021, limit=2)
    with pytest.raises(InvalidQueryError, match="Did you mean 'exp_type'"):
        connect().query_criteria(exp_typ="NRS_IFU")
    with pytest.raises(InvalidQueryError):
        connect().query_criteria(program=99021, select_cols=["nonsense"])


def test_astroquery_downloads_what_it_has_found(
    connect: Callable[..., Any], tmp_path: Path
) -> None:
    missions = connect()
    products = missions.get_product_list(["jw99021002001_03101_00002"])
    raw = missions.filter_products(products, file_suffix="_uncal", type="science")
    manifest = missions.download_products(raw, download_dir=tmp_path, flat=True)
    assert list(manifest["Status"]) == ["COMPLETE"]
    assert Path(manifest["Local Path"][0]).stat().st_size == raw["size"][0]


def test_astroquery_logs_in_with_its_cookie(
    server: MastServer, connect: Callable[..., Any]
) -> None:
    connect(mast_token=TOKEN)
    assert f"mast_token={TOKEN}" in server.asked("whoami")[-1].headers["cookie"]
    with pytest.raises(LoginError):
        connect(mast_token="another")


def test_more_than_a_thousand_datasets_are_refused(server: MastServer) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        post(server, "post_list_products", {"dataset_ids": ["x"] * 1001})


def test_astroquery_is_redirected_by_a_file_as_well(
    server: MastServer, tmp_path: Path
) -> None:
    """What facts B2 say of a config file holds for the server too."""
    code = (
        "from astroquery.mast import MastMissions as m; m.mission = 'jwst';"
        "print(len(m.query_criteria(program=99022)))"
    )
    folder = tmp_path / "astropy"
    folder.mkdir()
    (folder / "astroquery.cfg").write_text(f"[mast]\nserver = {server.url}\n")
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["4"]
