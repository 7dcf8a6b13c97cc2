"""Edits of apertures: what may be said, which jobs they reach, and what is derived."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import asdf
import numpy as np
import pytest
from brought_files import write_apertures, write_profiles
from exposures import bots_program, ifu_program, mos_program, mrs_program
from outcomes import make_reference
from plans import do_all, list_jobs, make_graph, make_resolved
from pydantic import ValidationError

from config.edits import RecipeEdit, parse_edit
from flows.errors import PlanError
from flows.models.exposures import Exposure
from flows.planning import explain_difference, plan_edits
from workers.contract import EXTRACT1D, Edit, Job, ReferenceUse, Stage
from workers.edits import apply_edits, check_edits, name_derived
from workers.errors import EditError

CUBE = parse_edit("set-cube-aperture", {"radius_factor": 0.5})
SLIT = parse_edit("set-slit-aperture", {"width_pixels": 4})


@pytest.mark.parametrize(
    ("edit", "values", "said"),
    [
        ("set-cube-aperture", {}, "give a radius, or one of the annulus"),
        (
            "set-cube-aperture",
            {"radius_arcsec": 1, "radius_factor": 1},
            "give one of radius_arcsec and radius_factor",
        ),
        (
            "set-cube-aperture",
            {"inner_background_arcsec": 2, "outer_background_arcsec": 1},
            "inner_background_arcsec 2 is not below outer_background_arcsec 1",
        ),
        ("set-cube-aperture", {"radius_arcsec": 0}, "greater than 0"),
        ("set-slit-aperture", {}, "give width_pixels or limits_pixels"),
        (
            "set-slit-aperture",
            {"limits_pixels": [9, 8]},
            "limits_pixels: first 9 is after last 8",
        ),
        (
            "set-slit-aperture",
            {"width_pixels": 4, "stage": "spec1"},
            "'spec2', 'spec3'",
        ),
    ],
)
def test_what_an_aperture_cannot_be_is_said(
    edit: str, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        parse_edit(edit, values)


# Which jobs they reach.


def reach(exposures: Sequence[Exposure], *edits: RecipeEdit) -> set[str]:
    graph = plan_edits(make_graph(exposures), exposures, edits)
    assert {edit.file for job in graph for edit in job.edits} == {EXTRACT1D}
    return {job.stage.value for job in graph if job.edits}


def test_apertures_are_edited_where_spectra_are_extracted() -> None:
    assert reach(ifu_program(), CUBE) == {"spec2", "spec3"}
    assert reach(mos_program(), SLIT) == {"spec2", "spec3"}
    assert reach(bots_program(), SLIT) == {"spec2", "tso3"}
    only = parse_edit("set-cube-aperture", {"radius_factor": 2, "stage": "spec3"})
    assert reach(mrs_program(), only) == {"spec3"}


@pytest.mark.parametrize(
    ("exposures", "edit"), [(ifu_program(), SLIT), (mos_program(), CUBE)]
)
def test_apertures_of_another_kind_reach_nothing(
    exposures: Sequence[Exposure], edit: RecipeEdit
) -> None:
    with pytest.raises(PlanError, match="Edit 1 of the recipe"):
        plan_edits(make_graph(exposures), exposures, [edit])


def test_an_edit_of_apertures_for_some_exposures_of_a_product_lets_it_not_run() -> None:
    exposures = mrs_program()
    match = {"exposure": exposures[0].name}
    some = parse_edit("set-cube-aperture", {"radius_factor": 2, "match": match})
    graph = plan_edits(make_graph(exposures), exposures, [some])
    defects = [job.defect for job in graph if job.defect]
    assert defects
    assert all("let it fit all of them or none" in defect for defect in defects)


def find_jobs(
    exposures: Sequence[Exposure],
    *edits: RecipeEdit,
    sha1: str = "",
    skips: bool = False,
) -> dict[str, Job]:
    """Run everything with one aperture reference, and return the jobs by key."""
    graph = plan_edits(make_graph(exposures), exposures, edits)
    resolved = make_resolved(graph)
    file = make_reference("apertures_1.asdf")
    use = ReferenceUse(EXTRACT1D, replace(file, sha1=sha1 or file.sha1))
    by_key = {
        key: replace(
            one,
            references=(*one.references, use),
            parameters={"steps": {"extract_1d": {"skip": skips}}},
        )
        for key, one in resolved.by_key.items()
    }
    resolved = replace(resolved, by_key=by_key)
    return list_jobs(do_all(graph, resolved))


def list_changed(old: dict[str, Job], new: dict[str, Job]) -> set[str]:
    return {key for key in new if new[key].fingerprint != old[key].fingerprint}


def test_other_apertures_change_what_is_extracted_with_them() -> None:
    only = parse_edit("set-cube-aperture", {"radius_factor": 2, "stage": "spec3"})
    before, after = find_jobs(mrs_program()), find_jobs(mrs_program(), only)
    changed = list_changed(before, after)
    assert changed == {key for key in before if key.startswith("spec3:")}
    key = min(changed)
    assert explain_difference(before[key], after[key]) == (
        'new edit set-cube-aperture of extract1d (radius_factor 2.0, stage "spec3")'
    )


def test_another_parent_changes_what_is_derived_from_it() -> None:
    before, after = (find_jobs(mrs_program(), CUBE, sha1=x * 40) for x in "ab")
    assert list_changed(before, after)
    [job, *_] = [job for job in after.values() if job.stage is Stage.SPEC3]
    [parent] = [use.file for use in job.references if use.reftype == EXTRACT1D]
    assert parent is not None
    assert parent.sha1 == "b" * 40


def test_a_job_that_extracts_nothing_has_no_edit_of_apertures() -> None:
    without = find_jobs(mrs_program(), skips=True)
    assert find_jobs(mrs_program(), CUBE, skips=True) == without


# What is derived.

Derive = Callable[..., Any]


@pytest.fixture
def derive(tmp_path: Path) -> Derive:
    """Return what edits a reference, which stays as it is."""

    def make(parent: Path, edit: str, exp_type: str = "NRS_IFU", **values: Any) -> Any:
        inputs = tmp_path / "inputs"
        inputs.mkdir()
        before = parent.read_bytes()
        edits = [Edit(EXTRACT1D, edit, values)]
        assert apply_edits(edits, inputs, apertures=parent, exp_type=exp_type) == ()
        assert parent.read_bytes() == before
        [made] = inputs.iterdir()
        assert made.name == name_derived(parent.name)
        if made.suffix == ".json":
            return json.loads(made.read_text())["apertures"]
        with asdf.open(made, lazy_load=False, memmap=False) as file:
            return {name: np.array(line) for name, line in file.tree["data"].items()}

    return make


def test_radii_grow_as_those_of_the_reference(derive: Derive, tmp_path: Path) -> None:
    data = derive(
        write_profiles(tmp_path / "a.asdf"), "set-cube-aperture", radius_factor=2
    )
    assert data["radius"] == pytest.approx([0.6, 0.8, 1.0])
    assert data["inner_bkg"] == pytest.approx([0.7, 0.8, 0.9])


def test_radii_are_the_same_at_all_wavelengths(derive: Derive, tmp_path: Path) -> None:
    data = derive(
        write_profiles(tmp_path / "a.asdf"),
        "set-cube-aperture",
        radius_arcsec=0.45,
        inner_background_arcsec=1,
        outer_background_arcsec=1.5,
    )
    assert data["radius"] == pytest.approx([0.45] * 3)
    assert data["inner_bkg"] == pytest.approx([1.0] * 3)
    assert data["outer_bkg"] == pytest.approx([1.5] * 3)
    assert data["wavelength"] == pytest.approx([0.5, 3.0, 5.7])


def test_the_step_reads_what_is_derived(tmp_path: Path) -> None:
    from jwst.extract_1d.ifu import get_extract_parameters

    parent = write_profiles(tmp_path / "a.asdf")
    (tmp_path / "inputs").mkdir()
    edits = [Edit(EXTRACT1D, "set-cube-aperture", {"radius_arcsec": 0.45})]
    apply_edits(edits, tmp_path / "inputs", apertures=parent)
    made = tmp_path / "inputs" / "a_edited.asdf"
    found = get_extract_parameters(str(made), 3.0)
    assert found["radius"] == pytest.approx([0.45] * 3)
    assert found["subtract_background"] is False


def test_a_width_takes_the_place_of_other_limits(
    derive: Derive, tmp_path: Path
) -> None:
    """The step would take `src_coeff` before it."""
    parent = write_apertures(tmp_path / "a.json", src_coeff=[[1], [5]])
    [aperture] = derive(parent, "set-slit-aperture", width_pixels=3)
    assert aperture == {"id": "ANY", "extract_width": 3}


@pytest.mark.parametrize(
    ("exp_type", "axis"), [("NRS_MSASPEC", "y"), ("MIR_LRS-FIXEDSLIT", "x")]
)
def test_limits_are_across_dispersion_wherever_the_source_is(
    exp_type: str, axis: str, derive: Derive, tmp_path: Path
) -> None:
    parent = write_apertures(tmp_path / "a.json", use_source_posn=True)
    [aperture] = derive(parent, "set-slit-aperture", exp_type, limits_pixels=(4, 9))
    assert aperture == {
        "id": "ANY",
        f"{axis}start": 4,
        f"{axis}stop": 9,
        "use_source_posn": False,
    }


WRONG = {
    "a slit": (
        "a.json",
        {"edit": "set-slit-aperture", "width_pixels": 3, "slits": ["S200A1"]},
        "has no aperture S200A1, only ANY",
    ),
    "a cube": (
        "a.json",
        {"edit": "set-cube-aperture", "radius_factor": 2},
        r"a\.json has no such apertures",
    ),
    "an annulus": (
        "a.asdf",
        {"edit": "set-cube-aperture", "inner_background_arcsec": 1.1},
        "the annulus would begin at 1.1 arcsec and end at 1",
    ),
    "none": (
        "",
        {"edit": "set-cube-aperture", "radius_factor": 2},
        "the context has no extract1d reference",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_edit_that_does_not_fit_the_reference_is_refused_before_a_job_runs(
    name: str, tmp_path: Path
) -> None:
    file, values, said = WRONG[name]
    writers = {"a.json": write_apertures, "a.asdf": write_profiles}
    parent = writers[file](tmp_path / file) if file else None
    given = dict(values)
    edit = Edit(EXTRACT1D, str(given.pop("edit")), given)  # type: ignore[arg-type]  # JSON
    with pytest.raises(EditError, match=f"the edits of extract1d: .*{said}"):
        check_edits([edit], metafile=None, exposure=tmp_path / "none", apertures=parent)
