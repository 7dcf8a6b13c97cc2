"""Sample programs of the MIRI LRS: with its slit (99007), and without (99008).

In program 99007 a point source with two emission lines is nodded along the slit, to two
places that are each other's background. It is not quite where its proposer says: a
verification image through the slit, F560W, shows it off the middle of the slit, where
more of its light is lost. Only with `targ_centroid`, which reads that image, is the
loss corrected.

In program 99008 one exposure in two segments looks at a star with an emission line. A
planet passes before it and takes one percent of the light, from the middle of the first
segment to the middle of the second. A verification image of the star comes first.
"""

from collections.abc import Sequence
from dataclasses import replace

from .aiming import find_dither, look_at
from .exposures import Aperture, RawExposure, Target, point, split
from .frames import MIRI_FULL, SLITLESSPRISM, Image
from .lrs_geometry import SLIT, SLITLESS
from .lrs_light import (
    acquire,
    acquire_in_slit,
    disperse_all,
    disperse_slit,
)
from .lrs_references import add_lrs_references
from .nirspec_light import Tracer
from .program import Program, Tables
from .ramps import Defects
from .sample_set import Mode
from .scene import Line, Position, Scene, Spectrum
from .step_parameters import add_parameters
from .transit import Transit
from .truth import measure_resolutions, spectrum_table

__all__ = ["LRS_SLIT", "LRS_SLITLESS", "MISS_ARCSEC", "NODS_ARCSEC", "find_source"]

NODS_ARCSEC = (-0.95, 0.95)
"""Where the source is along the slit."""
MISS_ARCSEC = (0.03, 0.12)
"""Where it is besides, in the ideal frame of the slit: along it, and along dispersion.
"""

_WAVELENGTHS_UM = (4.5, 14.2)
# The apertures are the imager distortion FLT-9 at their reference points.
_IMAGE = RawExposure(
    program=Mode.MIRI_LRS_SLIT.program,
    activity="02101",
    exp_type="MIR_TACONFIRM",
    template="MIRI Low Resolution Spectroscopy",
    target=Target("SAMPLE-SOURCE", Position(150.0, 2.0), "POINT"),
    aperture=Aperture("MIRIM_SLIT", -414.847794, -400.425576, 4.757970),
    subarray=MIRI_FULL,
    groups=5,
    start_s=54_000.0,
    dither_arcsec=(0.0, 0.0),
    detector="MIRIMAGE",
    filter="F560W",
)
"""The verification image, which is taken before the spectra."""
_IMAGE_OF_STAR = replace(
    _IMAGE,
    program=Mode.MIRI_LRS_SLITLESS.program,
    target=Target("SAMPLE-STAR", Position(150.0, 2.0), "POINT"),
    aperture=Aperture("MIRIM_SLITLESSPRISM", -378.600113, -344.752445, 4.83544897),
    subarray=SLITLESSPRISM,
    start_s=72_000.0,
)


def _plan_nods() -> list[RawExposure]:
    spectrum = replace(_IMAGE, activity="03101", exp_type=SLIT.exp_type, filter="P750L")
    places = [(nod, 0.0) for nod in NODS_ARCSEC]
    offsets = [find_dither(_IMAGE, place) for place in places]
    nods = point(spectrum, offsets, "ALONG-SLIT-NOD")
    placed = zip(nods, places, strict=True)
    return [_IMAGE, *(replace(nod, dither_arcsec=place) for nod, place in placed)]


def _plan_series() -> list[RawExposure]:
    series = replace(
        _IMAGE_OF_STAR,
        activity="04101",
        exp_type=SLITLESS.exp_type,
        integrations=20,
        start_s=_IMAGE_OF_STAR.start_s + 600,
        is_time_series=True,
        filter="P750L",
    )
    return [_IMAGE_OF_STAR, *split(series, 2)]


def find_source() -> Position:
    """Return where the source of the slit program really is."""
    return look_at(_IMAGE, MISS_ARCSEC)


def _see_through_slit(program: Program, _: Tracer, raw: RawExposure) -> Image:
    see = disperse_slit if raw.exp_type == SLIT.exp_type else acquire_in_slit
    return see(raw, replace(program.scene, position=find_source()))


def _see_all(program: Program, _: Tracer, raw: RawExposure) -> Image:
    see = disperse_all if raw.exp_type == SLITLESS.exp_type else acquire
    return see(raw, program.scene)


def _tabulate_nods(program: Program, _: Tracer, __: Sequence[RawExposure]) -> Tables:
    spectrum, position = program.scene.spectrum, find_source()
    assert spectrum
    meta = {
        **program.describe(),
        "ra_deg": position.ra,
        "dec_deg": position.dec,
        "miss_arcsec": list(MISS_ARCSEC),
    }
    sizes = measure_resolutions(spectrum.lines, *SLIT.dispersion())
    yield "spectrum", spectrum_table(spectrum, _WAVELENGTHS_UM, sizes, meta)


def _tabulate_series(
    program: Program, _: Tracer, plan: Sequence[RawExposure]
) -> Tables:
    spectrum, transit = program.scene.spectrum, program.transit
    assert spectrum
    assert transit
    meta = {**program.describe(), **transit.meta}
    sizes = measure_resolutions(spectrum.lines, *SLITLESS.dispersion())
    yield "spectrum", spectrum_table(spectrum, _WAVELENGTHS_UM, sizes, meta)
    yield "transit", transit.make_table(plan[1:], meta)


LRS_SLIT = Program(
    mode=Mode.MIRI_LRS_SLIT,
    references=(add_lrs_references, add_parameters),
    plan=_plan_nods,
    scene=Scene(
        _IMAGE.target.position,
        Spectrum(2e-3, -0.5, (Line(7.0, 0.08, 4e-4), Line(10.5, 0.08, 4e-4))),
        background_mjy_sr=20.0,
    ),
    see=_see_through_slit,
    tabulate=_tabulate_nods,
    defects=Defects(cosmic_rays_per_group=30),
    seeds=range(3),
)
"""Nods along the slit; the source is beside the place of the scene."""
LRS_SLITLESS = Program(
    mode=Mode.MIRI_LRS_SLITLESS,
    references=(add_lrs_references, add_parameters),
    plan=_plan_series,
    scene=Scene(
        _IMAGE_OF_STAR.target.position,
        Spectrum(10e-3, -0.5, (Line(7.5, 0.08, 3e-3),)),
        background_mjy_sr=1.0,
    ),
    see=_see_all,
    tabulate=_tabulate_series,
    transit=Transit(depth=0.01, first=13, last=28),
    defects=Defects(cosmic_rays_per_group=1, stripes_dn=0.3),
    seeds=range(3),
)
"""A time series."""
