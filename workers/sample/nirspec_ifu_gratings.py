"""Sample of NIRSpec IFU with gratings, G395H and G395M with F290LP: program 99006.

A point source with emission lines is observed with both gratings, in one exposure of
both detectors each. The spectra of G395H (observation 001) lie on both detectors, with
a gap between them and a line on either side; those of G395M (observation 002) on NRS1
alone: NRS2 has no light.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .exposures import RawExposure, Target
from .frames import FULL, Image
from .light import IfuLight, trace_ifu
from .nirspec_ifu_prism import APERTURE
from .ramps import Noise, simulate_ramps
from .raw_files import write_raw
from .sample_set import Mode
from .scene import Line, Position, Scene, Spectrum
from .spectral_references import IFU_APERTURE_ARCSEC, CubeGrid
from .truth import publish_table, spectrum_table

__all__ = [
    "HIGH",
    "MEDIUM",
    "PROGRAM",
    "Observation",
    "make_exposures",
    "plan_exposures",
]

MODE = Mode.NIRSPEC_IFU_GRATINGS
"""The mode of this sample."""
PROGRAM = MODE.program
"""Program, which MAST does not have."""
SEED = 99_006
"""Exposures add their number, and a hundred for each observation, to it."""
DETECTORS = ("NRS1", "NRS2")
"""All are read, whether or not light falls on them."""
GROUPS = 4
"""Reads of an exposure."""

SOURCE = Target("SAMPLE-SOURCE", Position(150.0, 2.0), "POINT")
"""The target."""
SPECTRUM = Spectrum(
    continuum_jy=400e-6,
    slope=-0.5,
    lines=(
        Line(3.5, 0.004, 600e-6),
        Line(3.93, 0.0015, 600e-6),
        Line(4.26, 0.0015, 600e-6),
    ),
)
"""What the source shines."""
SCENE = Scene(SOURCE.position, SPECTRUM, background_mjy_sr=0.0, sigma_arcsec=0.1)
"""The field, without a background: there is nothing to subtract one with."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is observed with one grating."""

    number: str
    """Three digits."""
    grating: str
    """The grating; the filter is F290LP."""
    lit: tuple[str, ...]
    """Detectors that light falls on."""
    cube: CubeGrid
    """The cube covers lines and the gap and no more, to be quick."""


HIGH = Observation(
    "001",
    "G395H",
    lit=DETECTORS,
    cube=CubeGrid((3.88, 4.31), 0.000665, 0.1, optics=("F290LP", "G395H")),
)
"""Both detectors are in one cube."""
MEDIUM = Observation(
    "002",
    "G395M",
    lit=("NRS1",),
    cube=CubeGrid((3.4, 3.6), 0.00179, 0.1, optics=("F290LP", "G395M")),
)
"""NRS2 sees nothing."""


def plan_exposures(
    observation: Observation, tilt_readings: tuple[float, float]
) -> list[RawExposure]:
    """List the raw exposures of an observation.

    Parameters
    ----------
    tilt_readings
        What the sensors of the grating wheel read.
    """
    first = RawExposure(
        program=PROGRAM,
        observation=observation.number,
        activity="02101",
        number=1,
        exp_type="NRS_IFU",
        template="NIRSpec IFU Spectroscopy",
        target=SOURCE,
        aperture=APERTURE,
        subarray=FULL,
        groups=GROUPS,
        integrations=1,
        start_s=43_200.0 + 3600 * int(observation.number),
        optics=observation.cube.optics,
        tilt_readings=tilt_readings,
    )
    return [replace(first, detector=detector) for detector in DETECTORS]


def _simulate(raw: RawExposure, light: IfuLight | None, *, seed: int) -> Any:
    rate: Image = np.zeros(FULL.shape, np.float32)
    if light is not None:
        rate = light.rate(raw, SCENE)
    noise = Noise(seed, cosmic_rays_per_group=400, stripes_dn=1.0)
    return simulate_ramps([rate], FULL, groups=raw.groups, noise=noise)


def _find_gap(
    plan: Sequence[RawExposure], lights: Mapping[str, IfuLight]
) -> tuple[float, float]:
    """Tell between which wavelengths a part of the aperture falls beside NRS1 and NRS2.

    The gap is not at the same wavelength in each slice.
    """
    edges: dict[str, list[float]] = {"NRS1": [], "NRS2": []}
    for raw in plan:
        light = lights[raw.detector]
        distance = np.hypot(*light.offsets_arcsec(raw, SOURCE.position))
        column = FULL.border if raw.detector == "NRS2" else FULL.columns - FULL.border
        last = light.pixels % FULL.columns == column
        seen = light.wavelength_um[last & (distance < IFU_APERTURE_ARCSEC)]
        edges[raw.detector] += [seen.min(), seen.max()]
    return float(min(edges["NRS1"])), float(max(edges["NRS2"]))


def _publish_truth(
    folder: Path,
    observation: Observation,
    plan: Sequence[RawExposure],
    lights: Mapping[str, IfuLight],
) -> None:
    first_um, last_um = observation.cube.wavelengths_um
    resolutions = {
        line: light.resolution_um(line.wavelength_um)
        for line in SPECTRUM.lines
        for light in lights.values()
        if first_um < line.wavelength_um < last_um
        if light.sees(line.wavelength_um)
    }
    meta = {
        "program": PROGRAM,
        "observation": observation.number,
        "seed": SEED,
        "ra_deg": SOURCE.position.ra,
        "dec_deg": SOURCE.position.dec,
    }
    if len(lights) > 1:
        meta["gap_um"] = list(_find_gap(plan, lights))
    step_um = observation.cube.step_um / 2
    table = spectrum_table(
        SPECTRUM, (first_um, last_um), resolutions, meta, step_um=step_um
    )
    publish_table(folder / f"{MODE}_{observation.grating.lower()}.ecsv", table)


def make_exposures(
    archive: Path,
    truth: Path,
    references: Mapping[str, Path],
    tilt_readings: tuple[float, float],
    *,
    observation: Observation,
) -> list[Path]:
    """Publish the raw exposures of an observation and their truth.

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
    plan = plan_exposures(observation, tilt_readings)
    lights = {
        raw.detector: trace_ifu(raw, references)
        for raw in plan
        if raw.detector in observation.lit
    }
    _publish_truth(truth, observation, plan, lights)
    seed = SEED + 100 * int(observation.number)
    return [
        write_raw(
            archive / PROGRAM,
            raw,
            _simulate(raw, lights.get(raw.detector), seed=seed + number),
        )
        for number, raw in enumerate(plan, start=1)
    ]
