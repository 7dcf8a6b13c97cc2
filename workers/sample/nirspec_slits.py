"""Sample programs of the fixed slits of NIRSpec: 99002 and 99012 (BOTS), 99005 (nods).

In program 99002 (PRISM, SUB512) one exposure in two segments looks at a star with an
emission line through the slit S1600A1. A planet passes before it and takes one percent
of the light, from the middle of the first segment to the middle of the second.

In program 99012 (G395H, SUB2048) one exposure of both detectors, in two segments each,
looks at the same star with other lines, one on each detector. The clocks of the
detectors differ, as in time series from before March 2025: NRS2 begins some seconds
later and stays behind. A planet takes one percent of the light, at the same time for
both and so not at the same number of integration.

In program 99005 (PRISM, S200A1) a point source with two emission lines is nodded along
the slit, to three places so far apart that it loses nothing when they are subtracted
from each other.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .aiming import find_offsets
from .exposures import Aperture, RawExposure, Target, point, split
from .frames import SUB512, SUB2048, SUBS200A1, Image
from .nirspec_geometry import load_msa_geometry
from .nirspec_light import Tracer
from .nirspec_optics import add_all_optics
from .nirspec_references import (
    APERTURE_PIXELS,
    PIXEL_ARCSEC,
    add_bots_references,
    add_fixed_slit_references,
)
from .program import Program, Tables
from .ramps import Defects
from .sample_set import Mode
from .scene import Line, Position, Scene, Spectrum
from .step_parameters import add_parameters
from .transit import TimedTransit, Transit
from .truth import kept_share, measure_resolutions, spectrum_table

__all__ = ["BOTS_G395H", "BOTS_PRISM", "CLOCKS_S", "FS_PRISM"]

CLOCKS_S = {"NRS1": 0.0, "NRS2": 8.0}
"""How much later than NRS1 each detector begins; 0 to 12 s have been seen."""

_SEGMENTS = 2
_PAIR_START_S = 72_000.0
_STAR = Target("SAMPLE-STAR", Position(150.0, 2.0), "POINT")
_SERIES = RawExposure(
    program=Mode.NIRSPEC_BOTS_PRISM.program,
    activity="04101",
    exp_type="NRS_BRIGHTOBJ",
    template="NIRSpec Bright Object Time Series",
    target=_STAR,
    aperture=Aperture("NRS_S1600A1_SLIT", 321.26297, -473.851288, 138.85295105),
    subarray=SUB512,
    groups=5,
    integrations=20,
    start_s=14_400.0,
    is_time_series=True,
    slit="S1600A1",
)
_NODS_ARCSEC = (-0.95, 0.0, 0.95)
_SLIT_ARCSEC = 3.28  # between the corners of S200A1 in the SIAF
_NODDED = RawExposure(
    program=Mode.NIRSPEC_FS_PRISM.program,
    activity="03101",
    exp_type="NRS_FIXEDSLIT",
    template="NIRSpec Fixed Slit Spectroscopy",
    target=Target("SAMPLE-SOURCE", Position(150.0, 2.0), "POINT"),
    aperture=Aperture("NRS_S200A1_SLIT", 331.867035, -479.417542, 138.84190369),
    subarray=SUBS200A1,
    groups=10,
    start_s=36_000.0,
    slit="S200A1",
    nod="3-POINT-NOD",
)


def _plan_series() -> list[RawExposure]:
    return split(_SERIES, _SEGMENTS)


def _plan_pair() -> list[RawExposure]:
    first = replace(
        _SERIES,
        program=Mode.NIRSPEC_BOTS_G395H.program,
        optics=("F290LP", "G395H"),
        subarray=SUB2048,
        groups=4,
        integrations=12,
    )
    return [
        segment
        for detector, late_s in CLOCKS_S.items()
        for segment in split(
            replace(first, detector=detector, start_s=_PAIR_START_S + late_s), _SEGMENTS
        )
    ]


def _plan_nods() -> list[RawExposure]:
    geometry = load_msa_geometry()
    slit = next(each for each in geometry.slits if each.name == _NODDED.slit)
    places = [
        (slit.x, slit.y + nod / _SLIT_ARCSEC * slit.height) for nod in _NODS_ARCSEC
    ]
    offsets = find_offsets(_NODDED, geometry, (slit.x, slit.y), places)
    return point(_NODDED, offsets, "NONE")


def _see(program: Program, tracer: Tracer, raw: RawExposure) -> Image:
    return tracer.trace_slit(raw).rate(raw, program.scene)


def _tabulate_series(
    program: Program, tracer: Tracer, plan: Sequence[RawExposure]
) -> Tables:
    spectrum, transit = program.scene.spectrum, program.transit
    assert spectrum
    assert transit
    dispersion = tracer.trace_slit(plan[0]).dispersion()
    sizes = measure_resolutions(spectrum.lines, *dispersion)
    meta = {**program.describe(), **transit.meta}
    yield "spectrum", spectrum_table(spectrum, (0.6, 5.3), sizes, meta)
    yield "transit", transit.make_table(plan, meta)


def _tabulate_pair(
    program: Program, tracer: Tracer, plan: Sequence[RawExposure]
) -> Tables:
    assert program.scene.spectrum
    assert program.transit
    for detector in CLOCKS_S:
        segments = [raw for raw in plan if raw.detector == detector]
        light = tracer.trace_slit(segments[0])
        lit_um = light.wavelength_um
        lines = program.scene.spectrum.list_lines(np.nanmin(lit_um), np.nanmax(lit_um))
        seen = replace(program.scene.spectrum, lines=lines)
        meta: dict[str, object] = {"program": program.mode.program}
        meta |= {"seed": program.seed, "detector": detector}
        meta |= {**program.describe(), **program.transit.meta}
        sizes = measure_resolutions(lines, *light.dispersion())
        table = spectrum_table(seen, (2.85, 5.2), sizes, meta, step_um=0.001)
        yield detector.lower(), table
        table = program.transit.make_table(segments, meta)
        yield f"transit-{detector.lower()}", table


def _tabulate_nods(
    program: Program, tracer: Tracer, plan: Sequence[RawExposure]
) -> Tables:
    scene, half_height = program.scene, APERTURE_PIXELS * PIXEL_ARCSEC / 2
    assert scene.spectrum
    dispersion = tracer.trace_slit(plan[0]).dispersion()
    sizes = measure_resolutions(scene.spectrum.lines, *dispersion)
    share = kept_share(scene.sigma_arcsec, half_height, _NODS_ARCSEC)
    meta = {**program.describe(), "kept_share": share}
    yield "spectrum", spectrum_table(scene.spectrum, (0.6, 5.3), sizes, meta)


BOTS_PRISM = Program(
    mode=Mode.NIRSPEC_BOTS_PRISM,
    references=(add_all_optics, add_parameters, add_bots_references),
    plan=_plan_series,
    scene=Scene(
        _STAR.position,
        Spectrum(3e-3, -0.5, (Line(2.0, 0.025, 9e-3),)),
        background_mjy_sr=0.2,
        sigma_arcsec=0.1,
    ),
    see=_see,
    tabulate=_tabulate_series,
    transit=Transit(depth=0.01, first=13, last=28),
    defects=Defects(cosmic_rays_per_group=1, stripes_dn=0.3),
)
"""A time series in two segments."""
BOTS_G395H = replace(
    BOTS_PRISM,
    mode=Mode.NIRSPEC_BOTS_G395H,
    plan=_plan_pair,
    scene=replace(
        BOTS_PRISM.scene,
        spectrum=Spectrum(3e-3, -0.5, (Line(3.3, 0.004, 3e-3), Line(4.5, 0.004, 3e-3))),
    ),
    tabulate=_tabulate_pair,
    transit=TimedTransit(0.01, _PAIR_START_S, contacts_s=(30.0, 80.0)),
    defects=Defects(cosmic_rays_per_group=4, stripes_dn=0.3),
)
"""A time series of two detectors."""
FS_PRISM = Program(
    mode=Mode.NIRSPEC_FS_PRISM,
    references=(add_all_optics, add_parameters, add_fixed_slit_references),
    plan=_plan_nods,
    scene=Scene(
        _NODDED.target.position,
        Spectrum(100e-6, -0.5, (Line(2.0, 0.025, 300e-6), Line(3.3, 0.025, 300e-6))),
        background_mjy_sr=0.2,
        sigma_arcsec=0.1,
    ),
    see=_see,
    tabulate=_tabulate_nods,
    defects=Defects(cosmic_rays_per_group=10, stripes_dn=0.5),
)
"""Nods along a slit."""
