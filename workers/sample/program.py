"""A sample program as data, and the one way from its plan to its files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.table import Table

from .exposures import RawExposure
from .frames import DETECTORS, Image
from .library import Library
from .nirspec_light import Tracer
from .ramps import Defects, simulate_ramps
from .raw_files import write_raw
from .sample_set import Mode, SampleSet
from .scene import Scene
from .transit import TimedTransit, Transit
from .truth import publish_table

__all__ = ["AddReferences", "Program", "Tables", "make_program"]

AddReferences = Callable[[Library], None]
"""Publishes references; programs may share it."""
Tables = Iterator[tuple[str, Table]]
"""Tables of the truth by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is observed, through what, and what is known of it."""

    mode: Mode
    """The mode that it is the sample of."""
    references: tuple[AddReferences, ...]
    """The references that it needs, but for those of its readouts."""
    plan: Callable[[], list[RawExposure]]
    """Lists the raw files."""
    scene: Scene
    """What is in the field."""
    sky: Scene | None = None
    """What is where its backgrounds look."""
    see: Callable[["Program", Tracer, RawExposure], Image]
    """Returns the light (DN/s) that falls on the detector in an exposure."""
    tabulate: Callable[["Program", Tracer, Sequence[RawExposure]], Tables]
    """Tabulates the truth."""
    transit: Transit | TimedTransit | None = None
    """What takes some of the light of its time series."""
    defects: Defects
    """What spoils its exposures."""
    seeds: Sequence[int] = range(1, 10)
    """What the raw files add to the number of the program for a seed of their own."""
    write_companions: Callable[[Path], object] | None = None
    """Writes into the folder of the raw files what goes with them."""

    @property
    def instrument(self) -> str:
        """Instrument that it is observed with."""
        return self.mode.partition("-")[0].upper()

    @property
    def seed(self) -> int:
        """Seed of what all exposures have in common."""
        return int(self.mode.program)

    def find_scene(self, raw: RawExposure) -> Scene:
        """Return what an exposure looks at."""
        return self.sky if raw.is_background and self.sky else self.scene

    def describe(self) -> dict[str, object]:
        """Return what its tables say first."""
        position = self.scene.position
        return {
            "program": self.mode.program,
            "seed": self.seed,
            "ra_deg": position.ra,
            "dec_deg": position.dec,
        }


def make_program(program: Program, sample: SampleSet, tracer: Tracer) -> None:
    """Publish the truth and the raw files of a program."""
    plan, folder = program.plan(), sample.archive / program.mode.program
    for kind, table in program.tabulate(program, tracer, plan):
        publish_table(sample.truth / f"{program.mode}_{kind}.ecsv", table)
    if program.write_companions:
        program.write_companions(folder)
    seeds = program.seeds[: len(plan)]
    for place, (raw, seed) in enumerate(zip(plan, seeds, strict=True)):
        defects = program.defects
        if place != 1:
            defects = replace(defects, showers=())
        still = defects.still_image(
            *(raw.subarray, program.seed), exposure_seed=program.seed + seed
        )
        ramps = simulate_ramps(
            [rate + still for rate in _list_rates(program, tracer, raw)],
            raw.subarray,
            groups=raw.groups,
            fast_axis=DETECTORS[raw.detector].fast_axis,
            seed=program.seed + seed,
            defects=defects,
        )
        write_raw(folder, raw, ramps)


def _list_rates(program: Program, tracer: Tracer, raw: RawExposure) -> list[Image]:
    """List the light in each integration."""
    light = program.see(program, tracer, raw)
    parts = np.ones(raw.integrations)
    if program.transit is not None and raw.is_time_series:
        parts = program.transit.transmission(raw)
    return [light * np.float32(part) for part in parts]
