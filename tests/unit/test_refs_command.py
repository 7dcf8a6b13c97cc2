"""`rewebb refs`, as far as it goes without a server."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from exposures import ifu_program
from s3_server import S3Mirror, s3_mirror
from typer.testing import CliRunner

from config.settings import Settings
from flows.cli import app
from flows.cli.refs import _list_items

PROGRAM = "99001"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "crds"))
    return tmp_path


@pytest.fixture
def raw(elsewhere: Path) -> Path:
    """Return the raw files of a program."""
    folder = elsewhere / "raw"
    folder.mkdir()
    for exposure in ifu_program(PROGRAM):
        primary = fits.PrimaryHDU(header=fits.Header(dict(exposure.header)))
        pixels = np.ones((2, 2), dtype=np.uint16)
        hdus = [primary, fits.ImageHDU(pixels, name="SCI")]
        fits.HDUList(hdus).writeto(folder / f"{exposure.name}_uncal.fits")
    return folder


@pytest.fixture
def mirror(raw: Path) -> Iterator[S3Mirror]:
    with s3_mirror(raw) as mirror:
        yield mirror


def test_jobs_whose_raw_files_are_not_here_are_told_of(
    mirror: S3Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(archive=mirror.url, s3_endpoint=mirror.endpoint)
    assert _list_items(settings, [PROGRAM], "official") == ()
    out, err = capsys.readouterr()
    assert "jobs of 99001 are left out: their raw files are not here" in err
    assert "run `rewebb fetch 99001`" in err
    assert out == ""


def test_nothing_is_told_if_all_is_here(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _list_items(Settings(archive=str(raw)), [PROGRAM], "official")
    assert "left out" not in capsys.readouterr().err


def test_the_cache_of_the_sample_is_not_filled_from_a_server(elsewhere: Path) -> None:
    done = CliRunner().invoke(
        app, ["refs", "sync", "--archive", "sample", "--server", "http://127.0.0.1:1"]
    )
    assert done.exit_code == 2
    assert "cache of its own" in done.output
    assert [*elsewhere.iterdir()] == []
