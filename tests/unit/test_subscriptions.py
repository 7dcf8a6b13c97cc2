"""Subscriptions are TOML, and what is wrong in them is said where it is."""

from pathlib import Path

import pytest

from config.errors import RecipeError, SubscriptionError
from config.subscriptions import load_subscriptions

SOUND = """
[[subscription]]
name = "ours"
programs = ["02736"]
"""


def load(folder: Path, text: str) -> None:
    path = folder / "subscriptions.toml"
    path.write_text(text)
    load_subscriptions(path)


def test_the_packaged_example_is_one() -> None:
    found = load_subscriptions(None)
    assert [one.name for one in found.subscriptions] == [
        "cluster-ifu",
        "disks",
        "lensed-galaxies",
    ]
    assert found.budget.cpu_hours == 200
    assert found.subscriptions[1].modes == ("MIR_MRS",)
    assert found.subscriptions[2].cycles == (3, 4)


def test_one_value_may_stand_where_several_may(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(SOUND.replace('["02736"]', '"02736"'))
    (ours,) = load_subscriptions(path).subscriptions
    assert (ours.programs, ours.recipe) == (("02736",), "official")


def test_recipes_are_found_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('title = "Mine"\nextends = "official"\n')
    path = tmp_path / "ours.toml"
    path.write_text(f'{SOUND}recipe = "mine.toml"\n')
    (ours,) = load_subscriptions(path).subscriptions
    assert ours.recipe == str(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "subscription: Field required"),
        ("subscription = 5", "subscription: "),
        ("[[subscription", "cannot be read"),
        ("[[subscription]]\nname = 'a'", "`programs`, `targets` or `cycles`"),
        (SOUND.replace("programs", "program"), "did you mean"),
        (SOUND.replace('"02736"', "2736"), "Input should be a valid string, got 2736"),
        (SOUND.replace('"02736"', '"2736"'), "should match pattern"),
        (SOUND.replace("ours", "../ours"), "should match pattern"),
        (SOUND + SOUND, "subscriptions of one name: ours"),
        (SOUND + 'modes = "nrs ifu"', "should match pattern"),
        (SOUND + "cycles = 100", "subscription.1.cycles.1: "),
        (SOUND + 'cycles = "GTO"', "subscription.1.cycles.1: "),
        (SOUND + 'policy.inputs = "redo"', "subscription.1.policy.inputs: "),
        (SOUND + 'policy.jwst_path = "rerun"', "`subscription.policy.jwst_patch`"),
        ("budget.jobs = 0" + SOUND, "budget.jobs: "),
        ("budget.cpu_hours = nan" + SOUND, "budget.cpu_hours: "),
        ("budget.nights = 1" + SOUND, "unknown key `budget.nights`"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(SubscriptionError) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)
    assert "subscriptions.toml" in str(caught.value)


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="nirspec-ifu"):
        load(tmp_path, f'{SOUND}recipe = "nirspec-ifo"')


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SubscriptionError, match=r"none\.toml of subscriptions cannot"):
        load_subscriptions(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SubscriptionError, match="cannot be read"):
        load_subscriptions(tmp_path / "bytes.toml")
