import pytest

from workers.contract import Status, Usage
from workers.memory import learn_bytes


def usage(granted_bytes: int, peak_bytes: int) -> Usage:
    return Usage(1.0, 1.0, peak_bytes, granted_bytes)


@pytest.mark.parametrize(
    ("attempts", "needed"),
    [
        ([], 0),
        ([(Status.LOST, usage(900, 100))], 0),
        ([(Status.SUCCEEDED, usage(900, 100))], 120),
        ([(Status.OUT_OF_MEMORY, usage(200, 210))], 400),
        ([(Status.OUT_OF_MEMORY, usage(200, 500))], 600),
        (
            [
                (Status.SUCCEEDED, usage(900, 100)),
                (Status.OUT_OF_MEMORY, usage(800, 801)),
            ],
            120,
        ),
        (
            [
                (Status.OUT_OF_MEMORY, usage(120, 121)),
                (Status.SUCCEEDED, usage(900, 500)),
                (Status.SUCCEEDED, usage(9000, 5000)),
            ],
            600,
        ),
    ],
)
def test_what_attempts_took_says_what_is_needed(
    attempts: list[tuple[Status, Usage]], needed: int
) -> None:
    assert learn_bytes(attempts) == needed
