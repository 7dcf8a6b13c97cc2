"""Sample of NIRSpec fixed slits, PRISM/CLEAR, S200A1: program 99005.

A point source with two emission lines is nodded along the slit, to three places so far
apart that it loses nothing when they are subtracted from each other.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from .aiming import find_offsets
from .exposures import Aperture, RawExposure, Target
from .frames import SUBS200A1
from .geometry import load_msa_geometry
from .light import SlitLight, trace_slit
from .msa_references import APERTURE_PIXELS
from .ramps import Noise, simulate_ramps
from .raw_files import write_raw
from .sample_set import Mode
from .scene import Line, Position, Scene, Spectrum
from .spectral_references import PIXEL_ARCSEC, SLIT_WIDTHS_ARCSEC
from .truth import kept_share, measure_resolution, publish_table, spectrum_table

__all__ = ["PROGRAM", "make_exposures", "plan_exposures"]

MODE = Mode.NIRSPEC_FS_PRISM
"""The mode of this sample."""
PROGRAM = MODE.program
"""Program, which MAST does not have."""
SEED = 99_005
"""Exposures add their number to it."""
GROUPS = 10
"""Reads of an exposure."""
NODS_ARCSEC = (-0.95, 0.0, 0.95)
"""Where the source is along the slit."""

SOURCE = Target("SAMPLE-SOURCE", Position(150.0, 2.0), "POINT")
"""The target."""
SPECTRUM = Spectrum(
    continuum_jy=100e-6,
    slope=-0.5,
    lines=(Line(2.0, 0.025, 300e-6), Line(3.3, 0.025, 300e-6)),
)
"""What the source shines."""
SCENE = Scene(SOURCE.position, SPECTRUM, background_mjy_sr=0.2, sigma_arcsec=0.1)
"""The field."""

_APERTURE = Aperture("NRS_S200A1_SLIT", 331.867035, -479.417542, 138.84190369)
_SLIT = "S200A1"
_SLIT_ARCSEC = 3.28  # between its corners in the SIAF


def _find_nods(first: RawExposure) -> list[tuple[float, float]]:
    geometry = load_msa_geometry()
    slit = next(each for each in geometry.slits if each.name == _SLIT)
    places = [
        (slit.x, slit.y + nod / _SLIT_ARCSEC * slit.height) for nod in NODS_ARCSEC
    ]
    return find_offsets(first, geometry, (slit.x, slit.y), places)


def plan_exposures(tilt_readings: tuple[float, float]) -> list[RawExposure]:
    """List the raw exposures of the program.

    Parameters
    ----------
    tilt_readings
        What the sensors of the grating wheel read.
    """
    first = RawExposure(
        program=PROGRAM,
        observation="001",
        activity="03101",
        number=1,
        exp_type="NRS_FIXEDSLIT",
        template="NIRSpec Fixed Slit Spectroscopy",
        target=SOURCE,
        aperture=_APERTURE,
        subarray=SUBS200A1,
        groups=GROUPS,
        integrations=1,
        start_s=36_000.0,
        slit=_SLIT,
        nod="3-POINT-NOD",
        tilt_readings=tilt_readings,
    )
    return [
        replace(
            first,
            number=number,
            offset_arcsec=offset,
            dither=("NONE", number, len(NODS_ARCSEC)),
            start_s=first.start_s + 600 * number,
        )
        for number, offset in enumerate(_find_nods(first), start=1)
    ]


def _publish_truth(folder: Path, light: SlitLight) -> None:
    steps = np.gradient(light.wavelength_um, axis=1)
    lit = np.isfinite(steps)
    resolutions = {
        line: measure_resolution(
            light.wavelength_um[lit], steps[lit], line.wavelength_um
        )
        for line in SPECTRUM.lines
    }
    half_height = APERTURE_PIXELS * PIXEL_ARCSEC / 2
    meta = {
        "program": PROGRAM,
        "seed": SEED,
        "ra_deg": SOURCE.position.ra,
        "dec_deg": SOURCE.position.dec,
        "kept_share": kept_share(SCENE.sigma_arcsec, half_height, NODS_ARCSEC),
    }
    table = spectrum_table(SPECTRUM, (0.6, 5.3), resolutions, meta)
    publish_table(folder / f"{MODE}_spectrum.ecsv", table)


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
    plan, width = plan_exposures(tilt_readings), SLIT_WIDTHS_ARCSEC[_SLIT]
    lights = [trace_slit(raw, references, width_arcsec=width) for raw in plan]
    _publish_truth(truth, lights[0])
    return [
        write_raw(
            archive / PROGRAM,
            raw,
            simulate_ramps(
                [light.rate(SCENE)],
                SUBS200A1,
                groups=raw.groups,
                noise=Noise(SEED + number, cosmic_rays_per_group=10, stripes_dn=0.5),
            ),
        )
        for number, (raw, light) in enumerate(zip(plan, lights, strict=True), start=1)
    ]
