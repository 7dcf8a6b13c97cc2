"""Edits of metafiles: what they make of any, and that the pipeline reads it."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metafiles import Opened, make_tables, metafiles, read_slits, write_file
from numpy.typing import NDArray

from config.edits import RecipeEdit, parse_edit
from workers.edits import MsaTables, edit_tables, find_flaws, read_tables, write_tables
from workers.errors import EditError

SOME = settings(max_examples=25, deadline=None)

NODDED = Opened(2, (73, 74, 75, 76, 77), source=2, places=(2, 1, 3))
SHORT = Opened(1, (59, 60, 61), row=140, source=1, places=(1, 0, 2))
EMPTY = Opened(4, (103, 104, 105), row=160)


@pytest.fixture
def tables() -> MsaTables:
    made = make_tables([SHORT, NODDED, EMPTY], nods=3)
    return MsaTables(made.shutters, add_source(made.sources, 7))


def add_source(sources: NDArray[np.void], number: int) -> NDArray[np.void]:
    """Add a source of the catalogue that no slitlet was planned for."""
    row = sources[:1].copy()
    row["source_id"], row["source_name"] = number, f"99004_{number}"
    row["alias"] = f"star-{number}"
    return np.concatenate([sources, row])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("metafiles")


def edit(tables: MsaTables, name: str, **values: Any) -> MsaTables:
    return edit_tables(tables, [parse_edit(name, values)])[0]


def note(tables: MsaTables, name: str, **values: Any) -> tuple[str, ...]:
    return edit_tables(tables, [parse_edit(name, values)])[1]


def find_sources(tables: MsaTables) -> Mapping[tuple[int, int, int], tuple[int, ...]]:
    """Find the shutter of each primary source, by configuration, nod and source."""
    names = ("shutter_quadrant", "shutter_row", "shutter_column")
    return {
        tuple(
            int(row[n]) for n in ("msa_metadata_id", "dither_point_index", "source_id")
        ): tuple(int(row[name]) for name in names)
        for row in tables.shutters
        if row["primary_source"] == b"Y"
    }


def find_shutters(tables: MsaTables) -> set[tuple[int, ...]]:
    names = ("msa_metadata_id", "dither_point_index", "shutter_row", "shutter_column")
    return {tuple(int(row[name]) for name in names) for row in tables.shutters}


numbers = st.integers(1, 6)
chosen = st.lists(numbers, min_size=1, max_size=2)
places = st.floats(0, 1)
edits = st.one_of(
    st.builds(
        lambda most, ids, rest: parse_edit(
            "split-slitlets", {"max_shutters": most, "sources": ids, "rest": rest}
        ),
        st.integers(1, 5),
        st.just([]) | chosen,
        st.sampled_from(["background", "drop"]),
    ),
    st.builds(
        lambda ids: parse_edit("extend-slitlets", {"sources": ids}),
        st.just([]) | chosen,
    ),
    st.builds(
        lambda ids, value: parse_edit(
            "set-stellarity", {"sources": ids, "stellarity": value}
        ),
        chosen,
        places,
    ),
    st.builds(
        lambda one, x, y: parse_edit("place-source", {"source": one, "x": x, "y": y}),
        numbers,
        places,
        places,
    ),
    st.builds(
        lambda ids, kept: parse_edit(
            "select-sources", {"sources": ids, "keep_backgrounds": kept}
        ),
        chosen,
        st.booleans(),
    ),
    st.builds(
        lambda row, first, more: parse_edit(
            "add-background",
            {
                "row": row,
                "shutters": {"quadrant": 3, "first": first, "last": first + more},
            },
        ),
        st.sampled_from([1, 100, 200]),
        st.integers(1, 165),
        st.integers(0, 5),
    ),
    st.builds(lambda ids: parse_edit("make-background", {"sources": ids}), chosen),
    st.builds(
        lambda one, columns: parse_edit(
            "drop-background", {"slitlets": [one], "columns": columns}
        ),
        numbers,
        st.just([]) | st.lists(st.integers(1, 10), min_size=1, max_size=3),
    ),
    st.builds(
        lambda ids, first: (
            parse_edit(
                "explode-long-slit",
                {
                    "slitlets": ids,
                    "sources_in": [{"quadrant": 3, "first": first, "last": first + 3}],
                },
            )
            if first
            else parse_edit("explode-long-slit", {"slitlets": ids})
        ),
        chosen,
        st.integers(0, 8),
    ),
)
"""Any edit, of which some do not fit."""


@given(tables=metafiles())
@SOME
def test_generated_metafiles_are_sound(tables: MsaTables) -> None:
    assert find_flaws(tables) == ()


@given(tables=metafiles(), sequence=st.lists(edits, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_edits_in_any_sequence_leave_what_the_pipeline_can_read(
    folder: Path, tables: MsaTables, sequence: list[RecipeEdit]
) -> None:
    before = [tables.shutters.tobytes(), tables.sources.tobytes()]
    edited = tables
    for each in sequence:
        with suppress(EditError):  # it names a source or slitlet that there is not
            edited, _ = edit_tables(edited, [each])
    assert find_flaws(edited) == ()
    assert [tables.shutters.tobytes(), tables.sources.tobytes()] == before
    primary = find_sources(edited)
    for (config, nod), slits in read_slits(edited, folder).items():
        sources = {slit.source_id for slit in slits if "BKG" not in slit.source_name}
        assert sources == {key[2] for key in primary if key[:2] == (config, nod)}
        assert len({slit.source_name for slit in slits}) == len(slits)


@given(tables=metafiles(), most=st.integers(1, 5))
@SOME
def test_split_slitlets_are_short_and_keep_their_sources(
    folder: Path, tables: MsaTables, most: int
) -> None:
    edited = edit(tables, "split-slitlets", max_shutters=most)
    assert find_sources(edited) == find_sources(tables)
    assert find_shutters(edited) <= find_shutters(tables)
    for slits in read_slits(edited, folder).values():
        assert max(len(slit.shutter_state) for slit in slits) <= most


@given(tables=metafiles())
@SOME
def test_what_a_split_drops_has_a_known_source(tables: MsaTables) -> None:
    edited, notes = edit_tables(tables, [parse_edit("split-slitlets", {})])
    gone = find_shutters(tables) - find_shutters(edited)
    said = [note for note in notes if "have a known source" in note]
    assert bool(gone) == bool(said)


@given(tables=metafiles())
@SOME
def test_slitlets_with_a_source_get_a_shutter_on_both_sides_or_it_is_said(
    folder: Path, tables: MsaTables
) -> None:
    edited, notes = edit_tables(tables, [parse_edit("extend-slitlets", {})])
    assert find_sources(edited) == find_sources(tables)
    old, new = read_slits(tables, folder), read_slits(edited, folder)
    missing = 0
    for point, slits in new.items():
        for slit, before in zip(slits, old[point], strict=True):
            grown = len(slit.shutter_state) - len(before.shutter_state)
            missing += 0 if "BKG" in slit.source_name else 2 - grown
            assert (grown == 0) or "BKG" not in slit.source_name
    assert bool(missing) == any("was not extended" in note for note in notes)


def test_a_split_has_the_source_in_the_middle_at_every_nod(tables: MsaTables) -> None:
    edited = edit(tables, "split-slitlets")
    rows = edited.shutters[edited.shutters["slitlet_id"] == 2]
    pieces = {
        nod: sorted(rows["shutter_column"][rows["dither_point_index"] == nod].tolist())
        for nod in (1, 2, 3)
    }
    assert pieces == {1: [74, 75, 76], 2: [73, 74, 75], 3: [75, 76, 77]}


def test_the_rest_of_a_split_is_background_with_an_id_by_its_shutters(
    tables: MsaTables,
) -> None:
    edited = edit(tables, "split-slitlets")
    new = edited.shutters[edited.shutters["slitlet_id"] > 4]
    by_id: dict[int, set[int]] = {}
    for row in new:
        by_id.setdefault(int(row["slitlet_id"]), set()).add(int(row["shutter_column"]))
        assert (row["background"], row["source_id"]) == (b"Y", 0)
    assert sorted(map(sorted, by_id.values())) == [[73], [73, 74], [76, 77], [77]]


def test_the_rest_of_a_split_can_be_dropped(tables: MsaTables) -> None:
    edited = edit(tables, "split-slitlets", rest="drop", sources=[2])
    assert {*edited.shutters["slitlet_id"].tolist()} == {1, 2, 4}
    assert np.count_nonzero(edited.shutters["slitlet_id"] == 2) == 9


def test_a_source_at_the_end_of_its_slitlet_keeps_a_whole_piece() -> None:
    end = Opened(1, tuple(range(10, 17)), source=1, places=(0,))
    rows = edit(make_tables([end]), "split-slitlets").shutters
    assert rows["shutter_column"][rows["slitlet_id"] == 1].tolist() == [10, 11, 12]


def test_a_slitlet_at_the_edge_is_extended_to_one_side() -> None:
    tables = make_tables([Opened(1, (1, 2), source=1, places=(0,))])
    rows = edit(tables, "extend-slitlets").shutters
    assert sorted(rows["shutter_column"].tolist()) == [1, 2, 3]
    assert note(tables, "extend-slitlets") == (
        "slitlet 1 was not extended to column 0: the quadrant ends there",
    )


def test_a_shutter_of_another_slitlet_is_not_opened_twice() -> None:
    tables = make_tables(
        [
            Opened(1, (10, 11), source=1, places=(0,)),
            Opened(2, (13, 14), source=2, places=(0,)),
        ]
    )
    rows = edit(tables, "extend-slitlets").shutters
    columns = rows["shutter_column"][rows["slitlet_id"] == 2]
    assert sorted(columns.tolist()) == [13, 14, 15]
    assert note(tables, "extend-slitlets") == (
        "slitlet 2 was not extended to column 12: slitlet 1 has this shutter",
    )


def test_to_split_and_to_extend_is_a_contradiction_with_advice(
    tables: MsaTables,
) -> None:
    both = [parse_edit("extend-slitlets", {}), parse_edit("split-slitlets", {})]
    with pytest.raises(EditError, match=r"NS-MOS03.*NS-MOS06.*one recipe with"):
        edit_tables(tables, both)


@pytest.mark.parametrize("source", [2, "99004_2", "star-2"])
@pytest.mark.parametrize(
    ("given_as", "stellarity"),
    [
        ({"source_type": "POINT"}, 1),
        ({"source_type": "EXTENDED"}, 0),
        ({"stellarity": 0.5}, 0.5),
    ],
)
def test_the_type_of_a_source_is_its_stellarity(
    tables: MsaTables, source: int | str, given_as: dict[str, Any], stellarity: float
) -> None:
    edited = edit(tables, "set-stellarity", sources=[source], **given_as)
    assert edited.sources["stellarity"].tolist() == [0.2, stellarity, 0.2]
    assert edited.shutters.tobytes() == tables.shutters.tobytes()


def test_a_measured_position_is_that_of_one_nod_or_of_all(
    folder: Path, tables: MsaTables
) -> None:
    one = edit(tables, "place-source", source=1, x=0.1, y=0.9, nod=2)
    every = edit(tables, "place-source", source=1, x=0.1, y=0.9)
    for edited, expected in ((one, (-0.25, -0.4, -0.25)), (every, (-0.4,) * 3)):
        slits = read_slits(edited, folder)
        found = [
            slit.source_xpos
            for point in sorted(slits)
            for slit in slits[point]
            if slit.source_id == 1
        ]
        assert found == pytest.approx(expected)


def test_selected_sources_stay_with_the_backgrounds_or_without(
    tables: MsaTables,
) -> None:
    with_sky = edit(tables, "select-sources", sources=[1])
    alone = edit(tables, "select-sources", sources=["star-1"], keep_backgrounds=False)
    assert {*with_sky.shutters["slitlet_id"].tolist()} == {1, 4}
    assert {*alone.shutters["slitlet_id"].tolist()} == {1}
    assert with_sky.sources["source_id"].tolist() == [1, 7]


def test_a_background_is_added_at_every_nod(folder: Path, tables: MsaTables) -> None:
    shutters = {"quadrant": 3, "first": 20, "last": 22}
    edited = edit(tables, "add-background", row=50, shutters=shutters)
    for slits in read_slits(edited, folder).values():
        [added] = [slit for slit in slits if slit.name == 5]
        assert (added.source_name, added.shutter_state) == ("99004_BKG5", "1x1")
        assert (added.xcen, added.quadrant) == (50, 3)


def test_a_source_can_be_made_background(folder: Path, tables: MsaTables) -> None:
    edited = edit(tables, "make-background", sources=[2])
    assert edited.sources["source_id"].tolist() == [1, 7]
    for slits in read_slits(edited, folder).values():
        names = [slit.source_name for slit in slits]
        assert names == ["99004_1", "99004_BKG2", "99004_BKG4"]


def test_a_background_is_dropped(tables: MsaTables) -> None:
    edited = edit(tables, "drop-background", slitlets=[4])
    assert {*edited.shutters["slitlet_id"].tolist()} == {1, 2}


def test_a_shutter_out_of_the_middle_of_a_background_parts_it(
    folder: Path, tables: MsaTables
) -> None:
    edited = edit(tables, "drop-background", slitlets=[4], columns=[104])
    for slits in read_slits(edited, folder).values():
        found = {slit.name: (slit.ycen, slit.shutter_state) for slit in slits[2:]}
        assert found == {4: (103, "x"), 5: (105, "x")}


LONG = [
    Opened(
        1, tuple(range(1, 172)), row=20, quadrant=quadrant, source=7 * (quadrant == 4)
    )
    for quadrant in (3, 4)
]


def test_each_shutter_of_a_long_slit_becomes_a_slitlet(folder: Path) -> None:
    tables = make_tables(LONG)
    tables.sources["ra"] = 12.5
    light = {"quadrant": 4, "first": 80, "last": 89}
    edited = edit(tables, "explode-long-slit", slitlets=[1], sources_in=[light])
    assert find_flaws(edited) == ()
    [slits] = read_slits(edited, folder).values()
    assert len(slits) == len({slit.name for slit in slits}) == 342
    with_source = [slit for slit in slits if "BKG" not in slit.source_name]
    assert [(s.quadrant, s.ycen) for s in with_source] == [
        (4, c) for c in range(80, 90)
    ]
    assert len({slit.source_id for slit in with_source}) == 10
    assert {slit.stellarity for slit in with_source} == {0.0}
    assert {slit.source_ra for slit in with_source} == {12.5}
    assert {slit.shutter_state for slit in slits} == {"x"}
    rows = edited.shutters[edited.shutters["primary_source"] == b"Y"]
    assert {*rows["dither_point_index"].tolist()} == {1}
    assert {*rows["background"].tolist()} == {b"N"}
    assert sorted(edited.sources["source_id"]) == sorted(rows["source_id"])


def test_a_long_slit_without_background_has_sources_in_all_shutters() -> None:
    edited = edit(
        make_tables(LONG), "explode-long-slit", slitlets=[1], first_source=500
    )
    assert {*edited.shutters["background"].tolist()} == {b"N"}
    assert edited.sources["source_id"].tolist() == [*range(500, 842)]


def test_a_long_slit_without_a_nod_is_of_the_first() -> None:
    tables = make_tables(LONG)
    tables.shutters["dither_point_index"] = 0
    edited = edit(tables, "explode-long-slit", slitlets=[1])
    assert {*edited.shutters["dither_point_index"].tolist()} == {1}


def test_nods_of_a_long_slit_are_never_joined() -> None:
    tables = make_tables([Opened(1, (1, 2), source=1, places=(0, 1))], nods=2)
    edited = edit(tables, "explode-long-slit", slitlets=[1])
    assert len({*edited.shutters["source_id"].tolist()}) == 4


WRONG: list[tuple[str, dict[str, Any], str]] = [
    (
        *("set-stellarity", {"sources": [9], "stellarity": 1}),
        "no source is 9; nearest are 7, 2, 1",
    ),
    (
        *("set-stellarity", {"sources": ["99004_22"], "stellarity": 1}),
        "no source is '99004_22'; nearest are '99004_2'",
    ),
    (
        *("place-source", {"source": 1, "x": 0.5, "y": 0.5, "nod": 4}),
        "source 1 has no nod 4, only 1, 2, 3",
    ),
    (
        *("drop-background", {"slitlets": [2]}),
        "slitlet 2 is not a background slitlet: it has a source; nearest are 4",
    ),
    (
        *("drop-background", {"slitlets": [40]}),
        "there is none of this id; nearest are 4",
    ),
    (
        *("drop-background", {"slitlets": [4], "columns": [99]}),
        "slitlet 4 has no column 99, only 103, 104, 105",
    ),
    (
        *("select-sources", {"sources": [7], "keep_backgrounds": False}),
        "source 7 is the primary source of no slitlet",
    ),
    (
        *("extend-slitlets", {"sources": [7]}),
        "source 7 is the primary source of no slitlet",
    ),
    (
        *("explode-long-slit", {"slitlets": [3]}),
        "slitlet 3 is not a slitlet: there is none of this id; nearest are 2, 4, 1",
    ),
    (
        "explode-long-slit",
        {"slitlets": [2], "sources_in": [{"quadrant": 4, "first": 1, "last": 2}]},
        "only 73 to 77 in quadrant 3",
    ),
    (
        *("explode-long-slit", {"slitlets": [2], "first_source": 1}),
        "placeholder source 1 cannot be",
    ),
    (
        *("explode-long-slit", {"slitlets": [2], "first_source": 40000}),
        "SOURCE_ID goes up to 32767",
    ),
    (
        "add-background",
        {"row": 160, "shutters": {"quadrant": 3, "first": 100, "last": 103}},
        "column 103 is of slitlet 4 already",
    ),
]


@pytest.mark.parametrize(("name", "values", "message"), WRONG)
def test_an_edit_that_does_not_fit_says_what_would(
    tables: MsaTables, name: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(EditError) as error:
        edit(tables, name, **values)
    assert message in str(error.value)


def test_an_edit_that_changes_nothing_says_so(tables: MsaTables) -> None:
    kept = note(tables, "split-slitlets", max_shutters=5)
    assert kept == ("split-slitlets changed nothing",)
    assert note(tables, "split-slitlets") == ()


def test_something_stays_open_at_every_nod() -> None:
    with pytest.raises(EditError, match="no shutter is left open at nod 1 of"):
        edit(make_tables([EMPTY]), "drop-background", slitlets=[4])


def test_a_file_without_sources_can_be_written(folder: Path) -> None:
    tables = make_tables([SHORT], nods=3)
    edited = edit(tables, "make-background", sources=[1])
    assert len(edited.sources) == 0
    assert len(read_slits(edited, folder)) == 3


def test_a_virtual_source_has_no_stellarity() -> None:
    tables = make_tables([Opened(1, (1, 2), source=-1, places=(0,))])
    with pytest.raises(EditError, match="not in SOURCE_INFO"):
        edit(tables, "set-stellarity", sources=[-1], stellarity=1)


@pytest.mark.parametrize("name", ["split-slitlets", "extend-slitlets"])
def test_a_long_slit_is_neither_split_nor_extended(name: str) -> None:
    tables = make_tables(
        [Opened(1, (1,), row=1, source=1, places=(0,)), Opened(1, (1,))]
    )
    with pytest.raises(EditError, match="use explode-long-slit"):
        edit(tables, name)


def test_a_fixed_slit_beside_the_shutters_is_left_alone(tables: MsaTables) -> None:
    tables.shutters["fixed_slit"][tables.shutters["slitlet_id"] == 4] = b"S200A1"
    for name in ("split-slitlets", "extend-slitlets"):
        edited = edit(tables, name)
        assert np.count_nonzero(edited.shutters["fixed_slit"] == b"S200A1") == 9
    with pytest.raises(EditError, match="not a background slitlet"):
        edit(tables, "drop-background", slitlets=[4])


def test_all_else_in_the_file_stays(tables: MsaTables, tmp_path: Path) -> None:
    source = write_file(tables, tmp_path / "a_msa.fits")
    write_tables(read_tables(source), source, tmp_path / "same_msa.fits")
    assert (tmp_path / "same_msa.fits").read_bytes() == source.read_bytes()


FLAWS: list[tuple[str, Any, str]] = [
    ("shutter_column", 172, "there is no shutter"),
    ("shutter_row", 7, "several rows or quadrants"),
    ("shutter_column", 60, "is open 2 times"),
    ("source_id", 77, "source 77 is in SOURCE_INFO 0 times"),
    ("estimated_source_in_shutter_x", 1.5, "outside its shutter in x"),
    ("primary_source", b"Y", "a primary source in a background shutter"),
]


@pytest.mark.parametrize(("column", "value", "flaw"), FLAWS)
def test_every_flaw_of_tables_is_found(
    tables: MsaTables, column: str, value: Any, flaw: str
) -> None:
    tables.shutters[column][0] = value
    assert any(flaw in found for found in find_flaws(tables))
