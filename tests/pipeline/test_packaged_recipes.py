"""The recipes that ship, planned on the sample program of their mode."""

from pathlib import Path

import pytest
from processing import make_settings, plan

from flows.execution import Cluster
from flows.run import Request
from workers.sample import Mode, SampleSet

MITIGATED = {
    ("official", Mode.NIRSPEC_FS_PRISM): set[str](),
    ("nirspec-ifu", Mode.NIRSPEC_IFU_PRISM): {
        *("NS-IFU-PRISM-WAVELENGTHS", "NS-IFU-SUBTRACTED-OUTLIERS"),
        *("NS-IFU03", "NS-IFU04", "NS-IFU05"),
    },
    ("nirspec-ifu", Mode.NIRSPEC_IFU_GRATINGS): {
        *("NS-IFU-SUBTRACTED-OUTLIERS", "NS-IFU03", "NS-IFU04", "NS-IFU05"),
    },
    ("nirspec-mos", Mode.NIRSPEC_MOS_PRISM): {
        *("NS-MOS-OPTICAL-SHORTS", "NS-MOS02", "NS-MOS04", "NS-MOS07"),
    },
    ("nirspec-bots", Mode.NIRSPEC_BOTS_PRISM): {"NS-BOTS03", "NS-BOTS04"},
    ("nirspec-fs", Mode.NIRSPEC_FS_PRISM): set[str](),
    ("miri-mrs", Mode.MIRI_MRS): {
        *("MRS-BACKGROUND-IN-MAST", "MRS-CUBE-TYPES", "MRS-FRINGES"),
        *("MRS-MASTER-BACKGROUND", "MRS-POINT-EXTRACTION", "MRS-PROPER-MOTION"),
        "MRS-RINGING",
    },
    ("miri-lrs", Mode.MIRI_LRS_SLIT): set[str](),
    ("miri-lrs", Mode.MIRI_LRS_SLITLESS): set[str](),
}
"""Which known issues each mitigates; there are no pages on fixed slits and the LRS."""


@pytest.mark.parametrize(("recipe", "mode"), MITIGATED)
def test_a_packaged_recipe_is_planned_and_mitigates(
    sample: SampleSet, cluster: Cluster, tmp_path: Path, recipe: str, mode: Mode
) -> None:
    settings = make_settings(sample, tmp_path / "data")
    planned = plan(settings, Request(mode.program, recipe=recipe), cluster)
    assert set(planned.counts) == {"DUE"}
    expected = MITIGATED[recipe, mode]
    assert {*planned.issues.get("MITIGATED", ())} == expected
    # The wavelengths of the MRS are those of an early context, as the sample's is.
    assert not expected or {*planned.issues.get("OPEN", ())} <= {"MRS-WAVELENGTH"}
