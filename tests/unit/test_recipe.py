import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import RecipeError
from config.recipe import load_recipe
from config.recipe_texts import list_recipes

Write = Callable[[str], str]

FORBIDDEN = {
    "override_photom": '"mine.fits"',
    "user_supplied_dq": '"dq.fits"',
    "pre_hooks": '["os.system"]',
    "post_hooks": "[]",
    "output_dir": '"/"',
    "input_dir": '"/"',
    "config_file": '"x.asdf"',
    "maximum_cores": '"all"',
    "slit_y_high_file": '"x"',
    "save_persistence": '"/tmp/x"',
    "wfss_mask": '"x.fits"',
    "int_name": '"../x"',
    "dark_output": '"dark.fits"',
    "soss_estimate": '"x.fits"',
    "soss_modelname": '"x.fits"',
}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_text(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return str(path)

    return write_text


@pytest.mark.parametrize("name", list_recipes())
def test_packaged_recipes_can_be_loaded(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.title


def test_a_recipe_of_ones_own_is_named_by_its_file(write: Write) -> None:
    recipe = load_recipe(write('title = "T"'))
    assert (recipe.name, recipe.title) == ("mine", "T")


SETS = """
title = "T"
[[parameters]]
stage = "spec2"
steps.photom.skip = true
steps.photom.inverse = true
[[parameters]]
stage = "spec2"
exp_types = ["NRS_IFU"]
pipeline.fail_on_exception = false
steps.photom.skip = false
"""


def test_parameters_are_for_a_stage_and_its_exp_types(write: Write) -> None:
    recipe = load_recipe(write(SETS))
    assert recipe.select_parameters("spec3", [{"exp_type": "NRS_IFU"}]) == {}
    assert recipe.select_parameters("spec2", [{"exp_type": "NRS_BRIGHTOBJ"}]) == {
        "steps": {"photom": {"skip": True, "inverse": True}}
    }


def test_of_two_sets_the_later_one_wins(write: Write) -> None:
    assert load_recipe(write(SETS)).select_parameters(
        "spec2", [{"exp_type": "NRS_IFU"}]
    ) == {
        "fail_on_exception": False,
        "steps": {"photom": {"skip": False, "inverse": True}},
    }


MATCHED = """
title = "T"
[[parameters]]
stage = "spec3"
match.grating = "g395*"
match.observation = ["001", "002"]
exp_types = ["NRS_IFU"]
steps.outlier_detection.skip = true
"""

FITTING = {"exp_type": "NRS_IFU", "grating": "G395H", "observation": "001"}


@pytest.mark.parametrize(
    ("others", "is_set"),
    [
        ([], True),
        ([{"observation": "002"}], True),
        ([{"observation": "003"}], False),
        ([{"grating": "PRISM"}], False),
        ([{"exp_type": "NRS_MSASPEC"}], False),
    ],
)
def test_a_set_is_for_jobs_of_which_it_fits_all_science(
    write: Write, others: list[dict[str, str]], *, is_set: bool
) -> None:
    science = [FITTING, *(FITTING | other for other in others)]
    found = load_recipe(write(MATCHED)).select_parameters("spec3", science)
    assert bool(found) is is_set


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("2.0.0", True),
        ("3.0.0", True),
        ("3.0.0+g12ab", True),
        ("2.0.0rc1", False),
        ("1.20.2", False),
        ("3.0.1", False),
        ("3.0.1.dev5", False),
    ],
)
def test_a_recipe_is_for_the_versions_between_its_bounds(
    write: Write, version: str, *, fits: bool
) -> None:
    text = 'title = "T"\n[jwst]\nminimum = "2.0"\nmaximum = "3.0.0"'
    assert load_recipe(write(text)).jwst.has(version) is fits


NEEDED = """
title = "T"
[products]
exposure_cubes = "needed"
"""

NO_CUBES = {"steps": {"cube_build": {"skip": True}, "extract_1d": {"skip": True}}}


@pytest.mark.parametrize("exp_type", ["NRS_IFU", "MIR_MRS"])
def test_a_recipe_can_do_without_cubes_that_nothing_reads(
    write: Write, exp_type: str
) -> None:
    recipe = load_recipe(write(NEEDED))
    assert (
        recipe.select_parameters("spec2", [{"exp_type": exp_type}], only_combined=True)
        == NO_CUBES
    )
    assert recipe.select_parameters("spec2", [{"exp_type": exp_type}]) == {}
    assert (
        recipe.select_parameters("spec3", [{"exp_type": exp_type}], only_combined=True)
        == {}
    )


def test_only_exposures_of_cubes_can_do_without(write: Write) -> None:
    recipe = load_recipe(write(NEEDED))
    assert (
        recipe.select_parameters(
            "spec2", [{"exp_type": "NRS_MSASPEC"}], only_combined=True
        )
        == {}
    )


def test_all_cubes_are_made_unless_a_recipe_says_otherwise(write: Write) -> None:
    recipe = load_recipe(write('title = "T"'))
    assert (
        recipe.select_parameters("spec2", [{"exp_type": "NRS_IFU"}], only_combined=True)
        == {}
    )


def test_a_step_that_is_asked_for_is_not_done_without(write: Write) -> None:
    asked = """
    [[parameters]]
    stage = "spec2"
    steps.cube_build.skip = false
    """
    recipe = load_recipe(write(NEEDED + asked))
    found = recipe.select_parameters(
        "spec2", [{"exp_type": "NRS_IFU"}], only_combined=True
    )
    assert found["steps"]["cube_build"] == {"skip": False}


