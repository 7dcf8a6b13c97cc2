"""Runs that start at spec2 or spec3: of a sample program, and of a real source."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from fits_differences import list_differences
from processed import Processed
from processing import make_settings, plan, process
from real_data import REAL_SLITS, needs_real_data
from stdatamodels.jwst.datamodels import SlitModel
from typer.testing import CliRunner

from flows.cli import app
from flows.execution import Cluster
from flows.models.runs import JobState, RunState
from flows.reports import RunSummary
from flows.run import Request
from workers.contract import Stage
from workers.sample import Mode, SampleSet
from workers.stages.measurements import measure as measure_product
from workers.stages.wrapping import wrap_slits

SLIT = Mode.NIRSPEC_FS_PRISM.program
SUFFIXES = {Stage.SPEC2: ("rate", "rateints"), Stage.SPEC3: ("cal",)}
SOURCE = "jw01345-o062_s000000933_nirspec_clear-prism"


def fill(folder: Path, products: Path, suffixes: Iterable[str]) -> Path:
    """Make an archive of products of exposures."""
    folder.mkdir()
    for suffix in suffixes:
        for path in products.glob(f"jw{SLIT}0*_{suffix}.fits"):
            os.link(path, folder / path.name)
    return folder


@dataclass(frozen=True)
class Entered:
    """A run that started late."""

    summary: RunSummary
    folder: Path
    stage: Stage


@pytest.fixture(scope="module", params=[Stage.SPEC2, Stage.SPEC3])
def entered(
    request: pytest.FixtureRequest,
    fixed_slit: Processed,
    tmp_path_factory: pytest.TempPathFactory,
) -> Entered:
    """Process the fixed-slit program again, from what its whole run has made."""
    stage: Stage = request.param
    folder = tmp_path_factory.mktemp(stage)
    archive = fill(folder / "archive", fixed_slit.folder, SUFFIXES[stage])
    settings = fixed_slit.settings.model_copy(
        update={"archive": archive, "data_dir": folder / "data"}
    )
    summary = process(settings, Request(SLIT, start_at=stage))
    return Entered(summary, settings.data_dir / summary.folder, stage)


def test_products_are_those_of_the_whole_run(
    fixed_slit: Processed, entered: Entered
) -> None:
    made = {path.name for path in entered.folder.iterdir()} - {"run.json"}
    assert {f"{Stage.SPEC3}_asn.json" in name for name in made} == {True, False}
    assert any(name.endswith("_x1d.fits") for name in made)
    whole = fixed_slit.folder
    assert [
        line
        for name in sorted(made)
        for line in list_differences(entered.folder / name, whole / name)
    ] == []


def test_nothing_of_an_earlier_stage_is_executed(entered: Entered) -> None:
    assert entered.summary.state is RunState.SUCCEEDED
    assert entered.summary.caveats == ()
    first = {job.key.partition(":")[0] for job in entered.summary.jobs}
    assert first == {str(entered.stage), "spec3"}


def test_what_a_whole_run_has_done_is_reused(
    fixed_slit: Processed, cluster: Cluster, tmp_path: Path
) -> None:
    archive = fill(tmp_path / "archive", fixed_slit.folder, ["cal"])
    settings = fixed_slit.settings.model_copy(update={"archive": archive})
    summary = plan(settings, Request(SLIT, start_at=Stage.SPEC3), cluster)
    assert [job.state for job in summary.jobs] == [JobState.REUSED]


def test_a_missing_exposure_blocks_spec3_unless_partial_is_allowed(
    fixed_slit: Processed, cluster: Cluster, tmp_path: Path
) -> None:
    archive = fill(tmp_path / "archive", fixed_slit.folder, ["cal", "rate"])
    missing = f"jw{SLIT}001001_03101_00002_nrs1_cal.fits"
    (archive / missing).unlink()
    settings = fixed_slit.settings.model_copy(update={"archive": archive})
    failed, blocked = plan(settings, Request(SLIT, start_at=Stage.SPEC3), cluster).jobs
    assert (failed.state, blocked.state) == (JobState.FAILED, JobState.BLOCKED)
    assert failed.why.startswith(f"{missing}: expected it in the archive")
    variables = {"CRDS_PATH": str(settings.crds_path), "CRDS_CONTEXT": ""}
    places = ["--archive", str(archive), "--data-dir", str(settings.data_dir)]
    options = ["--start-at", "spec3", "--allow-partial", "--dry-run", "--json"]
    shown = CliRunner(env=variables).invoke(app, ["run", SLIT, *places, *options])
    *_, due = json.loads(shown.stdout)["jobs"]
    assert (due["state"], due["why"]) == ("DUE", f"science member {missing} is gone")


def combine(sample: SampleSet, folder: Path, slits: Sequence[Path]) -> Path:
    """Wrap slits and combine them; give the folder of the run."""
    wrap_slits(slits, folder / "archive")
    settings = make_settings(sample, folder / "data")
    settings = settings.model_copy(update={"archive": folder / "archive"})
    summary = process(settings, Request("01345", start_at=Stage.SPEC3))
    assert summary.state is RunState.SUCCEEDED
    return settings.data_dir / summary.folder


@pytest.fixture(scope="module")
def nods(sample: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the folders of runs of the real source: each nod alone, and all three."""
    given = [*([slit] for slit in REAL_SLITS), REAL_SLITS]
    names = [f"nod{number}" for number in (1, 2, 3)] + ["all"]
    return [
        combine(sample, tmp_path_factory.mktemp(name), slits)
        for name, slits in zip(names, given, strict=True)
    ]


