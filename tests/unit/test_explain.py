from dataclasses import replace

import pytest
from hypothesis import given
from outcomes import json_values, make_input, make_job, make_reference
from plans import DoneStore

from flows.models.jobs import Content
from flows.planning import explain_difference, take_fingerprint
from flows.planning.explain import explain_due, explain_reuse
from workers.contract import Job, ParsUse, ReferenceUse
from workers.parameters import flatten_parameters


def explain(job: Job, history: DoneStore) -> str:
    return explain_due(job, history.find_earlier_jobs(job.stage, job.name), history)


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


def with_pixels(job: Job, name: str, *, dark: str = "dark_1.fits") -> Job:
    """Make a job with an input of other content, and another dark."""
    first, *others = job.inputs
    changed = replace(
        job,
        inputs=(replace(first, content_sha256=name), *others),
        references=(ReferenceUse("dark", make_reference(dark)),),
    )
    return replace(changed, fingerprint=take_fingerprint(changed))


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_job_is_compared_with_the_nearest_one_not_with_the_newest(
    *, newest_first: bool
) -> None:
    """An edited pixel is no other dark, whatever was done last."""
    history = DoneStore()
    done = [with_pixels(JOB, "old", dark=f"dark_{n}.fits") for n in (1, 2)]
    for job in done if newest_first else done[::-1]:
        history.add(job)
    edited = with_pixels(JOB, "edited")
    assert explain(edited, history) == "science input a_rate.fits has changed"


def test_of_jobs_that_are_as_near_the_newest_counts() -> None:
    history = DoneStore()
    for number in (1, 2):
        history.add(with_pixels(JOB, "same", dark=f"dark_{number}.fits"))
    due = with_pixels(JOB, "same", dark="dark_3.fits")
    assert explain(due, history).startswith("dark dark_2.fits")


def test_what_was_done_and_is_gone_from_the_store_was_not_never_done() -> None:
    history = DoneStore()
    assert explain(JOB, history) == "never done"
    history.add(JOB)
    assert explain(JOB, history).startswith("done before, but its products are ")


def test_what_an_older_version_hashed_is_not_compared() -> None:
    history = DoneStore()
    history.add(replace(with_pixels(JOB, "old"), fingerprint="0" * 64))
    why = explain(with_pixels(JOB, "new"), history)
    assert why == "done before, by a version of rewebb whose hashes of content differ"


CHANGES = {
    "pixels": Content("new", {"FILTER": "'CLEAR'"}),
    "header cards FILTER 'CLEAR' -> 'F100LP'": Content("old", {"FILTER": "'F100LP'"}),
    "pixels and header cards FILTER 'CLEAR' -> None": Content("new", {}),
    "metadata, no pixels": Content("old", None),
}


@pytest.mark.parametrize(("what", "content"), CHANGES.items(), ids=CHANGES.keys())
def test_what_of_an_input_has_changed_is_told(what: str, content: Content) -> None:
    history = DoneStore()
    history.contents = {"old": Content("old", {"FILTER": "'CLEAR'"}), "new": content}
    history.add(with_pixels(JOB, "old"))
    why = explain(with_pixels(JOB, "new"), history)
    assert why == f"science input a_rate.fits has changed: {what}"


def test_of_many_cards_that_have_changed_only_some_are_named() -> None:
    history = DoneStore()
    before, after = ({f"KEY{n}": value for n in range(9)} for value in "12")
    history.contents = {"old": Content("p", before), "new": Content("p", after)}
    history.add(with_pixels(JOB, "old"))
    assert explain(with_pixels(JOB, "new"), history).endswith("KEY4 1 -> 2, 4 more")


def test_what_is_reused_from_another_context_names_both() -> None:
    history = DoneStore()
    done = history.add(JOB)
    photom = replace(make_reference("photom_1.fits"), name="photom_2.fits")
    again = replace(
        JOB, context="jwst_0002.pmap", references=(ReferenceUse("photom", photom),)
    )
    assert explain_reuse(done, again, history) == (
        "done 2026-11-20 12:00 UTC in jwst_1464.pmap, nothing has changed in "
        "jwst_0002.pmap but names: photom photom_1.fits -> photom_2.fits"
    )
    assert explain_reuse(done, JOB, history).endswith("UTC, nothing has changed")


def test_a_job_done_in_another_fingerprint_version_has_no_difference() -> None:
    previous: Job = replace(JOB, fingerprint="0" * 64)
    assert explain_difference(previous, JOB) == "nothing differs"
