"""What `rewebb web` shows, made in a moment: two versions of a spectrum and a cube."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from astropy.io import fits
from outcomes import NOON, make_chain, make_run

from config.settings import Settings
from flows.models.runs import JobState, RunJob, RunState
from flows.provenance import Database, open_to_serve
from flows.web import make_app
from workers.contract import (
    Caveat,
    CaveatKind,
    Outcome,
    Product,
    ProductFacts,
    SourceFacts,
    Stage,
)
from workers.job_layout import LOG_NAME, get_store_folder

__all__ = [
    "CUBE",
    "HOSTILE",
    "NEW",
    "OLD",
    "SPECTRUM",
    "TARGET",
    "WebClient",
    "fill_site",
    "make_cube",
    "make_spectrum",
    "open_site",
    "running",
]

HOSTILE = "<script>alert(1)</script>"
"""What must never reach a page as it is."""

TARGET = "NGC 4242"
SPECTRUM = "jw02736-o007_s00001_x1d.fits"
CUBE = "jw02736-o007_s00001_s3d.fits"
OLD, NEW = "spec3-raw-dark_0001.fits", "spec3-raw-dark_0002.fits"
"""Fingerprints of the jobs that made the spectrum, and made it again."""

_REGION = "POLYGON ICRS 150.0 2.0 150.1 2.0 150.1 2.1 150.0 2.1"


@dataclass(frozen=True)
class WebClient:
    """Asks an application, without a server."""

    app: object
    host: str = "localhost"

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask for a page."""
        return self.ask("GET", path, **headers)

    def ask(self, method: str, path: str, **headers: str) -> httpx.Response:
        """Send a request of any method; _ in names of headers stands for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return asyncio.run(self._ask(method, path, named))

    async def _ask(
        self, method: str, path: str, headers: dict[str, str]
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        base = f"http://{self.host}"
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, path, headers=headers)


@contextmanager
def open_site(url: str, data_dir: Path, **settings: object) -> Iterator[WebClient]:
    """Open the application on a database, as `rewebb web` does."""
    given = Settings(data_dir=data_dir, **settings)
    with open_to_serve(url) as database:
        yield WebClient(make_app(given, database))


@contextmanager
def running(client: WebClient) -> Iterator[str]:
    """Run the application of a client as a server, and give its address."""
    config = uvicorn.Config(client.app, port=0, log_level="error")
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        socket.close()


def fill_site(database: Database, data_dir: Path) -> None:
    """Record a program that was run in two contexts, with its files."""
    for number in (1, 2):
        dark, context = f"dark_000{number}.fits", f"jwst_000{number}.pmap"
        at = NOON + timedelta(hours=number)
        run = replace(
            make_run(f"run-{number}", started_at=at), context=context, notes=(HOSTILE,)
        )
        database.runs.start_run(run)
        made = [
            _publish(
                replace(outcome, job=replace(outcome.job, context=context)),
                data_dir,
                at,
            )
            for outcome in make_chain(dark=dark)
        ]
        database.jobs.record_outcomes(made, run_id=run.id)
        database.runs.set_jobs(run.id, [_entry(outcome, dark) for outcome in made])
        database.runs.finish_run(
            run.id, RunState.SUCCEEDED, None, now=at + timedelta(minutes=9)
        )


def _entry(outcome: Outcome, dark: str) -> RunJob:
    return RunJob(
        stage=outcome.job.stage,
        name=outcome.job.name,
        state=JobState.SUCCEEDED,
        updated_at=outcome.finished_at,
        why=f"dark is now {dark}",
        fingerprint=outcome.job.fingerprint,
    )


def _publish(outcome: Outcome, data_dir: Path, at: object) -> Outcome:
    """Write the products of a job, and give what is recorded of it."""
    job = outcome.job
    folder = get_store_folder(job.fingerprint)
    (data_dir / folder).mkdir(parents=True)
    (data_dir / folder / LOG_NAME).write_text(f"INFO {HOSTILE}\n")
    scale = 1.1 if "0002" in job.fingerprint else 1.0
    texts = {product.name: b"no FITS file" for product in outcome.products}
    if job.stage is Stage.SPEC3:
        texts = {SPECTRUM: make_spectrum(scale), CUBE: make_cube(scale)}
    products = [
        _make_product(outcome.products, name, text) for name, text in texts.items()
    ]
    for name, text in texts.items():
        (data_dir / folder / name).write_bytes(text)
    return replace(
        outcome,
        attempt=f"{outcome.attempt}-{at:%H}",
        finished_at=at,
        folder=str(folder),
        products=tuple(sorted(products, key=lambda product: product.name)),
        facts=tuple(_make_facts(product.name) for product in products),
        caveats=(Caveat(CaveatKind.STEP_SKIPPED, f"The step {HOSTILE}."),),
    )


def _make_product(products: Sequence[Product], name: str, text: bytes) -> Product:
    (first,) = products
    other = "" if first.name == name else f"-{name}"
    return replace(
        first,
        name=name,
        size_bytes=len(text),
        sha256=f"{first.sha256}{other}",
        content_sha256=f"{first.content_sha256}{other}",
    )


def _make_facts(name: str) -> ProductFacts:
    place = {"ra_deg": 150.05, "dec_deg": 2.05, "wave_min_m": 1e-6, "wave_max_m": 5e-6}
    samples = {CUBE: 20, SPECTRUM: 401}.get(name)
    source = SourceFacts(name="1", region=_REGION, samples=samples, **place)
    return ProductFacts(
        product=name,
        dataproduct_type="cube" if name == CUBE else "spectrum",
        calib_level=3 if name in {CUBE, SPECTRUM} else 2,
        target=TARGET if name in {CUBE, SPECTRUM} else HOSTILE,
        instrument="NIRSPEC",
        detector="NRS1",
        grating="G395H",
        region=_REGION,
        start_mjd=60000.0,
        end_mjd=60000.5,
        exposure_s=42.5,
        sources=(source,),
        **place,
    )


def make_spectrum(scale: float = 1.0) -> bytes:
    """Make an x1d file with one source: a line at 3 um on a flat spectrum."""
    wave = np.linspace(1.0, 5.0, 401)
    flux = scale * (1.0 + np.exp(-(((wave - 3.0) / 0.05) ** 2)))
    flux[10] = np.nan
    columns = [
        fits.Column("WAVELENGTH", "D", unit="um", array=wave),
        fits.Column("FLUX", "D", unit="Jy", array=flux),
        fits.Column("FLUX_ERROR", "D", unit="Jy", array=np.full(401, 0.05)),
        fits.Column("DQ", "J", array=np.zeros(401, int)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="EXTRACT1D")
    table.header["SRCNAME"] = "the source"
    return _to_bytes(fits.HDUList([fits.PrimaryHDU(), table]))


def make_cube(scale: float = 1.0) -> bytes:
    """Make a cube of 20 wavelengths, 6 rows and 8 columns, brightest at (5, 2)."""
    data = np.full((20, 6, 8), scale, np.float32)
    data[:, 2, 5] += np.arange(20)
    data[:, 0, 0] = np.nan
    science = fits.ImageHDU(data, name="SCI")
    science.header.update(
        CRPIX1=1, CRPIX2=1, CRPIX3=1, CRVAL1=150.0, CRVAL2=2.0, CRVAL3=2.0,
        CDELT1=3e-5, CDELT2=3e-5, CDELT3=0.1, CTYPE1="RA---TAN", CTYPE2="DEC--TAN",
        CTYPE3="WAVE", CUNIT1="deg", CUNIT2="deg", CUNIT3="um", BUNIT="MJy/sr",
    )  # fmt: skip
    return _to_bytes(fits.HDUList([fits.PrimaryHDU(), science]))


def _to_bytes(files: fits.HDUList) -> bytes:
    stream = BytesIO()
    files.writeto(stream)
    return stream.getvalue()
