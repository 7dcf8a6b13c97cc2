from dataclasses import replace
from pathlib import Path

import pytest
from exposures import (
    associate_headers,
    bots_program,
    ifu_program,
    make_exposure,
    mos_program,
    mrs_program,
)
from hypothesis import given
from hypothesis import strategies as st
from plans import make_graph

from config.recipe import AssociationChoice
from flows.errors import PlanError
from flows.models.associations import Lack
from flows.models.exposures import Exposure, Metafile, UnusableFile
from flows.planning import PlannedJob, build_graph, keep_stage
from workers.contract import Stage

DITHERS = st.lists(
    st.builds(
        lambda visit, number, detector: make_exposure(
            f"jw99001{visit:03}001_03101_{number:05}_nrs{detector}", PATT_NUM=number
        ),
        st.integers(1, 3),
        st.integers(1, 4),
        st.integers(1, 2),
    ),
    max_size=12,
    unique_by=lambda exposure: exposure.name,
)
PROGRAMS = DITHERS.map(lambda extra: ifu_program("99003") + extra)


def keys(graph: tuple[PlannedJob, ...]) -> list[str]:
    return [planned.key for planned in graph]


def find(graph: tuple[PlannedJob, ...], start: str) -> list[PlannedJob]:
    return [planned for planned in graph if planned.key.startswith(start)]


def unusable(observation: str, program: str = "99001") -> UnusableFile:
    name = f"jw{program}{observation}001_09101_00001_nrs1_uncal.fits"
    return UnusableFile(Path(name), program, observation, "it is no FITS file")


@pytest.mark.parametrize("selfcal", [False, True])
@given(exposures=PROGRAMS)
def test_producers_come_first_so_there_is_no_cycle(
    exposures: list[Exposure], *, selfcal: bool
) -> None:
    done: set[str] = set()
    for planned in make_graph(exposures, selfcal=selfcal):
        assert set(planned.producers) <= done
        done.add(planned.key)


@given(PROGRAMS)
def test_every_job_is_there_once(exposures: list[Exposure]) -> None:
    found = keys(make_graph(exposures))
    assert len(found) == len(set(found))


@given(st.data(), PROGRAMS)
def test_the_order_of_the_files_does_not_matter(
    data: st.DataObject, exposures: list[Exposure]
) -> None:
    shuffled = data.draw(st.permutations(exposures))
    assert make_graph(shuffled) == make_graph(exposures)


def test_every_member_of_an_association_has_a_producer() -> None:
    graph = make_graph(ifu_program(), selfcal=True)
    for planned in graph:
        reads_raw = planned.stage is Stage.DETECTOR1
        assert all((file.producer is None) == reads_raw for file in planned.inputs)


def test_the_first_science_member_is_the_first_input() -> None:
    for planned in make_graph(ifu_program(), selfcal=True):
        assert planned.inputs[0].exptype == "science"
        assert planned.inputs[0].name.startswith(planned.exposure.name)


def test_exposures_that_spec3_combines_are_known_unless_it_reads_their_spectra() -> (
    None
):
    combined = [p.exposure for p in make_graph(mrs_program()) if p.only_combined]
    assert {exposure.observation for exposure in combined} == {"001"}


def test_a_time_series_ends_in_tso3() -> None:
    graph = make_graph(bots_program())
    assert [p.stage for p in graph] == [*["detector1"] * 2, *["spec2"] * 2, "tso3"]
    assert graph[-1].producers == tuple(keys(graph)[2:4])


def test_exposures_that_no_association_needs_have_no_job() -> None:
    stray = make_exposure("jw99001004001_03101_00001_nrs1", EXP_TYPE="NRS_DARK")
    assert make_graph([*ifu_program(), stray]) == make_graph(ifu_program())


def test_a_damaged_exposure_has_the_defect_in_its_own_job_alone() -> None:
    first, *others = ifu_program()
    graph = make_graph([replace(first, defect="it is truncated"), *others])
    assert [p.name for p in graph if p.defect] == [first.name]


def test_associations_need_the_rejected_files_of_their_observation() -> None:
    science = [make_exposure(f"jw99001{o}001_03101_00001_nrs1") for o in ("003", "004")]
    graph = make_graph(science, unusable=[unusable("003")])
    [failed] = [planned for planned in graph if planned.defect]
    doubtful = {planned.name for planned in graph if failed.key in planned.producers}
    assert "it is no FITS file" in str(failed.defect)
    assert len(doubtful) == 2
    assert all("jw99001003001" in name or "-o003" in name for name in doubtful)


def test_a_rejected_file_that_is_asked_for_fails_though_nothing_else_needs_it() -> None:
    exposures = ifu_program()
    made = associate_headers(exposures, AssociationChoice()).associations
    files = [unusable("008"), unusable("009")]
    graph = build_graph(exposures, made, files, asked=files[:1])
    [failed] = [planned for planned in graph if planned.defect]
    assert failed.key == "detector1:jw99001008001_09101_00001_nrs1"
    assert not any(planned.doubts for planned in graph)


