"""Sample of the MIRI LRS without slit, SLITLESSPRISM: program 99008.

One exposure in two segments looks at a star with an emission line. A planet passes
before it and takes one percent of the light, from the middle of the first segment to
the middle of the second. A verification image of the star, F560W, comes first.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .exposures import Aperture, RawExposure, Segment, Target
from .frames import SLITLESSPRISM
from .lrs_exposures import plan_verification
from .lrs_geometry import SLITLESS
from .lrs_light import acquire, disperse_all, measure_lines
from .ramps import Noise, simulate_ramps
from .raw_files import write_raw
from .sample_set import Mode
from .scene import Line, Position, Scene, Spectrum
from .transit import Transit
from .truth import publish_table, spectrum_table

__all__ = ["PROGRAM", "make_exposures", "plan_exposures"]

MODE = Mode.MIRI_LRS_SLITLESS
"""The mode of this sample."""
PROGRAM = MODE.program
"""Program, which MAST does not have."""
SEED = 99_008
"""Exposures add their number to it."""
SEGMENTS = 2
"""Files of the time series."""
INTEGRATIONS = 20
"""Integrations of a segment."""
TRANSIT = Transit(depth=0.01, first=13, last=28)
"""What the planet takes, and when."""

STAR = Target("SAMPLE-STAR", Position(150.0, 2.0), "POINT")
"""The target."""
SPECTRUM = Spectrum(continuum_jy=10e-3, slope=-0.5, lines=(Line(7.5, 0.08, 3e-3),))
"""What the star shines."""
SCENE = Scene(STAR.position, SPECTRUM, background_mjy_sr=1.0)
"""The field."""
APERTURE = Aperture("MIRIM_SLITLESSPRISM", -378.600113, -344.752445, 4.83544897)
"""The subarray: the imager distortion FLT-9 at its reference point."""

_WAVELENGTHS_UM = (4.5, 14.2)


def plan_exposures() -> list[RawExposure]:
    """List the raw files: the verification image and the segments."""
    image = plan_verification(PROGRAM, STAR, APERTURE, SLITLESSPRISM, start_s=72_000.0)
    series = replace(
        image,
        activity="04101",
        exp_type=SLITLESS.exp_type,
        integrations=INTEGRATIONS,
        start_s=image.start_s + 600,
        is_time_series=True,
        filter="P750L",
    )
    segments = range(1, SEGMENTS + 1)
    parts = [replace(series, segment=Segment(each, SEGMENTS)) for each in segments]
    return [image, *parts]


def _simulate(raw: RawExposure, *, seed: int) -> Any:
    if raw.segment is None:
        rates = [acquire(raw, SCENE)]
    else:
        light = disperse_all(raw, SCENE)
        numbers = raw.first_integration + np.arange(raw.integrations)
        rates = [light * np.float32(part) for part in TRANSIT.transmission(numbers)]
    noise = Noise(seed, cosmic_rays_per_group=1, stripes_dn=0.3)
    return simulate_ramps(rates, raw.subarray, groups=raw.groups, noise=noise)


def _publish_truth(folder: Path) -> None:
    meta = {
        "program": PROGRAM,
        "seed": SEED,
        "ra_deg": STAR.position.ra,
        "dec_deg": STAR.position.dec,
        **TRANSIT.meta,
    }
    lines = measure_lines(SPECTRUM, SLITLESS)
    table = spectrum_table(SPECTRUM, _WAVELENGTHS_UM, lines, meta)
    publish_table(folder / f"{MODE}_spectrum.ecsv", table)
    table = TRANSIT.make_table(SEGMENTS * INTEGRATIONS, meta)
    publish_table(folder / f"{MODE}_transit.ecsv", table)


def make_exposures(archive: Path, truth: Path) -> list[Path]:
    """Publish the raw files and the truth.

    Parameters
    ----------
    archive
        Folder of the raw files.
    truth
        Folder of the truth.
    """
    _publish_truth(truth)
    return [
        write_raw(archive / PROGRAM, raw, _simulate(raw, seed=SEED + number))
        for number, raw in enumerate(plan_exposures())
    ]
