"""The browser of what is recorded, as people meet it: in Chromium, and by its pages."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from commands import BIN, find_free_port, wait_until
from outcomes import NOON, make_run, make_run_job
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)
from postgresql import running_server
from screenshots import keep_screenshot
from web_site import CUBE, NEW, OLD, SPECTRUM, fill_site

from flows.models.runs import JobState, RunState
from flows.provenance import Database

CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
)
PRODUCT, SLICED = f"/products/{NEW}/{SPECTRUM}", f"/products/{NEW}/{CUBE}"
PAGES = (
    *("/", "/programs/02736", "/programs/02736/o007", "/runs/run-2", "/live", "/stale"),
    *("/sky", "/products?target=NGC*", PRODUCT, SLICED, f"/lineage/{NEW}"),
    *(f"/compare/{OLD}/{NEW}?read=true", f"/jobs/{NEW}", "/nothing"),
)


@dataclass
class Watched:
    """A page, and all that it asked for or complained of."""

    page: Page
    base: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", self._note_failure)

    def _note_failure(self, request: Request) -> None:
        # Who goes on before all is there asks for no more of it.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.url}: {request.failure}")

    def _note_request(self, request: Request) -> None:
        self.requests.append(request.url)

    def _note_message(self, message: ConsoleMessage) -> None:
        # Of a page that is not there Chromium itself says so.
        if message.type in {"error", "warning"} and "404" not in message.text:
            self.complaints.append(message.text)

    def go(self, path: str) -> Page:
        """Open a page, and wait until all of it is there."""
        self.page.goto(f"{self.base}{path}", wait_until="networkidle")
        return self.page

    def find_foreign(self) -> set[str]:
        """Find the hosts that were asked and are not ours."""
        ours = urlsplit(self.base).netloc
        asked = {urlsplit(url) for url in self.requests}
        return {url.netloc for url in asked if url.scheme != "data"} - {ours}


@contextmanager
def serving(
    folder: Path, **variables: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `rewebb web` until it is told to end."""
    port = find_free_port()
    command = [BIN / "rewebb", "web", "--port", str(port), "--data-dir", folder]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, **variables},
    )
    base = f"http://127.0.0.1:{port}"
    try:
        assert process.stderr is not None
        assert f"{base}/" in process.stderr.readline()
        wait_until(lambda: _answers(base))
        yield base, process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def _answers(base: str) -> bool:
    try:
        return httpx.get(base).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web")
    with Database.open(f"sqlite:///{folder}/rewebb.db") as database:
        fill_site(database, folder)
    return folder


