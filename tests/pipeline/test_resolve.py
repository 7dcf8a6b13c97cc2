"""What the rules of a context select, against what the products then record."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from processed import Processed
from stdatamodels.jwst.datamodels import read_metadata

from workers.calls import resolve_jobs
from workers.contract import (
    ErrorInfo,
    Parameters,
    ReferenceFile,
    Resolution,
    Resolved,
    ResolveItem,
    ResolveRequest,
    Stage,
)
from workers.parameters import flatten_parameters
from workers.sample import Mode, SampleSet

PHOTOM = "jwst_nirspec_photom_0001.fits"
PHOTOM_RULES = "jwst_nirspec_photom_0001.rmap"
SPEC2_PARS = "jwst_nirspec_pars-spec2pipeline_0001.asdf"
RECORDED = "meta.ref_file."


@pytest.fixture
def crds(sample: SampleSet, tmp_path: Path) -> Path:
    """Return a cache of which files may be removed or replaced."""
    return shutil.copytree(sample.crds, tmp_path / "crds", copy_function=os.link)


def resolve(
    sample: SampleSet,
    crds: Path,
    *,
    stage: Stage = Stage.SPEC2,
    overrides: Parameters | None = None,
    context: str | None = "jwst_0001.pmap",
    known: Sequence[ReferenceFile] = (),
) -> Resolution | ErrorInfo:
    raw = str(sample.list_raw(Mode.NIRSPEC_IFU_PRISM)[0])
    item = ResolveItem(f"{stage}:x", stage, raw, overrides or {})
    return resolve_jobs(ResolveRequest((item,), context, str(crds), tuple(known)))


def only(answer: Resolution | ErrorInfo) -> Resolved:
    assert isinstance(answer, Resolution), answer
    [resolved] = answer.resolved
    return resolved


def is_sentence(message: str) -> bool:
    return len(message.splitlines()) == 1


def find(crds: Path, name: str) -> Path:
    [path] = crds.rglob(name)
    return path


def list_recorded(product: Path) -> dict[str, str]:
    header = read_metadata(str(product), flatten=True)
    return {
        key.removeprefix(RECORDED).removesuffix(".name"): name.removeprefix("crds://")
        for key, name in header.items()
        if key.startswith(RECORDED) and key.endswith(".name")
    }


@pytest.mark.parametrize(
    ("program", "suffix", "needed"),
    [
        ("bots", "rate", {"dark", "gain", "saturation"}),
        ("bots", "calints", {"photom", "fflat", "wavelengthrange"}),
        ("ifu", "cal", {"photom", "fflat", "ifupost"}),
        ("ifu", "s3d", {"cubepar"}),
        ("mos", "cal", {"photom", "fflat", "msa", "area"}),
    ],
)
def test_what_is_resolved_is_what_products_record(
    request: pytest.FixtureRequest, program: str, suffix: str, needed: set[str]
) -> None:
    done: Processed = request.getfixturevalue(program)
    resolved = {
        use.reftype: use.file.name if use.file else "N/A"
        for outcome in done.list_outcomes().values()
        for use in outcome.job.references
    }
    products = sorted(done.folder.glob(f"*_{suffix}.fits"))
    assert products
    for product in products:
        recorded = list_recorded(product)
        assert recorded == {reftype: resolved[reftype] for reftype in recorded}
        assert needed <= {name for name, used in recorded.items() if used != "N/A"}


def test_the_parameters_of_the_context_are_those_of_its_pars_files(
    sample: SampleSet,
) -> None:
    resolved = [
        only(resolve(sample, sample.crds, context=context))
        for context in sample.contexts
    ]
    values = [one.parameters for one in resolved]
    fractions = [v["steps"]["badpix_selfcal"]["flagfrac_upper"] for v in values]
    assert fractions == [0.0015, 0.003]
    for one in resolved:
        (used,) = (u.file.name for u in one.pars if u.reftype == "pars-spec2pipeline")
        assert one.origins["badpix_selfcal.flagfrac_upper"] == f"pars {used}"
        assert one.origins.keys() < flatten_parameters(one.parameters).keys()


def test_the_recipe_wins_over_the_context(sample: SampleSet) -> None:
    overrides = {"steps": {"badpix_selfcal": {"flagfrac_upper": 0.5, "skip": True}}}
    resolved = only(resolve(sample, sample.crds, overrides=overrides))
    step = resolved.parameters["steps"]["badpix_selfcal"]
    assert (step["flagfrac_upper"], step["skip"]) == (0.5, True)


def test_without_a_context_the_operational_one_is_taken(sample: SampleSet) -> None:
    answer = resolve(sample, sample.crds, context=None)
    assert isinstance(answer, Resolution)
    assert answer.context == "jwst_0001.pmap"


def test_every_file_that_was_read_is_listed_with_its_sha1(sample: SampleSet) -> None:
    resolved = only(resolve(sample, sample.crds))
    assert {use.reftype for use in resolved.pars} >= {"pars-spec2pipeline"}
    mappings = {file.name for file in resolved.mappings}
    assert {"jwst_0001.pmap", "jwst_nirspec_0001.imap"} <= mappings
    assert any("photom" in name for name in mappings)
    assert all(len(file.sha1) == 40 for file in resolved.mappings)


@pytest.mark.parametrize("name", [PHOTOM, SPEC2_PARS])
def test_a_file_that_is_not_in_the_cache_is_an_error(
    sample: SampleSet, crds: Path, name: str
) -> None:
    find(crds, name).unlink()
    error = only(resolve(sample, crds)).error
    assert error is not None
    assert error.type == "ReferenceMissingError"
    assert name in error.message
    assert is_sentence(error.message)


@pytest.mark.parametrize("name", [PHOTOM_RULES, "jwst_nirspec_0001.imap"])
def test_missing_rules_are_named_and_nothing_else_is_said(
    sample: SampleSet, crds: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    find(crds, name).unlink()
    error = only(resolve(sample, crds)).error
    assert error is not None
    assert error.type == "ReferenceMissingError"
    assert name in error.message
    assert is_sentence(error.message)
    assert capfd.readouterr().err == ""


def test_missing_rules_of_another_instrument_are_no_error(
    sample: SampleSet, crds: Path
) -> None:
    for path in crds.rglob("jwst_miri_*.rmap"):
        path.unlink()
    assert only(resolve(sample, crds)).error is None


def test_a_job_that_does_not_need_the_missing_file_is_resolved(
    sample: SampleSet, crds: Path
) -> None:
    find(crds, PHOTOM).unlink()
    assert only(resolve(sample, crds, stage=Stage.DETECTOR1)).error is None


def test_a_reference_with_other_bytes_is_an_error(
    sample: SampleSet, crds: Path
) -> None:
    known = [use.file for use in only(resolve(sample, crds)).references if use.file]
    path = find(crds, PHOTOM)
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1] + b"\x01")
    error = only(resolve(sample, crds, known=known)).error
    assert error is not None
    assert error.type == "ReferenceChangedError"
    assert str(path) in error.message
    assert is_sentence(error.message)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"steps": {"photon": {"skip": True}}}, "photon"),
        ({"steps": {"photom": {"skp": True}}}, "skp"),
        ({"save_all": True}, "save_all"),
        ({"steps": {"photom": {"skip": "perhaps"}}}, "skip"),
    ],
)
def test_an_override_that_the_pipeline_does_not_have_is_an_error(
    sample: SampleSet, overrides: Parameters, named: str
) -> None:
    error = only(resolve(sample, sample.crds, overrides=overrides)).error
    assert error is not None
    assert error.type == "ParameterError"
    assert named in error.message
    assert is_sentence(error.message)


def test_an_unknown_context_is_an_error(sample: SampleSet) -> None:
    answer = resolve(sample, sample.crds, context="jwst_9999.pmap")
    assert isinstance(answer, ErrorInfo)
    assert "jwst_9999.pmap" in answer.message
    assert is_sentence(answer.message)


def test_a_folder_that_is_no_cache_is_an_error(
    sample: SampleSet, tmp_path: Path
) -> None:
    answer = resolve(sample, tmp_path)
    assert isinstance(answer, ErrorInfo)
    assert answer.message.startswith(f"{tmp_path} is no CRDS cache")
    assert is_sentence(answer.message)
