"""Edits of recipes: what may be said, which jobs they reach, and what files become."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from exposures import (
    ifu_program,
    make_exposure,
    mos_program,
    mrs_program,
    with_calibrated,
)
from metafiles import Opened, make_tables, write_file
from plans import do_all, list_jobs, make_graph, make_resolved
from stdatamodels.jwst.datamodels import ImageModel, read_metadata

from config.edits import KEYWORDS, RecipeEdit, parse_edit
from config.errors import RecipeError
from config.recipe import load_recipe
from config.recipe_texts import list_recipes
from flows.errors import PlanError
from flows.models.exposures import Exposure
from flows.planning import (
    PlannedJob,
    describe_edit,
    explain_difference,
    plan_edits,
    take_fingerprint,
)
from workers.contract import CaveatKind, Edit, Job, Stage
from workers.edits import apply_edits, check_edits, read_tables
from workers.errors import EditError

Write = Callable[[str], str]

METAFILE = "jw99004001001_01_msa.fits"
NOD_1, NOD_2 = (f"jw99004001001_03101_0000{n}_nrs1" for n in (1, 2))
SPLIT = parse_edit("split-slitlets", {})
ERRORS = parse_edit("recompute-errors", {})
EXTENDED = parse_edit("set-keyword", {"keyword": "SRCTYAPT", "value": "EXTENDED"})


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_text(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(f'title = "T"\n[[edits]]\n{text}')
        return str(path)

    return write_text


def test_packaged_recipes_edit_nothing_behind_the_back_of_official() -> None:
    assert "official" in list_recipes()
    assert load_recipe("official").edits == ()


def test_edits_are_read_in_their_order(write: Write) -> None:
    recipe = load_recipe(
        write(
            'edit = "split-slitlets"\nmax_shutters = 5\n'
            '[[edits]]\nedit = "set-keyword"\nkeyword = "TARG_RA"\nvalue = 150\n'
            'match.target = "STAR-*"\n'
        )
    )
    split, keyword = recipe.edits
    assert split == parse_edit("split-slitlets", {"max_shutters": 5})
    assert keyword.match.describe() == "target STAR-*"


WRONG = {
    "wavelengths in the wrong order": (
        'edit = "mask-wavelengths"\nslit = "S1600A1"\nfrom_um = 1.02\nto_um = 0.97',
        "from_um 1.02 is not below to_um 0.97",
    ),
    "wavelengths in Angstrom": (
        'edit = "mask-wavelengths"\nslit = "S1600A1"\nfrom_um = 9700\nto_um = 10200',
        "from_um",
    ),
    "another edit": (
        'edit = "split-slits"',
        "edits.1: unknown edit 'split-slits'; did you mean 'split-slitlets'?",
    ),
    "another key": (
        'edit = "split-slitlets"\nmax_shutter = 3',
        "`edits.1.split-slitlets.max_shutter`; did you mean `edits.max_shutters`?",
    ),
    "a key like none": (
        'edit = "split-slitlets"\nzzz = 3',
        "`edits.1.split-slitlets.zzz`; known: edit, max_shutters, sources, rest",
    ),
    "both of a choice": (
        'edit = "set-stellarity"\nsources = [1]\nstellarity = 1\nsource_type = "POINT"',
        "give one of stellarity and source_type",
    ),
    "stellarity": (
        'edit = "set-stellarity"\nsources = [1]\nstellarity = 1.5',
        "less than or equal to 1",
    ),
    "no source": ('edit = "select-sources"\nsources = []', "at least 1 item"),
    "outside of the shutter": (
        'edit = "place-source"\nsource = 1\nx = 0.5\ny = -0.1',
        "greater than or equal to 0",
    ),
    "shutters backwards": (
        (
            'edit = "add-background"\nrow = 1\n'
            "shutters = {quadrant = 1, first = 9, last = 8}"
        ),
        "first 9 is after last 8",
    ),
    "a shutter that there is not": (
        (
            'edit = "add-background"\nrow = 1\n'
            "shutters = {quadrant = 1, first = 9, last = 172}"
        ),
        "less than or equal to 171",
    ),
    "columns of several": (
        'edit = "drop-background"\nslitlets = [1, 2]\ncolumns = [3]',
        "give one edit for each",
    ),
    "a keyword that selects references": (
        'edit = "set-keyword"\nkeyword = "FILTER"\nvalue = "CLEAR"',
        "FILTER cannot be set, only SRCTYAPT, TARG_RA, TARG_DEC",
    ),
    "a keyword that is written anew": (
        'edit = "set-keyword"\nkeyword = "SRCTYPE"\nvalue = "POINT"',
        "set steps.extract_1d.ifu_set_srctype",
    ),
    "another text": (
        'edit = "set-keyword"\nkeyword = "SRCTYAPT"\nvalue = "STAR"',
        "SRCTYAPT is one of POINT, EXTENDED, UNKNOWN, got 'STAR'",
    ),
    "a text for a number": (
        'edit = "set-keyword"\nkeyword = "TARG_DEC"\nvalue = "-12:30"',
        "TARG_DEC is a number of degrees from -90 to 90, got '-12:30'",
    ),
    "a motion in arcsec": (
        (
            'edit = "proper-motion"\nra_deg = 1\ndec_deg = 1\npm_ra_mas_yr = 1e6\n'
            "pm_dec_mas_yr = 0\nepoch = 2016"
        ),
        "less than or equal to 20000",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_an_edit_cannot_be_is_said(write: Write, text: str, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(write(text))
    assert message in str(error.value)


def test_no_keyword_that_may_be_set_selects_references() -> None:
    import crds.jwst

    specs = Path(crds.jwst.__file__).parent / "specs"
    text = "".join(path.read_text() for path in specs.glob("*.rmap"))
    assert "META.EXPOSURE.TYPE" in text
    paths = {"SRCTYAPT": "SOURCE_TYPE_APT", "TARG_RA": "TARGET.RA"}
    for name in (*KEYWORDS, *paths.values(), "TARGET.DEC"):
        assert name not in text


# Which jobs they reach.


def reach(
    exposures: Sequence[Exposure], *edits: RecipeEdit, start_at: Stage = Stage.DETECTOR1
) -> dict[str, list[str]]:
    """Return the files that edits reach, by job."""
    graph = make_graph(exposures, start_at=start_at)
    planned = plan_edits(graph, exposures, edits)
    return {job.key: [e.file for e in job.edits] for job in planned if job.edits}


def only(edit: RecipeEdit, **match: str) -> RecipeEdit:
    return parse_edit(edit.edit, {**edit.model_dump(exclude={"edit"}), "match": match})


def test_a_metafile_is_edited_for_the_exposures_that_match() -> None:
    found = reach(mos_program(), only(SPLIT, exposure="*_00001_nrs1"))
    # Whether detector1 reads it is known when its parameters are.
    assert found == {
        f"detector1:{NOD_1}": [METAFILE],
        f"spec2:{NOD_1}": [METAFILE],
    }


def test_the_name_of_a_metafile_may_be_padded() -> None:
    padded = [
        replace(exposure, header={**exposure.header, "MSAMETFL": f"{METAFILE}  "})
        for exposure in mos_program(detectors=("nrs1",))
    ]
    assert {name for names in reach(padded, SPLIT).values() for name in names} == {
        METAFILE
    }


def test_a_header_is_edited_where_the_science_enters_spec2() -> None:
    science = "jw99001001001_03101_00001_nrs1"
    found = reach(ifu_program(), EXTENDED)
    assert found[f"spec2:{science}"] == [f"{science}_rate.fits"]
    assert {key.partition(":")[0] for key in found} == {"spec2"}
    # The keyword decides nothing for a background, nor for a leakcal.
    assert not [key for key in found if "jw99001002" in key]


def test_a_header_is_edited_at_spec3_if_a_run_starts_there() -> None:
    program = [with_calibrated(each, "cal", "x1d") for each in mrs_program()]
    target = parse_edit("set-keyword", {"keyword": "TARG_RA", "value": 150})
    [(key, files)] = reach(program, target, start_at=Stage.SPEC3).items()
    assert key.startswith("spec3:")
    names = [f"jw99003001001_02101_0000{n}_mirifushort_cal.fits" for n in (1, 2)]
    assert files == names


def test_calibrated_slits_are_edited_where_spec3_combines_them() -> None:
    found = reach(mos_program(), only(ERRORS, exposure=NOD_1))
    assert found == {LEVEL_3: [f"{NOD_1}_cal.fits"]}
    whole = [with_calibrated(each, "cal", "x1d") for each in mos_program()]
    assert reach(whole, only(ERRORS, exposure=NOD_1), start_at=Stage.SPEC3) == found


@pytest.mark.parametrize(
    ("exposures", "edit", "said"),
    [
        (ifu_program(), ERRORS, "it is for spec3 of NRS_FIXEDSLIT, NRS_MSASPEC"),
        (ifu_program(), SPLIT, "spec2 of NRS_MSASPEC exposures with a metafile"),
        (mos_program(), EXTENDED, "MIR_LRS-FIXEDSLIT, MIR_MRS, NRS_FIXEDSLIT, NRS_IFU"),
        (ifu_program(), only(EXTENDED, exp_type="NRS_IFUU"), "for exp_type NRS_IFUU"),
    ],
)
def test_an_edit_that_reaches_nothing_is_an_error(
    exposures: Sequence[Exposure], edit: RecipeEdit, said: str
) -> None:
    with pytest.raises(PlanError, match="Edit 1 of the recipe") as error:
        reach(exposures, edit)
    assert said in str(error.value)


def test_an_edit_may_be_for_exposures_that_a_program_need_not_have() -> None:
    edit = only(SPLIT, target="NOBODY").model_copy(update={"optional": True})
    assert reach(mos_program(), edit) == {}


def test_of_two_edits_alike_the_one_that_reaches_nothing_is_found() -> None:
    alike = [only(EXTENDED, target=name) for name in ("*", "NOBODY")]
    program = [
        make_exposure(e.name, **{**e.header, "TARGPROP": "A"}) for e in ifu_program()
    ]
    with pytest.raises(PlanError, match=r"Edit 2 of the recipe .*for target NOBODY"):
        reach(program, *alike)


def find_jobs(exposures: Sequence[Exposure], *edits: RecipeEdit) -> dict[str, Job]:
    """Run everything, and return the jobs by key."""
    graph = plan_edits(make_graph(exposures), exposures, edits)
    return list_jobs(do_all(graph, make_resolved(graph)))


def list_changed(exposures: Sequence[Exposure], before: Any, after: Any) -> set[str]:
    old, new = (find_jobs(exposures, *edits) for edits in (before, after))
    assert old.keys() == new.keys()
    return {key for key in new if new[key].fingerprint != old[key].fingerprint}


LEVEL_3 = "spec3:jw99004-o001_{source_id}_nirspec_clear-prism"


def test_changing_one_edit_changes_the_jobs_that_it_can_change() -> None:
    program = mos_program(detectors=("nrs1",))
    one = only(SPLIT, exposure=NOD_1)
    other = only(parse_edit("split-slitlets", {"max_shutters": 5}), exposure=NOD_1)
    for before, after in (((), (one,)), ((one,), (other,)), ((one,), ())):
        assert list_changed(program, before, after) == {f"spec2:{NOD_1}", LEVEL_3}
    assert list_changed(program, (one,), (one,)) == set()


def test_the_position_at_a_nod_changes_the_jobs_of_this_nod() -> None:
    program = mos_program(detectors=("nrs1",))
    place = parse_edit("place-source", {"source": 1, "x": 0.5, "y": 0.6, "nod": 2})
    changed = list_changed(program, (), (place,))
    assert changed == {f"spec2:{NOD_2}", LEVEL_3}


def test_whom_an_edit_is_for_is_no_part_of_a_fingerprint() -> None:
    program = mos_program(detectors=("nrs1",))
    named = only(SPLIT, exp_type="NRS_MSASPEC", detector="NRS1")
    assert list_changed(program, (SPLIT,), (named,)) == set()


def test_an_edited_header_changes_what_is_made_of_its_exposure() -> None:
    science = "jw99001001001_03101_00001_nrs1"
    changed = list_changed(ifu_program(), (), (only(EXTENDED, exposure=science),))
    assert f"spec2:{science}" in changed
    rest = {key for key in changed if not key.startswith("spec3:")}
    assert rest == {f"spec2:{science}"}


def test_an_edit_follows_a_job_to_its_fetched_files() -> None:
    from flows.planning import place_exposures

    program = mos_program()
    graph = plan_edits(make_graph(program), program, [SPLIT])
    assert [job.edits for job in place_exposures(graph, program)] == [
        job.edits for job in graph
    ]


def test_an_edit_of_calibrated_slits_changes_only_what_combines_them() -> None:
    program = mos_program(detectors=("nrs1",))
    assert list_changed(program, (), (only(ERRORS, exposure=NOD_1),)) == {LEVEL_3}


def test_what_changed_of_the_edits_is_explained() -> None:
    program = mos_program(detectors=("nrs1",))
    old, new = (
        find_jobs(program, *edits)[f"spec2:{NOD_1}"]
        for edits in ((SPLIT,), (parse_edit("split-slitlets", {"sources": [2]}),))
    )
    split = f"split-slitlets of {METAFILE} (max_shutters 3"
    assert explain_difference(old, new) == (
        f'new edit {split}, rest "background", sources [2]); '
        f'edit {split}, rest "background") is gone'
    )
    swapped = replace(new, edits=(*new.edits, *old.edits))
    other = replace(new, edits=(*old.edits, *new.edits))
    assert explain_difference(swapped, other) == "the order of the edits has changed"
    assert take_fingerprint(swapped) != take_fingerprint(other)


# What files become.


@pytest.fixture
def rate(tmp_path: Path) -> Path:
    model = ImageModel((4, 4))
    model.meta.target.ra, model.meta.target.dec = 269.454, 4.668
    model.meta.target.source_type_apt = "POINT"
    model.meta.exposure.mid_time = 60_000.0
    path = tmp_path / "original" / "a_rate.fits"
    path.parent.mkdir()
    model.save(path)
    model.close()
    return path


@pytest.fixture
def inputs(rate: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "inputs"
    folder.mkdir()
    (folder / rate.name).symlink_to(rate)
    tables = make_tables([Opened(1, (1, 2, 3, 4, 5), source=1, places=(2,))])
    metafile = write_file(tables, rate.parent / "a_msa.fits")
    (folder / metafile.name).symlink_to(metafile)
    return folder


def to_edit(name: str, edit: str, **values: Any) -> Edit:
    return Edit(name, edit, values)


MOTION = {"ra_deg": 269.45402305, "dec_deg": 4.66828815}
BARNARD = to_edit(
    "a_rate.fits",
    "proper-motion",
    **MOTION,
    pm_ra_mas_yr=-801.551,
    pm_dec_mas_yr=10362.394,
    epoch=2000.0,
)
"""Barnard's star, Gaia DR3 moved to J2000 (SIMBAD)."""


