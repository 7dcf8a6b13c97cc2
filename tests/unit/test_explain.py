from dataclasses import replace

import pytest
from hypothesis import given
from outcomes import json_values, make_input, make_job, make_reference

from flows.planning import explain_difference, flatten_parameters, take_fingerprint
from workers.contract import Job, ParsUse, ReferenceUse

JOB = replace(
    make_job(),
    inputs=(make_input("a_rate.fits"), make_input("b_rate.fits")),
    references=(ReferenceUse("photom", make_reference("photom_1.fits")),),
    pars=(ParsUse("pars-jumpstep", make_reference("pars_1.asdf")),),
    parameters={"steps": {"jump": {"skip": False, "rejection_threshold": 4.0}}},
)

EXPLAINED = {
    "photom photom_1.fits (sha1-pho) -> photom_2.fits (sha1-pho)": {
        "references": (ReferenceUse("photom", make_reference("photom_2.fits")),)
    },
    "photom photom_1.fits (sha1-pho) -> N/A": {
        "references": (ReferenceUse("photom", None),)
    },
    "pars-jumpstep pars_1.asdf (sha1-par) -> None": {"pars": ()},
    "jump.rejection_threshold 4.0 -> 5.0": {
        "parameters": {"steps": {"jump": {"skip": False, "rejection_threshold": 5.0}}}
    },
    "jwst 3.0.0 -> 3.1.0": {"versions": {**JOB.versions, "jwst": "3.1.0"}},
    "science member b_rate.fits is gone": {"inputs": JOB.inputs[:1]},
    "new science member c_rate.fits": {
        "inputs": (*JOB.inputs, make_input("c_rate.fits"))
    },
    "the order of the members has changed": {"inputs": JOB.inputs[::-1]},
    "science input b_rate.fits has changed": {
        "inputs": (JOB.inputs[0], replace(JOB.inputs[1], content_sha256="other"))
    },
}


@pytest.mark.parametrize(("why", "change"), EXPLAINED.items(), ids=EXPLAINED.keys())
def test_a_difference_is_named(why: str, change: dict[str, object]) -> None:
    assert explain_difference(JOB, replace(JOB, **change)) == why


@pytest.mark.parametrize("change", EXPLAINED.values(), ids=EXPLAINED.keys())
def test_what_is_named_changes_the_fingerprint(change: dict[str, object]) -> None:
    assert take_fingerprint(JOB) != take_fingerprint(replace(JOB, **change))


def test_several_differences_are_all_named() -> None:
    changed = replace(JOB, pars=(), inputs=JOB.inputs[:1])
    assert explain_difference(JOB, changed).count("; ") == 1


def test_jobs_without_a_difference_say_so() -> None:
    elsewhere = replace(JOB, crds_path="/other", context="jwst_0002.pmap")
    assert explain_difference(JOB, elsewhere) == "nothing differs"


def test_a_reference_of_the_same_name_with_other_bytes_is_told() -> None:
    file = replace(make_reference("photom_1.fits"), sha1="0123456789")
    changed = replace(JOB, references=(ReferenceUse("photom", file),))
    assert explain_difference(JOB, changed).endswith("photom_1.fits (01234567)")


def test_parameters_of_steps_are_named_by_step() -> None:
    parameters = {"steps": {"jump": {"skip": False}}, "save_results": True}
    assert flatten_parameters(parameters) == {
        "jump.skip": False,
        "save_results": True,
    }


@given(json_values)
def test_a_changed_parameter_is_explained(value: object) -> None:
    before = replace(JOB, parameters={"a": "unlike any other"})
    after = replace(JOB, parameters={"a": value})
    assert explain_difference(before, after) != "nothing differs"


def test_a_job_done_in_another_fingerprint_version_has_no_difference() -> None:
    previous: Job = replace(JOB, fingerprint="0" * 64)
    assert explain_difference(previous, JOB) == "nothing differs"
