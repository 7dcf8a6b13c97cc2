from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.archive.mast.client import Page, Row, read_pages
from flows.errors import ArchiveError


def make_rows(count: int) -> list[Row]:
    return [
        {"fileSetName": f"jw{number:03d}", "ArchiveFileID": number}
        for number in range(count)
    ]


def page_of(rows: list[Row], limit: int) -> Callable[[int], Page]:
    return lambda first: Page(rows[first : first + limit], len(rows))


@given(st.integers(0, 40), st.integers(1, 50))
def test_all_rows_come_once_in_their_order(count: int, limit: int) -> None:
    rows = make_rows(count)
    assert read_pages(page_of(rows, limit), what="search") == tuple(rows)


def test_a_row_lost_at_the_end_of_a_page_comes_with_the_next() -> None:
    rows = make_rows(9)
    lossy = [2, 3]

    def ask(first: int) -> Page:
        limit = lossy.pop() if lossy else 3
        return Page(rows[first : first + limit], 9)

    assert read_pages(ask, what="search") == tuple(rows)


def test_a_server_that_gives_fewer_rows_than_it_was_asked_for_is_asked_on() -> None:
    rows = make_rows(7)
    assert read_pages(page_of(rows, 1), what="search") == tuple(rows)


def test_rows_that_come_twice_are_asked_for_anew() -> None:
    rows = make_rows(4)
    answers = [[rows[0], rows[1]], [rows[1], rows[2]], rows]
    assert read_pages(lambda _: Page(answers.pop(0), 4), what="search") == tuple(rows)


def test_an_archive_that_grows_between_pages_is_asked_anew() -> None:
    rows = make_rows(4)
    answers = [Page(rows[:2], 3), Page([rows[1]], 4), Page([rows[3]], 4), Page(rows, 4)]
    assert read_pages(lambda _: answers.pop(0), what="search") == tuple(rows)


def test_rows_that_never_come_are_an_error_that_counts_them() -> None:
    rows = make_rows(4)
    with pytest.raises(ArchiveError, match="search for x: expected every row once"):
        read_pages(lambda first: Page(rows[first:3], 4), what="search for x")
    with pytest.raises(ArchiveError, match="4 rows of 4, of which jw000 came twice"):
        read_pages(lambda _: Page([*rows[:3], rows[0]], 4), what="search")


def test_a_search_that_finds_nothing_is_one_request() -> None:
    asked: list[int] = []

    def ask(first: int) -> Page:
        asked.append(first)
        return Page([], 0)

    assert read_pages(ask, what="search") == ()
    assert asked == [0]
