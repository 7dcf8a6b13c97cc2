"""Recipes that extend recipes: order, origins, circles, and the text that is kept."""

import datetime as dt
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import RecipeError
from config.extending import join_recipes, list_values, to_toml
from config.recipe import Recipe, load_recipe

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_recipe(name: str, *lines: str, extends: str = "[]") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        head = [f'title = "{path.stem}"', f"extends = {extends}"]
        path.write_text("\n".join([*head, *lines]))
        return path

    return write_recipe


def select(recipe: Recipe, **facts: str) -> object:
    return recipe.select_parameters("spec2", [{"exp_type": "NRS_IFU", **facts}])


PIXELS = ("[[parameters]]", 'stage = "spec2"', "steps.pixel_replace.n_adjacent_cols = ")


def replace_pixels(columns: int) -> tuple[str, ...]:
    return (*PIXELS[:2], f"{PIXELS[2]}{columns}")


def test_a_recipe_sets_over_what_it_extends(write: Write) -> None:
    own = write("mine.toml", *replace_pixels(7), extends='"selfcal"')
    recipe = load_recipe(str(own))
    assert (recipe.name, recipe.title) == ("mine", "mine")
    assert recipe.associations.selfcal is True
    assert recipe.products.exposure_cubes == "needed"
    assert select(recipe) == {
        "steps": {
            "badpix_selfcal": {"skip": False},
            "pixel_replace": {"n_adjacent_cols": 7},
        }
    }


def test_of_several_that_it_extends_the_later_wins(write: Write) -> None:
    write("one.toml", *replace_pixels(1), "[associations]", "selfcal = true")
    write("two.toml", *replace_pixels(2))
    own = write("mine.toml", extends='["one.toml", "two.toml"]')
    recipe = load_recipe(str(own))
    assert select(recipe) == {"steps": {"pixel_replace": {"n_adjacent_cols": 2}}}
    assert recipe.associations.selfcal is True
    assert recipe.origins == {
        "parameters.1": "one", "associations.selfcal": "one", "parameters.2": "two",
    }  # fmt: skip
    assert recipe.describe_set(2) == "parameter set 2 of two (spec2)"


def test_what_is_reached_twice_counts_once_and_does_not_win_again(
    write: Write,
) -> None:
    write("base.toml", *replace_pixels(1))
    write("one.toml", *replace_pixels(2), extends='"base.toml"')
    write("two.toml", extends='"base.toml"')
    recipe = load_recipe(str(write("mine.toml", extends='["one.toml", "two.toml"]')))
    assert len(recipe.parameters) == 2
    assert select(recipe) == {"steps": {"pixel_replace": {"n_adjacent_cols": 2}}}


