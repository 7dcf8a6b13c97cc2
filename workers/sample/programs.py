"""What each mode adds to a sample: references and exposures."""

from collections.abc import Callable, Mapping
from pathlib import Path

from . import nirspec_bots_prism, nirspec_ifu_prism
from .contexts import write_contexts
from .detector_references import add_detector_references
from .frames import FULL, SUB512
from .geometry import Geometry, load_geometry
from .library import Library
from .optics import add_optics
from .sample_set import Mode, SampleSet
from .spectral_references import add_ifu_references, add_slit_references
from .step_parameters import add_parameters

__all__ = ["make_programs", "make_references"]

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


def make_references(
    cache: Path, modes: tuple[Mode, ...]
) -> tuple[Geometry, Mapping[str, Path]]:
    """Publish a CRDS cache with two contexts.

    Returns
    -------
    geometry
        What the optics were made of.
    references
        The references of the optics by type.
    """
    geometry, library = load_geometry(), Library(cache)
    names = add_optics(library, geometry)
    for mode in modes:
        _REFERENCES[mode](library)
    add_parameters(library)
    write_contexts(cache, library)
    return geometry, {kind: library.folder / name for kind, name in names.items()}


def make_programs(
    sample: SampleSet,
    geometry: Geometry,
    references: Mapping[str, Path],
    on_progress: Callable[[str], None],
) -> None:
    """Publish the raw exposures and the truth of each mode."""
    prism = geometry.prism
    readings = prism.tilt_x_sensor.zero, prism.tilt_y_sensor.zero
    for mode in sample.modes:
        on_progress(f"Simulating program {mode.program} ({mode}).")
        _MAKERS[mode](sample.archive, sample.truth, references, readings)
