"""Sample of the MIRI LRS with its slit: program 99007.

A point source with two emission lines is nodded along the slit, to two places that are
each other's background. It is not quite where its proposer says: a verification image
through the slit, F560W, shows it off the middle of the slit, where more of its light is
lost. Only `targ_centroid`, which reads that image, lets the loss be corrected.
"""

from dataclasses import replace
from pathlib import Path

from .aiming import find_dither, look_at
from .exposures import Aperture, RawExposure, Target
from .frames import IMAGER
from .lrs_exposures import plan_verification
from .lrs_geometry import SLIT
from .lrs_light import acquire_in_slit, disperse_slit, measure_lines
from .ramps import Noise, simulate_ramps
from .raw_files import write_raw
from .sample_set import Mode
from .scene import Line, Position, Scene, Spectrum
from .truth import publish_table, spectrum_table

__all__ = ["PROGRAM", "make_exposures", "make_scene", "plan_exposures"]

MODE = Mode.MIRI_LRS_SLIT
"""The mode of this sample."""
PROGRAM = MODE.program
"""Program, which MAST does not have."""
SEED = 99_007
"""Exposures add their number to it."""
NODS_ARCSEC = (-0.95, 0.95)
"""Where the source is along the slit."""
MISS_ARCSEC = (0.03, 0.12)
"""Where it is besides, in the ideal frame of the slit: along it, and along dispersion.
"""

TARGET = Target("SAMPLE-SOURCE", Position(150.0, 2.0), "POINT")
"""The target as its proposer says."""
SPECTRUM = Spectrum(
    continuum_jy=2e-3,
    slope=-0.5,
    lines=(Line(7.0, 0.08, 4e-4), Line(10.5, 0.08, 4e-4)),
)
"""What it shines."""
APERTURE = Aperture("MIRIM_SLIT", -414.847794, -400.425576, 4.757970)
"""The slit: the imager distortion FLT-9 at its reference point."""

_WAVELENGTHS_UM = (4.5, 14.2)
_BACKGROUND_MJY_SR = 20.0
_COSMIC_RAYS = 30


def _plan_verification() -> RawExposure:
    return plan_verification(PROGRAM, TARGET, APERTURE, IMAGER, start_s=54_000.0)


def plan_exposures() -> list[RawExposure]:
    """List the raw exposures: the verification image and the nods."""
    image = _plan_verification()
    nods = [
        replace(
            image,
            activity="03101",
            number=number,
            exp_type=SLIT.exp_type,
            filter="P750L",
            start_s=image.start_s + 600 * number,
            offset_arcsec=find_dither(image, (nod, 0.0)),
            dither_arcsec=(nod, 0.0),
            dither=("ALONG-SLIT-NOD", number, len(NODS_ARCSEC)),
        )
        for number, nod in enumerate(NODS_ARCSEC, start=1)
    ]
    return [image, *nods]


def make_scene() -> Scene:
    """Give what is in the field."""
    place = look_at(_plan_verification(), MISS_ARCSEC)
    return Scene(place, SPECTRUM, background_mjy_sr=_BACKGROUND_MJY_SR)


def _publish_truth(folder: Path, scene: Scene) -> None:
    meta = {
        "program": PROGRAM,
        "seed": SEED,
        "ra_deg": scene.position.ra,
        "dec_deg": scene.position.dec,
        "miss_arcsec": list(MISS_ARCSEC),
    }
    lines = measure_lines(SPECTRUM, SLIT)
    table = spectrum_table(SPECTRUM, _WAVELENGTHS_UM, lines, meta)
    publish_table(folder / f"{MODE}_spectrum.ecsv", table)


def make_exposures(archive: Path, truth: Path) -> list[Path]:
    """Publish the raw exposures and the truth.

    Parameters
    ----------
    archive
        Folder of the raw files.
    truth
        Folder of the truth.
    """
    scene, made = make_scene(), []
    _publish_truth(truth, scene)
    for number, raw in enumerate(plan_exposures()):
        is_spectrum = raw.exp_type == SLIT.exp_type
        light = (disperse_slit if is_spectrum else acquire_in_slit)(raw, scene)
        noise = Noise(SEED + number, _COSMIC_RAYS, stripes_dn=0.0)
        ramps = simulate_ramps([light], raw.subarray, groups=raw.groups, noise=noise)
        made.append(write_raw(archive / PROGRAM, raw, ramps))
    return made
