"""Sample programs with the defects of known issues: 99021 to 99025, on request only.

In program 99021 the source of program 99001 (IFU, PRISM) is beside the coordinates of
its proposal (NS-IFU04), and read with 1/f noise that is stronger than the read noise
(NS-IFU03), at two nods. It wanders along V2 with wavelength (NS-IFU06). There are more
warm pixels, and their level changes from nod to nod (NS-IFU-SUBTRACTED-OUTLIERS).

In program 99022 the star of program 99002 (BOTS, PRISM, SUB512) is read with 1/f noise
that is stronger than the read noise (NS-BOTS03). Pixels on the spectrum are saturated
from the first read on, and so have no data (NS-BOTS04). There is no transit.

In program 99023 the source of program 99013 (MRS), with the same fringes (MRS-FRINGES),
is seen in the band LONG (MRS-FRINGES-2C). It is beside the coordinates of its proposal,
as a star is whose proper motion no header tells (MRS-PROPER-MOTION,
MRS-POINT-EXTRACTION). Part of its light is scattered along the slices and along the
dispersion (MRS-STRAYLIGHT, MRS-STRAYLIGHT-SPECTRAL). A second exposure is of sky that
is darker than that around the source (MRS-BACKGROUND-IN-MAST).

In program 99024 two nods of the slitlets of program 99004 (MOS, PRISM) are read with
1/f noise that is stronger than the read noise (NS-MOS04), and the target acquisition
has left all sources beside their places in the shutters (NS-MOS-SOURCE-CENTERING). A
short glows in a closed shutter that no reference lists, and its spectrum lies over one
shutter of the empty slitlet (NS-MOS-OPTICAL-SHORTS).

In program 99025 the light of the star of program 99012 (BOTS, G395H, SUB2048), on NRS2
alone, scatters by 5 % more than its photons do (NS-BOTS-NRS2-SCATTER). Pixels on the
spectrum are full at a level that no reference knows, and not flagged
(NS-BOTS-SATURATION). There is no transit.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from astropy import units
from astropy.modeling.models import BlackBody
from astropy.table import Table
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from .exposures import RawExposure, point, split
from .frames import Image
from .miri_mrs import MRS, MRS_BANDS
from .nirspec_ifu import IFU_PRISM
from .nirspec_light import Tracer
from .nirspec_mos import MOS_PRISM, find_step, name_metafile
from .nirspec_slitlets import Slitlet
from .nirspec_slits import BOTS_G395H, BOTS_PRISM
from .program import Program, Tables
from .ramps import Defects
from .sample_set import Mode

__all__ = [
    "BOTS_FLAWED",
    "BOTS_NRS2_FLAWED",
    "IFU_FLAWED",
    "MOS_FLAWED",
    "MRS_FLAWED",
    "SHIFT_ARCSEC",
    "SHIFT_SHUTTERS",
]

SHIFT_ARCSEC = (0.5, -0.4)
"""How far east and north of its coordinates the source of the MRS is."""

_IFU_SHIFT_ARCSEC = (0.3, -0.2)
"""That of the IFU."""

SHIFT_SHUTTERS = 0.4
"""That of the slitlets: how far along them sources are, to higher columns."""

_SHORT = Slitlet(6, 3, 200, (105, 105))
"""The shutter with a short: in the column of the last one of the empty slitlet, and 40
rows from it, so that its spectrum is there shifted along dispersion."""

_SHORT_K = 250.0
"""Temperature of the spot that the short heats. The MSA is at about 40 K."""

_SHORT_SHARE = 0.5 / (78 * 178)
"""Share of the shutter (78 by 178 um open) that the spot fills, of 0.5 um^2. Radiance
is conserved: a black shutter is as bright as a sky of that brightness."""

_NODS_ARCSEC = ((0.7, 0.7), (-0.7, -0.7))

_WANDER_ARCSEC_PER_UM = 0.028
"""Half a spaxel (0.05 arcsec) over the wavelengths of the cube."""

_STILL_UM = 2.4
"""Where the source of the IFU is in its place."""

_SKY_SHARE = 0.93
"""Background of the sky exposure of the MRS, as a share of that of the source."""

_SCATTERED = 0.02
"""Share of the light that is scattered along the rows of the MRS, and along columns."""

_SCATTERED_PIXELS = 301
"""Over how many pixels it is spread evenly."""

_SHALLOW = ((9, 250), (10, 550), (13, 1000), (16, 1300), (20, 1600))

_DEAD = tuple((17, column) for column in range(60, 420, 40))


def _plan_nods() -> list[RawExposure]:
    first = replace(IFU_PRISM.plan()[0], program=Mode.NIRSPEC_IFU_FLAWED.program)
    return point(replace(first, groups=4), _NODS_ARCSEC, "2-POINT-NOD")


def _plan_series() -> list[RawExposure]:
    first = replace(BOTS_PRISM.plan()[0], program=Mode.NIRSPEC_BOTS_FLAWED.program)
    return split(replace(first, integrations=12), 1)


def _plan_scatter() -> list[RawExposure]:
    first = next(raw for raw in BOTS_G395H.plan() if raw.detector == "NRS2")
    program = Mode.NIRSPEC_BOTS_NRS2_FLAWED.program
    return split(replace(first, program=program, integrations=16), 1)


def _plan_exposure() -> list[RawExposure]:
    first, _, sky = MRS.plan()
    alone = replace(first, dither=("NONE", 1, 1), offset_arcsec=(0.0, 0.0))
    long = replace(alone, program=Mode.MIRI_MRS_FLAWED.program, groups=5, band="LONG")
    dark = replace(sky, program=long.program, groups=5, band="LONG")
    return [long, dark]


def _plan_slitlets() -> list[RawExposure]:
    nods = [raw for raw in MOS_PRISM.plan() if raw.detector == "NRS1"][:2]
    program = Mode.NIRSPEC_MOS_FLAWED.program
    metafile = name_metafile(program)
    return [replace(nod, program=program, metafile=metafile) for nod in nods]


def _see_wandering(program: Program, tracer: Tracer, raw: RawExposure) -> Image:
    """Let optics shift light by its wavelength before it reaches the slices."""
    light = tracer.trace_ifu(raw)
    shift = _WANDER_ARCSEC_PER_UM * (light.wavelength_um - _STILL_UM)
    return replace(light, v2=light.v2 + shift).rate(raw, program.scene)


def _see_scattered(program: Program, tracer: Tracer, raw: RawExposure) -> Image:
    """Let the detector scatter light in a cross."""
    light = MRS.see(program, tracer, raw)
    along = (uniform_filter1d(light, _SCATTERED_PIXELS, axis=axis) for axis in (0, 1))
    return np.asarray(light + _SCATTERED * sum(along), np.float32)


def _acquire(program: Program) -> Program:
    """Return what is in the field after a target acquisition that missed."""
    shift = [SHIFT_SHUTTERS * step for step in find_step()]
    position = program.scene.position.shifted(*shift)
    return replace(program, scene=replace(program.scene, position=position))


def _see_slitlets(program: Program, tracer: Tracer, raw: RawExposure) -> Image:
    light = MOS_PRISM.see(_acquire(program), tracer, raw)
    return light + _see_short(program, tracer, raw)


def _glow_mjy_sr(wavelength_um: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how bright the short is in its shutter: a black body."""
    body = BlackBody(_SHORT_K * units.K)
    brightness = body(wavelength_um * units.um).to_value(units.MJy / units.sr)
    return np.asarray(_SHORT_SHARE * brightness)


