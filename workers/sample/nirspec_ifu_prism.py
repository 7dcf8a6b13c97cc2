"""Sample of NIRSpec IFU, PRISM/CLEAR: program 99001.

Observation 001 looks at a point source with two emission lines on an even background,
twice (dithered, not nodded), and once through the closed shutters (leakcal).
Observation 002 looks at empty sky, with its own leakcal. All have the same 1/f noise,
and hot and warm pixels at the same places; cosmic rays differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from .exposures import Aperture, RawExposure, Target
from .frames import FULL, Flaws, Image, make_flaws
from .light import IfuLight, trace_ifu
from .ramps import Noise, simulate_ramps
from .raw_files import write_raw
from .sample_set import Mode
from .scene import Line, Position, Scene, Spectrum
from .spectral_references import CubeGrid
from .truth import publish_table, spectrum_table

__all__ = [
    "APERTURE",
    "CUBE",
    "PROGRAM",
    "make_exposures",
    "plan_exposures",
    "publish_exposures",
]

MODE = Mode.NIRSPEC_IFU_PRISM
"""The mode of this sample."""
PROGRAM = MODE.program
"""Program, which MAST does not have."""
CUBE = CubeGrid(wavelengths_um=(1.5, 3.3), step_um=0.01, spaxel_arcsec=0.1)
"""The cube of this mode covers the lines and no more, to be quick."""
SOURCE = Target("SAMPLE-SOURCE", Position(150.0, 2.0), "POINT")
"""The science target."""
EMPTY = Target("SAMPLE-SKY", Position(150.02, 2.02), "EXTENDED")
"""The background target."""
SPECTRUM = Spectrum(
    continuum_jy=50e-6,
    slope=-0.5,
    lines=(Line(2.0, 0.025, 150e-6), Line(2.7, 0.02, 150e-6)),
)
"""What the source shines."""
SCENE = Scene(SOURCE.position, SPECTRUM, background_mjy_sr=0.2, sigma_arcsec=0.1)
"""The science field."""
SKY = Scene(EMPTY.position, None, background_mjy_sr=0.2, sigma_arcsec=0.1)
"""The background field."""
GROUPS = 5
"""Reads of an exposure."""

APERTURE = Aperture("NRS_FULL_IFU", 300.009277, -498.079254, 138.97164917)
"""What is pointed."""

_HOT, _WARM = 800, 2000
_LEAK_DN_PER_S = 0.4


def _plan_observation(
    base: RawExposure, offsets: tuple[tuple[float, float], ...]
) -> list[RawExposure]:
    total = len(offsets)
    sky = [
        replace(
            base,
            number=number,
            offset_arcsec=offset,
            dither=("CYCLING" if total > 1 else "NONE", number, total),
            start_s=base.start_s + 600 * number,
        )
        for number, offset in enumerate(offsets, start=1)
    ]
    start_s = base.start_s + 600 * (total + 1)
    leak = replace(base, activity="04101", is_imprint=True, start_s=start_s)
    return [*sky, leak]


def plan_exposures(tilt_readings: tuple[float, float]) -> list[RawExposure]:
    """List the raw exposures of the program.

    Parameters
    ----------
    tilt_readings
        What the sensors of the grating wheel read.
    """
    science = RawExposure(
        program=PROGRAM,
        observation="001",
        activity="02101",
        number=1,
        exp_type="NRS_IFU",
        template="NIRSpec IFU Spectroscopy",
        target=SOURCE,
        aperture=APERTURE,
        subarray=FULL,
        groups=GROUPS,
        integrations=1,
        start_s=0.0,
        tilt_readings=tilt_readings,
    )
    background = replace(
        science, observation="002", target=EMPTY, is_background=True, start_s=7200.0
    )
    return [
        *_plan_observation(science, ((0.2, -0.15), (-0.25, 0.2))),
        *_plan_observation(background, ((0.0, 0.0),)),
    ]


def _leak_image() -> Image:
    """Light through the closed shutters, DN/s."""
    y, x = np.ogrid[: FULL.rows, : FULL.columns]
    across = np.exp(-0.5 * ((y - 1024) / 500) ** 2)
    return np.asarray(
        _LEAK_DN_PER_S * across * (1 + 0.3 * np.sin(x / 60)), dtype=np.float32
    )


def _simulate(raw: RawExposure, light: IfuLight, still: Image, *, seed: int) -> Any:
    rate = still
    if not raw.is_imprint:
        rate = still + light.rate(raw, SKY if raw.is_background else SCENE)
    noise = Noise(seed, cosmic_rays_per_group=800, stripes_dn=2.0)
    return simulate_ramps([rate], FULL, groups=raw.groups, noise=noise)


def _publish_truth(mode: Mode, folder: Path, flaws: Flaws, light: IfuLight) -> None:
    meta = {"program": mode.program, "seed": int(mode.program)}
    resolutions = {
        line: light.resolution_um(line.wavelength_um) for line in SPECTRUM.lines
    }
    place = {"ra_deg": SOURCE.position.ra, "dec_deg": SOURCE.position.dec}
    sky = {"background_mjy_sr": SCENE.background_mjy_sr}
    table = spectrum_table(SPECTRUM, (0.6, 5.3), resolutions, {**meta, **place, **sky})
    publish_table(folder / f"{mode}_spectrum.ecsv", table)
    places = np.concatenate([flaws.hot, flaws.warm])
    kinds = ["hot"] * len(flaws.hot) + ["warm"] * len(flaws.warm)
    counts = {"hot": len(flaws.hot), "warm": len(flaws.warm)}
    table = Table(
        {"row": places[:, 0], "column": places[:, 1], "kind": kinds},
        meta={**meta, **counts},
    )
    publish_table(folder / f"{mode}_pixels.ecsv", table)


def publish_exposures(
    mode: Mode,
    plan: Sequence[RawExposure],
    references: Mapping[str, Path],
    *,
    archive: Path,
    truth: Path,
) -> list[Path]:
    """Publish raw exposures of the fields, and the truth.

    Parameters
    ----------
    mode
        Names the truth. The number of its program is the seed of the flawed pixels;
        exposures add their number to it.
    plan
        The exposures.
    references
        References of the optics by type.
    archive
        Folder of the raw files.
    truth
        Folder of the truth.
    """
    seed = int(mode.program)
    light = trace_ifu(plan[0], references)
    flaws = make_flaws(FULL, hot=_HOT, warm=_WARM, seed=seed)
    _publish_truth(mode, truth, flaws, light)
    still = _leak_image() + flaws.dark_current(FULL.shape)
    return [
        write_raw(
            archive / mode.program,
            raw,
            _simulate(raw, light, still, seed=seed + number),
        )
        for number, raw in enumerate(plan, start=1)
    ]


def make_exposures(
    archive: Path,
    truth: Path,
    references: Mapping[str, Path],
    tilt_readings: tuple[float, float],
) -> list[Path]:
    """Publish the raw exposures and the truth.

    Parameters
    ----------
    archive
        Folder of the raw files.
    truth
        Folder of the truth.
    references
        References of the optics by type.
    tilt_readings
        What the sensors of the grating wheel read.
    """
    plan = plan_exposures(tilt_readings)
    return publish_exposures(MODE, plan, references, archive=archive, truth=truth)
