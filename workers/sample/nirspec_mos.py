"""Sample program of NIRSpec MOS, PRISM/CLEAR: 99004.

One configuration of the shutters, nodded over three of them: two point sources in
slitlets of three shutters, an extended one in five, a slitlet of empty sky, and a
shutter that is stuck open and spoils part of the first spectrum. All light falls on
NRS1; NRS2 is read and empty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from .exposures import Aperture, RawExposure, Target, point
from .frames import FULL, Image
from .nirspec_light import SlitLight, Tracer
from .nirspec_metafile import write_metafile
from .nirspec_optics import DISPERSERS, add_all_optics
from .nirspec_references import (
    APERTURE_PIXELS,
    PIXEL_ARCSEC,
    STUCK_OPEN,
    add_shutter_references,
)
from .nirspec_slitlets import Slitlet, Source, find_nods, locate_sources
from .program import Program, Tables
from .ramps import Defects
from .sample_set import Mode
from .scene import Line, Position, Scene, Spectrum
from .step_parameters import add_parameters
from .truth import kept_share, measure_resolutions, spectrum_table

__all__ = ["MOS_PRISM", "SLITLETS", "STEPS", "find_step", "name_metafile"]

STEPS = (0, -1, 1)
"""Shutters that the sources are off the middle, by nod."""
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


def name_metafile(program: str) -> str:
    """Return the name of the metafile of the visit of a program."""
    return f"jw{program}001001_01_msa.fits"


_STUCK = Slitlet(5, *STUCK_OPEN[:2], (STUCK_OPEN[2], STUCK_OPEN[2]))
_FIRST = RawExposure(
    program=Mode.NIRSPEC_MOS_PRISM.program,
    activity="03101",
    exp_type="NRS_MSASPEC",
    template="NIRSpec MultiObject Spectroscopy",
    target=Target("SAMPLE-FIELD", Position(150.0, 2.0), "UNKNOWN"),
    aperture=Aperture("NRS_FULL_MSA", 378.563202, -428.402832, 138.5745697),
    subarray=FULL,
    groups=4,
    start_s=28_800.0,
    metafile=name_metafile(Mode.NIRSPEC_MOS_PRISM.program),
    nod="3-SHUTTER-SLITLET",
)


@cache
def _find_nods() -> list[RawExposure]:
    return point(_FIRST, find_nods(_FIRST, SLITLETS[1], STEPS), "NONE")


def _plan() -> list[RawExposure]:
    return [
        replace(nod, detector=detector)
        for nod in _find_nods()
        for detector in ("NRS1", "NRS2")
    ]


@cache
def find_step() -> tuple[float, float]:
    """Return how far east and north the next shutter of a slitlet is, in arcsec."""
    [(east, north)] = find_nods(_FIRST, SLITLETS[1], [-1])
    return east, north


@cache
def _locate_sources() -> Mapping[int, Position]:
    return locate_sources(_find_nods()[0], SLITLETS)


def _write_metafile(folder: Path) -> None:
    path = folder / name_metafile(folder.name)
    write_metafile(path, SLITLETS, _locate_sources(), STEPS)


def _trace(tracer: Tracer) -> list[tuple[Slitlet, SlitLight]]:
    slitlets = (*SLITLETS, _STUCK)
    lights = tracer.trace_slitlets(_find_nods()[0], slitlets)
    return list(zip(slitlets, lights, strict=True))


def _find_scene(program: Program, slitlet: Slitlet) -> Scene:
    """Return what a slitlet sees, or the stuck shutter.

    Sources are as far beside their places as the field is beside its target.
    """
    if not (source := slitlet.source):
        return program.scene
    shift = _FIRST.target.position.shift_to(program.scene.position)
    return replace(
        program.scene,
        position=_locate_sources()[source.number].shifted(*shift),
        spectrum=source.spectrum,
        sigma_arcsec=source.sigma_arcsec,
    )


def _see(program: Program, tracer: Tracer, raw: RawExposure) -> Image:
    image = np.zeros(raw.subarray.shape, np.float32)
    if raw.detector in DISPERSERS[raw.optics[1]].detectors:
        for slitlet, light in _trace(tracer):
            image += light.rate(raw, _find_scene(program, slitlet))
    return image


def _tabulate(program: Program, tracer: Tracer, _: Sequence[RawExposure]) -> Tables:
    """Tabulate the spectrum of each source, under the id that its products have."""
    shutter_arcsec = float(np.hypot(*find_step()))
    for slitlet, light in _trace(tracer):
        if source := slitlet.source:
            sizes = measure_resolutions(source.spectrum.lines, *light.dispersion())
            meta = _describe(program, source, shutter_arcsec)
            table = spectrum_table(source.spectrum, (0.6, 5.3), sizes, meta)
            yield f"s{source.number:09d}", table


def _describe(
    program: Program, source: Source, shutter_arcsec: float
) -> Mapping[str, object]:
    half_height = APERTURE_PIXELS * PIXEL_ARCSEC / 2
    nods = [step * shutter_arcsec for step in STEPS]
    position, sigma = _locate_sources()[source.number], source.sigma_arcsec
    return {
        "program": program.mode.program,
        "seed": program.seed,
        "source": source.number,
        "ra_deg": position.ra,
        "dec_deg": position.dec,
        "kept_share": kept_share(sigma, half_height, nods),
        "held_share": kept_share(sigma, half_height, [0.0]),
    }


MOS_PRISM = Program(
    mode=Mode.NIRSPEC_MOS_PRISM,
    references=(add_all_optics, add_parameters, add_shutter_references),
    plan=_plan,
    scene=Scene(_FIRST.target.position, None, background_mjy_sr=0.2, sigma_arcsec=0.1),
    see=_see,
    tabulate=_tabulate,
    defects=Defects(cosmic_rays_per_group=300, stripes_dn=0.5),
    write_companions=_write_metafile,
)
"""Slitlets, nodded."""