def _see_short(program: Program, tracer: Tracer, raw: RawExposure) -> Image:
    """Return the light of the short, which is the same wherever the telescope looks."""
    [light] = tracer.trace_slitlets(raw, (_SHORT,))
    even = replace(program.scene, spectrum=None, background_mjy_sr=1.0)
    image = light.rate(raw, even)
    glow = _glow_mjy_sr(np.nan_to_num(light.wavelength_um, nan=1.0))
    image[light.box] *= glow.astype(np.float32)
    return image


def _tabulate_slitlets(
    program: Program, tracer: Tracer, plan: Sequence[RawExposure]
) -> Tables:
    yield from _tabulate_shift(_acquire(program), tracer, plan)
    wavelength_um = np.linspace(0.6, 5.3, 48)
    columns = {"wavelength": wavelength_um, "mjy_sr": _glow_mjy_sr(wavelength_um)}
    meta = {"program": program.mode.program, "temperature_k": _SHORT_K}
    meta |= {"quadrant": _SHORT.quadrant, "row": _SHORT.row, "column": _SHORT.middle}
    yield "glow", Table(columns, meta=meta)


def _tabulate_dead(program: Program, _: Tracer, plan: Sequence[RawExposure]) -> Tables:
    rows, columns = np.array(program.defects.dead).T
    meta = {"program": program.mode.program, "exposures": [raw.stem for raw in plan]}
    yield "dead", Table({"row": rows, "column": columns}, meta=meta)


