"""Samples of the MIRI MRS, MIRIFUSHORT (channels 1 and 2): programs 99003 and 99013.

Observation 001 looks at a point source with emission lines on an even background, from
two dither positions in every band of the program. All light has fringes that the fringe
reference divides out, and others of the same period that only `residual_fringe` takes
away. In program 99003, which has one band, showers of cosmic rays fall on the second
exposure, and observation 002 looks at empty sky. Program 99013 has all three bands.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from .exposures import Aperture, RawExposure, Target
from .frames import MRS, Image, make_flaws
from .mrs_light import Fringe, MrsLight
from .mrs_references import FLAT_FRINGE, BandGrid
from .ramps import Noise, simulate_ramps
from .raw_files import write_raw
from .sample_set import Mode
from .scene import Line, Position, Scene, Spectrum
from .showers import Shower
from .truth import measure_resolution, publish_table, spectrum_table

__all__ = ["PROGRAMS", "MrsProgram", "make_exposures", "plan_exposures"]

SOURCE = Target("SAMPLE-SOURCE", Position(150.0, 2.0), "POINT")
"""The science target."""
EMPTY = Target("SAMPLE-SKY", Position(150.02, 2.02), "EXTENDED")
"""The background target."""
SPECTRUM = Spectrum(
    continuum_jy=0.1,
    slope=-0.5,
    lines=(
        Line(5.34, 0.0025, 0.1),
        Line(6.1, 0.003, 0.1),
        Line(8.025, 0.0035, 0.1),
    ),
)
"""What the source shines."""
SCENE = Scene(SOURCE.position, SPECTRUM, background_mjy_sr=50.0, sigma_arcsec=0.14)
"""The science field."""
SKY = Scene(EMPTY.position, None, background_mjy_sr=50.0, sigma_arcsec=0.14)
"""The background field."""
FRINGE = Fringe(amplitude=0.04, period_per_cm=2.8, phase=1.0)
"""The fringes that are in no reference."""
_OFFSETS = ((0.5, 0.35), (-0.55, -0.4))
_APERTURE = Aperture("MIRIFU_CHANNEL1A", -503.340569, -318.864046, 8.4)
_HOT, _WARM = 100, 300
_COSMIC_RAYS = 30
_STRUCK = 1


@dataclass(frozen=True, slots=True)
class MrsProgram:
    """A sample program of the MRS."""

    mode: Mode
    """The mode of the sample."""
    bands: tuple[str, ...]
    """Bands that it is observed in."""
    grids: tuple[BandGrid, ...]
    """Cubes, which cover the lines and no more, to be quick."""
    spectra: Mapping[str, tuple[float, float]]
    """Wavelengths of each spectrum to compare, by what the file name says of it."""
    groups: int
    """Reads of an exposure."""
    has_background: bool
    """Whether there is an observation of empty sky."""
    showers: tuple[Shower, ...] = ()
    """The showers on the second exposure."""

    @property
    def seed(self) -> int:
        """Seed of the flawed pixels; exposures add their number to it."""
        return int(self.mode.program)


_SHORT = (
    BandGrid("1", "SHORT", (5.25, 5.45), 0.0008, 0.13),
    BandGrid("2", "SHORT", (7.8, 8.2), 0.0013, 0.17),
)
_OTHERS = (
    BandGrid("1", "MEDIUM", (6.05, 6.15), 0.0008, 0.13),
    BandGrid("2", "MEDIUM", (8.9, 9.0), 0.0013, 0.17),
    BandGrid("1", "LONG", (6.55, 6.6), 0.0008, 0.13),
    BandGrid("2", "LONG", (10.2, 10.3), 0.0013, 0.17),
)
PROGRAMS = {
    Mode.MIRI_MRS: MrsProgram(
        Mode.MIRI_MRS,
        ("SHORT",),
        _SHORT,
        {"ch1-short": (5.2, 5.5), "ch2-short": (7.7, 8.3)},
        # The jump step seeks showers in 10 differences or more.
        groups=13,
        has_background=True,
        showers=(
            Shower(6, 300, 400, 14.0, 22.0, 40.0),
            Shower(9, 720, 800, 20.0, 16.0, 60.0),
        ),
    ),
    Mode.MIRI_MRS_BANDS: MrsProgram(
        Mode.MIRI_MRS_BANDS,
        ("SHORT", "MEDIUM", "LONG"),
        (*_SHORT, *_OTHERS),
        {"ch1-shortmediumlong": (5.2, 6.7)},
        groups=6,
        has_background=False,
    ),
}
"""The sample programs of the MRS by mode."""


def _plan_first(program: MrsProgram) -> RawExposure:
    return RawExposure(
        program=program.mode.program,
        observation="001",
        activity="02101",
        number=1,
        exp_type="MIR_MRS",
        template="MIRI Medium Resolution Spectroscopy",
        target=SOURCE,
        aperture=_APERTURE,
        subarray=MRS,
        groups=program.groups,
        integrations=1,
        start_s=0.0,
        detector="MIRIFUSHORT",
        band=program.bands[0],
    )


def plan_exposures(program: MrsProgram) -> list[RawExposure]:
    """List the raw exposures of a program."""
    first, total = _plan_first(program), len(_OFFSETS)
    plan = [
        replace(
            first,
            activity=f"021{1 + 2 * place:02d}",
            number=number,
            start_s=3600.0 * place + 600 * number,
            band=band,
            offset_arcsec=offset,
            dither=("2-POINT", number, total),
        )
        for place, band in enumerate(program.bands)
        for number, offset in enumerate(_OFFSETS, start=1)
    ]
    if program.has_background:
        sky = replace(first, observation="002", target=EMPTY, start_s=14_400.0)
        plan.append(replace(sky, is_background=True))
    return plan


def _simulate(
    raw: RawExposure,
    light: MrsLight,
    still: Image,
    *,
    seed: int,
    showers: Sequence[Shower],
) -> Any:
    scene = SKY if raw.is_background else SCENE
    rate = light.rate(raw, scene) * light.fringes(FRINGE) * light.fringes(FLAT_FRINGE)
    return simulate_ramps(
        [rate + still],
        MRS,
        groups=raw.groups,
        noise=Noise(seed, cosmic_rays_per_group=_COSMIC_RAYS, stripes_dn=0.0),
        showers=showers,
    )


def _make_table(
    program: MrsProgram, span_um: tuple[float, float], lights: Iterable[MrsLight]
) -> Table:
    """Tabulate the spectrum between two wavelengths, with the lines there."""
    low, high = span_um
    lines = [line for line in SPECTRUM.lines if low < line.wavelength_um < high]
    wavelength, steps = np.hstack([light.dispersion() for light in lights])
    resolutions = {
        line: measure_resolution(wavelength, steps, line.wavelength_um)
        for line in lines
    }
    meta = {
        "program": program.mode.program,
        "seed": program.seed,
        "ra_deg": SOURCE.position.ra,
        "dec_deg": SOURCE.position.dec,
        "background_mjy_sr": SCENE.background_mjy_sr,
        "fringe": asdict(FRINGE),
    }
    spectrum = replace(SPECTRUM, lines=tuple(lines))
    return spectrum_table(spectrum, span_um, resolutions, meta, step_um=0.0005)


def _publish_truth(
    folder: Path, program: MrsProgram, lights: Sequence[MrsLight], struck: RawExposure
) -> None:
    for kind, span_um in program.spectra.items():
        table = _make_table(program, span_um, lights)
        publish_table(folder / f"{program.mode}_{kind}.ecsv", table)
    rows = [{"exposure": struck.stem, **asdict(each)} for each in program.showers]
    if rows:
        table = Table(rows=rows, meta={"program": program.mode.program})
        publish_table(folder / f"{program.mode}_showers.ecsv", table)


def make_exposures(
    archive: Path, truth: Path, program: MrsProgram, lights: Mapping[str, MrsLight]
) -> list[Path]:
    """Publish the raw exposures and the truth of a program.

    Parameters
    ----------
    archive
        Folder of the raw files.
    truth
        Folder of the truth.
    program
        What to observe.
    lights
        The lit pixels of each band.
    """
    plan, seed = plan_exposures(program), program.seed
    seen = [lights[band] for band in program.bands]
    _publish_truth(truth, program, seen, plan[_STRUCK])
    still = make_flaws(MRS, hot=_HOT, warm=_WARM, seed=seed).dark_current(MRS.shape)
    made = []
    for place, raw in enumerate(plan):
        ramps = _simulate(
            raw,
            lights[str(raw.band)],
            still,
            seed=seed + place + 1,
            showers=program.showers if place == _STRUCK else (),
        )
        made.append(write_raw(archive / raw.program, raw, ramps))
    return made
