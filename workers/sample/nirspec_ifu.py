"""Sample programs of the NIRSpec IFU: PRISM (99001), nods (99011), gratings (99006).

In program 99001 observation 001 looks at a point source with two emission lines on an
even background, twice (dithered, not nodded), and once through the closed shutters
(leakcal). Observation 002 looks at empty sky, with its own leakcal. All have the same
1/f noise, and hot and warm pixels at the same places; cosmic rays differ.

Program 99011 has the same source, background, leak and flaws. The source moves to the
corners of a square so large that it loses nothing when the nods are subtracted from
each other. There is no other background and no leakcal.

In program 99006 a point source with emission lines is observed with two gratings, in
one exposure of both detectors each. The spectra of G395H (observation 001) lie on both
detectors, with a gap between them and a line on either side; those of G395M
(observation 002) on NRS1 alone: NRS2 has no light.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from astropy.table import Table

from .exposures import Aperture, RawExposure, Target, point
from .frames import FULL, Image
from .nirspec_light import IfuLight, Tracer
from .nirspec_optics import DISPERSERS, add_all_optics
from .nirspec_references import IFU_APERTURE_ARCSEC, add_ifu_references
from .program import Program, Tables
from .ramps import Defects
from .sample_set import Mode
from .scene import Line, Position, Scene, Spectrum
from .step_parameters import add_parameters
from .truth import measure_resolutions, spectrum_table

__all__ = ["IFU_GRATINGS", "IFU_NOD", "IFU_PRISM"]

_SOURCE = Target("SAMPLE-SOURCE", Position(150.0, 2.0), "POINT")
_EMPTY = Target("SAMPLE-SKY", Position(150.02, 2.02), "EXTENDED")
_NODS_ARCSEC = ((0.7, 0.7), (-0.7, -0.7), (0.7, -0.7), (-0.7, 0.7))
_OBSERVATIONS = {"001": "G395H", "002": "G395M"}
_FIRST = RawExposure(
    program=Mode.NIRSPEC_IFU_PRISM.program,
    activity="02101",
    exp_type="NRS_IFU",
    template="NIRSpec IFU Spectroscopy",
    target=_SOURCE,
    aperture=Aperture("NRS_FULL_IFU", 300.009277, -498.079254, 138.97164917),
    subarray=FULL,
    groups=5,
    start_s=0.0,
)


def _plan_dithers() -> list[RawExposure]:
    sky = replace(
        _FIRST, observation="002", target=_EMPTY, is_background=True, start_s=7200.0
    )
    return [
        *point(_FIRST, ((0.2, -0.15), (-0.25, 0.2)), "CYCLING"),
        replace(_FIRST, activity="04101", is_imprint=True, start_s=1800.0),
        *point(sky, ((0.0, 0.0),), "NONE"),
        replace(sky, activity="04101", is_imprint=True, start_s=sky.start_s + 1200),
    ]


def _plan_nods() -> list[RawExposure]:
    program = Mode.NIRSPEC_IFU_NOD.program
    first = replace(_FIRST, program=program, groups=4, start_s=43_200.0)
    return point(first, _NODS_ARCSEC, "4-POINT-NOD")


def _plan_gratings() -> list[RawExposure]:
    first = replace(_FIRST, program=Mode.NIRSPEC_IFU_GRATINGS.program, groups=4)
    return [
        replace(
            first,
            observation=number,
            start_s=43_200.0 + 3600 * int(number),
            optics=(DISPERSERS[grating].filter, grating),
            detector=detector,
        )
        for number, grating in _OBSERVATIONS.items()
        for detector in ("NRS1", "NRS2")
    ]


def _is_lit(raw: RawExposure) -> bool:
    return raw.detector in DISPERSERS[raw.optics[1]].detectors and not raw.is_imprint


def _see(program: Program, tracer: Tracer, raw: RawExposure) -> Image:
    if _is_lit(raw):
        return tracer.trace_ifu(raw).rate(raw, program.find_scene(raw))
    return np.zeros(FULL.shape, np.float32)


def _tabulate_prism(
    program: Program, tracer: Tracer, plan: Sequence[RawExposure]
) -> Tables:
    spectrum = program.scene.spectrum
    assert spectrum
    sizes = measure_resolutions(spectrum.lines, *tracer.trace_ifu(plan[0]).dispersion())
    sky = {"background_mjy_sr": program.scene.background_mjy_sr}
    meta = {**program.describe(), **sky}
    yield "spectrum", spectrum_table(spectrum, (0.6, 5.3), sizes, meta)
    flaws = program.defects.choose_flaws(FULL, program.seed)
    counts = {"hot": len(flaws.hot), "warm": len(flaws.warm)}
    places = np.concatenate([flaws.hot, flaws.warm])
    kinds = ["hot"] * len(flaws.hot) + ["warm"] * len(flaws.warm)
    meta = {"program": program.mode.program, "seed": program.seed, **counts}
    columns = {"row": places[:, 0], "column": places[:, 1], "kind": kinds}
    yield "pixels", Table(columns, meta=meta)


def _find_gap(
    lights: Mapping[RawExposure, IfuLight], position: Position
) -> list[float]:
    """Find the wavelengths at which part of the aperture falls beside both detectors.

    The gap is not at the same wavelength in each slice.
    """
    edges = {}
    for raw, light in lights.items():
        distance = np.hypot(*light.offsets_arcsec(raw, position))
        column = FULL.border if raw.detector == "NRS2" else FULL.columns - FULL.border
        last = light.pixels % FULL.columns == column
        edges[raw.detector] = light.wavelength_um[
            last & (distance < IFU_APERTURE_ARCSEC)
        ]
    return [float(edges["NRS1"].min()), float(edges["NRS2"].max())]


def _tabulate_gratings(
    program: Program, tracer: Tracer, plan: Sequence[RawExposure]
) -> Tables:
    spectrum = program.scene.spectrum
    assert spectrum
    for number, grating in _OBSERVATIONS.items():
        lit = [raw for raw in plan if raw.observation == number and _is_lit(raw)]
        lights = {raw: tracer.trace_ifu(raw) for raw in lit}
        grid = DISPERSERS[grating].cube
        sizes: dict[Line, float] = {}
        for light in lights.values():
            lines = spectrum.list_lines(*grid.wavelengths_um)
            seen = [line for line in lines if light.sees(line.wavelength_um)]
            sizes |= measure_resolutions(seen, *light.dispersion())
        meta: dict[str, object] = {"program": program.mode.program}
        meta |= {"observation": number, **program.describe()}
        if len(lights) > 1:
            meta["gap_um"] = _find_gap(lights, program.scene.position)
        table = spectrum_table(
            spectrum, grid.wavelengths_um, sizes, meta, step_um=grid.step_um / 2
        )
        yield grating.lower(), table


IFU_PRISM = Program(
    mode=Mode.NIRSPEC_IFU_PRISM,
    references=(add_all_optics, add_parameters, add_ifu_references),
    plan=_plan_dithers,
    scene=Scene(
        _SOURCE.position,
        Spectrum(50e-6, -0.5, (Line(2.0, 0.025, 150e-6), Line(2.7, 0.02, 150e-6))),
        background_mjy_sr=0.2,
        sigma_arcsec=0.1,
    ),
    sky=Scene(_EMPTY.position, None, background_mjy_sr=0.2),
    see=_see,
    tabulate=_tabulate_prism,
    defects=Defects(
        cosmic_rays_per_group=800,
        stripes_dn=2.0,
        hot=800,
        warm=2000,
        leak_dn_per_s=0.4,
    ),
)
"""Dithers, with background and leakcals."""
IFU_NOD = replace(IFU_PRISM, mode=Mode.NIRSPEC_IFU_NOD, plan=_plan_nods)
"""Nods."""
IFU_GRATINGS = replace(
    IFU_PRISM,
    mode=Mode.NIRSPEC_IFU_GRATINGS,
    plan=_plan_gratings,
    # There is nothing to subtract a background with.
    scene=Scene(
        _SOURCE.position,
        Spectrum(
            *(400e-6, -0.5),
            (
                Line(3.5, 0.004, 600e-6),
                Line(3.93, 0.0015, 600e-6),
                Line(4.26, 0.0015, 600e-6),
            ),
        ),
        background_mjy_sr=0.0,
        sigma_arcsec=0.1,
    ),
    tabulate=_tabulate_gratings,
    defects=Defects(cosmic_rays_per_group=400, stripes_dn=1.0),
    seeds=(101, 102, 201, 202),
)
"""Gratings."""