def test_edits_are_made_in_copies_and_the_pipeline_reads_them(
    inputs: Path, rate: Path
) -> None:
    before = [path.read_bytes() for path in sorted(rate.parent.iterdir())]
    keyword = to_edit(
        "a_rate.fits", "set-keyword", keyword="SRCTYAPT", value="EXTENDED"
    )
    [told] = apply_edits([keyword, to_edit("a_msa.fits", "extend-slitlets")], inputs)
    assert told.kind is CaveatKind.EDIT_INCOMPLETE
    assert told.message == (
        "a_msa.fits: slitlet 1 was not extended to column 0: the quadrant ends there"
    )
    assert [path.read_bytes() for path in sorted(rate.parent.iterdir())] == before
    meta = read_metadata(inputs / "a_rate.fits", flatten=True)
    assert meta["meta.target.source_type_apt"] == "EXTENDED"
    assert len(read_tables(inputs / "a_msa.fits").shutters) == 6
    assert not any(path.is_symlink() for path in inputs.iterdir())


def test_files_without_edits_stay_links(inputs: Path) -> None:
    apply_edits([to_edit("a_msa.fits", "split-slitlets")], inputs)
    assert (inputs / "a_rate.fits").is_symlink()


def test_the_target_moves_to_where_it_was_in_the_middle_of_the_exposure(
    inputs: Path,
) -> None:
    apply_edits([BARNARD], inputs)
    header = fits.getheader(inputs / "a_rate.fits")
    years = (60_000 - 51_544.5) / 365.25
    assert header["TARG_DEC"] == pytest.approx(
        MOTION["dec_deg"] + 10.362394 * years / 3600, abs=1e-6
    )
    cosine = 0.99668
    assert header["TARG_RA"] == pytest.approx(
        MOTION["ra_deg"] - 0.801551 * years / 3600 / cosine, abs=1e-6
    )


