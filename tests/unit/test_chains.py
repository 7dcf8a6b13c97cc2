from collections.abc import Callable
from dataclasses import replace

import pytest
from exposures import ifu_program, make_exposure
from hypothesis import given
from hypothesis import strategies as st
from plans import make_graph

from config.recipe import Recipe, load_recipe
from flows.models.exposures import Exposure
from flows.planning import PlannedJob, chain_exposures
from workers.contract import PERSISTENCE, Stage

ON = """
title = "T"
[[parameters]]
stage = "detector1"
steps.persistence.skip = false
steps.persistence.persistence_time = 1000
"""

MINUTE = 1 / 1440
"""In days."""

Chain = Callable[[list[Exposure]], dict[str, list[str]]]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    path = tmp_path_factory.mktemp("recipe") / "on.toml"
    path.write_text(ON)
    return load_recipe(str(path))


@pytest.fixture
def chain(recipe: Recipe) -> Chain:
    """Return the names of what each detector1 job reads of others."""

    def list_links(exposures: list[Exposure]) -> dict[str, list[str]]:
        graph = chain_exposures(make_graph(exposures), recipe)
        return {p.name: links(p) for p in graph if p.stage is Stage.DETECTOR1}

    return list_links


def links(planned: PlannedJob) -> list[str]:
    return [file.name for file in planned.inputs if file.exptype == PERSISTENCE]


def taken(number: int, start: float, **keywords: str) -> Exposure:
    """Make an exposure of ten minutes."""
    detector = keywords.get("DETECTOR", "NRS1").lower()
    return make_exposure(
        f"jw99001001001_03101_{number:05}_{detector}",
        EXPSTART=start,
        EXPEND=start + 10 * MINUTE,
        PATT_NUM=number,
        **keywords,
    )


def test_exposures_are_chained_in_the_order_in_which_they_were_taken(
    chain: Chain,
) -> None:
    one, two, three = (taken(n, 60000 - n * 12 * MINUTE) for n in (1, 2, 3))
    assert chain([one, two, three]) == {
        three.name: [],
        two.name: [f"{three.name}_persistence.asdf"],
        one.name: [f"{two.name}_persistence.asdf"],
    }


def test_what_has_faded_is_not_read(chain: Chain) -> None:
    late = taken(2, 60000 + 30 * MINUTE)
    assert not any(chain([taken(1, 60000), late]).values())


@pytest.mark.parametrize("other", [{"DETECTOR": "NRS2"}, {"SUBARRAY": "SUB512"}])
def test_other_pixels_are_not_read(chain: Chain, other: dict[str, str]) -> None:
    second = taken(2, 60000 + 12 * MINUTE, **other)
    assert not any(chain([taken(1, 60000), second]).values())


def test_without_times_exposures_are_chained_by_name(chain: Chain) -> None:
    found = chain(ifu_program())
    assert [len(names) for names in found.values()] == [0, 1, 1, 1, 1]


def test_nothing_is_chained_unless_the_recipe_asks() -> None:
    graph = make_graph(ifu_program())
    assert chain_exposures(graph, load_recipe("official")) == graph


def test_a_damaged_exposure_stays_in_the_chain(chain: Chain) -> None:
    damaged = replace(taken(1, 60000), defect="it is truncated")
    second = taken(2, 60000 + 12 * MINUTE)
    assert chain([damaged, second])[second.name] == [f"{damaged.name}_persistence.asdf"]


@given(order=st.permutations(range(5)))
def test_producers_stay_before_what_needs_them(
    recipe: Recipe, order: list[int]
) -> None:
    exposures = [taken(n + 1, 60000 + at * MINUTE) for n, at in enumerate(order)]
    done: set[str] = set()
    for planned in chain_exposures(make_graph(exposures), recipe):
        assert set(planned.producers) <= done
        done.add(planned.key)
