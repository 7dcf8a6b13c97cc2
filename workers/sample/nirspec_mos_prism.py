"""Sample of NIRSpec MOS, PRISM/CLEAR: program 99004.

One configuration of the shutters, nodded over three of them: two point sources in
slitlets of three shutters, an extended one in five, a slitlet of empty sky, and a
shutter that is stuck open and spoils part of the first spectrum. All light falls on
NRS1; NRS2 is read and empty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from .exposures import Aperture, RawExposure, Target
from .frames import FULL, Image
from .geometry import Geometry, load_msa_geometry
from .metafile import write_metafile
from .msa_references import APERTURE_PIXELS
from .ramps import Noise, simulate_ramps
from .raw_files import write_raw
from .sample_set import Mode
from .scene import Line, Position, Scene, Spectrum
from .shutter_light import SlitletLight, trace_slitlets
from .slitlets import Slitlet, Source, find_nods, locate_sources
from .spectral_references import PIXEL_ARCSEC
from .truth import kept_share, measure_resolutions, publish_table, spectrum_table

__all__ = ["PROGRAM", "STUCK_OPEN", "make_exposures", "plan_exposures"]

MODE = Mode.NIRSPEC_MOS_PRISM
"""The mode of this sample."""
PROGRAM = MODE.program
"""Program, which MAST does not have."""
METAFILE = f"jw{PROGRAM}001001_01_msa.fits"
"""Says which shutters are open."""
SEED = 99_004
"""Exposures add their number to it."""
GROUPS = 4
"""Reads of an exposure."""
STEPS = (0, -1, 1)
"""Shutters that the sources are off the middle, by nod."""
DETECTORS = ("NRS1", "NRS2")
"""Both are read, as always with the full frame."""

FIELD = Target("SAMPLE-FIELD", Position(150.0, 2.0), "UNKNOWN")
"""What is pointed at: the middle of the shutter array."""
SLITLETS = (
    Slitlet(1, 3, 140, (59, 61), Source(
        1, Spectrum(50e-6, -0.5, (Line(2.0, 0.025, 150e-6), Line(2.7, 0.02, 150e-6))),
        sigma_arcsec=0.1, stellarity=1.0,
    )),
    Slitlet(2, 3, 180, (73, 77), Source(
        2, Spectrum(100e-6, 0.0, (Line(3.3, 0.025, 300e-6),)),
        sigma_arcsec=0.25, stellarity=0.1,
    )),
    Slitlet(3, 3, 220, (89, 91), Source(
        3, Spectrum(25e-6, 0.5, (Line(4.0, 0.02, 100e-6),)),
        sigma_arcsec=0.1, stellarity=1.0,
    )),
    Slitlet(4, 3, 160, (103, 105)),
)  # fmt: skip
"""What is opened."""
STUCK_OPEN = (3, 240, 61)
"""Quadrant, row and column of a shutter that does not close."""
BACKGROUND_MJY_SR = 0.2
"""Brightness of the sky, the same everywhere."""

_APERTURE = Aperture("NRS_FULL_MSA", 378.563202, -428.402832, 138.5745697)
_NODS = "3-SHUTTER-SLITLET"
_STUCK = Slitlet(5, *STUCK_OPEN[:2], (STUCK_OPEN[2], STUCK_OPEN[2]))


def _plan_first(tilt_readings: tuple[float, float]) -> RawExposure:
    return RawExposure(
        program=PROGRAM,
        observation="001",
        activity="03101",
        number=1,
        exp_type="NRS_MSASPEC",
        template="NIRSpec MultiObject Spectroscopy",
        target=FIELD,
        aperture=_APERTURE,
        subarray=FULL,
        groups=GROUPS,
        integrations=1,
        start_s=28_800.0,
        dither=("NONE", 1, len(STEPS)),
        metafile=METAFILE,
        nod=_NODS,
        tilt_readings=tilt_readings,
    )


def plan_exposures(tilt_readings: tuple[float, float]) -> list[RawExposure]:
    """List the raw exposures of the program.

    Parameters
    ----------
    tilt_readings
        What the sensors of the grating wheel read.
    """
    first = _plan_first(tilt_readings)
    offsets = find_nods(first, load_msa_geometry(), SLITLETS[1], STEPS)
    return [
        replace(
            first,
            number=number,
            detector=detector,
            offset_arcsec=offset,
            dither=("NONE", number, len(STEPS)),
            start_s=first.start_s + 600 * number,
        )
        for number, offset in enumerate(offsets, start=1)
        for detector in DETECTORS
    ]


def _list_scenes(positions: Mapping[int, Position]) -> list[Scene]:
    """Tell what each slitlet sees, and the stuck shutter."""
    scenes = []
    for slitlet in (*SLITLETS, _STUCK):
        scene = Scene(FIELD.position, None, BACKGROUND_MJY_SR, sigma_arcsec=0.1)
        if source := slitlet.source:
            scene = replace(
                scene,
                position=positions[source.number],
                spectrum=source.spectrum,
                sigma_arcsec=source.sigma_arcsec,
            )
        scenes.append(scene)
    return scenes


def _light(
    raw: RawExposure, traces: Sequence[SlitletLight], scenes: Sequence[Scene]
) -> Image:
    image = np.zeros(raw.subarray.shape, np.float32)
    if raw.detector == "NRS1":
        for trace, scene in zip(traces, scenes, strict=True):
            image += trace.rate(raw, scene)
    return image


def _publish_truth(
    folder: Path,
    traces: Sequence[SlitletLight],
    positions: Mapping[int, Position],
    geometry: Geometry,
) -> None:
    """Publish one table for each source, under the id that its products have."""
    shutter_arcsec = _measure_shutter(geometry)
    for slitlet, trace in zip(SLITLETS, traces, strict=False):
        if source := slitlet.source:
            resolutions = measure_resolutions(source.spectrum, trace.wavelength_um)
            meta = _describe(source, positions[source.number], shutter_arcsec)
            table = spectrum_table(source.spectrum, (0.6, 5.3), resolutions, meta)
            publish_table(folder / f"{MODE}_s{source.number:09d}.ecsv", table)


def _describe(
    source: Source, position: Position, shutter_arcsec: float
) -> Mapping[str, str | float]:
    half_height = APERTURE_PIXELS * PIXEL_ARCSEC / 2
    nods = [step * shutter_arcsec for step in STEPS]
    sigma = source.sigma_arcsec
    return {
        "program": PROGRAM,
        "seed": SEED,
        "source": source.number,
        "ra_deg": position.ra,
        "dec_deg": position.dec,
        "kept_share": kept_share(sigma, half_height, nods),
        "held_share": kept_share(sigma, half_height, [0.0]),
    }


def _measure_shutter(geometry: Geometry) -> float:
    """Give the distance of shutters across dispersion in the sky."""
    first = _plan_first((0.0, 0.0))
    [step] = find_nods(first, geometry, SLITLETS[1], [1])
    return float(np.hypot(*step))


def make_exposures(
    archive: Path,
    truth: Path,
    references: Mapping[str, Path],
    tilt_readings: tuple[float, float],
) -> list[Path]:
    """Publish the raw exposures, the metafile and the truth.

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
    plan, geometry = plan_exposures(tilt_readings), load_msa_geometry()
    positions = locate_sources(plan[0], geometry, SLITLETS)
    traces = trace_slitlets(plan[0], references, geometry, (*SLITLETS, _STUCK))
    scenes = _list_scenes(positions)
    _publish_truth(truth, traces, positions, geometry)
    write_metafile(archive / PROGRAM / METAFILE, SLITLETS, positions, STEPS)
    return [
        write_raw(
            archive / PROGRAM,
            raw,
            simulate_ramps(
                [_light(raw, traces, scenes)],
                FULL,
                groups=raw.groups,
                noise=Noise(SEED + number, cosmic_rays_per_group=300, stripes_dn=0.5),
            ),
        )
        for number, raw in enumerate(plan, start=1)
    ]
