"""Nods of the shutters: what is made of every source, and which metafiles fail."""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from processed import Processed
from processing import make_request, plan, process
from stdatamodels.jwst.datamodels.dqflags import pixel

from config.settings import Settings
from flows.execution import Cluster
from flows.models.runs import JobState, RunState
from flows.names import ProductName, parse_file_name
from flows.reports import RunSummary
from flows.run import Request
from workers.sample import Mode, SampleSet
from workers.sample.nirspec_mos import MOS_PRISM
from workers.stages.measurements import measure

METAFILE = "jw99004001001_01_msa.fits"
FIRST = "jw99004001001_03101_00001_nrs1"

pytestmark = pytest.mark.slow

Edit = Callable[[fits.HDUList], None]


@pytest.fixture
def archive(sample: SampleSet, tmp_path: Path) -> Path:
    """Return a copy of the archive of which files may be removed or replaced."""
    raw = sample.archive / Mode.NIRSPEC_MOS_PRISM.program
    return shutil.copytree(raw, tmp_path / "archive", copy_function=os.link)


def use(done: Processed, archive: Path) -> Settings:
    return done.settings.model_copy(update={"archive": archive})


Plan = Callable[[], RunSummary]


@pytest.fixture
def plan_again(mos: Processed, archive: Path, cluster: Cluster) -> Plan:
    """Return what plans the archive as it is by then, over what was done."""

    def give() -> RunSummary:
        return plan(use(mos, archive), make_request(Mode.NIRSPEC_MOS_PRISM), cluster)

    return give


def states(summary: RunSummary) -> dict[str, Counter[JobState]]:
    found: dict[str, Counter[JobState]] = {}
    for job in summary.jobs:
        stage, _, _ = job.key.partition(":")
        found.setdefault(stage, Counter())[job.state] += 1
    return found


def edit(path: Path, change: Edit) -> None:
    """Change a FITS file that other folders share."""
    with fits.open(path, mode="readonly", memmap=False, lazy_load_hdus=False) as hdus:
        change(hdus)
        path.unlink()
        hdus.writeto(path)


def list_slits(path: Path, name: str) -> Iterator[np.ndarray]:
    with fits.open(path) as hdus:
        yield from [hdu.data for hdu in hdus if hdu.name == name]


def test_every_source_and_the_empty_sky_have_their_products(mos: Processed) -> None:
    found = Counter()
    for name in mos.summary.products:
        parsed = parse_file_name(name)
        if isinstance(parsed.of, ProductName):
            found[parsed.of.target] += 1
    # cal, crf, s2d and x1d
    assert found == dict.fromkeys(
        ["b000000004", "s000000001", "s000000002", "s000000003"], 4
    )


def test_the_empty_detector_is_the_only_caveat(mos: Processed) -> None:
    assert mos.summary.state is RunState.SUCCEEDED
    stems = [f"jw99004001001_03101_0000{nod}_nrs2" for nod in (1, 2, 3)]
    why = "No open slits fall on detector NRS2."
    assert sorted(mos.summary.caveats) == [
        f"spec2:{stem}: NO_DATA_ON_DETECTOR: {stem}: {why}" for stem in stems
    ]


def test_spec2_alone_reads_the_metafile(mos: Processed) -> None:
    for key, outcome in mos.list_outcomes().items():
        names = [file.name for file in outcome.job.inputs]
        assert (METAFILE in names) == key.startswith("spec2:")
        assert names[0] != METAFILE


def test_light_of_the_stuck_shutter_is_flagged_in_one_slit(mos: Processed) -> None:
    flags = list_slits(mos.folder / f"{FIRST}_cal.fits", "DQ")
    stuck = [bool(np.any(flag & pixel["MSA_FAILED_OPEN"])) for flag in flags]
    assert stuck == [True, False, False, False]


@pytest.mark.parametrize("source", ["s000000001", "s000000003"])
def test_a_source_is_in_the_middle_of_its_aperture(mos: Processed, source: str) -> None:
    path = mos.folder / f"jw99004-o001_{source}_nirspec_clear-prism_x1d.fits"
    found = {m.unit: m.value for m in measure(path) if m.name == "source-offset"}
    assert found["pixel"] == pytest.approx(0, abs=0.1)
    assert found["arcsec"] == pytest.approx(0.105 * found["pixel"], rel=0.05)


