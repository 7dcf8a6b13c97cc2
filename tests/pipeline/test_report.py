"""The report of a run of the pipeline, opened in Chromium."""

import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from processed import Processed
from screenshots import keep_screenshot

from flows.execution import Cluster
from flows.factory import open_records
from flows.reports import list_shown, publish_report
from flows.run import draw_recorded

CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
)
PROGRAMS = (
    *("ifu", "gratings", "bots", "bots_pair", "mos", "fixed_slit", "mrs", "lrs_slit"),
    "lrs_slitless",
)
PICTURED = ("s2d", "s3d", "x1d", "c1d", "x1dints", "whtlt")
BROKEN = "[...document.images].filter((one) => !one.naturalWidth).length"
TOO_WIDE = "document.documentElement.scrollWidth > window.innerWidth"


@dataclass
class Opened:
    """A report, and all that it asked for or complained of."""

    page: Page
    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, path: Path) -> None:
        """Open a file, and note what happens."""
        ours = (path.as_uri(), "data:")
        self.page.on(
            "request",
            lambda one: one.url.startswith(ours) or self.foreign.append(one.url),
        )
        self.page.on(
            "console",
            lambda one: (
                self.complaints.append(one.text)
                if one.type in {"error", "warning"}
                else None
            ),
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.as_uri(), wait_until="networkidle")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        assert "TESTS_NEED_SHARED" not in os.environ, f"there is no {CHROMIUM}"
        pytest.skip(f"there is no {CHROMIUM}")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=[*QUIET]
        )
        yield launched
        launched.close()


@pytest.fixture
def report(bots: Processed, cluster: Cluster, tmp_path: Path) -> Path:
    return write_report(bots, cluster, tmp_path)


def write_report(processed: Processed, cluster: Cluster, folder: Path) -> Path:
    """Draw what a run has made, and write its report."""
    data_dir = processed.settings.data_dir
    with open_records(processed.settings) as database:
        run = database.runs.get_run(processed.summary.run)
        shown = list_shown(database, database.runs.get_run_jobs(run.id))
        draw_recorded(
            shown, data_dir=data_dir, open_cluster=lambda: nullcontext(cluster)
        )
        written = publish_report(
            database, run, data_dir=data_dir, output=folder / "report.html"
        )
    assert (written.left_out, written.undrawn) == ((), ())
    assert written.size_bytes < 20_000_000
    return written.path


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_report_is_whole_and_asks_nobody(
    program: str,
    request: pytest.FixtureRequest,
    cluster: Cluster,
    browser: Browser,
    tmp_path: Path,
) -> None:
    """All that a run made with pixels is seen in it."""
    processed = request.getfixturevalue(program)
    opened = Opened(browser.new_page())
    opened.open(write_report(processed, cluster, tmp_path))
    page = opened.page
    made = {
        path.name
        for kind in PICTURED
        for path in processed.folder.glob(f"jw?????-*_{kind}.*")
    }
    assert made
    assert made <= {*page.locator("article:has(img) h3").all_inner_texts()}
    assert page.evaluate(BROKEN) == 0
    assert Axe().run(page).violations_count == 0
    keep_screenshot(page, f"report-{program}")
    page.get_by_role("button", name="Zoom").first.click()
    page.locator(".plot canvas").first.wait_for()
    assert (opened.foreign, opened.complaints) == ([], [])
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_can_be_read_by_everybody_and_on_a_phone(
    report: Path, browser: Browser, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of two
    page.goto(report.as_uri())
    assert Axe().run(page).violations_count == 0
    assert not page.evaluate(TOO_WIDE)
    page.close()


def test_a_report_can_be_read_without_scripts(report: Path, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.get_by_role("heading", name="Products").is_visible()
    assert page.get_by_role("img").count() >= 7
    assert page.get_by_role("button").count() == 0
    context.close()
