"""Files that users bring in the real pipeline: what its steps make of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from brought_files import write_apertures, write_mask, write_spectrum
from installed_specs import get_installed_specs
from processed import find_outcomes
from processing import make_settings, plan, process

from config.recipe import load_recipe
from config.settings import Settings
from flows.archive import BroughtFiles
from flows.execution import Cluster
from flows.factory import open_services
from flows.models.runs import JobState, RunState
from flows.reports import RunSummary
from flows.run import Request, make_plan, prepare, resolve
from workers.brought import check_brought
from workers.content import file_sha256
from workers.contract import Outcome, Status
from workers.run import run_job
from workers.sample import Mode, SampleSet

NODS = [f"jw99007001001_03101_0000{number}_mirimage" for number in (1, 2)]
MJY_SR = 2.5
BAD = (200, 330)
"""Row and column of a good pixel beside the spectra."""
GIB = 1 << 30

RECIPE = """
title = "A background, apertures and a bad pixel of our own"
[associations]
nod_backgrounds = "off"
[[files]]
kind = "background-spectrum"
sha256 = "{spectrum}"
[[files]]
kind = "extract1d"
sha256 = "{apertures}"
stage = "spec3"
[[files]]
kind = "bad-pixels"
sha256 = "{mask}"
match.exposure = "{nod}"
"""


@dataclass(frozen=True)
class Brought:
    """The LRS with a slit, processed with files of a user."""

    settings: Settings
    summary: RunSummary
    names: dict[str, str]
    """Hashes of the files."""
    put: Callable[[Path], str]
    """Puts a file, and returns its hash."""

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """What jobs left, by key."""
        return find_outcomes(self.settings.data_dir)

    @property
    def spec3(self) -> Outcome:
        """The job that combines the nods."""
        [found] = [o for k, o in self.outcomes.items() if k.startswith("spec3:")]
        return found

    def open(self, ending: str) -> Any:
        """Open a product of the run."""
        folder = self.settings.data_dir / self.summary.folder
        [path] = folder.glob(f"*{ending}")
        return fits.open(path, memmap=False)

    def write_recipe(self, folder: Path, **changes: str) -> str:
        """Write the recipe, with other files."""
        path = folder / "mine.toml"
        path.write_text(RECIPE.format(**{**self.names, "nod": NODS[0], **changes}))
        return str(path)


@pytest.fixture(scope="module")
def done(sample: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Brought:
    folder = tmp_path_factory.mktemp("brought")
    settings = make_settings(sample, folder / "data")
    brought = BroughtFiles(settings.data_dir)

    def put(path: Path) -> str:
        file, _ = brought.put(path, check_brought, now=datetime.now(UTC))
        return file.sha256

    flags = np.zeros((1024, 1032), np.uint32)
    flags[BAD] = 1
    rows = np.linspace(3, 15, 200)
    names = {
        "spectrum": put(
            write_spectrum(folder / "a.fits", wavelength=rows, bright=MJY_SR)
        ),
        "mask": put(write_mask(folder / "b.fits", flags)),
        "apertures": put(
            write_apertures(
                folder / "c.json",
                id="MIR_LRS-FIXEDSLIT",
                dispaxis=2,
                extract_width=4,
                use_source_posn=True,
            )
        ),
    }
    empty = RunSummary  # the recipe is written before there is a run
    mine = Brought(settings, empty, names, put)  # type: ignore[arg-type]  # as said
    recipe = mine.write_recipe(folder)
    summary = process(settings, Request(Mode.MIRI_LRS_SLIT.program, recipe=recipe))
    return replace(mine, summary=summary)


def test_every_job_succeeds_without_a_caveat(done: Brought) -> None:
    assert done.summary.state is RunState.SUCCEEDED
    assert done.summary.caveats == ()


def test_spec3_subtracts_the_spectrum_and_records_it(done: Brought) -> None:
    """Its association has no other background: plain `jwst` would ignore it."""
    status = {step.step: step.status for step in done.spec3.steps}
    assert status["master_background"] == "COMPLETE"
    with done.open(f"{NODS[0]}_cal.fits") as hdus:
        before = hdus["SCI"].data
    with done.open(f"{NODS[0]}_o001_crf.fits") as hdus:
        after, header = hdus["SCI"].data, hdus[0].header
    name = f"background-spectrum-{done.names['spectrum'][:16]}.fits"
    assert header["MASTERBG"] == name
    seen = np.isfinite(after)
    assert np.count_nonzero(seen) > 10_000
    assert (after - before)[seen] == pytest.approx(-MJY_SR, abs=1e-3)


def test_spectra_are_extracted_with_the_apertures(done: Brought) -> None:
    name = f"extract1d-{done.names['apertures'][:16]}.json"
    with done.open("p750l_x1d.fits") as hdus:
        assert hdus[0].header["R_EXTR1D"] == name
        assert np.nanmax(hdus["EXTRACT1D"].data["NPIXELS"]) == pytest.approx(4)


def test_the_mask_flags_the_pixel_of_its_exposure_alone(done: Brought) -> None:
    flags = []
    for nod in NODS:
        with done.open(f"{nod}_rate.fits") as hdus:
            flags.append(int(hdus["DQ"].data[BAD]) & 1)
    assert flags == [1, 0]


def test_another_spectrum_makes_due_what_is_made_with_it(
    done: Brought, tmp_path: Path, cluster: Cluster
) -> None:
    other = done.put(write_spectrum(tmp_path / "d.fits", wavelength=[3.0, 15.0]))
    recipe = done.write_recipe(tmp_path, spectrum=other)
    request = Request(Mode.MIRI_LRS_SLIT.program, recipe=recipe)
    jobs = {job.key: job for job in plan(done.settings, request, cluster).jobs}
    due = [key for key, job in jobs.items() if job.state is not JobState.REUSED]
    assert due == [f"spec3:{done.spec3.job.name}"]
    assert f"new background-spectrum member background-spectrum-{other[:16]}.fits" in (
        jobs[due[0]].why
    )


EDITED = """
[[edits]]
edit = "set-slit-aperture"
stage = "spec3"
width_pixels = 6
"""


def test_apertures_of_the_context_are_edited_for_the_job_alone(
    done: Brought, tmp_path: Path, cluster: Cluster, sample: SampleSet
) -> None:
    text = Path(done.write_recipe(tmp_path)).read_text()
    before, apertures, after = text.partition('[[files]]\nkind = "extract1d"')
    path = tmp_path / "edited.toml"
    path.write_text(before + after[after.index("[[files]]") :] + EDITED)
    assert apertures
    request, recipe = Request(Mode.MIRI_LRS_SLIT.program), load_recipe(str(path))
    with open_services(done.settings, read_only=True) as services:
        drawn = prepare(
            request,
            recipe,
            services.archive,
            data_dir=services.data_dir,
            get_specs=get_installed_specs,
        )
        entries = make_plan(
            resolve(drawn, services, lambda: cluster), services
        ).plan.entries
    [job] = [entry.job for entry in entries if entry.state is not JobState.REUSED]
    assert job is not None
    kept = hash_references(sample)
    outcome = run_job(
        job, attempt="one", data_dir=tmp_path / "data", granted_bytes=8 * GIB
    )
    assert outcome.status is Status.SUCCEEDED, outcome.error
    assert outcome.caveats == ()
    assert hash_references(sample) == kept
    [parent] = [u.file for u in job.references if u.reftype == "extract1d" and u.file]
    x1d = tmp_path / "data" / outcome.folder / f"{job.name}_x1d.fits"
    with fits.open(x1d, memmap=False) as hdus:
        assert hdus[0].header["R_EXTR1D"] == f"{Path(parent.name).stem}_edited.json"
        assert np.nanmax(hdus["EXTRACT1D"].data["NPIXELS"]) == pytest.approx(6)


def hash_references(sample: SampleSet) -> dict[str, str]:
    paths = sorted(sample.crds.rglob("*extract1d*"))
    return {path.name: file_sha256(path) for path in paths}


def test_a_file_that_has_changed_since_it_was_planned_is_not_used(
    done: Brought, tmp_path: Path
) -> None:
    job = done.spec3.job
    [file] = [each for each in job.inputs if each.exptype == "extract1d"]
    other = write_apertures(tmp_path / file.name)
    changed = replace(file, path=str(other))
    inputs = tuple(changed if each is file else each for each in job.inputs)
    outcome = run_job(
        replace(job, inputs=inputs),
        attempt="one",
        data_dir=tmp_path / "data",
        granted_bytes=8 * GIB,
    )
    assert outcome.status is Status.FAILED
    assert outcome.error is not None
    assert outcome.error.type == "InputChangedError"
