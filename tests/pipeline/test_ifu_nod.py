"""Two nods of the IFU: each is the background of the other."""

import json
from pathlib import Path

import pytest

from workers.sample import SampleSet, check_products

NODS = [f"jw99011001001_02101_0000{number}_nrs1" for number in (1, 2)]

pytestmark = pytest.mark.slow


def list_members(folder: Path, stem: str, exptype: str) -> list[str]:
    document = json.loads((folder / f"{stem}_spec2_asn.json").read_text())
    [product] = document["products"]
    return [m["expname"] for m in product["members"] if m["exptype"] == exptype]


def test_the_background_of_a_nod_is_the_other(ifu_nod: Path) -> None:
    for nod in NODS:
        assert list_members(ifu_nod, nod, "science") == [f"{nod}_rate.fits"]
        others = [f"{other}_rate.fits" for other in NODS if other != nod]
        assert list_members(ifu_nod, nod, "background") == others


def test_level_3_makes_one_cube_and_one_spectrum(ifu_nod: Path) -> None:
    names = {path.name for path in ifu_nod.glob("jw99011-*.fits")}
    product = "jw99011-o001_t001_nirspec_prism-clear"
    assert {f"{product}_s3d.fits", f"{product}_x1d.fits"} <= names
    assert len([name for name in names if name.endswith("_x1d.fits")]) == 1


def test_spectra_of_nods_agree_with_what_was_injected(
    ifu_nod: Path, sample: SampleSet
) -> None:
    checks = check_products(ifu_nod, sample.truth)
    assert [check.name for check in checks] == [
        "nirspec-ifu-nod flux / injected flux",
        "nirspec-ifu-nod line at 2.0 um",
        "nirspec-ifu-nod line at 2.7 um",
    ]
    assert [check for check in checks if not check.passed] == []
