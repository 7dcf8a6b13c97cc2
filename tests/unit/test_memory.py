import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.contract import Stage, Status, Usage
from workers.memory import estimate_bytes, learn_bytes

STAGES = st.sampled_from(Stage)
EXP_TYPES = st.sampled_from(["NRS_IFU", "NRS_BRIGHTOBJ", "MIR_MRS", "NRS_MSASPEC"])
SIZES = st.integers(0, 1 << 40)


@given(STAGES, EXP_TYPES, SIZES, st.integers(1, 1 << 40))
def test_more_input_needs_more_memory(
    stage: Stage, exp_type: str, size: int, more: int
) -> None:
    small, large = (
        estimate_bytes(stage, exp_type=exp_type, input_bytes=size_bytes)
        for size_bytes in (size, size + more)
    )
    assert 0 < small < large


MEASURED = [
    (Stage.DETECTOR1, "NRS_MSASPEC", 33.6, 1.51),
    (Stage.DETECTOR1, "MIR_MRS", 12.7, 0.68),
    (Stage.DETECTOR1, "MIR_MRS", 27.5, 0.74),
    (Stage.DETECTOR1, "MIR_LRS-FIXEDSLIT", 10.6, 0.64),
    (Stage.DETECTOR1, "MIR_LRS-SLITLESS", 6.0, 0.41),
    (Stage.DETECTOR1, "NRS_BRIGHTOBJ", 3.3, 0.34),
    (Stage.DETECTOR1, "NRS_BRIGHTOBJ", 6.3, 0.41),
    (Stage.DETECTOR1, "NRS_FIXEDSLIT", 2.7, 0.34),
    (Stage.DETECTOR1, "NRS_IFU", 33.6, 1.51),
    (Stage.DETECTOR1, "NRS_IFU", 42.0, 1.73),
    (Stage.SPEC2, "MIR_LRS-FIXEDSLIT", 63.6, 0.49),
    (Stage.SPEC2, "MIR_MRS", 21.2, 0.70),
    (Stage.SPEC2, "MIR_MRS", 42.4, 0.74),
    (Stage.SPEC2, "NRS_BRIGHTOBJ", 6.6, 0.30),
    (Stage.SPEC2, "NRS_BRIGHTOBJ", 15.8, 0.37),
    (Stage.SPEC2, "NRS_FIXEDSLIT", 8.1, 0.29),
    (Stage.SPEC2, "NRS_IFU", 84.0, 0.88),
    (Stage.SPEC2, "NRS_IFU", 335.8, 1.94),
    (Stage.SPEC2, "NRS_IFU", 419.8, 1.85),
    (Stage.SPEC2, "NRS_MSASPEC", 84.0, 0.39),
    (Stage.SPEC2, "NRS_MSASPEC", 251.9, 1.09),
    (Stage.SPEC3, "MIR_LRS-FIXEDSLIT", 68.2, 0.48),
    (Stage.SPEC3, "MIR_MRS", 34.3, 0.49),
    (Stage.SPEC3, "MIR_MRS", 68.8, 2.28),
    (Stage.SPEC3, "MIR_MRS", 205.7, 1.31),
    (Stage.SPEC3, "NRS_FIXEDSLIT", 3.1, 0.29),
    (Stage.SPEC3, "NRS_IFU", 152.5, 1.11),
    (Stage.SPEC3, "NRS_IFU", 305.0, 2.44),
    (Stage.SPEC3, "NRS_MSASPEC", 5.8, 0.33),
    (Stage.TSO3, "NRS_BRIGHTOBJ", 9.2, 0.30),
    (Stage.TSO3, "NRS_BRIGHTOBJ", 57.7, 0.38),
]
"""Input in MB and peak in GB of jobs of the sample programs, by
tests/benchmarks/memory.py."""


@pytest.mark.parametrize(("stage", "exp_type", "input_mb", "peak_gb"), MEASURED)
def test_estimates_are_a_quarter_over_what_was_measured(
    stage: Stage, exp_type: str, input_mb: float, peak_gb: float
) -> None:
    size_bytes = int(input_mb * 1e6)
    estimate = estimate_bytes(stage, exp_type=exp_type, input_bytes=size_bytes)
    assert estimate >= 1.25 * peak_gb * 1e9


def test_slitlets_are_not_estimated_at_three_times_what_they_take() -> None:
    input_bytes = int(251.9e6)
    name = "NRS_MSASPEC"
    estimate = estimate_bytes(Stage.SPEC2, exp_type=name, input_bytes=input_bytes)
    assert estimate <= 1.5 * 1.09e9


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
