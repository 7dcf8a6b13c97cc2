"""What each mode adds to a sample: references and exposures."""

from collections.abc import Callable, Mapping
from pathlib import Path

from workers.contract import NOT_APPLICABLE

from . import (
    nirspec_bots_prism,
    nirspec_fs_prism,
    nirspec_ifu_prism,
    nirspec_mos_prism,
)
from .contexts import write_contexts
from .detector_references import Readout, add_detector_references
from .frames import FULL, SUB512, SUBS200A1
from .geometry import Geometry, load_geometry, load_msa_geometry
from .library import Library
from .msa_references import add_fixed_slit_references, add_shutter_references
from .optics import add_msa_optics, add_optics
from .sample_set import Mode, SampleSet
from .spectral_references import (
    add_ifu_references,
    add_slit_references,
    offer_by_mode,
)
from .step_parameters import add_parameters

__all__ = ["make_programs", "make_references"]

Optics = Mapping[str, Path]
"""References of the optics by type."""

_MAKERS = {
    Mode.NIRSPEC_IFU_PRISM: nirspec_ifu_prism.make_exposures,
    Mode.NIRSPEC_BOTS_PRISM: nirspec_bots_prism.make_exposures,
    Mode.NIRSPEC_MOS_PRISM: nirspec_mos_prism.make_exposures,
    Mode.NIRSPEC_FS_PRISM: nirspec_fs_prism.make_exposures,
}

_READOUTS = {
    Mode.NIRSPEC_IFU_PRISM: (Readout(FULL, serial=1),),
    Mode.NIRSPEC_BOTS_PRISM: (Readout(SUB512, serial=2, dark=True),),
    Mode.NIRSPEC_MOS_PRISM: (
        Readout(FULL, serial=1),
        Readout(FULL, serial=3, detector="NRS2"),
    ),
    Mode.NIRSPEC_FS_PRISM: (Readout(SUBS200A1, serial=4),),
}
"""What modes read of the detectors; several may read the same."""

_MSA = frozenset({Mode.NIRSPEC_MOS_PRISM, Mode.NIRSPEC_FS_PRISM})
"""Modes that take the optics of the shutters and the slits beside them."""


def _add_ifu_prism(library: Library) -> None:
    add_ifu_references(library, nirspec_ifu_prism.CUBE)


def _add_bots_prism(library: Library) -> None:
    add_slit_references(library, "NRS_BRIGHTOBJ", serial=2)
    offer_by_mode(library, "extract1d", NOT_APPLICABLE, "NRS_BRIGHTOBJ")


def _add_mos_prism(library: Library) -> None:
    add_shutter_references(library, [nirspec_mos_prism.STUCK_OPEN])


_REFERENCES: Mapping[Mode, Callable[[Library], None]] = {
    Mode.NIRSPEC_IFU_PRISM: _add_ifu_prism,
    Mode.NIRSPEC_BOTS_PRISM: _add_bots_prism,
    Mode.NIRSPEC_MOS_PRISM: _add_mos_prism,
    Mode.NIRSPEC_FS_PRISM: add_fixed_slit_references,
}


def make_references(
    cache: Path, modes: tuple[Mode, ...]
) -> tuple[Geometry, Mapping[Mode, Optics]]:
    """Publish a CRDS cache with two contexts.

    Returns
    -------
    geometry
        What the optics were made of.
    optics
        The references of the optics for each mode.
    """
    geometry, library = load_geometry(), Library(cache)
    names = add_optics(library, geometry)
    msa_names = {**names, **add_msa_optics(library, load_msa_geometry())}
    readouts = [readout for mode in modes for readout in _READOUTS.get(mode, ())]
    for readout in dict.fromkeys(readouts):
        add_detector_references(library, readout)
    for mode in modes:
        _REFERENCES[mode](library)
    add_parameters(library)
    write_contexts(cache, library)
    by_mode = {mode: msa_names if mode in _MSA else names for mode in modes}
    return geometry, {
        mode: {kind: library.folder / name for kind, name in chosen.items()}
        for mode, chosen in by_mode.items()
    }


def make_programs(
    sample: SampleSet,
    geometry: Geometry,
    optics: Mapping[Mode, Optics],
    on_progress: Callable[[str], None],
) -> None:
    """Publish the raw exposures and the truth of each mode."""
    prism = geometry.prism
    readings = prism.tilt_x_sensor.zero, prism.tilt_y_sensor.zero
    for mode in sample.modes:
        on_progress(f"Simulating program {mode.program} ({mode}).")
        _MAKERS[mode](sample.archive, sample.truth, optics[mode], readings)