@pytest.fixture(scope="module")
def master_background(
    mos: Processed, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Settings, RunSummary]:
    """Process again, with the background of the empty slitlet; detector1 is there."""
    data_dir = tmp_path_factory.mktemp("master-background") / "data"
    store = mos.settings.data_dir / "store"
    shutil.copytree(store, data_dir / "store", copy_function=os.link)
    settings = mos.settings.model_copy(update={"data_dir": data_dir})
    program = Mode.NIRSPEC_MOS_PRISM.program
    request = Request(program, recipe="mos-master-background")
    return settings, process(settings, request)


def test_the_empty_slitlet_can_be_the_background_of_all(
    master_background: tuple[Settings, RunSummary], sample: SampleSet
) -> None:
    settings, summary = master_background
    assert states(summary)["detector1"] == {JobState.REUSED: 6}
    assert not [line for line in summary.caveats if "NO_DATA" not in line]
    for source in ("s000000001", "s000000002", "s000000003"):
        [path] = (settings.data_dir / summary.folder).glob(f"*_{source}_*_x1d.fits")
        truth = Table.read(sample.truth / f"nirspec-mos-prism_{source}.ecsv")
        spectrum = fits.getdata(path, "EXTRACT1D")
        good = np.isfinite(spectrum["FLUX"])
        wavelength, flux = spectrum["WAVELENGTH"][good], spectrum["FLUX"][good]
        ratio = flux / np.interp(wavelength, truth["wavelength"], truth["flux"])
        assert np.median(ratio) == pytest.approx(truth.meta["held_share"], rel=0.05)


def test_of_the_sky_nothing_is_left_where_it_was_measured(
    master_background: tuple[Settings, RunSummary],
) -> None:
    settings, summary = master_background
    [path] = (settings.data_dir / summary.folder).glob("*_b000000004_*_x1d.fits")
    left = np.nanmedian(fits.getdata(path, "EXTRACT1D")["SURF_BRIGHT"])
    assert abs(left) < 0.1 * MOS_PRISM.scene.background_mjy_sr


def test_a_second_run_has_nothing_to_do(plan_again: Plan) -> None:
    assert states(plan_again()) == {
        "detector1": {JobState.REUSED: 6},
        "spec2": {JobState.REUSED: 6},
        "spec3": {JobState.REUSED: 1},
    }


def test_an_edited_metafile_makes_spec2_due_and_detector1_not(
    archive: Path, plan_again: Plan
) -> None:
    def make_extended(hdus: fits.HDUList) -> None:
        hdus["SOURCE_INFO"].data["stellarity"] = 0.2

    edit(archive / METAFILE, make_extended)
    summary = plan_again()
    assert states(summary) == {
        "detector1": {JobState.REUSED: 6},
        "spec2": {JobState.DUE: 6},
        "spec3": {JobState.DUE: 1},
    }
    whys = {job.why for job in summary.jobs if job.key.startswith("spec2:")}
    assert whys == {f"metafile input {METAFILE} has changed: pixels"}


def test_a_detector_on_which_nothing_falls_makes_nothing_and_succeeds(
    mos: Processed, archive: Path
) -> None:
    for path in archive.glob("*_nrs1_uncal.fits"):
        path.unlink()
    summary = process(use(mos, archive), make_request(Mode.NIRSPEC_MOS_PRISM))
    assert summary.state is RunState.SUCCEEDED
    assert states(summary)["spec3"] == {JobState.NO_DATA: 1}
    assert summary.jobs[-1].why.count("No open slits fall on detector NRS2.") == 3
    assert not [name for name in summary.products if "_x1d" in name]


def remove(path: Path) -> None:
    path.unlink()


def rename_program(path: Path) -> None:
    edit(path, lambda hdus: hdus[0].header.set("PROGRAM", "01345"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (remove, ("MSAMETFL", "no such file")),
        (rename_program, ("expected", "99004", "got one of program 01345")),
    ],
)
def test_a_wrong_metafile_fails_spec2_in_a_sentence_and_blocks_level_3(
    archive: Path,
    plan_again: Plan,
    spoil: Callable[[Path], None],
    words: tuple[str, ...],
) -> None:
    """One that is missed in the archive, one that is seen when references resolve.

    What else may be wrong: unit/test_metafiles.py, unit/test_msa.py.
    """
    spoil(archive / METAFILE)
    summary = plan_again()
    assert states(summary) == {
        "detector1": {JobState.REUSED: 6},
        "spec2": {JobState.FAILED: 6},
        "spec3": {JobState.BLOCKED: 1},
    }
    [why] = [job.why for job in summary.jobs if job.key == f"spec2:{FIRST}"]
    assert METAFILE in why
    assert len(why.splitlines()) == 1
    assert [word for word in words if word not in why] == []
