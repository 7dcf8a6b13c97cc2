"""Listeners that fail, hang or are slow."""

import logging
import threading
from collections.abc import Callable
from contextvars import ContextVar

import pytest

from flows.notifier import Notifier

NAME: ContextVar[str] = ContextVar("NAME", default="nobody")


def test_all_news_come_in_order() -> None:
    heard: list[int] = []
    with Notifier(heard.append, to="a list") as tell:
        for number in range(100):
            tell(number)
    assert heard == list(range(100))


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3)])
def test_a_listener_that_raises_hears_all_else_and_is_logged_once(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []

    def listen(number: int) -> None:
        if number < 3:
            raise error
        heard.append(number)

    with caplog.at_level(logging.INFO), Notifier(listen, to="me") as tell:
        for number in range(6):
            tell(number)
    assert heard == [3, 4, 5]
    events = [record.message.split()[0] for record in caplog.records]
    assert events == ["event='telling.failed'", "event='telling.resumed'"]


def test_the_newest_is_told_again_until_it_is_heard() -> None:
    heard: list[int] = []
    here, enough = threading.Event(), threading.Event()

    def listen(number: int) -> None:
        if not here.is_set():
            raise ConnectionError("away")
        heard.append(number)
        enough.set()

    with Notifier(listen, to="a server", interval_s=0.01) as tell:
        for number in range(10):
            tell(number)
        here.set()
        assert enough.wait(10)
    assert heard == [9]


def test_what_was_never_heard_is_told_once_more_at_the_end() -> None:
    calls: list[int] = []
    called = threading.Event()

    def listen(number: int) -> None:
        calls.append(number)
        called.set()
        raise ConnectionError("away")

    with Notifier(listen, to="a server", interval_s=1000) as tell:
        tell(1)
        assert called.wait(10)
        tell(2)
        tell(3)
    assert calls == [1, 3]


def test_a_listener_that_hangs_delays_nobody() -> None:
    release = threading.Event()
    listen: Callable[[int], object] = lambda _: release.wait(30)  # noqa: E731  # short
    with Notifier(listen, to="a terminal") as tell:
        for number in range(1000):
            tell(number)
        assert not release.is_set()
        release.set()


def test_a_listener_sees_the_context_of_who_made_it() -> None:
    heard: list[str] = []
    token = NAME.set("the flow")
    with Notifier(lambda _: heard.append(NAME.get()), to="Prefect") as tell:
        tell(1)
    NAME.reset(token)
    assert heard == ["the flow"]
