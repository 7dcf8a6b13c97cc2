"""The API of `rewebb web`: what it tells, and that nothing breaks it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from web_site import CUBE, NEW, OLD, SPECTRUM, TARGET, WebClient, fill_site, open_site

from flows.provenance import Database


@pytest.fixture
def site(database: Database, database_url: str, tmp_path: Path) -> Iterator[WebClient]:
    fill_site(database, tmp_path / "data")
    with open_site(database_url, tmp_path / "data") as client:
        yield client


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebClient]:
    folder = tmp_path_factory.mktemp("web")
    url = f"sqlite:///{folder}/rewebb.db"
    with Database.open(url) as database:
        fill_site(database, folder)
    with open_site(url, folder) as client:
        yield client


def test_programs_lead_to_observations_runs_and_their_jobs(site: WebClient) -> None:
    (program,) = site.get("/api/v1/programs").json()
    assert program["program"] == "02736"
    assert program["runs"] == 2
    assert program["last_run"]["context"] == "jwst_0002.pmap"
    (observation,) = site.get("/api/v1/programs/02736/observations").json()
    assert observation["jobs"] == {"detector1": 2, "spec2": 2, "spec3": 1}
    newer, older = site.get("/api/v1/runs?program=02736&state=SUCCEEDED").json()
    assert newer["id"] == "run-2"
    before = newer["started_at"].replace("+", "%2B")
    assert site.get(f"/api/v1/runs?before={before}").json() == [older]
    jobs = site.get("/api/v1/runs/run-2/jobs?limit=3").json()
    more = site.get(f"/api/v1/runs/run-2/jobs?after={jobs[-1]['key']}").json()
    assert len(jobs) + len(more) == 5
    assert more[-1]["why"] == "dark is now dark_0002.fits"
    assert site.get("/api/v1/runs/run-2/jobs?state=FAILED").json() == []


def test_products_are_found_page_by_page(site: WebClient) -> None:
    asked, after = [], ""
    while True:
        page = site.get(f"/api/v1/products?limit=5&after={after}").json()
        asked += [(one["fingerprint"], one["name"]) for one in page["products"]]
        if page["after"] is None:
            break
        after = page["after"].replace("+", "%2B")
    assert len(asked) == len(set(asked)) == 12


def test_a_product_is_told_with_its_facts(site: WebClient) -> None:
    one = site.get(f"/api/v1/products/{NEW}/{SPECTRUM}").json()
    assert one["target"] == TARGET
    assert one["wave_max_m"] == 5e-6
    assert site.get(one["download"]).content.startswith(b"SIMPLE")
    (found,) = site.get(
        "/api/v1/products?near=150.05,2.05,0.1&kind=x1d&limit=1"
    ).json()["products"]
    assert found == {**one, "separation_deg": 0.0}


def test_a_job_is_told_with_what_decided_on_its_products(site: WebClient) -> None:
    job = site.get(f"/api/v1/jobs/{NEW}").json()
    assert [file["made_by"] for file in job["inputs"]] == [
        "spec2-1-raw-dark_0002.fits",
        "spec2-2-raw-dark_0002.fits",
    ]
    assert job["parameters"] == [
        {
            "name": "jump.rejection_threshold",
            "value": "5.0",
            "origin": "recipe nirspec-mos",
        }
    ]
    assert job["products"] == [CUBE, SPECTRUM]


def test_a_lineage_goes_from_raw_files_to_the_last_product(site: WebClient) -> None:
    told = site.get("/api/v1/lineage/detector1-1-raw-dark_0001.fits").json()
    assert told["raw"] == {
        "raw-1": "jw02736007001_03103_00001_nrs1_uncal.fits",
        "bytes-of-detector1-2-raw-dark_0001.fits": (
            "jw02736007001_03103_00002_nrs1_rate.fits"
        ),
    }
    assert told["jobs"][-1] == OLD


def test_curves_are_numbers(site: WebClient) -> None:
    spectrum = site.get(f"/api/v1/products/{NEW}/{SPECTRUM}/curve").json()
    assert len(spectrum["x"]) == len(spectrum["y"]) == 401
    assert spectrum["y"][10] is None
    assert spectrum["y"][200] == pytest.approx(2.2)
    spaxel = site.get(f"/api/v1/products/{NEW}/{CUBE}/curve?x=5&y=2").json()
    assert spaxel["y"][:2] == pytest.approx([1.1, 2.1])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/products?near=1", 400),
        ("/api/v1/products?limit=201", 400),
        ("/api/v1/runs?state=ODD", 400),
        ("/api/v1/runs/nothing", 404),
        ("/api/v1/jobs/nothing", 404),
        ("/api/v1/programs/1/observations", 400),
        ("/api/v1/nothing", 404),
    ],
)
def test_what_is_wrong_is_said_as_json(
    path: str, status: int, plain: WebClient
) -> None:
    answer = plain.get(path)
    assert answer.status_code == status
    assert isinstance(answer.json()["detail"], str)


def test_no_request_that_the_description_allows_breaks_it(site: WebClient) -> None:
    schema = schemathesis.openapi.from_dict(site.get("/api/v1/openapi.json").json())
    operations = [one.ok() for one in schema.get_all_operations()]
    assert len(operations) >= 10

    @settings(
        max_examples=150,
        deadline=None,
        database=None,
        suppress_health_check=[*HealthCheck],
    )
    def ask(case: schemathesis.Case) -> None:
        request = case.as_transport_kwargs(base_url="http://localhost")
        path = httpx.URL(request["url"], params=request.get("params") or {})
        answer = site.get(str(path))
        assert answer.status_code < 500, (path, answer.text)

    given = st.one_of(*(operation.as_strategy() for operation in operations))
    hypothesis.given(given)(ask)()