@pytest.mark.parametrize("missing", ["TARG_RA", "EXPMID"])
def test_a_motion_needs_a_target_and_a_time(rate: Path, missing: str) -> None:
    fits.delval(rate, missing)
    with pytest.raises(EditError, match=f"the header has no {missing}"):
        check_edits([BARNARD], metafile=None, exposure=rate)


def test_begin_and_end_give_the_middle(rate: Path, inputs: Path) -> None:
    apply_edits([BARNARD], inputs)
    expected = fits.getval(inputs / "a_rate.fits", "TARG_DEC")
    fits.delval(rate, "EXPMID")
    for keyword, value in (("EXPSTART", 59_999.0), ("EXPEND", 60_001.0)):
        fits.setval(rate, keyword, value=value)
    (inputs / "a_rate.fits").unlink()
    (inputs / "a_rate.fits").symlink_to(rate)
    apply_edits([BARNARD], inputs)
    assert fits.getval(inputs / "a_rate.fits", "TARG_DEC") == expected


def test_a_position_that_is_not_that_of_the_target_is_refused(rate: Path) -> None:
    hours = replace(BARNARD, values={**BARNARD.values, "ra_deg": 17.963})
    with pytest.raises(EditError, match=r"within 5\.0 arcmin of that of the header"):
        check_edits([hours], metafile=None, exposure=rate)


def test_an_edit_is_tried_before_a_job_runs(inputs: Path, rate: Path) -> None:
    wrong = to_edit("a_msa.fits", "select-sources", sources=[7])
    with pytest.raises(EditError, match=r"the edits of a_msa\.fits: no source is 7"):
        check_edits([wrong], metafile=inputs / "a_msa.fits", exposure=rate)
    # Detector1 of the exposure reads no metafile.
    check_edits([wrong], metafile=None, exposure=rate)


def test_an_edit_is_written_in_one_line() -> None:
    edit = to_edit("a_msa.fits", "place-source", source=1, x=0.5, y=0.25, nod=None)
    assert describe_edit(edit) == "place-source of a_msa.fits (source 1, x 0.5, y 0.25)"


def test_exposures_of_another_mode_have_no_metafile() -> None:
    odd = make_exposure(NOD_1, MSAMETFL=METAFILE)
    job = PlannedJob(Stage.SPEC2, NOD_1, (), odd)
    assert plan_edits([job], [odd], [SPLIT])[0].edits == ()
