"""Sample of NIRSpec bright object time series, PRISM/CLEAR, SUB512: program 99002.

One exposure in two segments looks at a star with an emission line through the slit
S1600A1. A planet passes before it and takes one percent of the light, from the middle
of the first segment to the middle of the second.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .exposures import Aperture, RawExposure, Segment, Target
from .frames import SUB512
from .light import SlitLight, trace_slit
from .ramps import Noise, simulate_ramps
from .raw_files import write_raw
from .sample_set import Mode
from .scene import Line, Position, Scene, Spectrum
from .spectral_references import SLIT_WIDTHS_ARCSEC
from .transit import Transit
from .truth import measure_resolutions, publish_table, spectrum_table

__all__ = ["PROGRAM", "make_exposures", "plan_exposures"]

MODE = Mode.NIRSPEC_BOTS_PRISM
"""The mode of this sample."""
PROGRAM = MODE.program
"""Program, which MAST does not have."""
SEED = 99_002
"""Exposures add their number to it."""
SEGMENTS = 2
"""Files of the exposure."""
INTEGRATIONS = 20
"""Integrations of a segment."""
GROUPS = 5
"""Reads of an integration."""
TRANSIT = Transit(depth=0.01, first=13, last=28)
"""What the planet takes, and when."""

STAR = Target("SAMPLE-STAR", Position(150.0, 2.0), "POINT")
"""The target."""
SPECTRUM = Spectrum(continuum_jy=3e-3, slope=-0.5, lines=(Line(2.0, 0.025, 9e-3),))
"""What the star shines."""
SCENE = Scene(STAR.position, SPECTRUM, background_mjy_sr=0.2, sigma_arcsec=0.1)
"""The field."""

_APERTURE = Aperture("NRS_S1600A1_SLIT", 321.26297, -473.851288, 138.85295105)
_SLIT = "S1600A1"


def plan_exposures(tilt_readings: tuple[float, float]) -> list[RawExposure]:
    """List the raw files of the program.

    Parameters
    ----------
    tilt_readings
        What the sensors of the grating wheel read.
    """
    first = RawExposure(
        program=PROGRAM,
        observation="001",
        activity="04101",
        number=1,
        exp_type="NRS_BRIGHTOBJ",
        template="NIRSpec Bright Object Time Series",
        target=STAR,
        aperture=_APERTURE,
        subarray=SUB512,
        groups=GROUPS,
        integrations=INTEGRATIONS,
        start_s=14_400.0,
        is_time_series=True,
        slit=_SLIT,
        tilt_readings=tilt_readings,
    )
    return [
        replace(first, segment=Segment(number, SEGMENTS))
        for number in range(1, SEGMENTS + 1)
    ]


def _simulate(raw: RawExposure, light: SlitLight, *, seed: int) -> Any:
    rate = light.rate(SCENE)
    numbers = raw.first_integration + np.arange(raw.integrations)
    rates = [rate * np.float32(part) for part in TRANSIT.transmission(numbers)]
    noise = Noise(seed, cosmic_rays_per_group=1, stripes_dn=0.3)
    return simulate_ramps(rates, SUB512, groups=raw.groups, noise=noise)


def _publish_truth(folder: Path, light: SlitLight) -> None:
    resolutions = measure_resolutions(SPECTRUM, light.wavelength_um)
    meta = {
        "program": PROGRAM,
        "seed": SEED,
        "ra_deg": STAR.position.ra,
        "dec_deg": STAR.position.dec,
        **TRANSIT.meta,
    }
    table = spectrum_table(SPECTRUM, (0.6, 5.3), resolutions, meta)
    publish_table(folder / f"{MODE}_spectrum.ecsv", table)
    table = TRANSIT.make_table(SEGMENTS * INTEGRATIONS, meta)
    publish_table(folder / f"{MODE}_transit.ecsv", table)


def make_exposures(
    archive: Path,
    truth: Path,
    references: Mapping[str, Path],
    tilt_readings: tuple[float, float],
) -> list[Path]:
    """Publish the raw files and the truth.

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
    width = SLIT_WIDTHS_ARCSEC[_SLIT]
    light = trace_slit(plan[0], references, width_arcsec=width)
    _publish_truth(truth, light)
    return [
        write_raw(archive / PROGRAM, raw, _simulate(raw, light, seed=SEED + number))
        for number, raw in enumerate(plan, start=1)
    ]
