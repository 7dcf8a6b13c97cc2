"""What each mode adds to a sample: references and exposures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from workers.contract import NOT_APPLICABLE

from . import (
    miri_lrs_slit,
    miri_lrs_slitless,
    miri_mrs,
    nirspec_bots_g395h,
    nirspec_bots_prism,
    nirspec_fs_prism,
    nirspec_ifu_gratings,
    nirspec_ifu_nod,
    nirspec_ifu_prism,
    nirspec_mos_prism,
)
from .contexts import write_contexts
from .detector_references import Readout, add_detector_references
from .frames import FULL, SUB512, SUB2048, SUBS200A1
from .geometry import load_geometry, load_grating_geometry, load_msa_geometry
from .library import Library
from .lrs_references import FULL_READOUT, SLITLESS_READOUT, add_lrs_references
from .mrs_geometry import load_bands
from .mrs_light import MrsLight, trace_mrs
from .mrs_optics import add_band_optics, add_wavelengthrange
from .mrs_references import READOUT, add_band_references, add_mrs_references
from .msa_references import add_fixed_slit_references, add_shutter_references
from .optics import add_grating_optics, add_msa_optics, add_optics
from .sample_set import Mode, SampleSet
from .spectral_references import (
    add_ifu_references,
    add_slit_references,
    offer_by_mode,
)
from .step_parameters import EXP_TYPES, add_parameters

__all__ = ["Optics", "Spectrograph", "make_programs", "make_references"]

_Item = TypeVar("_Item")

Files = Mapping[str, Path]
"""References of the optics of NIRSpec by type."""
Make = Callable[[Path, Path, Files, tuple[float, float]], list[Path]]
"""Publishes raw exposures and their truth."""


@dataclass(frozen=True, slots=True)
class _NirspecMode:
    """What a mode of NIRSpec adds."""

    readouts: tuple[Readout, ...]
    """What it reads of the detectors; several modes may read the same."""
    add_references: Callable[[Library], None]
    """Publishes what it needs after detector1; modes may share it."""
    make_exposures: Mapping[str, Make]
    """Makes its program, by disperser."""
    through_msa: bool = False
    """Whether it takes the optics of the shutters and the slits beside them."""


def _add_ifu(library: Library) -> None:
    gratings = nirspec_ifu_gratings.HIGH.cube, nirspec_ifu_gratings.MEDIUM.cube
    add_ifu_references(library, [nirspec_ifu_prism.CUBE, *gratings])


def _add_bots(library: Library) -> None:
    add_slit_references(library, "NRS_BRIGHTOBJ", serial=2)
    offer_by_mode(library, "extract1d", NOT_APPLICABLE, "NRS_BRIGHTOBJ")


def _add_mos_prism(library: Library) -> None:
    add_shutter_references(library, [nirspec_mos_prism.STUCK_OPEN])


_NIRSPEC = {
    Mode.NIRSPEC_IFU_PRISM: _NirspecMode(
        (Readout(FULL, serial=1),),
        _add_ifu,
        {"PRISM": nirspec_ifu_prism.make_exposures},
    ),
    Mode.NIRSPEC_IFU_NOD: _NirspecMode(
        (Readout(FULL, serial=1),),
        _add_ifu,
        {"PRISM": nirspec_ifu_nod.make_exposures},
    ),
    Mode.NIRSPEC_BOTS_PRISM: _NirspecMode(
        (Readout(SUB512, serial=2, dark=True),),
        _add_bots,
        {"PRISM": nirspec_bots_prism.make_exposures},
    ),
    Mode.NIRSPEC_IFU_GRATINGS: _NirspecMode(
        (Readout(FULL, serial=1), Readout(FULL, serial=3, detector="NRS2")),
        _add_ifu,
        {
            each.grating: partial(nirspec_ifu_gratings.make_exposures, observation=each)
            for each in (nirspec_ifu_gratings.HIGH, nirspec_ifu_gratings.MEDIUM)
        },
    ),
    Mode.NIRSPEC_BOTS_G395H: _NirspecMode(
        (
            Readout(SUB2048, serial=5, dark=True),
            Readout(SUB2048, serial=6, detector="NRS2", dark=True),
        ),
        _add_bots,
        {"G395H": nirspec_bots_g395h.make_exposures},
    ),
    Mode.NIRSPEC_MOS_PRISM: _NirspecMode(
        (Readout(FULL, serial=1), Readout(FULL, serial=3, detector="NRS2")),
        _add_mos_prism,
        {"PRISM": nirspec_mos_prism.make_exposures},
        through_msa=True,
    ),
    Mode.NIRSPEC_FS_PRISM: _NirspecMode(
        (Readout(SUBS200A1, serial=4),),
        add_fixed_slit_references,
        {"PRISM": nirspec_fs_prism.make_exposures},
        through_msa=True,
    ),
}
"""The modes of NIRSpec; those of the MRS are `miri_mrs.PROGRAMS`."""


@dataclass(frozen=True, slots=True)
class _LrsMode:
    """What a mode of the LRS adds."""

    readout: Readout
    """What it reads of the detector."""
    make_exposures: Callable[[Path, Path], list[Path]]
    """Publishes its raw exposures and its truth."""


_LRS = {
    Mode.MIRI_LRS_SLIT: _LrsMode(FULL_READOUT, miri_lrs_slit.make_exposures),
    Mode.MIRI_LRS_SLITLESS: _LrsMode(
        SLITLESS_READOUT, miri_lrs_slitless.make_exposures
    ),
}
"""The modes of the LRS."""


@dataclass(frozen=True, slots=True)
class Spectrograph:
    """NIRSpec with a disperser."""

    references: Files
    """References of the optics by type."""
    tilt_readings: tuple[float, float]
    """What the sensors of the grating wheel read."""


@dataclass(frozen=True, slots=True)
class Optics:
    """What exposures are simulated with."""

    nirspec: Mapping[Mode, Mapping[str, Spectrograph]]
    """NIRSpec by mode and disperser."""
    mrs: Mapping[str, MrsLight]
    """The lit pixels of MIRIFUSHORT by band."""


def _add_nirspec(
    library: Library, modes: Sequence[Mode]
) -> Mapping[Mode, Mapping[str, Spectrograph]]:
    wanted = [_NIRSPEC[mode] for mode in modes]
    readouts = {readout for each in wanted for readout in each.readouts}
    needed = {each.add_references for each in wanted}
    with library.publishing(is_wanted=bool(modes)):
        chosen = _add_spectrographs(library)
        add_parameters(library)
    for readout in _unique(each.readouts for each in _NIRSPEC.values()):
        with library.publishing(is_wanted=readout in readouts):
            add_detector_references(library, readout)
    for add_references in _unique((m.add_references,) for m in _NIRSPEC.values()):
        with library.publishing(is_wanted=add_references in needed):
            add_references(library)
    return {mode: chosen[_NIRSPEC[mode].through_msa] for mode in modes}


def _unique(groups: Iterable[Iterable[_Item]]) -> Iterable[_Item]:
    """Give each item of all groups once, in their order."""
    return dict.fromkeys(item for group in groups for item in group)


def _add_spectrographs(
    library: Library,
) -> Mapping[bool, Mapping[str, Spectrograph]]:
    """Publish the optics; give them by whether light comes through the shutters."""
    geometry = load_geometry()
    names = add_optics(library, geometry)
    msa_names = {**names, **add_msa_optics(library, load_msa_geometry())}
    gratings = add_grating_optics(library, load_grating_geometry())

    def describe(disperser: str, names: Mapping[str, str]) -> Spectrograph:
        files = {kind: library.folder / name for kind, name in names.items()}
        sensors = geometry.dispersers[disperser]
        readings = sensors.tilt_x_sensor.zero, sensors.tilt_y_sensor.zero
        return Spectrograph(files, readings)

    return {
        False: {
            "PRISM": describe("PRISM", names),
            **{name: describe(name, names | own) for name, own in gratings.items()},
        },
        True: {"PRISM": describe("PRISM", msa_names)},
    }


def _add_mrs(library: Library, modes: Sequence[Mode]) -> Mapping[str, MrsLight]:
    bands, programs = load_bands(), miri_mrs.PROGRAMS
    wanted = {name for mode in modes for name in programs[mode].bands}
    lights = {}
    for name in sorted({name for each in programs.values() for name in each.bands}):
        with library.publishing(is_wanted=name in wanted):
            slices = add_band_optics(library, bands[name])
            lights[name] = trace_mrs(bands[name], slices)
            add_band_references(library, name, slices, lights[name])
    grids = {grid for program in programs.values() for grid in program.grids}
    with library.publishing(is_wanted=bool(modes)):
        add_wavelengthrange(library, bands.values())
        add_mrs_references(library, sorted(grids))
        add_detector_references(library, READOUT)
    return lights


def _add_miri(library: Library, modes: Sequence[Mode]) -> Mapping[str, MrsLight]:
    lights = _add_mrs(library, [mode for mode in modes if mode in miri_mrs.PROGRAMS])
    with library.publishing(is_wanted=any(mode in _LRS for mode in modes)):
        add_lrs_references(library)
    for mode, each in _LRS.items():
        with library.publishing(is_wanted=mode in modes):
            add_detector_references(library, each.readout)
    with library.publishing(is_wanted=bool(modes)):
        add_parameters(library)
    library.fill(EXP_TYPES["MIRI"])
    return lights


def make_references(cache: Path, modes: tuple[Mode, ...]) -> Optics:
    """Publish a CRDS cache with two contexts.

    Rules are those of all modes, and no file depends on which are made: a mode can be
    added, and nothing that is there changes.

    Parameters
    ----------
    modes
        Those whose reference files are published.
    """
    nirspec, miri = Library(cache, "NIRSPEC"), Library(cache, "MIRI")
    spectrographs = _add_nirspec(nirspec, [m for m in modes if m in _NIRSPEC])
    lights = _add_miri(miri, [mode for mode in modes if mode not in _NIRSPEC])
    write_contexts(cache, [*nirspec, *miri])
    return Optics(spectrographs, lights)


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
        elif mode in _LRS:
            _LRS[mode].make_exposures(*folders)
        else:
            for disperser, make in _NIRSPEC[mode].make_exposures.items():
                spectrograph = optics.nirspec[mode][disperser]
                make(*folders, spectrograph.references, spectrograph.tilt_readings)
