import hashlib
from pathlib import Path

import pytest

from workers.sample.contexts import sign, write_contexts
from workers.sample.library import (
    CONTEXTS,
    EXP_TYPE,
    FILTER,
    MIRI_OPTICS,
    Library,
    Reference,
)
from workers.sample.sample_set import _DIFFERENCES
from workers.sample.step_parameters import PARAMETERS

SHARED = Reference("gain", "jwst_nirspec_gain_0001.fits")
FIRST = Reference("photom", "one.fits", (EXP_TYPE,), ("NRS_IFU",), (1,))
SECOND = Reference("photom", "two.fits", (EXP_TYPE,), ("NRS_IFU",), (2,))


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    write_contexts(tmp_path, [SHARED, FIRST, SECOND])
    return tmp_path / "mappings" / "jwst"


def test_a_signature_is_of_all_lines_but_its_own() -> None:
    text = f"header = {{\n'sha1sum': '{'0' * 40}',\n}}\n"
    digest = hashlib.sha1(b"header = {\n}\n").hexdigest()  # noqa: S324  # as CRDS does
    assert sign(text) == text.replace("0" * 40, digest)


def test_contexts_share_rules_of_the_same_files(mappings: Path) -> None:
    names = {path.name for path in mappings.glob("*gain*")}
    assert names == {"jwst_nirspec_gain_0001.rmap"}


def test_contexts_have_their_own_rules_of_other_files(mappings: Path) -> None:
    first = (mappings / "jwst_nirspec_photom_0001.rmap").read_text("utf-8")
    second = (mappings / "jwst_nirspec_photom_0002.rmap").read_text("utf-8")
    assert "one.fits" in first
    assert "two.fits" not in first
    assert "two.fits" in second


def test_each_instrument_has_rules_of_its_own(tmp_path: Path) -> None:
    other = Reference("gain", "jwst_miri_gain_0001.fits", instrument="MIRI")
    write_contexts(tmp_path, [SHARED, other])
    folder = tmp_path / "mappings" / "jwst"
    pmap = (folder / "jwst_0001.pmap").read_text("utf-8")
    assert "'MIRI': 'jwst_miri_0001.imap'" in pmap
    assert "'NIRSPEC': 'jwst_nirspec_0001.imap'" in pmap
    rmap = (folder / "jwst_miri_gain_0001.rmap").read_text("utf-8")
    assert "'instrument': 'MIRI'" in rmap
    assert "nirspec" not in rmap


def test_types_without_a_file_are_not_applicable(mappings: Path) -> None:
    imap = (mappings / "jwst_nirspec_0001.imap").read_text("utf-8")
    assert "'barshadow': 'N/A'" in imap


@pytest.mark.parametrize("name", ["spec2pipeline", "jumpstep", "tso3pipeline"])
def test_parameters_of_every_step_are_known(mappings: Path, name: str) -> None:
    imap = (mappings / "jwst_nirspec_0002.imap").read_text("utf-8")
    assert f"'pars-{name}': 'N/A'" in imap


def test_the_first_context_is_operational(tmp_path: Path, mappings: Path) -> None:
    config = (tmp_path / "config" / "jwst" / "server_config").read_text("utf-8")
    assert "'operational_context': 'jwst_0001.pmap'" in config
    assert (mappings / "jwst_0001.pmap").is_file()


def test_the_manifest_states_how_the_parameters_of_the_contexts_differ() -> None:
    differing = [each for each in PARAMETERS if each.contexts != CONTEXTS]
    values = [
        value
        for each in differing
        for own in each.steps.values()
        for value in own.values()
    ]
    assert [each.contexts for each in differing] == [(1,), (2,)]
    assert all(str(value) in _DIFFERENCES["pars-spec2pipeline"] for value in values)


def test_modes_that_a_type_has_nothing_for_are_told_so(tmp_path: Path) -> None:
    library = Library(tmp_path, "MIRI")
    taken = ("MIRIMAGE", "N/A", "N/A", "MIR_LRS-FIXEDSLIT")
    choices = {key: [value] for key, value in zip(MIRI_OPTICS, taken, strict=True)}
    library.offer("specwcs", "one.fits", choices)
    library.offer("gain", "two.fits")
    library.fill(["MIR_LRS-FIXEDSLIT", "MIR_MRS"])
    offered = {(each.reftype, each.match): each.name for each in library}
    assert offered == {
        ("specwcs", taken): "one.fits",
        ("specwcs", ("N/A", "N/A", "N/A", "MIR_MRS")): "N/A",
        ("gain", ()): "two.fits",
    }


def write(path: Path, made: list[str]) -> None:
    path.touch()
    made.append(path.name)


def test_a_reference_that_is_not_wanted_is_numbered_and_not_made(
    tmp_path: Path,
) -> None:
    library = Library(tmp_path)
    made: list[str] = []
    for number in (1, 2, 3):
        with library.publishing(is_wanted=number == 2):
            name = library.add("gain", "txt", lambda path: write(path, made))
            assert name == f"jwst_nirspec_gain_{number:04d}.txt"
    assert made == ["jwst_nirspec_gain_0002.txt"]


def test_files_are_selected_by_header_in_the_first_context(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.offer("fore", "prism.asdf", {FILTER: ["CLEAR"]})
    library.offer("fore", "grating.asdf", {FILTER: ["F290LP"]})
    library.offer("ote", "ote.asdf")
    library.offer("photom", "first.fits", {EXP_TYPE: ["NRS_IFU"]}, contexts=(1,))
    library.offer("photom", "second.fits", {EXP_TYPE: ["NRS_IFU"]}, contexts=(2,))
    cards = {"EXP_TYPE": "NRS_IFU", "FILTER": "F290LP"}
    found = library.select(cards, {"fore", "ote", "photom"})
    names = {kind: Path(path).name for kind, path in found.items()}
    assert names == {"fore": "grating.asdf", "ote": "ote.asdf", "photom": "first.fits"}
