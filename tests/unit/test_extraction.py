"""Which jobs of spec3 differ in the extraction of spectra alone."""

from dataclasses import replace
from typing import Any

import pytest
from outcomes import make_input, make_job, make_reference

from workers.contract import Edit, Job, ReferenceUse, Stage
from workers.extraction import COMBINE, differs_in_extraction

STEPS = {
    "outlier_detection": {"skip": False, "kernel_size": "7 7"},
    "cube_build": {"skip": False, "weighting": "drizzle"},
    "resample_spec": {"skip": False, "weight_type": "ivm"},
    "extract_1d": {"skip": False, "ifu_autocen": False},
    "spectral_leak": {"skip": False},
}


def combine(fingerprint: str = "a" * 64, **changes: Any) -> Job:
    """Make a job of spec3 with some changes of its steps."""
    steps = {name: {**of, **changes.get(name, {})} for name, of in STEPS.items()}
    job = make_job(fingerprint, stage=Stage.SPEC3, name="jw02736-o007_t001_nirspec")
    return replace(job, exp_type="NRS_IFU", parameters={"steps": steps})


EARLIER = combine()
AGAIN = combine("b" * 64, extract_1d={"ifu_autocen": True})


def aperture(name: str) -> ReferenceUse:
    return ReferenceUse("extract1d", make_reference(name))


@pytest.mark.parametrize("exp_type", COMBINE)
def test_modes_whose_products_are_the_same_are_extracted_again(exp_type: str) -> None:
    earlier, again = (replace(each, exp_type=exp_type) for each in (EARLIER, AGAIN))
    assert differs_in_extraction(again, earlier)
    step = COMBINE[exp_type]
    left_out = replace(combine("b" * 64, **{step: {"skip": True}}), exp_type=exp_type)
    assert not differs_in_extraction(left_out, earlier)


@pytest.mark.parametrize(
    "job",
    [
        AGAIN,
        combine("b" * 64, spectral_leak={"skip": True}),
        replace(AGAIN, references=(*EARLIER.references, aperture("jwst_a_0002.json"))),
        replace(AGAIN, edits=(Edit("extract1d", "set-cube-aperture", {}),)),
        replace(
            AGAIN,
            inputs=(
                *EARLIER.inputs,
                replace(make_input("a.json"), exptype="extract1d"),
            ),
        ),
    ],
)
def test_spectra_alone_are_extracted_again(job: Job) -> None:
    assert differs_in_extraction(job, EARLIER)


@pytest.mark.parametrize(
    "job",
    [
        EARLIER,
        combine("b" * 64, outlier_detection={"kernel_size": "3 3"}),
        combine("b" * 64, cube_build={"skip": True}),
        combine("b" * 64, extract_1d={"skip": True}),
        replace(AGAIN, context="jwst_1500.pmap"),
        replace(AGAIN, versions={"jwst": "3.0.1"}),
        replace(AGAIN, stage=Stage.TSO3),
        replace(AGAIN, exp_type="NRS_BRIGHTOBJ"),
        replace(AGAIN, exp_type="MIR_LRS-FIXEDSLIT"),
        replace(AGAIN, association="another"),
        replace(AGAIN, inputs=(make_input("another_cal.fits"),)),
        replace(AGAIN, edits=(Edit("a_cal.fits", "recompute-errors", {}),)),
        replace(
            AGAIN,
            references=(ReferenceUse("dark", make_reference("jwst_dark_9.fits")),),
        ),
        replace(AGAIN, parameters={**AGAIN.parameters, "save_results": True}),
    ],
)
def test_what_is_before_the_extraction_is_done_again(job: Job) -> None:
    assert not differs_in_extraction(job, EARLIER)


def test_what_was_not_combined_cannot_be_taken() -> None:
    one, other = (
        combine(key, cube_build={"skip": True}, extract_1d={"ifu_autocen": key == "b"})
        for key in ("a", "b")
    )
    assert not differs_in_extraction(one, other)
