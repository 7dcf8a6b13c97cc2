"""Sample of NIRSpec bright object time series, G395H/F290LP, SUB2048: program 99012.

One exposure of both detectors, in two segments each, looks at the star of program 99002
with other lines, one on each detector. The clocks of the detectors differ, as in time
series from before March 2025: NRS2 begins some seconds later and stays behind. A planet
takes one percent of the light, at the same time for both and so not at the same number
of integration.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from . import nirspec_bots_prism
from .exposures import RawExposure, Segment
from .frames import SUB2048
from .light import SlitLight, trace_slit
from .ramps import Noise, simulate_ramps
from .raw_files import integration_times, write_raw
from .sample_set import Mode
from .scene import Line, Spectrum
from .spectral_references import SLIT_WIDTHS_ARCSEC
from .truth import measure_resolutions, publish_table, spectrum_table

__all__ = ["make_exposures", "plan_exposures", "transmission"]

MODE = Mode.NIRSPEC_BOTS_G395H
"""The mode of this sample."""
SEED = 99_012
"""Exposures add their number to it."""
SEGMENTS = 2
"""Files of a detector."""
INTEGRATIONS = 12
"""Integrations of a segment."""
GROUPS = 4
"""Reads of an integration."""
CLOCKS_S = {"NRS1": 0.0, "NRS2": 8.0}
"""How much later than NRS1 each detector begins; 0 to 12 s have been seen."""
TRANSIT_S = (30.0, 80.0)
"""First and last contact, since NRS1 began; a planet without a size."""

SPECTRUM = Spectrum(
    continuum_jy=3e-3,
    slope=-0.5,
    lines=(Line(3.3, 0.004, 3e-3), Line(4.5, 0.004, 3e-3)),
)
"""What the star shines."""
SCENE = replace(nirspec_bots_prism.SCENE, spectrum=SPECTRUM)
"""The field."""
_START_S = 72_000.0


def plan_exposures(tilt_readings: tuple[float, float]) -> list[RawExposure]:
    """List the raw files of the program.

    Parameters
    ----------
    tilt_readings
        What the sensors of the grating wheel read.
    """
    prism = nirspec_bots_prism.plan_exposures(tilt_readings)[0]
    first = replace(
        prism,
        program=MODE.program,
        optics=("F290LP", "G395H"),
        subarray=SUB2048,
        groups=GROUPS,
        integrations=INTEGRATIONS,
    )
    return [
        replace(
            first,
            detector=detector,
            start_s=_START_S + late_s,
            segment=Segment(number, SEGMENTS),
        )
        for detector, late_s in CLOCKS_S.items()
        for number in range(1, SEGMENTS + 1)
    ]


def transmission(raw: RawExposure) -> NDArray[np.float64]:
    """Give the part of the light that passes the planet, for each integration."""
    start_s = raw.integration_starts_s - _START_S
    end_s = start_s + raw.integration_s
    first_s, last_s = TRANSIT_S
    inside_s = np.minimum(end_s, last_s) - np.maximum(start_s, first_s)
    share = np.clip(inside_s / raw.integration_s, 0, 1)
    return 1 - nirspec_bots_prism.TRANSIT.depth * share


def _simulate(raw: RawExposure, light: SlitLight, *, seed: int) -> Any:
    rate = light.rate(SCENE)
    rates = [rate * np.float32(part) for part in transmission(raw)]
    noise = Noise(seed, cosmic_rays_per_group=4, stripes_dn=0.3)
    return simulate_ramps(rates, raw.subarray, groups=raw.groups, noise=noise)


def _publish_truth(folder: Path, segments: list[RawExposure], light: SlitLight) -> None:
    detector = segments[0].detector
    first_um, last_um = np.nanmin(light.wavelength_um), np.nanmax(light.wavelength_um)
    lines = (line for line in SPECTRUM.lines if first_um < line.wavelength_um < last_um)
    seen = replace(SPECTRUM, lines=tuple(lines))
    meta = {
        "program": MODE.program,
        "seed": SEED,
        "detector": detector,
        "ra_deg": SCENE.position.ra,
        "dec_deg": SCENE.position.dec,
        "transit_depth": nirspec_bots_prism.TRANSIT.depth,
    }
    resolutions = measure_resolutions(seen, light.wavelength_um)
    table = spectrum_table(seen, (2.85, 5.2), resolutions, meta, step_um=0.001)
    publish_table(folder / f"{MODE}_{detector.lower()}.ecsv", table)
    times = np.concatenate([integration_times(raw) for raw in segments])
    table = Table(
        {
            "integration": times["integration_number"],
            "mid_mjd_utc": times["int_mid_MJD_UTC"],
            "transmission": np.concatenate([transmission(raw) for raw in segments]),
        },
        meta=meta,
    )
    publish_table(folder / f"{MODE}_transit-{detector.lower()}.ecsv", table)


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
    plan, lights = plan_exposures(tilt_readings), {}
    for detector in CLOCKS_S:
        segments = [raw for raw in plan if raw.detector == detector]
        width = SLIT_WIDTHS_ARCSEC[str(segments[0].slit)]
        lights[detector] = trace_slit(segments[0], references, width_arcsec=width)
        _publish_truth(truth, segments, lights[detector])
    return [
        write_raw(
            archive / MODE.program,
            raw,
            _simulate(raw, lights[raw.detector], seed=SEED + number),
        )
        for number, raw in enumerate(plan, start=1)
    ]
