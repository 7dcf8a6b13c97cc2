import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from workers.contract import Resolution
from workers.versions import (
    LEFT_OUT,
    OPTIONAL,
    _look_up_versions,
    calibration_versions,
    list_requirements,
)

CAN_CHANGE_A_PIXEL = {
    *("asdf", "asdf-astropy", "astropy", "bayesicfitting", "drizzle", "gwcs", "jwst"),
    *("numpy", "photutils", "pyerfa", "pyyaml", "scikit-image", "scipy", "shapely"),
    *("spherical-geometry", "stcal", "stdatamodels", "stpipe", "stsci-imagestats"),
    *("stsci-stimage", "synphot", "tweakwcs"),
}
"""A new name here wants a look: can it, or is it left out with a reason?"""


@pytest.fixture
def installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """Install distributions by their metadata; give the versions that are told."""
    install(tmp_path, "jwst", "3.1.0", "One.More>=2", "numpy; extra == 'docs'")
    install(tmp_path, "one_more", "2.5", "deep[fast]>1", "old; python_version < '3'")
    install(tmp_path, "deep", "1.1", "fast-part; extra == 'fast'", "requests")
    install(tmp_path, "fast_part", "0.1", "one-more")
    install(tmp_path, "requests", "9.9")
    install(tmp_path, "bottleneck", "1.6.0")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    _look_up_versions.cache_clear()
    yield calibration_versions()
    _look_up_versions.cache_clear()


def install(folder: Path, name: str, version: str, *requires: str) -> None:
    made = folder / f"{name}-{version}.dist-info"
    made.mkdir()
    lines = [f"Requires-Dist: {each}\n" for each in requires]
    head = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
    (made / "METADATA").write_text(head + "".join(lines))


def test_all_that_jwst_requires_is_in_or_left_out_with_a_reason() -> None:
    required = list_requirements("jwst")
    assert required == CAN_CHANGE_A_PIXEL | LEFT_OUT.keys()
    assert not CAN_CHANGE_A_PIXEL & LEFT_OUT.keys()
    assert all(LEFT_OUT.values())


def test_versions_are_those_of_all_that_can_change_a_pixel() -> None:
    versions = calibration_versions()
    assert versions.keys() == CAN_CHANGE_A_PIXEL | {"python", *OPTIONAL}
    for name in CAN_CHANGE_A_PIXEL:
        assert versions[name] == metadata.version(name)
    assert sys.version.startswith(versions["python"] + ".")


def test_a_new_requirement_is_in_whatever_its_name(installed: dict[str, str]) -> None:
    assert installed["jwst"] == "3.1.0"
    assert installed["one-more"] == "2.5"


def test_requirements_of_requirements_are_in_by_the_extras_that_are_asked_for(
    installed: dict[str, str],
) -> None:
    assert (installed["deep"], installed["fast-part"]) == ("1.1", "0.1")


def test_extras_and_other_pythons_are_not_in(installed: dict[str, str]) -> None:
    assert not {"numpy", "old", "requests"} & installed.keys()


def test_what_is_optional_is_told_whether_it_is_there_or_not(
    installed: dict[str, str],
) -> None:
    assert installed["bottleneck"] == "1.6.0"
    assert installed["scikit-umfpack"] == "none"


def test_who_reads_versions_cannot_change_them() -> None:
    resolution = Resolution("jwst_0001.pmap", calibration_versions(), ())
    assert isinstance(resolution.versions, dict)
    resolution.versions["jwst"] = "2.0.0"
    assert calibration_versions()["jwst"] == metadata.version("jwst")
