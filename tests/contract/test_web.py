"""The pages of `rewebb web`, on every database."""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from matplotlib.image import imread
from outcomes import NOON, make_run, make_run_job
from sqlalchemy import text as sql
from web_site import (
    CUBE,
    HOSTILE,
    NEW,
    OLD,
    SPECTRUM,
    WebClient,
    fill_site,
    open_site,
)

from flows.errors import DatabaseError
from flows.layout import CHANGES_NAME, get_pictures_path, get_run_folder
from flows.models.runs import JobState
from flows.provenance import Database, open_to_serve
from flows.reports import compare_versions, pair_runs
from workers.change_contract import FileChange, SpectrumChange
from workers.contract import to_json
from workers.job_layout import get_store_folder
from workers.pictures_contract import (
    DRAWING_VERSION,
    DrawnProduct,
    Picture,
    PictureKind,
    name_pictures,
)

PAGES = (
    *("/", "/programs", "/programs/02736", "/programs/02736/o007", "/runs"),
    *("/runs/run-1", "/live", "/stale", "/sky", "/products", f"/jobs/{NEW}"),
    *(f"/products/{NEW}/{SPECTRUM}", f"/products/{NEW}/{CUBE}", f"/lineage/{NEW}"),
    *(f"/compare/{OLD}/{NEW}", f"/compare/{OLD}/{NEW}?read=true"),
    *(f"/jobs/{NEW}/log/of-{NEW}-14", "/products?target=none", "/static/site.css"),
)


WORDS = (
    *("target", "near", "wave", "program", "kind", "reference", "context", "recipe"),
    *("exposure", "caveat", "issue", "jwst", "stage", "after", "limit"),
)
"""What products are searched by."""
HOSTILE_TEXTS = (
    *("%00", "a%00b", "%ED%A0%80", "%F0%9F%94%AD", "%FF%FE", "%5C", "%25", "_", "*"),
    *("'", "%27%3B%20DROP%20TABLE%20run%3B--", "%24%7B7*7%7D", "%7B%7B7*7%7D%7D"),
    *("9" * 30, "-1", "1e400", "nan", "..%2F..%2Fetc%2Fpasswd", "%0D%0AX-Evil:%201"),
)


@pytest.fixture
def site(database: Database, database_url: str, tmp_path: Path) -> Iterator[WebClient]:
    fill_site(database, tmp_path / "data")
    with open_site(database_url, tmp_path / "data") as client:
        yield client


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebClient]:
    """Give a site of SQLite that no test changes."""
    folder = tmp_path_factory.mktemp("web")
    url = f"sqlite:///{folder}/rewebb.db"
    with Database.open(url) as database:
        fill_site(database, folder)
    with open_site(url, folder) as client:
        yield client


def test_every_page_is_there_and_holds_no_foreign_markup(site: WebClient) -> None:
    for page in PAGES:
        answer = site.get(page)
        assert answer.status_code == 200, (page, answer.text)
        assert HOSTILE not in answer.text, page


