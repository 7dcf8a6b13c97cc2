"""Sample of NIRSpec IFU, PRISM/CLEAR, nodded to four points: program 99011.

The source, background, leak and flaws are those of program 99001. The source moves to
the corners of a square so large that it loses nothing when the nods are subtracted from
each other. There is no other background and no leakcal.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from . import nirspec_ifu_prism
from .exposures import RawExposure
from .sample_set import Mode

__all__ = ["make_exposures", "plan_exposures"]

MODE = Mode.NIRSPEC_IFU_NOD
"""The mode of this sample."""
GROUPS = 4
"""Reads of an exposure."""
NODS_ARCSEC = ((0.7, 0.7), (-0.7, -0.7), (0.7, -0.7), (-0.7, 0.7))
"""How far east and north of the source the telescope points."""


def plan_exposures(tilt_readings: tuple[float, float]) -> list[RawExposure]:
    """List the raw exposures of the program.

    Parameters
    ----------
    tilt_readings
        What the sensors of the grating wheel read.
    """
    dithered = nirspec_ifu_prism.plan_exposures(tilt_readings)[0]
    first = replace(dithered, program=MODE.program, groups=GROUPS, start_s=43_200.0)
    return [
        replace(
            first,
            number=number,
            offset_arcsec=nod,
            dither=("4-POINT-NOD", number, len(NODS_ARCSEC)),
            start_s=first.start_s + 600 * number,
        )
        for number, nod in enumerate(NODS_ARCSEC, start=1)
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
    return nirspec_ifu_prism.publish_exposures(
        MODE, plan_exposures(tilt_readings), references, archive=archive, truth=truth
    )
