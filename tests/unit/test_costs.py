"""What jobs take: models, and how they are fitted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.costs import (
    QUANTITIES,
    Costs,
    Model,
    Terms,
    list_changed,
    load_costs,
    to_toml,
)
from config.errors import SettingsError
from flows.models.jobs import TakenCost
from flows.planning import estimate
from flows.planning.costs import COUNTS, add_terms
from flows.planning.fitting import find_residuals, fit_costs
from workers.contract import Stage
from workers.workload import Workload

STAGES = st.sampled_from(Stage)
EXP_TYPES = st.sampled_from(["NRS_IFU", "NRS_BRIGHTOBJ", "MIR_MRS", "NRS_MSASPEC"])
COUNT = st.integers(0, 1 << 24)
WORKLOADS = st.builds(
    Workload,
    pixels=COUNT,
    groups=st.integers(0, 100),
    integrations=st.integers(0, 1000),
    members=st.integers(0, 50),
    voxels=COUNT,
    window=st.integers(0, 49),
)
FIELDS = st.sampled_from([*Workload.__dataclass_fields__])
SEED = 20261122


@given(STAGES, EXP_TYPES, WORKLOADS, FIELDS, st.integers(1, 1 << 20))
def test_more_of_anything_never_takes_less(
    stage: Stage, exp_type: str, workload: Workload, field: str, more: int
) -> None:
    larger = replace(workload, **{field: getattr(workload, field) + more})
    small, large = (
        estimate(load_costs(), stage, exp_type=exp_type, workload=each)
        for each in (workload, larger)
    )
    assert 0 < small.peak_bytes <= large.peak_bytes
    assert 0 < small.cpu_s <= large.cpu_s
    assert 0 < small.disk_bytes <= large.disk_bytes
    assert large.grant_bytes > large.peak_bytes


@given(st.sampled_from([*COUNTS]), WORKLOADS)
def test_a_line_grows_with_each_count_by_its_coefficient(
    name: str, workload: Workload
) -> None:
    terms = Terms(base=7.0, **{name: 3.0})
    expected = 7.0 + 3.0 * getattr(workload, COUNTS[name])
    assert add_terms(terms, workload) == pytest.approx(expected)


@pytest.mark.parametrize("stage", Stage)
def test_an_unknown_mode_takes_the_default(stage: Stage) -> None:
    name, model = load_costs().find(stage, "NRS_AUTOFLAT")
    assert (name, model) == ("default", load_costs().models[stage]["default"])


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("exp_type", ["NRS_IFU", "MIR_MRS"])
def test_no_job_is_smaller_than_a_process_that_has_loaded_what_it_needs(
    stage: Stage, exp_type: str
) -> None:
    expected = estimate(load_costs(), stage, exp_type=exp_type, workload=Workload())
    assert expected.peak_bytes >= 2e8


PLANTED = Model(
    attempts=0,
    peak_bytes=Terms(base=4e8, per_window_value=30.0, per_voxel=400.0),
    cpu_s=Terms(base=5.0, per_value=3e-6, per_window_value=2e-7),
    disk_bytes=Terms(base=1e6, per_value=40.0, per_voxel=20.0),
)


def draw_workloads(n: int) -> list[Workload]:
    rng = np.random.default_rng(SEED)
    return [
        Workload(
            pixels=int(rng.integers(1 << 16, 1 << 22)),
            groups=int(rng.integers(3, 30)),
            integrations=int(rng.integers(1, 4)),
            members=int(rng.integers(1, 9)),
            voxels=int(rng.integers(1 << 16, 1 << 23)),
            window=int(rng.choice([9, 25, 49])),
        )
        for _ in range(n)
    ]


def take(workloads: list[Workload], scatter: float = 0.0) -> list[TakenCost]:
    """Let attempts take what was planted, with a seeded scatter."""
    rng = np.random.default_rng(SEED)
    taken = []
    for workload in workloads:
        factors = np.exp(scatter * rng.standard_normal(len(QUANTITIES)))
        peak, cpu_s, disk = (
            factor * add_terms(getattr(PLANTED, quantity), workload)
            for factor, quantity in zip(factors, QUANTITIES, strict=True)
        )
        one = TakenCost(
            *(Stage.SPEC3, "NRS_IFU", workload),
            *(round(peak), cpu_s, round(disk), 0),
        )
        taken.append(one)
    return taken


def test_a_fit_finds_the_coefficients_that_were_planted() -> None:
    fitted = fit_costs(load_costs(), take(draw_workloads(40)))
    _, model = fitted.find("spec3", "NRS_IFU")
    assert model.attempts == 40
    for quantity in QUANTITIES:
        found = getattr(model, quantity).model_dump()
        planted = getattr(PLANTED, quantity).model_dump()
        assert found == pytest.approx(planted, rel=1e-3, abs=1e-9), quantity


@pytest.mark.parametrize("scatter", [0.05, 0.3])
def test_the_stated_quantile_of_the_attempts_takes_no_more(scatter: float) -> None:
    taken = take(draw_workloads(50), scatter)
    costs = load_costs()
    found = find_residuals(fit_costs(costs, taken), taken)
    assert [one.quantity for one in found] == [*QUANTITIES]
    for one in found:
        stated = costs.quantile.of(one.quantity)
        assert stated <= one.quantile <= stated + 0.04
        assert one.least <= one.mean <= one.most


def test_what_hardly_differs_keeps_its_coefficient() -> None:
    one = draw_workloads(1)[0]
    taken = take([one] * 3)
    known = Terms(base=1e8, per_voxel=50.0, per_window_value=2.0)
    costs = load_costs()
    model = costs.find("spec3", "NRS_IFU")[1].model_copy(update={"peak_bytes": known})
    models = {**costs.models, "spec3": {"default": model, "NRS_IFU": model}}
    fitted = fit_costs(costs.model_copy(update={"models": models}), taken)
    found = fitted.find("spec3", "NRS_IFU")[1].peak_bytes
    for name in COUNTS:
        assert getattr(found, name) == pytest.approx(getattr(known, name), rel=1e-6)
    assert add_terms(found, one) == pytest.approx(taken[0].peak_bytes)


def test_a_coefficient_that_says_more_than_was_taken_is_made_less() -> None:
    one = draw_workloads(1)[0]
    [taken] = {each.peak_bytes for each in take([one])}
    known = Terms(base=1e8, per_voxel=10 * taken / one.voxels)
    costs = load_costs()
    model = costs.find("spec3", "NRS_IFU")[1].model_copy(update={"peak_bytes": known})
    models = {**costs.models, "spec3": {"default": model, "NRS_IFU": model}}
    fitted = fit_costs(costs.model_copy(update={"models": models}), take([one]))
    found = fitted.find("spec3", "NRS_IFU")[1].peak_bytes
    assert found.per_voxel == pytest.approx(known.per_voxel * 0.09)
    assert add_terms(found, one) == pytest.approx(taken)


def test_models_without_attempts_stay() -> None:
    fitted = fit_costs(load_costs(), take(draw_workloads(5)))
    assert [*list_changed(fitted)] == ["spec3"]
    assert [*list_changed(fitted)["spec3"]] == ["NRS_IFU"]


def test_a_site_has_its_own_models_beside_ours(tmp_path: Path) -> None:
    fitted = fit_costs(load_costs(), take(draw_workloads(5)))
    site = tmp_path / "costs.toml"
    site.write_text(to_toml(list_changed(fitted)))
    loaded = load_costs(site)
    assert loaded.models["detector1"] == load_costs().models["detector1"]
    workload = draw_workloads(6)[-1]
    for stage in ("spec3", "tso3"):
        expected, found = (
            estimate(costs, Stage(stage), exp_type="NRS_IFU", workload=workload)
            for costs in (fitted, loaded)
        )
        assert found.peak_bytes == pytest.approx(expected.peak_bytes, rel=1e-3)


def test_a_file_that_is_not_there_yet_changes_nothing(tmp_path: Path) -> None:
    assert load_costs(tmp_path / "costs.toml") == load_costs()


LINES = "\n".join(f"{quantity} = {{ base = 1 }}" for quantity in QUANTITIES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models = 3", "valid"),
        ("[models.spec2.default]\nattempts = -1", "greater"),
        ("x = [", "cannot be used"),
        (f"[models.spec9.default]\nattempts = 0\n{LINES}", "spec9"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(
    tmp_path: Path, text: str, said: str
) -> None:
    site = tmp_path / "costs.toml"
    site.write_text(text)
    with pytest.raises(SettingsError, match=said) as caught:
        load_costs(site)
    assert str(site) in str(caught.value)


def test_no_coefficient_may_be_negative() -> None:
    model = load_costs().find("spec2", "default")[1].model_dump()
    model["peak_bytes"]["base"] = -1.0
    quantile = dict.fromkeys(QUANTITIES, 1.0)
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Costs.model_validate(
            {"quantile": quantile, "models": {"spec2": {"default": model}}}
        )


FULL = 2048**2
KNOWN = [
    (Stage.SPEC3, "NRS_IFU", Workload(FULL, 5, 1, 2, 400_000, 49), 8.2, 12.0),
    (Stage.SPEC3, "NRS_IFU", Workload(FULL, 5, 1, 2, 400_000, 9), 2.4, 3.6),
    (Stage.DETECTOR1, "NRS_BRIGHTOBJ", Workload(65536, 40, 343, 1), 31.0, 60.0),
    (Stage.DETECTOR1, "NIS_SOSS", Workload(FULL, 12, 1, 1), 2.0, 8.0),
]
"""Published or measured peaks in GB (docs/operator/running.md, What jobs cost), and the
most that may be estimated; the last is between a rule of thumb and a report."""


@pytest.mark.parametrize(("stage", "exp_type", "workload", "least", "most"), KNOWN)
def test_our_lines_reach_what_is_known_of_large_jobs(
    stage: Stage, exp_type: str, workload: Workload, least: float, most: float
) -> None:
    expected = estimate(load_costs(), stage, exp_type=exp_type, workload=workload)
    assert least <= expected.peak_bytes / 1e9 <= most
