import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from commands import query
from processed import Processed

from workers.sample import SampleSet, check_products
from workers.stages.measurements import measure


@pytest.mark.parametrize(
    "program",
    [
        *("bots", "ifu", "fixed_slit", "lrs_slit", "lrs_slitless"),
        *("bots_pair", "gratings", "mos", "mrs"),
    ],
)
def test_products_agree_with_what_was_injected(
    request: pytest.FixtureRequest, sample: SampleSet, program: str
) -> None:
    done: Processed = request.getfixturevalue(program)
    checks = check_products(done.folder, sample.truth)
    assert checks
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize(
    "program",
    [
        *("bots", "ifu", "fixed_slit", "lrs_slit", "lrs_slitless"),
        *("bots_pair", "gratings", "mos", "mrs"),
    ],
)
def test_each_job_needs_one_attempt(
    request: pytest.FixtureRequest, program: str
) -> None:
    """A second one would hide an estimate of memory that is too low."""
    done: Processed = request.getfixturevalue(program)
    statement = """SELECT job.stage || ':' || job.name, count(attempt.id)
        FROM job LEFT JOIN attempt USING (fingerprint) GROUP BY fingerprint"""
    attempts = dict(query(done.settings.data_dir, statement))
    assert attempts == dict.fromkeys(attempts, 1)
    assert attempts


def test_numbers_of_the_ifu_are_those_of_its_source(ifu: Processed) -> None:
    """The aperture is around the spaxel that is nearest to the target."""
    path = ifu.folder / "jw99001-o001_t002_nirspec_prism-clear_x1d.fits"
    found = {(m.name, m.unit): m.value for m in measure(path, lines_um=[2.0])}
    assert found["x1d-over-s3d", "1"] == pytest.approx(1, abs=1e-3)
    assert found["absorption-spikes", "pixel"] == 0
    assert found["line-positions", "pixel"] == pytest.approx(0, abs=0.5)
    with fits.open(str(path).replace("x1d", "s3d")) as hdus:
        header = hdus[0].header
        target = [(header["TARG_RA"], header["TARG_DEC"])]
        (place,) = WCS(hdus["SCI"].header, naxis=2).wcs_world2pix(target, 0)
    offset = np.hypot(*(place - np.round(place)))
    assert found["source-offset", "pixel"] == pytest.approx(offset, abs=0.1)
    assert found["source-offset", "arcsec"] == pytest.approx(0.1 * offset, abs=0.01)


def test_numbers_of_a_time_series_are_all_there(bots: Processed) -> None:
    (path,) = bots.folder.glob("*_whtlt.ecsv")
    found = {(m.name, m.unit): m.value for m in measure(path)}
    assert {*found} == {
        *(("white-light-slope", "ppm/h"), ("white-light-scatter", "ppm")),
        ("white-light-scatter", "1"),
    }
    assert 500 < (found["white-light-scatter", "ppm"] or 0) < 1500
    assert 0.5 < (found["white-light-scatter", "1"] or 0) < 3
