import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.contract import Stage
from workers.memory import estimate_bytes

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


@pytest.mark.parametrize("stage", Stage)
def test_an_unknown_mode_takes_the_default(stage: Stage) -> None:
    known = estimate_bytes(stage, exp_type="default", input_bytes=10**9)
    assert estimate_bytes(stage, exp_type="MIR_LRS", input_bytes=10**9) == known
