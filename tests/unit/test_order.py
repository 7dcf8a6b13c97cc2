from exposures import bots_program, ifu_program
from hypothesis import given
from hypothesis import strategies as st
from plans import make_graph

from flows.execution.order import Order

GRAPH = make_graph([*ifu_program("99001"), *bots_program("99002")], selfcal=True)
KEYS = [planned.key for planned in GRAPH]
BOTS = [key for key in KEYS if "99002" in key]


def test_what_leads_to_the_smaller_end_goes_first() -> None:
    order = Order(GRAPH)
    first = sorted(KEYS, key=order.rank)[: len(BOTS)]
    assert set(first) == set(BOTS)


def test_of_one_end_the_later_stage_goes_first() -> None:
    order = Order(GRAPH)
    assert [key.partition(":")[0] for key in sorted(BOTS, key=order.rank)] == [
        "tso3",
        *["spec2"] * 2,
        *["detector1"] * 2,
    ]


def test_what_is_over_brings_an_end_nearer() -> None:
    order = Order(GRAPH)
    ifu = [key for key in KEYS if key not in BOTS]
    for key in ifu[:-1]:
        order.close(key)
    assert min([*BOTS, ifu[-1]], key=order.rank) == ifu[-1]


@given(st.permutations(KEYS))
def test_ranks_do_not_depend_on_how_jobs_are_listed(keys: list[str]) -> None:
    order = Order(GRAPH)
    assert sorted(keys, key=order.rank) == sorted(KEYS, key=order.rank)


def test_dependants_are_those_that_read_a_product() -> None:
    order = Order(GRAPH)
    for planned in GRAPH:
        for key in planned.producers:
            assert planned.key in order.get_dependants(key)
    assert list(order.get_dependants(KEYS[-1])) == []
