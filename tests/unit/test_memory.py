import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.contract import Stage, Status, Usage
from workers.memory import estimate_bytes, learn_bytes

STAGES = st.sampled_from(Stage)
EXP_TYPES = st.sampled_from(["NRS_IFU", "NRS_BRIGHTOBJ", "MIR_MRS", "NRS_MSASPEC"])
SIZES = st.integers(0, 1 << 40)


@given(STAGES, EXP_TYPES, SIZES, SIZES)
def test_more_input_never_needs_less_memory(
    stage: Stage, exp_type: str, size: int, more: int
) -> None:
    small, large = (
        estimate_bytes(stage, exp_type=exp_type, input_bytes=size_bytes)
        for size_bytes in (size, size + more)
    )
    assert 0 < small <= large


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


@pytest.mark.parametrize("stage", Stage)
def test_an_unknown_mode_takes_the_default(stage: Stage) -> None:
    known = estimate_bytes(stage, exp_type="default", input_bytes=10**9)
    assert estimate_bytes(stage, exp_type="MIR_LRS", input_bytes=10**9) == known
