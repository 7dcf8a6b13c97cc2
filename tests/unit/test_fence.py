"""The fence around CRDS, with answers of CRDS that are made up."""

from contextlib import suppress
from typing import Any

import crds
import pytest

from workers.contract import ReferenceFile, ReferenceUse
from workers.errors import ResolvedNotUsedError
from workers.references.fence import fenced

GAIN = "jwst_nirspec_gain_0001.fits"
USES = [
    ReferenceUse("gain", ReferenceFile(GAIN, "5ba93c9d", 2880, 0)),
    ReferenceUse("mask of target_acquisition", ReferenceFile("m.fits", "1", 1, 0)),
    ReferenceUse("dark", None),
]


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return what CRDS selects by type."""
    answers: dict[str, str] = {}
    monkeypatch.setattr(crds, "getreferences", lambda *_, **__: dict(answers))
    monkeypatch.setattr(crds, "locate_file", lambda name, *_: f"/cache/{name}")
    return answers


def ask() -> Any:
    return crds.getreferences({}, reftypes=["any"])


def ask_in_vain() -> None:
    """Do as a step does that goes on without."""
    with suppress(ResolvedNotUsedError):
        ask()


@pytest.mark.parametrize(
    ("reftype", "path"),
    [
        ("gain", f"/cache/{GAIN}"),
        ("mask", "/cache/m.fits"),
        ("dark", "N/A"),
        ("flat", "NOT FOUND n/a"),
    ],
)
def test_what_was_resolved_is_handed_out(
    answers: dict[str, str], reftype: str, path: str
) -> None:
    answers[reftype] = path
    with fenced(USES, job="spec2 of x"):
        assert ask() == {reftype: path}
        assert crds.locate_file(GAIN, "jwst") == f"/cache/{GAIN}"


@pytest.mark.parametrize("reftype", ["gain", "dark", "flat"])
def test_another_file_is_refused_by_its_type_and_name(
    answers: dict[str, str], reftype: str
) -> None:
    answers[reftype] = "/cache/other.fits"
    said = rf"spec2 of x: .* asked CRDS for {reftype} and got other\.fits"
    with (
        pytest.raises(ResolvedNotUsedError, match=said),
        fenced(USES, job="spec2 of x"),
    ):
        ask()


def test_another_file_is_not_found_by_its_name() -> None:
    said = "by its name and got other"
    with pytest.raises(ResolvedNotUsedError, match=said), fenced(USES, job="x"):
        crds.locate_file("other.fits", "jwst")


def test_a_step_cannot_hide_what_it_asked_for(answers: dict[str, str]) -> None:
    answers["gain"] = "/cache/other.fits"
    with pytest.raises(ResolvedNotUsedError), fenced(USES, job="x"):
        ask_in_vain()


def test_crds_is_as_it_was_behind_the_fence() -> None:
    before = crds.getreferences
    with fenced(USES, job="spec2 of x"):
        assert crds.getreferences is not before
    assert crds.getreferences is before
