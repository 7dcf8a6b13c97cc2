"""Jobs of some observations are those of the whole program, with all that they need."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from exposures import (
    ifu_program,
    make_exposure,
    mrs_program,
    with_calibrated,
    write_exposures,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from installed_specs import get_installed_specs
from plans import DoneStore, make_binder, make_resolved
from pools import COLUMNS, Row, pools

from config.recipe import AssociationChoice, load_recipe
from config.settings import load_settings
from flows.associations import associate_rows, read_pool
from flows.factory import open_services
from flows.models.associations import Lack
from flows.models.exposures import UnusableFile
from flows.names import parse_exposure_name, stem_of
from flows.planning import (
    PlannedJob,
    build_graph,
    build_plan,
    narrow_graph,
)
from flows.run import Drawn, Request
from flows.run import prepare as draw_request
from flows.stages import STARTS, is_reached, stage_of
from workers.contract import Stage

MRS = {"INSTRUME": "MIRI", "EXP_TYPE": "MIR_MRS", "BAND": "SHORT", "CHANNEL": "12"}

GLOWING = """
title = "Pixels that glow"
[[parameters]]
stage = "detector1"
steps.persistence.skip = false
steps.persistence.persistence_time = 7200
"""

any_choice = st.builds(
    AssociationChoice,
    backgrounds=st.sampled_from(["same-program", "linked", "none"]),
    nod_backgrounds=st.sampled_from(["on", "off", "both"]),
    selfcal=st.sampled_from([False, True, "all"]),
    imprints=st.booleans(),
    background_imprints=st.booleans(),
    level3=st.sampled_from(["observation", "target"]),
)


def draw(
    rows: Sequence[Row], choice: AssociationChoice, start_at: Stage, chance: Any
) -> tuple[PlannedJob, ...]:
    """Draw the graph of a pool, of which a file is damaged and one is refused."""
    lines = ["|".join(COLUMNS), *("|".join(row[c] for c in COLUMNS) for row in rows)]
    read = read_pool("\n".join(lines) + "\n")
    made = associate_rows(read, choice, has_grisms=False).associations
    names = sorted({stem_of(row["filename"]) for row in rows})
    exposures = [with_calibrated(make_exposure(name), "rate", "cal") for name in names]
    chosen = chance.randrange(len(names))
    exposures[chosen] = replace(exposures[chosen], defect="it ends early")
    refused = Path(names[chance.randrange(len(names))].replace("_0", "_1", 1))
    file = UnusableFile(refused, "99001", names[0][7:10], "it is none")
    lacks = [Lack((names[chance.randrange(len(names))],), "no NRS2", 2)]
    due = [each for each in made if is_reached(stage_of(each), start_at)]
    return build_graph(exposures, due, [file], lacking=lacks, start_at=start_at)


def science(job: PlannedJob) -> set[str]:
    members = job.association.members if job.association else ()
    return {m.exposure for m in members if m.exptype == "science"}


def check(graph: Sequence[PlannedJob], asked: Collection[str]) -> None:
    """Check what narrowing promises."""
    narrowed = narrow_graph(graph, asked)
    whole = {job.key: job for job in graph}
    keys = {job.key for job in narrowed}
    assert [job.key for job in narrowed] == [key for key in whole if key in keys]
    assert all(job == whole[job.key] for job in narrowed)
    read = {key for job in narrowed for key in job.producers}
    assert read <= keys
    wanted = {job.key for job in graph if science(job) & set(asked)}
    assert wanted <= keys
    defects = {job.key for job in narrowed if job.defect and job.exposure.name in asked}
    assert keys - read <= wanted | defects


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(pools(), any_choice, st.sampled_from(STARTS), st.randoms())
def test_any_part_of_any_program_has_all_that_it_needs_and_no_more(
    rows: list[Row], choice: AssociationChoice, start_at: Stage, chance: Any
) -> None:
    graph = draw(rows, choice, start_at, chance)
    numbers = {parse_exposure_name(job.exposure.name).observation for job in graph}
    for number in numbers:
        asked = {
            job.exposure.name for job in graph if job.exposure.observation == number
        }
        check(graph, asked)
    some = [job.exposure.name for job in graph]
    check(graph, {name for name in some if chance.random() < 0.3})


def prepare(folder: Path, program: str, *observations: str, **choices: str) -> Drawn:
    """Draw the graph of a program of a folder, as a run does."""
    request = Request(program, observations, **choices)
    settings = load_settings(archive=folder, crds_path=folder, data_dir=folder / "data")
    with open_services(settings) as services:
        recipe = load_recipe(request.recipe)
        return draw_request(
            request,
            recipe,
            services.archive,
            data_dir=services.data_dir,
            get_specs=get_installed_specs,
        )


def test_a_background_of_another_observation_is_made_for_the_spectra_that_need_it(
    tmp_path: Path,
) -> None:
    """The master background of the MRS reads spectra of the background, in spec3."""
    write_exposures(tmp_path, mrs_program())
    graph = prepare(tmp_path, "99003", "001").graph
    assert "spec2:jw99003002001_02101_00001_mirifushort" in {job.key for job in graph}
    made = build_plan(graph, make_binder(make_resolved(graph), DoneStore()))
    assert len(made.entries) == len(graph)
    whole = {job.key: job for job in prepare(tmp_path, "99003").graph}
    assert all(whole[job.key] == job for job in graph)


def test_an_observation_brings_the_spectra_that_it_is_combined_into(
    tmp_path: Path,
) -> None:
    first, second = (f"jw9900300{n}001_02101_00001_mirifushort" for n in (1, 4))
    write_exposures(tmp_path, [make_exposure(name, **MRS) for name in (first, second)])
    recipe = tmp_path / "combined.toml"
    recipe.write_text('title = "T"\n[associations]\nlevel3 = "target"\n')
    graph = prepare(tmp_path, "99003", "004", recipe=str(recipe)).graph
    keys = {job.key for job in graph}
    assert {
        f"{stage}:{name}" for stage in STARTS[:2] for name in (first, second)
    } < keys
    [last] = [job for job in graph if job.stage is Stage.SPEC3]
    assert science(last) == {first, second}


def test_an_observation_alone_leaves_others_and_their_defects_alone(
    tmp_path: Path,
) -> None:
    write_exposures(tmp_path, ifu_program())
    (tmp_path / "jw99001009001_03101_00001_nrs1_uncal.fits").write_bytes(b"none")
    graph = prepare(tmp_path, "99001", "002").graph
    assert {job.exposure.observation for job in graph} == {"002"}


def test_what_glows_of_another_observation_is_still_read(tmp_path: Path) -> None:
    names = [f"jw9900100{n}001_03101_00001_nrs1" for n in (1, 2)]
    exposures = [
        make_exposure(name, EXPSTART=60000 + n / 100, EXPEND=60000.005 + n / 100)
        for n, name in enumerate(names)
    ]
    write_exposures(tmp_path, exposures)
    recipe = tmp_path / "glow.toml"
    recipe.write_text(GLOWING)
    graph = prepare(tmp_path, "99001", "002", recipe=str(recipe)).graph
    assert f"detector1:{names[0]}" in {job.key for job in graph}
    assert f"spec2:{names[0]}" not in {job.key for job in graph}
