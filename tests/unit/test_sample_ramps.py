from dataclasses import replace

import numpy as np
import pytest

from workers.sample.frames import (
    FULL,
    SATURATION_DN,
    SUB512,
    Subarray,
    bias_image,
    make_flaws,
)
from workers.sample.ramps import Defects, Shower, simulate_ramps

SMALL = Subarray("SMALL", 1, 1, 64, 48, 4, 10.0, 4)
QUIET = Defects(cosmic_rays_per_group=0)


def simulate(
    rate: float, defects: Defects = QUIET, seed: int = 1, fast_axis: int = 2
) -> np.ndarray:
    image = np.full(SMALL.shape, rate, np.float32)
    return simulate_ramps(
        [image], SMALL, groups=4, fast_axis=fast_axis, seed=seed, defects=defects
    )


def test_a_seed_gives_the_same_ramps() -> None:
    assert np.array_equal(simulate(3.0), simulate(3.0))


def test_another_seed_gives_other_ramps() -> None:
    assert not np.array_equal(simulate(3.0), simulate(3.0, seed=2))


def test_the_slope_of_a_ramp_is_its_rate() -> None:
    ramp = simulate(5.0)[0, :, 4:-4, 4:-4].astype(float)
    slope = (ramp[-1] - ramp[0]).mean() / (3 * SMALL.frame_s)
    assert slope == pytest.approx(5.0, rel=0.01)


def test_reference_pixels_see_no_light() -> None:
    ramp = simulate(100.0)[0].astype(float) - bias_image(SMALL)
    assert np.abs(ramp[:, 0].mean() - ramp[0, 0].mean()) < 10


def test_a_bright_pixel_ends_at_the_top_of_its_range() -> None:
    assert simulate(1e5)[0, -1, 10, 10] == np.iinfo(np.uint16).max


def test_a_shallow_pixel_is_full_before_it_is_flagged() -> None:
    defects = Defects(cosmic_rays_per_group=0, shallow=((20, 30),))
    ramp = simulate(300.0, defects)[0].astype(float)
    full, beside = ramp[:, 20, 30], ramp[:, 20, 31]
    assert np.abs(np.diff(full[1:])).max() < 100 < np.diff(beside).min()
    assert full.max() < SATURATION_DN / 2


def test_a_dead_pixel_is_saturated_from_the_first_read_on() -> None:
    defects = Defects(cosmic_rays_per_group=0, dead=((20, 30),))
    still = defects.still_image(SMALL, seed=1)
    ramps = simulate_ramps(
        [still], SMALL, groups=2, fast_axis=2, seed=1, defects=defects
    )
    places = np.argwhere(ramps[0, 0] > SATURATION_DN)
    assert places.tolist() == [[20, 30]]


@pytest.mark.parametrize("flicker", [0.0, 0.5])
def test_warm_pixels_change_from_one_exposure_to_the_next_if_they_flicker(
    flicker: float,
) -> None:
    defects = Defects(cosmic_rays_per_group=0, warm=40, flicker=flicker)
    first, second = (
        defects.still_image(SMALL, seed=1, exposure_seed=number) for number in (1, 2)
    )
    steady = replace(defects, flicker=0.0).still_image(SMALL, seed=1)
    assert ((first > 0) == (steady > 0)).all()
    changes = np.abs(first - second)[steady > 0] / steady[steady > 0]
    assert changes.max() <= 2 * flicker
    assert (changes > 0).all() == (flicker > 0)


@pytest.mark.parametrize(
    ("fast_axis", "along"),
    [(2, 0), (-2, 0), (1, 1)],
    ids=["columns-of-nrs1", "columns-of-nrs2", "rows-of-miri"],
)
def test_stripes_are_constant_along_the_fast_axis(fast_axis: int, along: int) -> None:
    defects = Defects(cosmic_rays_per_group=0, stripes_dn=100.0)
    read = simulate(0.0, defects, fast_axis=fast_axis)[0, 0]
    first = read.astype(float) - bias_image(SMALL)
    assert first.mean(axis=along).std() > 5 * first.std(axis=along).mean()


def test_light_scatters_more_than_its_photons() -> None:
    defects = Defects(cosmic_rays_per_group=0, excess=0.5)
    scatter = [
        np.diff(simulate(1000.0, each)[0, :, 4:-4, 4:-4].astype(float), axis=0).std()
        for each in (QUIET, defects)
    ]
    assert scatter[1] / scatter[0] == pytest.approx(1.5, rel=0.05)


def test_cosmic_rays_come_after_the_first_read() -> None:
    ramp = simulate(0.0, Defects(cosmic_rays_per_group=50))[0].astype(float)
    jumps = (np.diff(ramp, axis=0) > 100).sum(axis=(1, 2))
    assert (ramp[0] - bias_image(SMALL)).max() < 100
    assert (jumps > 10).all()


def test_a_shower_comes_with_its_group_and_stays() -> None:
    shower = Shower(3, 20, 30, 5.0, 5.0, 1000.0)
    ramps = simulate(0.0, replace(QUIET, showers=(shower,))).astype(float)
    level = ramps[0, :, 20, 30] - ramps[0, 0, 20, 30]
    assert level == pytest.approx([0, 0, 1000, 1000], abs=60)


def test_a_frame_at_the_sides_leaves_the_first_row_in_the_light() -> None:
    sides = replace(SMALL, sides_only=True)
    image = np.full(SMALL.shape, 100.0, np.float32)
    ramps = simulate_ramps([image], sides, groups=4, fast_axis=2, seed=1, defects=QUIET)
    ramp = ramps[0].astype(float)
    ramp -= bias_image(SMALL)
    assert ramp[-1, 0, 10] > 1000
    assert abs(ramp[-1, 10, 0]) < 60


def test_flawed_pixels_are_distinct_and_spare_reference_pixels() -> None:
    flaws = make_flaws(FULL, hot=50, warm=100, seed=3)
    places = np.concatenate([flaws.hot, flaws.warm])
    assert len(np.unique(places, axis=0)) == 150
    assert places.min() >= 4
    assert places.max() < 2044


def test_hot_pixels_have_far_more_dark_current_than_warm_ones() -> None:
    flaws = make_flaws(SUB512, hot=1, warm=2, seed=3)
    current = flaws.dark_current(SUB512.shape)
    assert (current > 0).sum() == 3
    assert current[tuple(flaws.hot[0])] > 100 * current[tuple(flaws.warm[0])]