def test_what_uses_a_background_needs_the_rejected_files_of_its_observation() -> None:
    graph = make_graph(ifu_program(), unusable=[unusable("002")])
    assert all(planned.doubts for planned in find(graph, "spec2:jw99001001"))
    assert not any(planned.doubts for planned in find(graph, "detector1"))


def test_associations_need_the_rejected_files_that_they_are_linked_with() -> None:
    exposures = ifu_program()
    made = associate_headers(exposures, AssociationChoice()).associations
    linked = {"001": frozenset({"001", "009"})}
    graph = build_graph(exposures, made, [unusable("009"), unusable("008")], linked)
    (alone,) = (planned.key for planned in graph if planned.defect)
    assert alone == "detector1:jw99001009001_09101_00001_nrs1"
    doubtful = {planned.exposure.observation for planned in graph if planned.doubts}
    assert doubtful == {"001"}


@pytest.mark.parametrize(
    ("level", "stages"),
    [(2, {Stage.SPEC2, Stage.SPEC3}), (3, {Stage.SPEC3}), (None, set())],
)
def test_products_are_the_less_from_the_level_on_of_what_is_lacking(
    level: int | None, stages: set[Stage]
) -> None:
    exposures = ifu_program()
    made = associate_headers(exposures, AssociationChoice()).associations
    lack = Lack((exposures[0].name,), "there is no NRS2", level)
    graph = build_graph(exposures, made, lacking=[lack])
    concerned = [planned for planned in graph if planned.lacking]
    assert {planned.stage for planned in concerned} == stages
    for planned in concerned:
        assert planned.lacking == (f"{exposures[0].name}: there is no NRS2",)
        science = [f.name for f in planned.inputs if f.exptype == "science"]
        assert any(name.startswith(exposures[0].name) for name in science)


def test_a_segment_alone_needs_no_rejected_file() -> None:
    graph = make_graph(bots_program(), unusable=[unusable("001", program="99002")])
    assert not any(planned.doubts for planned in find(graph, "spec2"))
    assert all(planned.doubts for planned in find(graph, "tso3"))


def test_a_missing_metafile_is_a_defect_of_spec2_alone() -> None:
    metafile = Metafile("a_msa.fits", Path("a_msa.fits"), defect="it is not there")
    program = [replace(e, metafile=metafile) for e in mos_program()]
    defects = {p.stage: p.defect for p in make_graph(program)}
    assert defects == {
        Stage.DETECTOR1: None,
        Stage.SPEC2: "it is not there",
        Stage.SPEC3: None,
    }


OPTICS = ("GRATING", "FILTER")
LIT_ON_NRS1_ALONE = (
    *(("PRISM", "CLEAR"), ("G140H", "F070LP"), ("G140M", "F070LP")),
    *(("G140M", "F100LP"), ("G235M", "F170LP"), ("G395M", "F290LP")),
)
LIT_ON_BOTH = (("G140H", "F100LP"), ("G235H", "F170LP"), ("G395H", "F290LP"))
THROUGH = (
    {"EXP_TYPE": "NRS_IFU"},
    {"EXP_TYPE": "NRS_FIXEDSLIT", "FXD_SLIT": "S400A1", "PATTTYPE": "NONE"},
    {"EXP_TYPE": "NRS_BRIGHTOBJ", "FXD_SLIT": "S1600A1", "TSOVISIT": True},
)


def list_detectors(path: tuple[str, str], through: dict[str, str | bool]) -> set[str]:
    """List the detectors that exposures of both have jobs of."""
    stem, optics = "jw99006001001_02101_00001", dict(zip(OPTICS, path, strict=True))
    both = [make_exposure(f"{stem}_nrs{n}", **optics, **through) for n in (1, 2)]
    graph = make_graph(both)
    assert {planned.stage for planned in graph} > {Stage.DETECTOR1, Stage.SPEC2}
    return {planned.exposure.name[-4:] for planned in graph}


@pytest.mark.parametrize("through", THROUGH, ids=lambda each: each["EXP_TYPE"])
@pytest.mark.parametrize("path", LIT_ON_NRS1_ALONE, ids="-".join)
def test_there_is_no_job_of_a_detector_without_light(
    path: tuple[str, str], through: dict[str, str | bool]
) -> None:
    assert list_detectors(path, through) == {"nrs1"}


@pytest.mark.parametrize("through", THROUGH, ids=lambda each: each["EXP_TYPE"])
@pytest.mark.parametrize("path", LIT_ON_BOTH, ids="-".join)
def test_there_are_jobs_of_both_detectors_where_light_falls(
    path: tuple[str, str], through: dict[str, str | bool]
) -> None:
    assert list_detectors(path, through) == {"nrs1", "nrs2"}


def test_a_run_can_be_kept_to_the_jobs_of_a_stage_and_what_they_need() -> None:
    graph = make_graph(bots_program())
    stages = [
        {job.stage for job in keep_stage(graph, stage)}
        for stage in (Stage.DETECTOR1, Stage.SPEC2, Stage.SPEC3)
    ]
    first, second = Stage.DETECTOR1, Stage.SPEC2
    assert stages == [{first}, {first, second}, {first, second, Stage.TSO3}]
    with pytest.raises(PlanError, match="there are jobs of detector1"):
        keep_stage(keep_stage(graph, first), Stage.SPEC3)
