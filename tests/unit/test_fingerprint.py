from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from outcomes import json_values, make_input, make_job, make_reference

from flows.planning import take_fingerprint
from workers.contract import Edit, Job, ParsUse, ReferenceUse, Stage

words = st.text("abcdefgh0123456789_-.", min_size=1)

JOB = make_job()
INPUT, REFERENCE, PARS = JOB.inputs[0], make_reference("dark.fits"), JOB.pars[0]

EDIT = Edit("a_msa.fits", "split-slitlets", {"max_shutters": 3})

Change = Callable[[str], Job]


def with_input(**changes: Any) -> Job:
    return replace(JOB, inputs=(replace(INPUT, **changes),))


def with_reference(**changes: Any) -> Job:
    use = ReferenceUse("dark", replace(REFERENCE, **changes))
    return replace(JOB, references=(use,))


def with_pars(**changes: Any) -> Job:
    return replace(JOB, pars=(ParsUse(PARS.reftype, replace(PARS.file, **changes)),))


def with_edit(**changes: Any) -> Job:
    return replace(JOB, edits=(replace(EDIT, **changes),))


MATTERS: dict[str, Change] = {
    "product name": lambda word: replace(JOB, name=word),
    "content of an input": lambda word: with_input(content_sha256=word),
    "name of an input": lambda word: with_input(name=word),
    "exptype of an input": lambda word: with_input(exptype=word),
    "bytes of a reference": lambda word: with_reference(sha1=word),
    "bytes of a pars file": lambda word: with_pars(sha1=word),
    "version of a package": lambda word: replace(JOB, versions={"jwst": word}),
    "a parameter": lambda word: replace(JOB, parameters={"steps": {"a": word}}),
    "the file of an edit": lambda word: with_edit(file=word),
    "an edit": lambda word: with_edit(edit=word),
    "a value of an edit": lambda word: with_edit(values={"x": word}),
    "a reference type": lambda word: replace(
        JOB, references=(ReferenceUse(word, REFERENCE),)
    ),
}

DOES_NOT_MATTER: dict[str, Change] = {
    "path of an input": lambda word: with_input(path=word),
    "bytes of an input with the same content": lambda word: with_input(sha256=word),
    "reason of an input": lambda word: with_input(reason=word),
    "name of a reference": lambda word: with_reference(name=word),
    "time of a reference": lambda word: with_reference(mtime_ns=len(word)),
    "name of a pars file": lambda word: with_pars(name=word),
    "context": lambda word: replace(JOB, context=word),
    "mappings": lambda word: replace(JOB, mappings=(make_reference(word),)),
    "path of the cache": lambda word: replace(JOB, crds_path=word),
    "program": lambda word: replace(JOB, program=word),
    "text of the association": lambda word: replace(JOB, association=word),
    "fingerprint": lambda word: replace(JOB, fingerprint=word),
    "overrides, once they are in the parameters": lambda word: replace(
        JOB, overrides={"steps": {"a": word}}
    ),
}


@pytest.mark.parametrize("change", MATTERS.values(), ids=MATTERS.keys())
@given(one=words, other=words)
def test_what_can_change_a_pixel_changes_it(
    change: Change, one: str, other: str
) -> None:
    assume(one != other)
    assert take_fingerprint(change(one)) != take_fingerprint(change(other))


@pytest.mark.parametrize("change", DOES_NOT_MATTER.values(), ids=DOES_NOT_MATTER.keys())
@given(one=words, other=words)
def test_nothing_else_changes_it(change: Change, one: str, other: str) -> None:
    assert take_fingerprint(change(one)) == take_fingerprint(change(other))


@given(value=json_values, other=json_values)
def test_any_value_of_a_parameter_counts(value: object, other: object) -> None:
    jobs = [replace(JOB, parameters={"a": each}) for each in (value, other)]
    same = repr(value) == repr(other)
    assume(same or value != other)
    assert (take_fingerprint(jobs[0]) == take_fingerprint(jobs[1])) is same


@given(st.permutations(["jump", "dark", "photom", "flat"]))
def test_the_order_of_parameters_and_references_does_not_matter(
    names: list[str],
) -> None:
    job = replace(
        JOB,
        parameters=dict.fromkeys(names, 1),
        references=tuple(ReferenceUse(name, REFERENCE) for name in names),
        versions=dict.fromkeys(names, "1"),
    )
    again = replace(
        job,
        parameters=dict.fromkeys(sorted(names), 1),
        references=tuple(ReferenceUse(name, REFERENCE) for name in sorted(names)),
        versions=dict.fromkeys(sorted(names), "1"),
    )
    assert take_fingerprint(job) == take_fingerprint(again)


def test_each_stage_has_its_own() -> None:
    prints = {take_fingerprint(replace(JOB, stage=stage)) for stage in Stage}
    assert len(prints) == len(Stage)


def test_the_order_of_members_matters() -> None:
    members = (make_input("a.fits"), make_input("b.fits"))
    one, other = (replace(JOB, inputs=i) for i in (members, members[::-1]))
    assert take_fingerprint(one) != take_fingerprint(other)


def test_the_order_of_edits_matters() -> None:
    pair = (EDIT, replace(EDIT, edit="extend-slitlets"))
    one, other = (replace(JOB, edits=edits) for edits in (pair, pair[::-1]))
    assert take_fingerprint(one) != take_fingerprint(other)


def test_a_job_without_edits_has_the_fingerprint_of_before_there_were_any() -> None:
    before = "fe122708cd995abc31c5b7d7fe25e3b9f11714b8dd529c0fbcd93c6bd2250e95"
    assert take_fingerprint(JOB) == before


def test_a_reference_is_not_the_same_as_none() -> None:
    without = replace(JOB, references=(ReferenceUse("dark", None),))
    assert take_fingerprint(without) != take_fingerprint(with_reference())