def test_the_report_of_a_run_is_shown_in_a_sandbox_once_it_is_there(
    database: Database, site: WebClient, tmp_path: Path
) -> None:
    path = "/runs/run-2/report.html"
    assert site.get(path).status_code == 404
    assert path not in site.get("/runs/run-2").text
    folder = tmp_path / "data" / get_run_folder(database.runs.get_run("run-2"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text("<p>its report</p>")
    assert path in site.get("/runs/run-2").text
    answer = site.get(path)
    assert answer.text == "<p>its report</p>"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; sandbox allow-scripts;" in policy


def test_what_a_run_changed_is_told_with_it_and_with_the_jobs(
    database: Database, site: WebClient, tmp_path: Path
) -> None:
    said = "flux x1.1000"
    assert "Before and after" not in site.get("/runs/run-2").text
    before, run = (database.runs.get_run(f"run-{number}") for number in (1, 2))
    pairs = pair_runs(database, tmp_path / "data", before, run)
    brighter = SpectrumChange(
        part=HOSTILE,
        unit="Jy",
        samples=400,
        ratio=1.1,
        ratio_error=1e-5,
        ratio_scatter=0.0,
    )
    changed = compare_versions(
        pairs, database, lambda files: [FileChange((brighter,), {}, ())] * len(files)
    )
    path = tmp_path / "data" / get_run_folder(run) / CHANGES_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(changed))
    page = site.get("/runs/run-2").text
    assert "2 of 2 products with spectra, cubes or light curves changed." in page
    assert said in page
    assert HOSTILE not in page
    assert f'href="/compare/{OLD}/{NEW}">{SPECTRUM}' in page
    assert said in site.get(f"/compare/{OLD}/{NEW}").text
    assert said not in site.get(f"/compare/{NEW}/{OLD}").text
    path.write_text("{")
    assert "Before and after" not in site.get("/runs/run-2").text


def test_a_run_under_way_tells_what_is_expected_of_its_jobs(
    database: Database, site: WebClient
) -> None:
    started = datetime.now(UTC) - timedelta(seconds=30)
    late = make_run("run-late", started_at=started)
    database.runs.start_run(late)
    jobs = [
        replace(
            make_run_job(f"jw02736007001_03103_0000{number}_nrs1", state),
            updated_at=started,
            expected_s=630.0,
            expected_bytes=2_500_000_000,
        )
        for number, state in enumerate((JobState.RUNNING, JobState.DUE))
    ]
    database.runs.set_jobs(late.id, jobs)
    page = site.get("/live").text
    assert "0 of 2 jobs are over" in page
    assert "1, 2.50 GB granted as expected" in page
    assert "about 20.5 min" in page  # 600 s and 630 s, one after the other
    row = page.partition(jobs[0].key)[2].partition("</tr>")[0]
    assert re.findall(r'"n">([^<]+)<', row) == ["30 s", "10.5 min", "2.50 GB"]


def test_a_product_is_found_by_its_target(site: WebClient) -> None:
    found = site.get("/products?target=ngc*")
    assert f"/products/{NEW}/{SPECTRUM}" in found.text
    assert "rate.fits" not in found.text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("program=02736", 12),
        ("near=150.05,2.05,0.001&kind=x1d", 2),
        ("near=10,2,0.1", 0),
        ("reference=dark_0002.fits", 2),
        ("reference=dark_0002.fits&downstream=true&kind=x1d", 1),
        ("context=jwst_0001.pmap", 6),
        ("caveat=step-skipped&name=jw02736-", 4),
        ("recipe=nirspec-mos&newest=true", 6),
        ("wave=2.1,2.4&stage=spec3", 4),
        ("exposure=jw02736007001_03103_00001_nrs1&jwst=3.0.0", 10),
        ("issue=NS-IFU05", 0),
        ("target=&near=&kind=s3d", 2),
    ],
)
def test_products_are_found_by_all_that_the_form_asks(
    query: str, count: int, plain: WebClient
) -> None:
    found = plain.get(f"/products?{query}")
    assert found.status_code == 200, found.text
    assert f"<h2>{count} product" in found.text


def test_pages_follow_each_other_without_gap_or_repetition(site: WebClient) -> None:
    address: str | None = "/products?limit=5"
    listed: list[str] = []
    while address:
        page = site.get(address).text
        listed += re.findall(r'class="file"><a href="(/products/[^"]+)"', page)
        following = re.search(r'<a href="([^"]+)">Older products', page)
        address = following[1].replace("&amp;", "&") if following else None
    assert len(listed) == len(set(listed)) == 12


def test_a_product_says_why_it_was_made_again(site: WebClient) -> None:
    page = site.get(f"/products/{NEW}/{SPECTRUM}").text
    assert "Made because: dark is now dark_0002.fits" in page
    assert f"/compare/{OLD}/{NEW}" in page
    assert "There is a newer one" not in page
    assert "There is a newer one" in site.get(f"/products/{OLD}/{SPECTRUM}").text


def test_a_difference_leads_to_its_cause_and_to_its_size(site: WebClient) -> None:
    page = site.get(f"/compare/{OLD}/{NEW}?read=true").text
    assert "dark dark_0001.fits (sha1-dar) -&gt; dark_0002.fits" in page
    assert "FLUX: 400 of 401 values differ, by up to 0.0909 relatively" in page


def test_an_old_product_names_the_newer_reference(site: WebClient) -> None:
    job = "detector1-1-raw-dark_0001.fits"
    references = site.get(f"/jobs/{job}").text
    assert "dark_0001.fits" in references
    assert "<td>dark_0002.fits</td>" in references


