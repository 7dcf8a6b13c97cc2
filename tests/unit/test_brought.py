"""Files that users bring: which jobs they reach, and what these become."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from brought_files import write_apertures
from exposures import (
    bots_program,
    ifu_program,
    mos_program,
    mrs_program,
)
from plans import do_all, list_jobs, make_graph, make_resolved
from wrong_recipes import Held

from config.brought import BroughtFile
from config.errors import RecipeError
from config.recipe import load_recipe
from config.recipe_texts import list_recipes
from flows.archive import BroughtFiles
from flows.errors import PlanError
from flows.models.brought import PutFile
from flows.models.exposures import Exposure
from flows.models.runs import JobState
from flows.planning import (
    PlannedJob,
    explain_difference,
    place_exposures,
    plan_files,
)
from flows.run import Request, find_brought, prepare
from workers.brought import check_brought
from workers.contract import FileHash, Job, Stage

Asked = tuple[BroughtFile, PutFile]

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SCIENCE = "jw99001001001_03101_00001_nrs1"
KINDS = {"background-spectrum": "fits", "bad-pixels": "fits", "extract1d": "json"}


def bring(kind: Any, digit: str = "a", ending: str = "", **changes: Any) -> Asked:
    """Bring a file of a kind, for the exposures of the match that is given."""
    sha256, name = digit * 64, f"{kind}-{digit * 16}.{ending or KINDS[kind]}"
    stage, match = changes.pop("stage", None), changes.pop("match", {})
    given = {"kind": kind, "sha256": sha256, "match": match, "stage": stage}
    own: dict[str, Any] = {"span_um": (0.55, 5.4), "shape": (2048, 2048), **changes}
    file = PutFile(
        sha256, kind, name, "mine", "", 9, NOW, path=Path("brought", name), **own
    )
    return BroughtFile.model_validate(given), file


def reach(
    exposures: Sequence[Exposure], *files: Asked, start_at: Stage = Stage.DETECTOR1
) -> dict[str, list[str]]:
    """List the files that jobs get, by the key of the job."""
    graph = plan_files(make_graph(exposures, start_at=start_at), files)
    names = {file.file for _, file in files}
    found = {j.key: [f.name for f in j.inputs if f.name in names] for j in graph}
    return {key: given for key, given in found.items() if given}


def find_science(graph: Sequence[PlannedJob]) -> PlannedJob:
    """Find spec3 of the target."""
    [job] = [j for j in graph if j.stage is Stage.SPEC3 and "-o001_" in j.name]
    return job


def list_stages(keys: Iterable[str]) -> set[str]:
    return {key.partition(":")[0] for key in keys}


def with_sizes(exposures: Sequence[Exposure]) -> list[Exposure]:
    sizes = {"SUBSIZE1": 2048, "SUBSIZE2": 2048}
    return [replace(each, header={**each.header, **sizes}) for each in exposures]


def test_packaged_recipes_bring_no_files() -> None:
    assert not any(load_recipe(name).files for name in list_recipes())


def test_a_background_is_subtracted_by_spec3_of_science() -> None:
    keys = reach(ifu_program(), bring("background-spectrum"))
    assert [*keys] == [find_science(make_graph(ifu_program())).key]


def test_a_background_of_shutters_is_subtracted_by_spec2() -> None:
    keys = reach(mos_program(detectors=("nrs1",)), bring("background-spectrum"))
    assert len(keys) == 3
    assert list_stages(keys) == {"spec2"}


def test_apertures_are_for_all_stages_or_for_one() -> None:
    cubes, slits = bring("extract1d", ending="asdf"), bring("extract1d")
    assert list_stages(reach(mrs_program(), cubes)) == {"spec2", "spec3"}
    only = bring("extract1d", stage="spec3", ending="asdf")
    assert list_stages(reach(mrs_program(), only)) == {"spec3"}
    assert list_stages(reach(bots_program(), slits)) == {"spec2", "tso3"}


def test_a_mask_is_for_detector1_of_whom_it_names() -> None:
    mask = bring("bad-pixels", match={"exposure": SCIENCE})
    assert [*reach(with_sizes(ifu_program()), mask)] == [f"detector1:{SCIENCE}"]


def test_of_a_kind_the_last_file_is_used() -> None:
    first, last = bring("background-spectrum", "a"), bring("background-spectrum", "b")
    [names] = reach(ifu_program(), first, last).values()
    assert names == [last[1].file]


def test_a_spectrum_takes_the_place_of_background_members() -> None:
    exposures = mrs_program()
    before = make_graph(exposures)
    graph = plan_files(before, [bring("background-spectrum", span_um=(4.8, 28.0))])
    spec3 = find_science(graph)
    assert find_science(before).inputs != spec3.inputs
    assert spec3.association is not None
    assert {m.exptype for m in spec3.association.members} == {"science"}
    assert {f.exptype for f in spec3.inputs} == {"science", "background-spectrum"}


WRONG: dict[str, tuple[Callable[[], list[Exposure]], Asked, str]] = {
    "a band": (
        mrs_program,
        bring("background-spectrum", span_um=(5.6, 28.0)),
        "has wavelengths from 5.6 to 28 um, but channel 1 SHORT sees 4.9 to 5.74 um",
    ),
    "an end": (
        ifu_program,
        bring("background-spectrum", span_um=(0.55, 5.0)),
        "but PRISM/CLEAR sees 0.6 to 5.3 um; where it ends the pipeline would subtract",
    ),
    "nobody": (
        ifu_program,
        bring("background-spectrum", match={"target": "NOBODY"}),
        "for target NOBODY reaches no job of this run: it is for spec2 of science of",
    ),
    "time series": (
        bots_program,
        bring("background-spectrum"),
        "and spec3 of science of MIR_LRS-FIXEDSLIT, MIR_MRS, NRS_FIXEDSLIT, NRS_IFU",
    ),
    "slits in cubes": (
        ifu_program,
        bring("extract1d"),
        "reaches no job of this run: it is for spec2, spec3 or tso3 of MIR_LRS-FIXED",
    ),
    "another shape": (
        lambda: with_sizes(ifu_program()),
        bring("bad-pixels", shape=(1024, 1032)),
        "has 1032 x 1024 pixels, but exposures of NRS1 have 2048 x 2048 pixels",
    ),
    "two detectors": (
        lambda: with_sizes(mos_program()),
        bring("bad-pixels"),
        "would mask pixels of NRS1 and NRS2: say in `match.detector` whose they are",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_not_for_the_program_is_refused(name: str) -> None:
    make, asked, said = WRONG[name]
    with pytest.raises(PlanError, match=re.escape(said)):
        reach(make(), asked)


def test_the_ends_of_a_spectrum_may_differ_a_little() -> None:
    assert reach(ifu_program(), bring("background-spectrum", span_um=(0.7, 5.2)))


def test_a_file_for_some_exposures_of_a_product_lets_it_not_run() -> None:
    exposures = mrs_program()
    [first, *_] = [e.name for e in exposures]
    some = bring("background-spectrum", match={"exposure": first}, span_um=(4.8, 28.0))
    graph = plan_files(make_graph(exposures), [some])
    defect = find_science(graph).defect
    assert defect is not None
    assert f"fits {first}, but not jw99003001001_02101_00002" in defect
    assert "let it fit all of them or none" in defect


# What jobs become.


def find_jobs(graph: Sequence[PlannedJob], *, skipping: str = "") -> dict[str, Job]:
    """Run everything, and return the jobs by key."""
    resolved = make_resolved(graph)
    paths = {f.path: f.sha256 for job in graph for f in job.inputs if f.sha256}
    raw = {p: FileHash(p or "", 9, 7, s, f"content-{p}") for p, s in paths.items()}
    steps = {"steps": {skipping: {"skip": True}}}
    by_key = {
        key: replace(one, parameters=steps) if skipping else one
        for key, one in resolved.by_key.items()
    }
    resolved = replace(resolved, raw={**resolved.raw, **raw}, by_key=by_key)
    return list_jobs(do_all(graph, resolved))


def list_changed(
    exposures: Sequence[Exposure], before: Sequence[Asked], after: Sequence[Asked]
) -> set[str]:
    graph = make_graph(exposures)
    old, new = (find_jobs(plan_files(graph, files)) for files in (before, after))
    assert old.keys() == new.keys()
    return {key for key in new if new[key].fingerprint != old[key].fingerprint}


def test_changing_one_file_changes_the_jobs_that_it_can_change() -> None:
    exposures = with_sizes(ifu_program())
    [spec3] = reach(exposures, bring("background-spectrum"))
    one, other = (bring("background-spectrum", digit) for digit in "ab")
    for before, after in (([], [one]), ([one], [other]), ([one], [])):
        assert list_changed(exposures, before, after) == {spec3}
    assert list_changed(exposures, [one], [one]) == set()


def test_a_mask_of_one_exposure_changes_what_is_made_of_it() -> None:
    mask = bring("bad-pixels", match={"exposure": SCIENCE})
    changed = list_changed(with_sizes(ifu_program()), [], [mask])
    first = {key for key in changed if key.startswith("detector1:")}
    assert first == {f"detector1:{SCIENCE}"}
    assert f"spec2:{SCIENCE}" in changed


def test_apertures_of_spec3_change_spec3_alone() -> None:
    apertures = bring("extract1d", stage="spec3", ending="asdf")
    changed = list_changed(mrs_program(), [], [apertures])
    assert list_stages(changed) == {"spec3"}


def test_whom_a_file_is_for_is_no_part_of_a_fingerprint() -> None:
    named = bring("background-spectrum", match={"exp_type": "NRS_IFU"})
    free = bring("background-spectrum")
    assert list_changed(ifu_program(), [free], [named]) == set()


def test_spec3_has_a_background_member_without_which_it_ignores_the_spectrum() -> None:
    asked = bring("background-spectrum")
    jobs = find_jobs(plan_files(make_graph(ifu_program()), [asked]))
    job = jobs[find_science(make_graph(ifu_program())).key]
    assert job.association is not None
    member = (
        f'"expname": "{asked[1].file}",\n                    "exptype": "background"'
    )
    assert member in job.association


def test_a_spectrum_of_spec2_is_no_member() -> None:
    asked = bring("background-spectrum")
    exposures = mos_program(detectors=("nrs1",))
    jobs = find_jobs(plan_files(make_graph(exposures), [asked]))
    [job, *_] = [job for job in jobs.values() if job.stage is Stage.SPEC2]
    assert asked[1].file in [file.name for file in job.inputs]
    assert job.association is not None
    assert asked[1].file not in job.association


def test_a_job_whose_step_is_skipped_does_not_read_the_file() -> None:
    asked = bring("extract1d", ending="asdf")
    graph = make_graph(mrs_program())
    without = find_jobs(graph, skipping="extract_1d")
    assert find_jobs(plan_files(graph, [asked]), skipping="extract_1d") == without


def test_a_file_that_workers_see_otherwise_lets_nothing_run() -> None:
    asked = bring("background-spectrum")
    graph = plan_files(make_graph(ifu_program()), [asked])
    entries = do_all(graph, make_resolved(graph)).entries
    whys = {entry.why for entry in entries if entry.state is JobState.BLOCKED}
    assert len(whys) == 1
    assert "not the file that the recipe names" in whys.pop()


def test_what_changed_of_the_files_is_explained() -> None:
    one, other = (bring("background-spectrum", digit) for digit in "ab")
    graph = make_graph(ifu_program())
    key = find_science(graph).key
    old, new = (find_jobs(plan_files(graph, [each]))[key] for each in (one, other))
    assert explain_difference(old, new) == (
        f"new background-spectrum member {other[1].file}; "
        f"background-spectrum member {one[1].file} is gone"
    )


def test_a_mask_follows_a_job_to_its_fetched_file() -> None:
    exposures = with_sizes(ifu_program())
    graph = plan_files(
        make_graph(exposures), [bring("bad-pixels", match={"exposure": SCIENCE})]
    )
    placed = place_exposures(graph, exposures)
    assert [job.inputs for job in placed] == [job.inputs for job in graph]


# Recipes.


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Any]:
    """Return what loads a recipe with one file."""

    def load(**values: str) -> Any:
        lines = "\n".join(f'{key} = "{value}"' for key, value in values.items())
        path = tmp_path / "mine.toml"
        path.write_text(f'title = "T"\n[[files]]\n{lines}\n')
        return load_recipe(str(path))

    return load


def test_a_file_that_was_not_put_is_refused_with_what_to_do(
    recipe: Callable[..., Any], tmp_path: Path
) -> None:
    mine = recipe(kind="extract1d", sha256="a" * 64)
    with pytest.raises(
        RecipeError, match=r"mine .*put it there with `rewebb put FILE`"
    ):
        find_brought(mine, tmp_path)


def test_a_file_of_another_kind_is_refused(
    recipe: Callable[..., Any], tmp_path: Path
) -> None:
    source = write_apertures(tmp_path / "a.json")
    file, _ = BroughtFiles(tmp_path).put(source, check_brought, now=NOW)
    mine = recipe(kind="bad-pixels", sha256=file.sha256)
    with pytest.raises(RecipeError, match="is a file of kind extract1d"):
        find_brought(mine, tmp_path)
    right = recipe(kind="extract1d", sha256=file.sha256)
    assert find_brought(right, tmp_path) == (file,)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "extract1d", "sha256": "../mine"}, "should match pattern"),
        ({"kind": "extract1d", "sha256": "A" * 64}, "should match pattern"),
        ({"kind": "extract1d"}, "files.1.sha256: Field required"),
        ({"kind": "background", "sha256": "a" * 64}, "files.1.kind: Input should be"),
        (
            {"kind": "bad-pixels", "sha256": "a" * 64, "stage": "spec2"},
            "files.1: a file of kind bad-pixels has no choice of a stage",
        ),
        (
            {"kind": "extract1d", "path": "mine.json"},
            "unknown key `files.1.path`",
        ),
    ],
)
def test_a_recipe_names_a_file_by_its_hash_alone(
    recipe: Callable[..., Any], values: dict[str, str], said: str
) -> None:
    with pytest.raises(RecipeError, match=re.escape(said)):
        recipe(**values)


def test_a_run_gets_the_files_of_its_recipe(
    recipe: Callable[..., Any], tmp_path: Path
) -> None:
    source = write_apertures(tmp_path / "a.json")
    file, _ = BroughtFiles(tmp_path).put(source, check_brought, now=NOW)
    mine = recipe(kind="extract1d", sha256=file.sha256)
    drawn = prepare(
        Request("99002"),
        mine,
        Held(bots_program()),  # type: ignore[arg-type]  # all that is asked of it
        data_dir=tmp_path,
        get_specs=lambda: pytest.fail("nothing is set"),
    )
    readers = [j.key for j in drawn.graph if file.file in {f.name for f in j.inputs}]
    assert list_stages(readers) == {"spec2", "tso3"}
