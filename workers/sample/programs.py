"""What each mode adds to a sample: references and exposures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import miri_mrs, nirspec_bots_prism, nirspec_ifu_prism
from .contexts import write_contexts
from .detector_references import add_detector_references, add_mrs_detector_references
from .frames import FULL, SUB512
from .geometry import load_geometry
from .library import Library
from .mrs_geometry import load_bands
from .mrs_light import MrsLight, trace_mrs
from .mrs_optics import add_mrs_optics
from .mrs_references import add_band_references, add_mrs_references
from .optics import add_optics
from .sample_set import Mode, SampleSet
from .spectral_references import add_ifu_references, add_slit_references
from .step_parameters import add_parameters

__all__ = ["Optics", "make_programs", "make_references"]

_MAKERS = {
    Mode.NIRSPEC_IFU_PRISM: nirspec_ifu_prism.make_exposures,
    Mode.NIRSPEC_BOTS_PRISM: nirspec_bots_prism.make_exposures,
}


def _add_ifu_prism(library: Library) -> None:
    add_detector_references(library, FULL, serial=1, dark=False)
    add_ifu_references(library, nirspec_ifu_prism.CUBE)


def _add_bots_prism(library: Library) -> None:
    add_detector_references(library, SUB512, serial=2, dark=True)
    add_slit_references(library, "NRS_BRIGHTOBJ")


_REFERENCES = {
    Mode.NIRSPEC_IFU_PRISM: _add_ifu_prism,
    Mode.NIRSPEC_BOTS_PRISM: _add_bots_prism,
}


@dataclass(frozen=True, slots=True)
class Optics:
    """What exposures are simulated with."""

    nirspec: Mapping[str, Path]
    """References of the optics of NIRSpec by type."""
    tilt_readings: tuple[float, float]
    """What the sensors of the grating wheel of NIRSpec read."""
    mrs: Mapping[str, MrsLight]
    """The lit pixels of MIRIFUSHORT by band."""


def _add_nirspec(library: Library, modes: Sequence[Mode]) -> Mapping[str, Path]:
    if not modes:
        return {}
    names = add_optics(library, load_geometry())
    for mode in modes:
        _REFERENCES[mode](library)
    add_parameters(library)
    return {kind: library.folder / name for kind, name in names.items()}


def _add_mrs(library: Library, modes: Sequence[Mode]) -> Mapping[str, MrsLight]:
    if not modes:
        return {}
    bands, programs = load_bands(), miri_mrs.PROGRAMS
    wanted = {name for mode in modes for name in programs[mode].bands}
    maps = add_mrs_optics(library, bands, sorted(wanted))
    lights = {name: trace_mrs(bands[name], maps[name]) for name in maps}
    for name, light in lights.items():
        add_band_references(library, name, maps[name], light)
    # What is shared does not depend on the modes: a mode can be added to a sample.
    grids = {grid for program in programs.values() for grid in program.grids}
    add_mrs_references(library, sorted(grids))
    add_mrs_detector_references(library)
    add_parameters(library)
    return lights


def make_references(cache: Path, modes: tuple[Mode, ...]) -> Optics:
    """Publish a CRDS cache with two contexts."""
    nirspec, miri = Library(cache), Library(cache, "MIRI")
    references = _add_nirspec(nirspec, [mode for mode in modes if mode in _MAKERS])
    lights = _add_mrs(miri, [mode for mode in modes if mode in miri_mrs.PROGRAMS])
    write_contexts(cache, [*nirspec, *miri])
    prism = load_geometry().prism
    readings = prism.tilt_x_sensor.zero, prism.tilt_y_sensor.zero
    return Optics(references, readings, lights)


def make_programs(
    sample: SampleSet, optics: Optics, on_progress: Callable[[str], None]
) -> None:
    """Publish the raw exposures and the truth of each mode."""
    folders = sample.archive, sample.truth
    for mode in sample.modes:
        on_progress(f"Simulating program {mode.program} ({mode}).")
        if mode in miri_mrs.PROGRAMS:
            program = miri_mrs.PROGRAMS[mode]
            miri_mrs.make_exposures(*folders, program, optics.mrs)
        else:
            _MAKERS[mode](*folders, optics.nirspec, optics.tilt_readings)