def test_a_lineage_leads_up_to_the_raw_exposures(site: WebClient) -> None:
    page = site.get(f"/lineage/{NEW}").text
    assert "jw02736007001_03103_00001_nrs1_uncal.fits" in page
    assert '/jobs/detector1-1-raw-dark_0002.fits"' in page


def test_an_older_context_and_a_failure_are_told(site: WebClient) -> None:
    assert "nothing says so" in site.get("/stale").text
    # The program 02736 was run in the newest context last.
    assert "jwst_0002.pmap" in site.get("/stale").text


def test_a_run_that_is_recorded_meanwhile_is_seen(
    site: WebClient, database: Database
) -> None:
    assert "Nothing is running" in site.get("/live").text
    late = make_run("run-late", started_at=NOON + timedelta(days=1))
    database.runs.start_run(late)
    assert "run-late" in site.get("/live").text
    assert "run-late" in site.get("/").text


def test_the_database_of_the_service_cannot_be_written(
    database: Database, database_url: str
) -> None:
    forbidden = pytest.raises(DatabaseError, match=r"read-?only")
    with open_to_serve(database_url) as served, forbidden:
        served.runs.start_run(make_run("run-forbidden"))
    assert not database.runs.list_runs()


def test_a_database_of_another_revision_is_not_served(
    database: Database, database_url: str, engine: object
) -> None:
    del database
    with engine.begin() as connection:
        connection.execute(sql("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(DatabaseError, match="db upgrade"), open_to_serve(database_url):
        pass


def test_a_product_is_downloaded_whole_and_in_ranges(site: WebClient) -> None:
    path = f"/files/{NEW}/{SPECTRUM}"
    whole = site.get(path)
    assert whole.content.startswith(b"SIMPLE")
    assert SPECTRUM in whole.headers["content-disposition"]
    part = site.get(path, range="bytes=10-19")
    assert part.status_code == 206
    assert part.content == whole.content[10:20]
    tag = whole.headers["etag"]
    assert site.get(path, if_none_match=tag).status_code == 304
    assert site.get(path, range="bytes=99999999-").status_code == 416
    head = site.ask("HEAD", path)
    assert head.content == b""
    assert int(head.headers["content-length"]) == len(whole.content)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/files/x/..%2f..%2frewebb.db", 404),
        (f"/files/{NEW}/..%2f..%2f..%2frewebb.db", 404),
        (f"/files/{NEW}/%2e%2e", 400),
        (f"/files/{NEW}/outcome.json", 404),
        (f"/files/{NEW}/job.log", 404),
        (f"/files/{NEW}/jw%00.fits", 400),
        ("/static/..%2fapp.py", 404),
        ("/static/../app.py", 404),
        ("/products/' OR 1=1 --/x.fits", 404),
        ("/products?program=' OR 1=1 --", 400),
        ("/products?target=' OR 1=1 --", 200),
        ("/products?near=nan,nan,nan", 400),
        ("/products?near=1,2,3,4", 400),
        ("/products?wave=5,1", 400),
        ("/products?limit=1000000", 400),
        ("/products?limit=-1", 400),
        ("/products?after=nonsense", 400),
        ("/products?after=2026-01-01~x~y", 400),
        (f"/products?target={'x' * 301}", 400),
        (f"/products?{'&'.join(['target=a'] * 21)}", 400),
        (f"/products?target={'x' * 10_000}", 414),
        (f"/{'x' * 1100}", 414),
        ("/products?unknown=1", 400),
        ("/programs/1", 400),
        ("/programs/99999", 404),
        ("/runs?before=yesterday", 400),
        ("/runs/nothing", 404),
        ("/jobs/nothing", 404),
        ("/lineage/nothing", 404),
        (f"/compare/{OLD}/nothing", 404),
        (f"/jobs/{NEW}/log/nothing", 404),
        ("/docs", 404),
        (f"/slices/{NEW}/{CUBE}/20.png", 404),
        (f"/slices/{NEW}/{CUBE}/-1.png", 404),
        (f"/slices/{NEW}/{SPECTRUM}/1.png", 404),
        (f"/plots/{NEW}/{CUBE}?x=8&y=0", 404),
        (f"/plots/{NEW}/{SPECTRUM}?part=1", 404),
        (f"/plots/{NEW}/{SPECTRUM}?part=-1", 400),
        (f"/products/{NEW}/{CUBE}?plane=99999999999", 400),
        (
            "/plots/spec2-1-raw-dark_0001.fits/jw02736007001_03103_00001_nrs1_cal.fits",
            404,
        ),
        ("/bokeh/1.0/bokeh.min.js", 404),
    ],
)
def test_hostile_requests_are_refused_in_a_plain_sentence(
    path: str, status: int, plain: WebClient
) -> None:
    answer = plain.get(path)
    assert answer.status_code == status, answer.text
    assert "Traceback" not in answer.text


