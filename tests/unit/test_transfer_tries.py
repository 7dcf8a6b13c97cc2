import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.errors import TransferError, TransientTransferError
from workers.transfer import Pacing, RetryPolicy, retry
from workers.transfer.tries import Tries, wait_s

POLICY = RetryPolicy(first_wait_s=1, longest_wait_s=20, longest_retry_after_s=100)


@pytest.mark.parametrize(
    ("fruitless", "longest_s"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 20), (10**6, 20)]
)
def test_the_wait_doubles_up_to_a_limit(fruitless: int, longest_s: float) -> None:
    wait = wait_s(POLICY, fruitless=fruitless, dice=1, retry_after_s=None)
    assert wait == longest_s


@pytest.mark.parametrize(("asked_s", "wait"), [(0, 0.5), (30, 30), (1e6, 100)])
def test_a_server_that_asks_for_more_gets_it_up_to_a_limit(
    asked_s: float, wait: float
) -> None:
    assert wait_s(POLICY, fruitless=1, dice=0.5, retry_after_s=asked_s) == wait


@given(
    fruitless=st.integers(0, 100),
    dice=st.floats(0, 1),
    asked_s=st.none() | st.floats(0, 1e9),
)
def test_no_wait_is_longer_than_the_longest(
    fruitless: int, dice: float, asked_s: float | None
) -> None:
    wait = wait_s(POLICY, fruitless=fruitless, dice=dice, retry_after_s=asked_s)
    assert 0 <= wait <= 100


def fail(tries: Tries, *, is_fruitful: bool = False) -> None:
    tries.begin()
    error = TransientTransferError("answered 503")
    tries.fail(error, is_fruitful=is_fruitful, is_wrong=False)


def test_a_fruitful_try_makes_up_for_the_fruitless_ones() -> None:
    slept = list[float]()
    pacing = Pacing(sleep=slept.append, dice=lambda: 1.0)
    tries = Tries("f", RetryPolicy(fruitless_tries=4), pacing)
    for is_fruitful in (False, False, False, True, False, False):
        fail(tries, is_fruitful=is_fruitful)
    assert slept == [1, 2, 4, 1, 1, 2]


def test_nobody_sleeps_beyond_the_end() -> None:
    now_s = 0.0

    def sleep(duration_s: float) -> None:
        nonlocal now_s
        now_s += duration_s

    policy = RetryPolicy(fruitless_tries=100, deadline_s=100)
    tries = Tries("f", policy, Pacing(sleep, lambda: now_s, lambda: 1.0))
    for _ in range(6):
        fail(tries)
    with pytest.raises(TransferError, match=r"f is given up after 7 tries in 63.0 s"):
        fail(tries)


def test_a_question_is_asked_until_there_is_an_answer() -> None:
    answers = [TransientTransferError("answered 503"), TransientTransferError("again")]

    def ask() -> str:
        if answers:
            raise answers.pop()
        return "yes"

    assert retry("f", ask, policy=POLICY, pacing=Pacing(lambda _: None)) == "yes"


def test_a_question_without_an_answer_ends() -> None:
    def ask() -> str:
        raise TransientTransferError("answered 503")

    with pytest.raises(TransferError, match=r"f is given up after 6 tries .* 503"):
        retry("f", ask, policy=POLICY, pacing=Pacing(lambda _: None))
