"""Sample of the MIRI MRS, MIRIFUSHORT (channels 1 and 2): program 99003.

Observation 001 looks at a point source with two emission lines on an even background,
from two dither positions; showers of cosmic rays fall on the second exposure.
Observation 002 looks at empty sky. All light has fringes that the fringe reference
divides out, and others of the same period that only `residual_fringe` takes away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

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
    lines=(Line(5.34, 0.0025, 0.1), Line(8.025, 0.0035, 0.1)),
)
"""What the source shines."""
SCENE = Scene(SOURCE.position, SPECTRUM, background_mjy_sr=50.0, sigma_arcsec=0.14)
"""The science field."""
SKY = Scene(EMPTY.position, None, background_mjy_sr=50.0, sigma_arcsec=0.14)
"""The background field."""
FRINGE = Fringe(amplitude=0.04, period_per_cm=2.8, phase=1.0)
"""The fringes that are in no reference."""
SHOWERS = (
    Shower(6, 300, 400, 14.0, 22.0, 40.0),
    Shower(9, 720, 800, 20.0, 16.0, 60.0),
)
"""The showers on the second exposure."""
GROUPS = 13
"""Reads of an exposure: the jump step seeks showers in 10 differences or more."""

_APERTURE = Aperture("MIRIFU_CHANNEL1A", -503.340569, -318.864046, 8.4)
_HOT, _WARM = 100, 300
_COSMIC_RAYS = 30


@dataclass(frozen=True, slots=True)
class MrsProgram:
    """A sample program of the MRS."""

    mode: Mode
    """The mode of the sample."""
    bands: tuple[str, ...]
    """Bands that it is observed in."""
    grids: tuple[BandGrid, ...]
    """Cubes, which cover the lines and no more, to be quick."""

    @property
    def seed(self) -> int:
        """Seed of the flawed pixels; exposures add their number to it."""
        return int(self.mode.program)


PROGRAMS = {
    Mode.MIRI_MRS: MrsProgram(
        Mode.MIRI_MRS,
        ("SHORT",),
        (
            BandGrid("1", "SHORT", (5.25, 5.45), 0.0008, 0.13),
            BandGrid("2", "SHORT", (7.8, 8.2), 0.0013, 0.17),
        ),
    )
}
"""The sample programs of the MRS by mode."""


def plan_exposures(program: MrsProgram) -> list[RawExposure]:
    """List the raw exposures of a program."""
    science = RawExposure(
        program=program.mode.program,
        observation="001",
        activity="02101",
        number=1,
        exp_type="MIR_MRS",
        template="MIRI Medium Resolution Spectroscopy",
        target=SOURCE,
        aperture=_APERTURE,
        subarray=MRS,
        groups=GROUPS,
        integrations=1,
        start_s=0.0,
        detector="MIRIFUSHORT",
        band=program.bands[0],
        offset_arcsec=(0.5, 0.35),
        dither=("2-POINT", 1, 2),
    )
    second = replace(
        science,
        number=2,
        start_s=600.0,
        offset_arcsec=(-0.55, -0.4),
        dither=("2-POINT", 2, 2),
    )
    background = replace(
        science,
        observation="002",
        target=EMPTY,
        is_background=True,
        start_s=7200.0,
        offset_arcsec=(0.0, 0.0),
        dither=("NONE", 1, 1),
    )
    return [science, second, background]


def _list_showers(raw: RawExposure) -> tuple[Shower, ...]:
    return SHOWERS if raw.number == 2 and raw.band == "SHORT" else ()


def _simulate(raw: RawExposure, light: MrsLight, still: Image, *, seed: int) -> Any:
    scene = SKY if raw.is_background else SCENE
    rate = light.rate(raw, scene, FRINGE) * light.fringes(FLAT_FRINGE)
    return simulate_ramps(
        [rate + still],
        MRS,
        groups=raw.groups,
        noise=Noise(seed, cosmic_rays_per_group=_COSMIC_RAYS, stripes_dn=0.0),
        showers=_list_showers(raw),
    )


def _publish_truth(
    folder: Path, program: MrsProgram, plan: Iterable[RawExposure], light: MrsLight
) -> None:
    meta = {"program": program.mode.program, "seed": program.seed}
    resolutions = {
        line: measure_resolution(*light.dispersion(), line.wavelength_um)
        for line in SPECTRUM.lines
    }
    more = {
        **meta,
        "ra_deg": SOURCE.position.ra,
        "dec_deg": SOURCE.position.dec,
        "background_mjy_sr": SCENE.background_mjy_sr,
        "fringe": asdict(FRINGE),
    }
    table = spectrum_table(SPECTRUM, (5.2, 8.3), resolutions, more, step_um=0.0005)
    publish_table(folder / f"{program.mode}_spectrum.ecsv", table)
    rows = [
        {"exposure": raw.stem, **asdict(shower)}
        for raw in plan
        for shower in _list_showers(raw)
    ]
    publish_table(folder / f"{program.mode}_showers.ecsv", Table(rows=rows, meta=meta))


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
    _publish_truth(truth, program, plan, lights[program.bands[0]])
    flaws = make_flaws(MRS, hot=_HOT, warm=_WARM, seed=seed)
    still = flaws.dark_current(MRS.shape)
    folder = archive / program.mode.program
    return [
        write_raw(
            folder,
            raw,
            _simulate(raw, lights[str(raw.band)], still, seed=seed + number),
        )
        for number, raw in enumerate(plan, start=1)
    ]