def test_another_text_has_another_hash(write: Write) -> None:
    hashes = {load_recipe(write(f'title = "{word}"')).sha256 for word in ("a", "b")}
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "background = 'none'",
            "unknown key `background`; did you mean `associations.",
        ),
        ("[associations]\nselfcall = true", "`associations.selfcall`; did you mean"),
        (
            "[[parameters]]\nstage = 'spec2'\nexp_type = []",
            "`parameters.match.exp_type`?",
        ),
        ("zzz = 1", "unknown key `zzz`; known: title, extends, jwst, associations, "),
        (
            "[[parameters]]\nstage = 'spec2'\nzzz = 1",
            "unknown key `parameters.1.zzz`; known: why, stage, exp_types, match, ",
        ),
    ],
)
def test_an_unknown_key_suggests_the_nearest(
    write: Write, text: str, said: str
) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(write(f'title = "T"\n{text}'))
    assert said in str(error.value)


def test_an_unknown_recipe_names_those_there_are() -> None:
    names = "channel-cubes, combined-cubes, miri-lrs, miri-mrs, "
    with pytest.raises(RecipeError, match=rf"'best'.* {names}"):
        load_recipe("best")


def test_a_recipe_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"gone\.toml cannot be read"):
        load_recipe(str(tmp_path / "gone.toml"))


@pytest.mark.parametrize(
    "text",
    [
        "title = ",
        "",
        'title = "T"\nunknown = 1',
        'title = "T"\n[[parameters]]\nstage = "spec4"',
        'title = "T"\n[[parameters]]\nstage = "spec2"\nphotom.skip = true',
        'title = "T"\n[associations]\nbackgrounds = "all"',
    ],
)
def test_what_is_no_recipe_is_refused(write: Write, text: str) -> None:
    with pytest.raises(RecipeError, match=r"mine\.toml cannot be used"):
        load_recipe(write(text))


TITLE = b'title = "T"\n'
UNREADABLE = {
    "bytes": (b"\xff\xfe\x00", "cannot be read: it is no text in UTF-8."),
    "too much": (TITLE + b"#" * 1_000_000, "it is larger than 1000000 bytes."),
    "a folder": (os.mkdir, "cannot be read: it is no file."),
    "a pipe": (os.mkfifo, "cannot be read: it is no file."),
    "a circle": (lambda p: p.symlink_to(p), "Too many levels of symbolic links."),
    "nested": (TITLE + b"x = " + b"[" * 5000, "are nested too deeply"),
    "digits": (TITLE + b"x = " + b"9" * 5000, "a number in it has too many digits"),
    "NUL": (TITLE + b'extends = "\\u0000.toml"', "has the character NUL"),
}


@pytest.mark.parametrize(("made", "said"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_no_editor_writes_is_refused_in_a_sentence(
    tmp_path: Path, made: bytes | Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "mine.toml"
    if isinstance(made, bytes):
        path.write_bytes(made)
    else:
        made(path)
    with pytest.raises(RecipeError, match=re.escape(said)):
        load_recipe(str(path))


def test_a_byte_order_mark_is_no_part_of_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TITLE)
    assert load_recipe(str(path)).text == TITLE.decode()


@pytest.mark.parametrize(("name", "value"), FORBIDDEN.items(), ids=FORBIDDEN.keys())
def test_files_hooks_and_places_are_refused(
    write: Write, name: str, value: str
) -> None:
    given = f'stage = "spec2"\nsteps.photom.{name} = {value}\n'
    path = write(f'title = "T"\n[[parameters]]\n{given}')
    with pytest.raises(RecipeError, match=f"spec2.photom.{name}"):
        load_recipe(path)


def test_a_table_does_not_hide_what_is_forbidden(write: Write) -> None:
    given = 'stage = "spec2"\nsteps.master_background_mos.steps.photom.pre_hooks = []\n'
    path = write(f'title = "T"\n[[parameters]]\n{given}')
    with pytest.raises(RecipeError, match="pre_hooks"):
        load_recipe(path)


def test_steps_cannot_be_set_as_parameters_of_the_pipeline(write: Write) -> None:
    given = 'stage = "spec2"\npipeline.steps.photom.override_photom = "x"\n'
    with pytest.raises(RecipeError, match="cannot be used"):
        load_recipe(write(f'title = "T"\n[[parameters]]\n{given}'))


FEW = """
title = "T"
[[parameters]]
stage = "spec3"
exp_types = ["NRS_MSASPEC"]
max_exposures = 3
steps.outlier_detection.skip = true
"""


@pytest.mark.parametrize(("exposures", "is_set"), [(1, True), (3, True), (4, False)])
def test_a_set_may_be_for_few_exposures_whatever_their_detectors(
    write: Write, exposures: int, *, is_set: bool
) -> None:
    recipe = load_recipe(write(FEW))
    science = [
        {"exp_type": "NRS_MSASPEC", "exposure": f"jw99004001001_03101_0000{n}_nrs{d}"}
        for n in range(exposures)
        for d in (1, 2)
    ]
    found = recipe.select_parameters("spec3", science)
    skipped = {"steps": {"outlier_detection": {"skip": True}}}
    assert found == (skipped if is_set else {})
    assert "at most 3 exposures" in recipe.describe_set(1)