def test_no_database_breaks_of_what_is_asked(site: WebClient) -> None:
    """Each has text of its own that it cannot hold, or that means something to it."""
    places = [
        *("/runs/{}", "/jobs/{}", f"/jobs/{NEW}/log/{{}}", "/lineage/{}"),
        *(f"/compare/{OLD}/{{}}", "/files/{}/x_x1d.fits", "/products/{}/x_x1d.fits"),
        *(
            "/programs/{}",
            "/programs/02736/{}",
            "/programs?after={}",
            "/stale?after={}",
        ),
        *("/runs?before={}", "/runs/run-1?after={}", "/runs/run-1?state={}"),
        *(f"/products?{name}={{}}" for name in WORDS),
        *("/api/v1/runs/{}", "/api/v1/jobs/{}", "/vo/datalink?ID={}"),
        "/vo/ssa?REQUEST=queryData&TARGETNAME={}",
    ]
    for place in places:
        for text in HOSTILE_TEXTS:
            answer = site.get(place.format(text))
            assert answer.status_code < 500, (place, text, answer.text)
            assert "Traceback" not in answer.text


def test_a_slice_is_a_picture_of_a_pixel_a_spaxel_that_may_be_kept(
    plain: WebClient,
) -> None:
    answer = plain.get(f"/slices/{NEW}/{CUBE}/7.png")
    picture = imread(BytesIO(answer.content))
    assert picture.shape[:2] == (6, 8)
    assert picture[5, 0, 3] == 0, "what is not known is transparent"
    assert picture[3, 5, :3].tolist() == max(picture[..., :3].reshape(-1, 3).tolist())
    assert "immutable" in answer.headers["cache-control"]


def test_a_still_shows_a_spectrum_without_a_script(plain: WebClient) -> None:
    page = plain.get(f"/products/{NEW}/{SPECTRUM}").text
    assert "source the source: flux (Jy) against wavelength (um)" in page
    assert page.count('<polyline class="curve"') == 2, "it is cut at what is not known"


def test_a_click_on_a_slice_is_a_spaxel(plain: WebClient) -> None:
    # Pixels are 24 wide, and the first row is at the bottom.
    click = "plane=7&scale=24&rows=6&at.x=130&at.y=80"
    page = plain.get(f"/products/{NEW}/{CUBE}?{click}").text
    assert "spaxel 5, 2" in page