def _tabulate_excess(
    program: Program, _: Tracer, plan: Sequence[RawExposure]
) -> Tables:
    meta = {"program": program.mode.program, "exposures": [raw.stem for raw in plan]}
    yield "excess", Table({"share": [program.defects.excess]}, meta=meta)
    rows, columns = np.array(program.defects.shallow).T
    yield "shallow", Table({"row": rows, "column": columns}, meta=meta)


def _tabulate_shift(program: Program, _: Tracer, plan: Sequence[RawExposure]) -> Tables:
    true, told = program.scene.position, plan[0].target.position
    columns = {"what": ["source", "header"], "ra_deg": [true.ra, told.ra]}
    columns |= {"dec_deg": [true.dec, told.dec]}
    yield "positions", Table(columns, meta={"program": program.mode.program})


IFU_FLAWED = replace(
    IFU_PRISM,
    mode=Mode.NIRSPEC_IFU_FLAWED,
    plan=_plan_nods,
    scene=replace(
        IFU_PRISM.scene, position=IFU_PRISM.scene.position.shifted(*_IFU_SHIFT_ARCSEC)
    ),
    see=_see_wandering,
    tabulate=_tabulate_shift,
    defects=replace(
        IFU_PRISM.defects,
        stripes_dn=15.0,
        leak_dn_per_s=0.0,
        warm=60_000,
        flicker=0.8,
    ),
)
"""Nods with 1/f noise and hot pixels, of a source that wanders and is not where headers
say."""
BOTS_FLAWED = replace(
    BOTS_PRISM,
    mode=Mode.NIRSPEC_BOTS_FLAWED,
    plan=_plan_series,
    tabulate=_tabulate_dead,
    transit=None,
    defects=Defects(cosmic_rays_per_group=0, stripes_dn=15.0, dead=_DEAD),
)
"""A time series with 1/f noise and dead pixels."""
BOTS_NRS2_FLAWED = replace(
    BOTS_G395H,
    mode=Mode.NIRSPEC_BOTS_NRS2_FLAWED,
    plan=_plan_scatter,
    tabulate=_tabulate_excess,
    transit=None,
    defects=replace(BOTS_G395H.defects, excess=0.05, shallow=_SHALLOW),
)
"""A time series of NRS2 that scatters more than its errors say, with pixels that are
full before they are flagged."""
MRS_FLAWED = replace(
    MRS_BANDS,
    mode=Mode.MIRI_MRS_FLAWED,
    plan=_plan_exposure,
    scene=replace(MRS.scene, position=MRS.scene.position.shifted(*SHIFT_ARCSEC)),
    sky=replace(
        MRS.scene,
        spectrum=None,
        background_mjy_sr=_SKY_SHARE * MRS.scene.background_mjy_sr,
    ),
    see=_see_scattered,
    tabulate=_tabulate_shift,
)
"""An exposure of a source that is not where its header says, in scattered light, and
one of darker sky."""
MOS_FLAWED = replace(
    MOS_PRISM,
    mode=Mode.NIRSPEC_MOS_FLAWED,
    plan=_plan_slitlets,
    see=_see_slitlets,
    tabulate=_tabulate_slitlets,
    defects=replace(MOS_PRISM.defects, stripes_dn=15.0),
)
"""Nods with 1/f noise and a short that glows; sources are not where the metafile says.
"""