def test_a_path_is_relative_to_the_file_that_extends(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write("base.toml", "[associations]", "selfcal = true")
    own = write("deep/mine.toml", extends='"../base.toml"')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert load_recipe(str(own)).associations.selfcal is True


EXCLUDE = ("[[associations.exclude]]", 'exposure = "*1"', 'exptype = "background"')


def test_arrays_of_tables_are_joined_and_an_empty_one_drops_them(write: Write) -> None:
    write("base.toml", *EXCLUDE, "[[associations.include]]", 'exposure = "*2"',
          'exptype = "selfcal"')  # fmt: skip
    more = write("more.toml", *EXCLUDE, extends='"base.toml"')
    none = write("none.toml", "[associations]", "exclude = []", extends='"base.toml"')
    joined, dropped = load_recipe(str(more)), load_recipe(str(none))
    assert len(joined.associations.exclude) == 2
    assert len(joined.associations.include) == 1
    assert dropped.associations.exclude == ()
    assert dropped.origins["associations.exclude"] == "none"
    assert "associations.exclude.1" not in dropped.origins


EXPLODE = (
    "[[edits]]",
    'edit = "explode-long-slit"',
    'match.target = "GAL*"',
    "slitlets = [1]",
    "sources_in = [{ quadrant = 1, first = 5, last = 8 }]",
)


def test_edits_follow_those_of_what_is_extended(write: Write, tmp_path: Path) -> None:
    write("base.toml", "[[edits]]", 'edit = "split-slitlets"')
    recipe = load_recipe(str(write("mine.toml", *EXPLODE, extends='"base.toml"')))
    names = [edit.name for edit in recipe.edits]
    assert names == ["split-slitlets", "explode-long-slit"]
    assert recipe.origins == {"edits.1": "base", "edits.2": "mine"}
    (tmp_path / "kept.toml").write_text(recipe.text)
    assert load_recipe(str(tmp_path / "kept.toml")).edits == recipe.edits


def test_a_plain_list_is_replaced(write: Write) -> None:
    write("base.toml", "[associations]", 'background_observations = ["001", "002"]')
    own = write("mine.toml", "[associations]", 'background_observations = ["003"]',
                extends='"base.toml"')  # fmt: skip
    found = load_recipe(str(own)).associations
    assert found.background_observations == ("003",)


def test_its_text_is_a_recipe_that_says_the_same_and_extends_nothing(
    write: Write, tmp_path: Path
) -> None:
    lines = ["[jwst]", 'minimum = "2.0"', *EXCLUDE, *replace_pixels(7)]
    lines += ['match.grating = ["G395*", "PRISM"]', "match.taken_from = 2024-02-29"]
    recipe = load_recipe(str(write("mine.toml", *lines, extends='"selfcal"')))
    assert "selfcal = true  # from selfcal" in recipe.text
    assert "[[parameters]]  # from mine" in recipe.text
    (tmp_path / "kept.toml").write_text(recipe.text)
    kept = load_recipe(str(tmp_path / "kept.toml"))
    assert kept.origins == {}
    for name in ("title", "jwst", "associations", "products", "parameters", "sha256"):
        assert getattr(kept, name) == getattr(recipe, name)


def test_an_edit_of_what_is_extended_changes_the_hash(write: Write) -> None:
    write("base.toml", *replace_pixels(1))
    own = str(write("mine.toml", extends='"base.toml"'))
    before = load_recipe(own)
    write("base.toml", *replace_pixels(2))
    assert load_recipe(own).sha256 != before.sha256
    assert "n_adjacent_cols = 1" in before.text


def test_recipes_that_extend_each_other_are_refused(write: Write) -> None:
    own = write("one.toml", extends='"two.toml"')
    other = write("two.toml", extends='"one.toml"')
    with pytest.raises(RecipeError) as error:
        load_recipe(str(own))
    assert str(error.value) == (
        f"Recipes extend each other in a circle: {own} extends {other} extends {own}."
    )


@pytest.mark.parametrize(
    ("extends", "said"),
    [
        ("bset", r"Unknown recipe 'bset' \(which .*mine\.toml extends\): expected"),
        ("gone.toml", r"gone\.toml \(which .*mine\.toml extends\) cannot be read"),
        ("wrong.toml", r"wrong\.toml cannot be used: unknown key `selfcal`"),
    ],
)
def test_what_cannot_be_extended_is_named(
    write: Write, extends: str, said: str
) -> None:
    write("wrong.toml", "selfcal = true")
    own = write("mine.toml", extends=f'"{extends}"')
    with pytest.raises(RecipeError, match=said):
        load_recipe(str(own))


def test_what_is_forbidden_is_refused_in_what_is_extended(write: Write) -> None:
    write("base.toml", *PIXELS[:2], 'steps.photom.override_photom = "mine.fits"')
    own = write("mine.toml", extends='"base.toml"')
    with pytest.raises(RecipeError, match=r"base\.toml sets spec2\.photom\.override"):
        load_recipe(str(own))


VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.dates(min_value=dt.date(1000, 1, 1)),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
TABLES = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    VALUES | st.dictionaries(st.text("ab", max_size=2), VALUES, max_size=2),
    max_size=4,
)


@given(table=TABLES, tables=st.lists(TABLES, min_size=1, max_size=3))
def test_what_is_written_is_read_back_the_same(
    table: dict[str, object], tables: list[dict[str, object]]
) -> None:
    tree = {"title": "T", "table": table, "tables": tables}
    joined, origins = join_recipes([("a", tree)])
    assert tomllib.loads(to_toml(joined, origins)) == tree
    assert dict(list_values({"x": {"y": {"z": 1}}})) == {"x.y.z": 1}