@dataclass(frozen=True)
class Trace:
    """A strong emission line of the real source, and the continuum beside it."""

    centre_um: float
    pixel_um: float
    signal_to_noise: float
    error: float
    scatter: float


def measure(folder: Path) -> Trace:
    """Sum five rows around the source, and measure the line at 3.436 um."""
    with SlitModel(folder / f"{SOURCE}_s2d.fits") as model:
        data, error = model.data.copy(), model.err.copy()
        rows, columns = np.indices(data.shape)
        wavelength = np.nanmedian(model.meta.wcs(columns, rows)[2], axis=0)
    line = (wavelength > 3.40) & (wavelength < 3.475)
    beside = (wavelength > 3.2) & (wavelength < 3.6) & ~line
    free = (wavelength > 3.6) & (wavelength < 5.0)
    row = int(np.argmax(np.nansum(data[:, line], axis=1)))
    flux = data[row - 2 : row + 3].sum(axis=0)
    sigma = np.sqrt((error[row - 2 : row + 3] ** 2).sum(axis=0))
    above = flux[line] - np.nanmedian(flux[beside])
    bend = np.diff(flux[free], 2) / np.sqrt(6)
    return Trace(
        centre_um=float((wavelength[line] * above).sum() / above.sum()),
        pixel_um=float(np.median(np.diff(wavelength[line]))),
        signal_to_noise=float(above.sum() / np.sqrt((sigma[line] ** 2).sum())),
        error=float(np.nanmedian(sigma[free])),
        scatter=float(1.4826 * np.nanmedian(np.abs(bend))),
    )


@pytest.fixture(scope="module")
def traces(nods: list[Path]) -> list[Trace]:
    return [measure(folder) for folder in nods]


@needs_real_data
def test_a_real_source_has_one_image_and_one_spectrum(nods: list[Path]) -> None:
    names = sorted(path.name for path in nods[-1].glob("*.fits"))
    suffixes = ("cal", "crf", "s2d", "x1d")
    assert names == [f"{SOURCE}_{suffix}.fits" for suffix in suffixes]
    with fits.open(nods[-1] / f"{SOURCE}_x1d.fits") as hdus:
        [spectrum] = [hdu for hdu in hdus if hdu.name == "EXTRACT1D"]
        assert spectrum.columns["FLUX"].unit == "Jy"
        assert np.isfinite(spectrum.data["FLUX"]).sum() > 300


@needs_real_data
def test_what_others_have_calibrated_is_the_only_caveat(nods: list[Path]) -> None:
    [caveat] = json.loads((nods[-1] / "run.json").read_text())["caveats"]
    assert "MIXED_PROVENANCE" in caveat
    assert "jwst 1.14.0 in jwst_1225.pmap, used with jwst 3.0.0" in caveat


@needs_real_data
def test_a_real_spectrum_is_shown_with_its_nods_and_who_made_them(
    nods: list[Path],
) -> None:
    product, data_dir = nods[-1] / f"{SOURCE}_x1d.fits", nods[-1].parents[2]
    shown = CliRunner().invoke(app, ["show", str(product), "--data-dir", str(data_dir)])
    assert shown.exit_code == 0, shown.output
    assert "caveat MIXED_PROVENANCE" in shown.output
    for number in (1, 2, 3):
        assert f"jw01345062001_03101_0000{number}_nrs2_cal.fits" in shown.output


@needs_real_data
def test_a_line_of_a_real_source_is_where_the_single_nods_see_it(
    traces: list[Trace],
) -> None:
    *single, combined = traces
    assert min(nod.signal_to_noise for nod in single) > 20
    for nod in single:
        assert abs(nod.centre_um - combined.centre_um) < combined.pixel_um


@needs_real_data
def test_numbers_of_a_real_source_are_near_those_of_good_data(
    nods: list[Path],
) -> None:
    """The aperture is centred where the proposal has the source, a pixel beside it."""
    folder = nods[-1]
    spectrum = measure_product(folder / f"{SOURCE}_x1d.fits", lines_um=[3.436])
    (outliers,) = measure_product(folder / f"{SOURCE}_s2d.fits")
    found = {(one.name, one.unit): one.value for one in spectrum}
    assert found["absorption-spikes", "pixel"] == 0
    assert found["nan-fraction", "1"] == 0
    assert found["line-positions", "pixel"] == pytest.approx(0, abs=0.5)
    assert found["source-offset", "pixel"] == pytest.approx(0.85, abs=0.1)
    assert found["source-offset", "arcsec"] == pytest.approx(0.09, abs=0.01)
    assert outliers.value == pytest.approx(0.007, abs=0.003)


@needs_real_data
def test_three_nods_of_a_real_source_are_better_by_the_root_of_three(
    traces: list[Trace],
) -> None:
    """Errors within 5 %; the scatter between some 130 pixels within 25 %."""
    *single, combined = traces
    ratios = {
        "line": combined.signal_to_noise / np.mean([n.signal_to_noise for n in single]),
        "error": np.mean([n.error for n in single]) / combined.error,
    }
    assert ratios == pytest.approx(dict.fromkeys(ratios, np.sqrt(3)), rel=0.05)
    scatter = np.mean([n.scatter for n in single]) / combined.scatter
    assert scatter == pytest.approx(np.sqrt(3), rel=0.25)
