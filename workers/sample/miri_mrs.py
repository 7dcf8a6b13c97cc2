"""Sample programs of the MIRI MRS, MIRIFUSHORT (channels 1 and 2): 99003 and 99013.

Observation 001 looks at a point source with emission lines on an even background, from
two dither positions in every band of the program. All light has fringes that the fringe
reference divides out, and others of the same period that only `residual_fringe` takes
away. In program 99003, which has one band, showers of cosmic rays fall on the second
exposure, and observation 002 looks at empty sky. Program 99013 has all three bands.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial

import numpy as np
from astropy.table import Table

from .exposures import Aperture, RawExposure, Target, point
from .frames import MIRI_FULL, Image
from .mrs_light import Fringe, trace_mrs
from .mrs_references import (
    BANDS,
    FLAT_FRINGE,
    add_band_references,
    add_mrs_references,
)
from .nirspec_light import Tracer
from .program import Program, Tables
from .ramps import Defects, Shower
from .sample_set import Mode
from .scene import Line, Position, Scene, Spectrum
from .step_parameters import add_parameters
from .truth import measure_resolutions, spectrum_table

__all__ = ["FRINGE", "MRS", "MRS_BANDS"]

FRINGE = Fringe(amplitude=0.04, period_per_cm=2.8, phase=1.0)
"""The fringes that are in no reference."""

_SPECTRUM = Spectrum(
    continuum_jy=0.1,
    slope=-0.5,
    lines=(
        Line(5.34, 0.0025, 0.1),
        Line(6.1, 0.003, 0.1),
        Line(8.025, 0.0035, 0.1),
    ),
)
_EMPTY = Target("SAMPLE-SKY", Position(150.02, 2.02), "EXTENDED")
_FIRST = RawExposure(
    program=Mode.MIRI_MRS.program,
    activity="02101",
    exp_type="MIR_MRS",
    template="MIRI Medium Resolution Spectroscopy",
    target=Target("SAMPLE-SOURCE", Position(150.0, 2.0), "POINT"),
    aperture=Aperture("MIRIFU_CHANNEL1A", -503.340569, -318.864046, 8.4),
    subarray=MIRI_FULL,
    # The jump step seeks showers in 10 differences or more.
    groups=13,
    start_s=0.0,
    detector="MIRIFUSHORT",
    band="SHORT",
)
_OFFSETS = ((0.5, 0.35), (-0.55, -0.4))


def _plan_band() -> list[RawExposure]:
    sky = replace(_FIRST, observation="002", target=_EMPTY, start_s=14_400.0)
    dithers = point(_FIRST, _OFFSETS, "2-POINT")
    return [*dithers, replace(sky, is_background=True)]


def _plan_bands() -> list[RawExposure]:
    first = replace(_FIRST, program=Mode.MIRI_MRS_BANDS.program, groups=6)
    return [
        replace(raw, activity=f"021{1 + 2 * place:02d}", band=band)
        for place, band in enumerate(BANDS)
        for raw in point(replace(first, start_s=3600.0 * place), _OFFSETS, "2-POINT")
    ]


def _see(program: Program, _: Tracer, raw: RawExposure) -> Image:
    light = trace_mrs(str(raw.band))
    rate = light.rate(raw, program.find_scene(raw))
    return rate * light.fringes(FRINGE) * light.fringes(FLAT_FRINGE)


def _tabulate_span(
    program: Program, plan: Iterable[RawExposure], span_um: tuple[float, float]
) -> Table:
    """Tabulate the spectrum between two wavelengths, with the lines there."""
    bands = dict.fromkeys(str(raw.band) for raw in plan)
    wavelength, steps = np.hstack([trace_mrs(band).dispersion() for band in bands])
    lines = _SPECTRUM.list_lines(*span_um)
    sizes = measure_resolutions(lines, wavelength, steps)
    meta = {
        **program.describe(),
        "background_mjy_sr": program.scene.background_mjy_sr,
        "fringe": asdict(FRINGE),
    }
    seen = replace(_SPECTRUM, lines=lines)
    return spectrum_table(seen, span_um, sizes, meta, step_um=0.0005)


def _tabulate_band(program: Program, _: Tracer, plan: Sequence[RawExposure]) -> Tables:
    yield "ch1-short", _tabulate_span(program, plan, (5.2, 5.5))
    yield "ch2-short", _tabulate_span(program, plan, (7.7, 8.3))
    showers = program.defects.showers
    rows = [{"exposure": plan[1].stem, **asdict(each)} for each in showers]
    yield "showers", Table(rows=rows, meta={"program": program.mode.program})


def _tabulate_bands(program: Program, _: Tracer, plan: Sequence[RawExposure]) -> Tables:
    yield "ch1-shortmediumlong", _tabulate_span(program, plan, (5.2, 6.7))


_ADD_BANDS = tuple(partial(add_band_references, band=band) for band in BANDS)
MRS = Program(
    mode=Mode.MIRI_MRS,
    references=(*_ADD_BANDS[:1], add_mrs_references, add_parameters),
    plan=_plan_band,
    scene=Scene(
        _FIRST.target.position, _SPECTRUM, background_mjy_sr=50.0, sigma_arcsec=0.14
    ),
    sky=Scene(_EMPTY.position, None, background_mjy_sr=50.0),
    see=_see,
    tabulate=_tabulate_band,
    defects=Defects(
        cosmic_rays_per_group=30,
        hot=100,
        warm=300,
        showers=(
            Shower(6, 300, 400, 14.0, 22.0, 40.0),
            Shower(9, 720, 800, 20.0, 16.0, 60.0),
        ),
    ),
)
"""One band, with showers and background."""
MRS_BANDS = replace(
    MRS,
    mode=Mode.MIRI_MRS_BANDS,
    references=(*_ADD_BANDS, add_mrs_references, add_parameters),
    plan=_plan_bands,
    tabulate=_tabulate_bands,
    defects=replace(MRS.defects, showers=()),
)
"""All bands."""
