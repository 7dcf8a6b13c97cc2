"""What is special of the LRS: the verification image of the slit."""

import os
import re
import shutil
from pathlib import Path

import pytest
from astropy.io import fits
from plain_script import PipelineCall, start
from prefetching import prefetch, resolve
from processed import Processed
from processing import make_request, plan

from flows.execution import Cluster
from flows.models.runs import RunState
from workers.contract import ResolveItem, ResolveMember, Stage
from workers.sample import Mode, SampleSet
from workers.sample.comparison import compare_spectrum
from workers.sample.contexts import sign
from workers.sample.lrs_geometry import PIXEL_ARCSEC, SLIT
from workers.sample.miri_lrs import MISS_ARCSEC, NODS_ARCSEC

NODS = [f"jw99007001001_03101_0000{number}_mirimage" for number in (1, 2)]
OTHER_OFFSETS = "jwst_miri_filteroffset_0002.asdf"
EDGE_PIXELS = 0.15
"""How much nearer to the middle a source seems of which the slit cuts one side."""


def list_steps(done: Processed, job: str) -> dict[str, str]:
    outcome = done.list_outcomes()[job]
    return {step.step: step.status for step in outcome.steps}


def measure_flux(spectrum: Path, sample: SampleSet) -> float:
    """Measure the flux of a spectrum, relative to what was injected."""
    checks = compare_spectrum(Mode.MIRI_LRS_SLIT, spectrum, sample.truth)
    return next(checks).measured


def test_every_job_succeeds_without_a_caveat(lrs_slit: Processed) -> None:
    assert lrs_slit.summary.state is RunState.SUCCEEDED
    assert set(lrs_slit.summary.counts) == {"SUCCEEDED"}
    assert lrs_slit.summary.caveats == ()
    assert lrs_slit.summary.notes == ()


def test_nods_are_each_others_background(lrs_slit: Processed) -> None:
    for nod in NODS:
        assert list_steps(lrs_slit, f"spec2:{nod}")["bkg_subtract"] == "COMPLETE"
    (combined,) = (k for k in lrs_slit.list_outcomes() if k.startswith("spec3:"))
    assert list_steps(lrs_slit, combined)["master_background"] == "SKIPPED"


@pytest.mark.parametrize(("nod", "arcsec"), list(zip(NODS, NODS_ARCSEC, strict=True)))
def test_the_verification_image_tells_where_the_source_is(
    lrs_slit: Processed, nod: str, arcsec: float
) -> None:
    assert list_steps(lrs_slit, f"spec2:{nod}")["targ_centroid"] == "COMPLETE"
    header = fits.getheader(lrs_slit.folder / f"{nod}_cal.fits", "SCI")
    column = SLIT.column + (arcsec + MISS_ARCSEC[0]) / PIXEL_ARCSEC
    row = SLIT.row + MISS_ARCSEC[1] / PIXEL_ARCSEC
    found = header["SRCXPOS"], header["SRCYPOS"]
    assert found == pytest.approx((column, row), abs=EDGE_PIXELS)


@pytest.mark.slow
def test_without_the_verification_image_light_is_missing(
    lrs_slit: Processed, sample: SampleSet, tmp_path: Path
) -> None:
    association = str(lrs_slit.folder / f"{NODS[0]}_spec2_asn.json")
    call = PipelineCall("Spec2Pipeline", association, {})
    context = sample.contexts[0]
    script = start([call], tmp_path, crds_path=sample.crds, context=context)
    assert script.wait() == 0
    name = f"{NODS[0]}_x1d.fits"
    without, with_image = (
        measure_flux(folder / name, sample) for folder in (tmp_path, lrs_slit.folder)
    )
    assert with_image == pytest.approx(1, abs=0.03)
    assert without < 0.92


def test_a_plan_says_what_a_nod_alone_lacks(
    lrs_slit: Processed, sample: SampleSet, cluster: Cluster, tmp_path: Path
) -> None:
    folder = tmp_path / Mode.MIRI_LRS_SLIT.program
    folder.mkdir()
    nod = sample.list_raw(Mode.MIRI_LRS_SLIT)[1]
    (folder / nod.name).symlink_to(nod)
    settings = lrs_slit.settings.model_copy(update={"archive": str(tmp_path)})
    summary = plan(settings, make_request(Mode.MIRI_LRS_SLIT), cluster)
    positions, background, acquisition = summary.notes
    assert f"{NODS[0]}: its pattern has 2 positions" in positions
    assert f"{NODS[0]}: no exposure at another position of its nods" in background
    assert f"{NODS[0]}: no target acquisition (MIR_TACONFIRM)" in acquisition


@pytest.fixture
def other_crds(sample: SampleSet, tmp_path: Path) -> Path:
    """Return a cache with an offset of filters for verification images alone."""
    crds = shutil.copytree(sample.crds, tmp_path / "crds", copy_function=os.link)
    (file,) = crds.rglob("jwst_miri_filteroffset_0001.asdf")
    file.with_name(OTHER_OFFSETS).write_bytes(file.read_bytes())
    (rules,) = crds.rglob("jwst_miri_filteroffset_*.rmap")
    head, _, tail = rules.read_text("utf-8").partition("('MIR_TACONFIRM',)")
    text = f"{head}('MIR_TACONFIRM',){tail.replace(file.name, OTHER_OFFSETS, 1)}"
    rules.unlink()
    rules.write_text(sign(re.sub("'[0-9a-f]{40}'", f"'{'0' * 40}'", text)), "utf-8")
    return crds


def make_item(sample: SampleSet, *, skip: bool) -> ResolveItem:
    image, nod = map(str, sample.list_raw(Mode.MIRI_LRS_SLIT)[:2])
    overrides = {"steps": {"targ_centroid": {"skip": skip}}}
    members = (ResolveMember("target_acquisition", image),)
    return ResolveItem(f"{skip}", Stage.SPEC2, nod, overrides, members=members)


def test_references_of_the_verification_image_alone_are_resolved(
    sample: SampleSet, other_crds: Path
) -> None:
    items = [make_item(sample, skip=skip) for skip in (True, False)]
    without, with_image = (
        {use.reftype: use.file.name for use in one.references if use.file}
        for one in resolve(other_crds, items).resolved
    )
    kind = "filteroffset of target_acquisition"
    assert with_image[kind] == OTHER_OFFSETS
    assert set(with_image) - set(without) == {kind}


def test_references_of_the_verification_image_alone_are_brought(
    sample: SampleSet, other_crds: Path
) -> None:
    without, with_image = (
        {
            file.name
            for file in prefetch(
                other_crds, None, items=[make_item(sample, skip=skip)]
            ).files
        }
        for skip in (True, False)
    )
    assert with_image - without == {OTHER_OFFSETS}


def test_apertures_of_a_time_series_are_resolved_for_its_last_stage(
    sample: SampleSet,
) -> None:
    """The pipeline tells only two of the types that its steps ask for."""
    raw = str(sample.list_raw(Mode.MIRI_LRS_SLITLESS)[1])
    item = ResolveItem("tso3:x", Stage.TSO3, raw, {})
    (resolved,) = resolve(sample.crds, [item]).resolved
    files = {use.reftype: use.file.name for use in resolved.references if use.file}
    assert files["extract1d"] == "jwst_miri_extract1d_0003.json"
    assert files["apcorr"] == "jwst_miri_apcorr_0001.fits"