def test_pictures_that_workers_drew_are_shown_and_no_other_file(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    fill_site(database, data)
    (product,) = database.jobs.find_products(name=SPECTRUM)[:1]
    file = f"{name_pictures(SPECTRUM, product.product.sha256)}-1.png"
    picture = Picture(
        *(file, PictureKind.SPECTRUM, "1", HOSTILE, HOSTILE), width=8, height=6
    )
    drawn = DrawnProduct(
        SPECTRUM, product.product.sha256, DRAWING_VERSION, pictures=(picture,)
    )
    manifest = data / get_pictures_path(NEW, SPECTRUM)
    manifest.parent.mkdir(parents=True)
    manifest.write_text(to_json(drawn))
    manifest.with_name(file).write_bytes(b"a picture")
    manifest.with_name("other.png").write_bytes(b"another")
    place = f"/pictures/{NEW}/{SPECTRUM}"
    with open_site(database_url, data) as site:
        page = site.get(f"/products/{NEW}/{SPECTRUM}").text
        assert f'src="{place}/{file}" width="8" height="6"' in page
        assert HOSTILE not in page
        assert site.get(f"{place}/{file}").content == b"a picture"
        for other in ("other.png", manifest.name, "..%2fother.png"):
            assert site.get(f"{place}/{other}").status_code == 404
        named = f"ivo://rewebb/products?{NEW}/{SPECTRUM}"
        assert f"{place}/{file}" in site.get(f"/vo/datalink?ID={named}").text


def test_a_file_that_is_no_fits_file_is_said_to_be_none(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    fill_site(database, tmp_path / "data")
    path = tmp_path / "data" / get_store_folder(NEW) / SPECTRUM
    path.write_bytes(b"x" * path.stat().st_size)
    with open_site(database_url, tmp_path / "data") as site:
        page = site.get(f"/products/{NEW}/{SPECTRUM}")
        assert page.status_code == 200
        assert "does not hold what files of its kind do" in page.text
        assert site.get(f"/plots/{NEW}/{SPECTRUM}").status_code == 409


def test_a_file_is_not_followed_out_of_the_data_folder(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    fill_site(database, tmp_path / "data")
    secret = tmp_path / "secret"
    path = tmp_path / "data" / get_store_folder(NEW) / SPECTRUM
    secret.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(secret)
    with open_site(database_url, tmp_path / "data") as site:
        assert site.get(f"/files/{NEW}/{SPECTRUM}").status_code == 410


def test_a_file_that_was_changed_is_not_sent(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    fill_site(database, tmp_path / "data")
    with (tmp_path / "data" / get_store_folder(NEW) / SPECTRUM).open("ab") as file:
        file.write(b"more")
    with open_site(database_url, tmp_path / "data") as site:
        assert site.get(f"/files/{NEW}/{SPECTRUM}").status_code == 409


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_but_reading_is_answered(method: str, plain: WebClient) -> None:
    answer = plain.ask(method, "/")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/nothing", f"/files/{NEW}/{SPECTRUM}"])
def test_every_answer_has_the_headers_that_protect_who_reads_it(
    path: str, plain: WebClient
) -> None:
    headers = plain.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_an_answer_to_another_name_is_refused(plain: WebClient) -> None:
    for host in ("evil.example", "localhost.evil.example"):
        assert WebClient(plain.app, host=host).get("/").status_code == 421
    assert WebClient(plain.app, host="127.0.0.1:8321").get("/").status_code == 200


def test_many_ranges_at_once_are_refused(plain: WebClient) -> None:
    ranges = ",".join(f"{n}-{n}" for n in range(100))
    answer = plain.get(f"/files/{NEW}/{SPECTRUM}", range=f"bytes={ranges}")
    assert answer.status_code == 416


def test_a_sign_in_takes_a_user_and_a_proxy_that_proves_itself(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/rewebb.db"
    with Database.open(url):
        pass
    secret = "a-secret-of-the-proxy"
    named = {"web_user_header": "X-User", "web_proxy_secret": secret}
    with open_site(url, tmp_path, **named) as site:
        assert site.get("/", x_user="eve").status_code == 403
        wrong = site.get("/", x_user="eve", x_rewebb_proxy="something-else")
        assert wrong.status_code == 403
        assert site.get("/", x_rewebb_proxy=secret).status_code == 401
        page = site.get("/", x_user="ann <b>", x_rewebb_proxy=secret)
        assert "signed in as ann &lt;b&gt;" in page.text


def test_a_bug_shows_no_traceback(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/rewebb.db"
    with Database.open(url):
        pass
    with open_site(url, tmp_path) as site:
        with sqlite3.connect(tmp_path / "rewebb.db") as connection:
            connection.execute("DROP TABLE run_note")
            connection.execute("DROP TABLE run")
        connection.close()
        answer = site.get("/")
    assert answer.status_code == 500
    assert "no such table" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_database_in_a_folder_that_cannot_be_written_is_followed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "data" / "rewebb.db"
    url = f"sqlite:///{path}"
    with Database.open(url) as database:
        database.runs.start_run(make_run("run-first"))
    path.parent.chmod(0o555)
    try:
        with open_to_serve(url) as served:
            assert [run.id for run in served.runs.list_runs()] == ["run-first"]
            path.parent.chmod(0o755)
            with Database.open(url) as database:
                database.runs.start_run(make_run("run-second"))
                assert len(served.runs.list_runs()) == 2
            assert len(served.runs.list_runs()) == 2
    finally:
        path.parent.chmod(0o755)
