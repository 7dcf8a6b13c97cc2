"""What the page of NIRSpec MOS advises for level 3, on three nods of a real source."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from mitigations import (
    AS_BEFORE,
    NOTHING,
    NUMBERS,
    find_measured,
    find_number,
)
from processed import find_outcomes
from processing import make_settings, process
from real_data import REAL_SLITS, needs_real_data
from stdatamodels.jwst.datamodels import MultiSlitModel

from config.known_issues import load_known_issues
from flows.advice import to_fragment_lines
from flows.models.measurements import MeasuredProduct
from flows.models.runs import RunState
from flows.run import Request
from workers.contract import CaveatKind, Outcome, Stage
from workers.sample import SampleSet
from workers.stages.wrapping import wrap_slits

pytestmark = needs_real_data

NAME = "jw01345-o062_s000000933_nirspec_clear-prism"
ISSUES = {issue.id: issue for issue in load_known_issues()}


@dataclass(frozen=True)
class Combined:
    """A run over the three nods."""

    outcome: Outcome
    folder: Path
    measured: list[MeasuredProduct]

    @property
    def endings(self) -> set[str]:
        """What the names of its products end with."""
        return {p.stem.rpartition("_")[2] for p in self.folder.glob(f"{NAME}*.fits")}

    def read(self, ending: str) -> list[Any]:
        """Read the tables of a spectrum, or of those that are not combined."""
        tables: list[Any] = []
        for path in sorted(self.folder.glob(f"{NAME}*_{ending}.fits")):
            with fits.open(path, memmap=False) as hdus:
                kinds = {"EXTRACT1D", "COMBINE1D"}
                tables += [hdu.data for hdu in hdus if hdu.name in kinds]
        return tables


def leave(_: Path) -> None:
    pass


def lose_errors(cal: Path) -> None:
    """Make the errors of the flat, and so all errors, NaN, as of an old flat."""
    with fits.open(cal, mode="update", memmap=False) as hdus:
        for hdu in hdus:
            if hdu.name in {"ERR", "VAR_FLAT"}:
                hdu.data[:] = np.nan


BRIGHT_MJY_SR, NOISE_MJY_SR = 10.0, 0.03
"""Peak of a source a hundred times brighter than the real one, and its photon noise."""
SIGMA_SHUTTERS = 0.15
"""Its width along the slit: 0.08 arcsec."""


def brighten(cal: Path) -> None:
    """Put a bright source in the place of the real one.

    What is left of the real exposure is the variance of its read noise.
    """
    rng = np.random.default_rng(int(cal.name.split("_")[2]))
    with MultiSlitModel(cal) as model:
        [slit] = model.slits
        rows, columns = np.indices(slit.data.shape)
        to_slit = slit.meta.wcs.get_transform("detector", "slit_frame")
        _, along, _ = to_slit(columns, rows)
        distance = (along - slit.source_ypos) / SIGMA_SHUTTERS
        share = np.exp(-0.5 * np.nan_to_num(distance, nan=np.inf) ** 2)
        noise = NOISE_MJY_SR * np.sqrt(share) * rng.standard_normal(share.shape)
        image = BRIGHT_MJY_SR * share + noise
        slit.data = np.where(np.isfinite(slit.data), image, np.nan).astype(np.float32)
        model.save(cal)


def combine(
    sample: SampleSet,
    folder: Path,
    issues: Sequence[str],
    spoil: Callable[[Path], None],
) -> Combined:
    """Combine the nods with what mitigates some issues."""
    folder.mkdir()
    wrap_slits(REAL_SLITS, folder / "archive")
    for cal in (folder / "archive").glob("*_cal.fits"):
        spoil(cal)
    recipe = folder / "recipe.toml"
    lines = [to_fragment_lines(ISSUES[issue].mitigation[0]) for issue in issues]
    recipe.write_text("\n".join(['title = "Mitigations"', *chain(*lines)]))
    settings = make_settings(sample, folder / "data", measure=True)
    settings = settings.model_copy(update={"archive": folder / "archive"})
    request = Request("01345", recipe=str(recipe), start_at=Stage.SPEC3)
    summary = process(settings, request)
    assert summary.state is RunState.SUCCEEDED
    [outcome] = find_outcomes(settings.data_dir).values()
    measured = find_measured(settings, summary)
    return Combined(outcome, settings.data_dir / summary.folder, measured)


def compare(issue: str, *runs: Combined) -> None:
    """Compare what two runs show of an issue with what the docs tell."""
    [number] = [one for one in NUMBERS if one.issue == issue]
    found = [
        find_number(each.measured, number, part)
        for each, part in zip(runs, number.parts, strict=True)
    ]
    told = [number.before, number.after]
    assert found == pytest.approx(told, rel=AS_BEFORE, abs=NOTHING)


def test_without_errors_nothing_is_left_and_recomputed_ones_bring_it_back(
    sample: SampleSet, tmp_path: Path
) -> None:
    plain = combine(sample, tmp_path / "plain", [], lose_errors)
    mended = combine(sample, tmp_path / "mended", ["NS-MOS02"], lose_errors)
    compare("NS-MOS02", plain, mended)
    [lost], [table] = plain.read("x1d"), mended.read("x1d")
    assert not np.isfinite(lost["FLUX"]).any()
    assert np.isfinite(table["FLUX"]).mean() > 0.9
    variance = table["FLUX_VAR_RNOISE"] + table["FLUX_VAR_POISSON"]
    good = np.isfinite(table["FLUX"])
    assert table["FLUX_ERROR"][good] == pytest.approx(np.sqrt(variance[good]))
    told = [c for c in mended.outcome.caveats if c.kind is CaveatKind.EDITED]
    assert len(told) == 3
    assert "had no errors" in told[0].message


def test_spectra_are_combined_in_place_of_images(
    sample: SampleSet, tmp_path: Path
) -> None:
    combined = combine(sample, tmp_path / "spectra", ["NS-MOS-COMBINE-SPECTRA"], leave)
    assert combined.endings == {"cal", "crf", "x1d", "c1d"}
    assert combined.outcome.caveats == ()
    parts, [whole] = combined.read("x1d"), combined.read("c1d")
    assert len(parts) == 3
    assert whole["N_INPUT"].max() == 3
    flux = np.nanmedian([np.nanmedian(part["FLUX"]) for part in parts])
    assert np.nanmedian(whole["FLUX"]) == pytest.approx(flux, rel=0.3)


def test_few_exposures_are_combined_without_outlier_detection_and_by_their_times(
    sample: SampleSet, tmp_path: Path
) -> None:
    issues = ["NS-MOS-OUTLIER-REJECTION", "NS-MOS07"]
    few = combine(sample, tmp_path / "few", issues[:1], brighten)
    assert few.endings == {"cal", "s2d", "x1d"}
    assert few.outcome.caveats == ()
    compare("NS-MOS07", few, combine(sample, tmp_path / "times", issues, brighten))