@pytest.fixture(scope="module")
def base(folder: Path) -> Iterator[str]:
    with serving(folder) as (base, _):
        yield base


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists() and "TESTS_NEED_SHARED" not in os.environ:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=[*QUIET]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def any_base(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Serve the same from a database of each backend."""
    if request.param == "sqlite":
        yield request.getfixturevalue("base")
        return
    folder = tmp_path_factory.mktemp("postgresql")
    with running_server() as url:
        with Database.open(url) as database:
            fill_site(database, folder)
        with serving(folder, REWEBB_DATABASE_URL=url) as (base, _):
            yield base


@pytest.fixture
def watched(browser: Browser, base: str) -> Iterator[Watched]:
    context = browser.new_context()
    yield Watched(context.new_page(), base)
    context.close()


@pytest.fixture
def on_any(browser: Browser, any_base: str) -> Iterator[Watched]:
    """Give a page of a service on each backend."""
    context = browser.new_context()
    yield Watched(context.new_page(), any_base)
    context.close()


def test_pages_complain_of_nothing_and_ask_no_other_host(watched: Watched) -> None:
    for path in PAGES:
        page = watched.go(path)
        broken = page.evaluate(
            "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
        )
        assert broken == 0, path
        assert watched.complaints == [], path
    assert watched.find_foreign() == set()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(browser: Browser, base: str, scheme: str) -> None:
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": 390, "height": 844}
    )
    watched = Watched(context.new_page(), base)
    for path in PAGES:
        page = watched.go(path)
        found = Axe().run(page).response["violations"]
        said = [(one["id"], one["nodes"][0]["html"]) for one in found]
        assert said == [], path
        keep_screenshot(page, f"web-{scheme}{path}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, f"{path} is wider than a phone"
    context.close()


def test_a_product_is_found_by_its_target_and_says_why_it_was_made_again(
    on_any: Watched,
) -> None:
    page = on_any.go("/")
    page.get_by_role("textbox", name="Name of a target").fill("ngc*")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=SPECTRUM).first.click()
    expect(page.get_by_text("Made because: dark is now dark_0002.fits")).to_be_visible()
    page.get_by_role("link", name="against the one before").click()
    page.get_by_role("link", name="Read the files").click()
    expect(page.get_by_text("by up to 0.0909 relatively").first).to_be_visible()
    assert on_any.complaints == []


def test_a_lineage_is_followed_to_a_raw_exposure(on_any: Watched) -> None:
    page = on_any.go(PRODUCT)
    page.get_by_role("link", name="All of its lineage").click()
    page.get_by_role("link", name="detector1 jw02736007001_03103_00001_nrs1").click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(re.compile("^detector1:"))
    raw = page.get_by_text("jw02736007001_03103_00001_nrs1_uncal.fits")
    expect(raw).to_be_visible()


def test_a_spectrum_is_a_plot_that_one_can_zoom(watched: Watched) -> None:
    page = watched.go(PRODUCT)
    page.locator("#plot canvas").first.wait_for()
    assert page.locator("#still").is_hidden()
    # Its style sheets were let in: without them it has no size.
    assert page.locator("#plot").bounding_box()["height"] > 300
    assert watched.complaints == []


def test_a_cube_is_sliced_and_a_spaxel_gives_its_spectrum(on_any: Watched) -> None:
    page = on_any.go(SLICED)
    page.locator("#plane").fill("7")
    expect(page.locator("#slice")).to_have_attribute("src", re.compile(r"/7\.png$"))
    assert page.locator("#wave").inner_text() == "2.700 um"
    box = page.locator("#slice").bounding_box()
    # The brightest spaxel: the sixth of eight columns, the third of six rows.
    place = {"x": box["width"] * 5.5 / 8, "y": box["height"] * 3.5 / 6}
    page.locator("#slice").click(position=place)
    shown = re.compile("x=5&y=2$")
    expect(page.locator("#plot")).to_have_attribute("data-shown", shown)
    assert page.locator("[name=x]").input_value() == "5"
    assert on_any.complaints == []


def test_without_scripts_all_can_be_read_and_sliced(
    browser: Browser, base: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{base}{SLICED}?plane=7")
    assert page.locator("#still svg").is_visible()
    box = page.locator("#slice").bounding_box()
    place = {"x": box["width"] * 5.5 / 8, "y": box["height"] * 3.5 / 6}
    page.locator("#slice").click(position=place)
    expect(page.get_by_text("spaxel 5, 2:")).to_be_visible()
    assert page.locator("#plane").input_value() == "7"
    context.close()


def test_what_is_running_is_shown_without_asking(
    watched: Watched, folder: Path
) -> None:
    page = watched.go("/live")
    assert page.get_by_text("Nothing is running").is_visible()
    late = make_run("run-late", started_at=datetime.now(UTC))
    with Database.open(f"sqlite:///{folder}/rewebb.db") as database:
        database.runs.start_run(late)
        job = replace(
            make_run_job("jw02736007001_03103_00003_nrs1"), state=JobState.DUE
        )
        database.runs.set_jobs(late.id, [job])
        expect(page.get_by_text("0 of 1 jobs are over")).to_be_visible(timeout=10_000)
        database.runs.finish_run(late.id, RunState.CANCELLED, None, now=NOON)


def test_all_is_reached_by_the_keyboard(watched: Watched) -> None:
    page = watched.go("/")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "To the content"
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.locator(":focus").inner_text() == "02736":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/programs/02736")


def test_ctrl_c_ends_it_at_once_and_with_one_line(folder: Path) -> None:
    with serving(folder) as (_, process):
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 1


@pytest.mark.parametrize(
    ("variables", "options", "said"),
    [
        ({}, ("--host", "0.0.0.0"), "web_hosts"),  # noqa: S104  # it is refused
        ({"REWEBB_WEB_USER_HEADER": "X-User"}, (), "web_proxy_secret"),
        ({"REWEBB_WEB_PROXY_SECRET": "short"}, (), "16"),
    ],
)
def test_it_is_not_open_to_others_by_accident(
    folder: Path, variables: dict[str, str], options: tuple[str, ...], said: str
) -> None:
    ended = subprocess.run(
        [BIN / "rewebb", "web", "--data-dir", folder, *options],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert said in ended.stderr


def test_without_records_it_says_what_to_do(tmp_path: Path) -> None:
    ended = subprocess.run(
        [BIN / "rewebb", "web", "--data-dir", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "holds no record of a run" in ended.stderr
    assert not list(tmp_path.iterdir())
