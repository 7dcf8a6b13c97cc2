"""The sample programs, and how the ones that are wanted are made."""

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

from .contexts import write_contexts
from .detector_references import READOUTS, add_detector_references
from .flawed import BOTS_FLAWED, BOTS_NRS2_FLAWED, IFU_FLAWED, MOS_FLAWED, MRS_FLAWED
from .library import Library
from .miri_lrs import LRS_SLIT, LRS_SLITLESS
from .miri_mrs import MRS, MRS_BANDS
from .nirspec_ifu import IFU_GRATINGS, IFU_NOD, IFU_PRISM
from .nirspec_light import Tracer
from .nirspec_mos import MOS_PRISM
from .nirspec_slits import BOTS_G395H, BOTS_PRISM, FS_PRISM
from .program import make_program
from .sample_set import Mode, SampleSet
from .step_parameters import EXP_TYPES

__all__ = ["PROGRAMS", "make_programs", "make_references"]

_ALL = (
    *(IFU_PRISM, IFU_NOD, BOTS_PRISM, IFU_GRATINGS, BOTS_G395H, MOS_PRISM, FS_PRISM),
    *(MRS, MRS_BANDS, LRS_SLIT, LRS_SLITLESS, BOTS_FLAWED, MRS_FLAWED),
    *(IFU_FLAWED, MOS_FLAWED, BOTS_NRS2_FLAWED),
)
PROGRAMS = {program.mode: program for program in _ALL}
"""The sample programs; their references are numbered in this order."""


def make_references(cache: Path, modes: Sequence[Mode]) -> Tracer:
    """Publish a CRDS cache with two contexts.

    Rules are those of all modes, and no file depends on which are made: a mode can be
    added, and nothing that is there changes.

    Parameters
    ----------
    modes
        Those whose reference files are published.

    Returns
    -------
    tracer
        Of light through the references of NIRSpec.
    """
    libraries = {name: Library(cache, name) for name in READOUTS}
    for library in libraries.values():
        _add_references(library, modes)
    write_contexts(cache, chain.from_iterable(libraries.values()))
    return Tracer(libraries["NIRSPEC"])


def _add_references(library: Library, modes: Sequence[Mode]) -> None:
    """Add the references of all programs of an instrument."""
    programs = [each for each in _ALL if each.instrument == library.instrument]
    wanted = [each for each in programs if each.mode in modes]
    needed = {add for each in wanted for add in each.references}
    for add in dict.fromkeys(add for each in programs for add in each.references):
        with library.publishing(is_wanted=add in needed):
            add(library)
    read = {(raw.detector, raw.subarray) for each in wanted for raw in each.plan()}
    for readout in READOUTS[library.instrument]:
        with library.publishing(is_wanted=(readout.detector, readout.subarray) in read):
            add_detector_references(library, readout)
    library.fill(EXP_TYPES[library.instrument])


def make_programs(
    sample: SampleSet, tracer: Tracer, on_progress: Callable[[str], None]
) -> None:
    """Publish the raw exposures and the truth of each mode."""
    for mode in sample.modes:
        on_progress(f"Simulating program {mode.program} ({mode}).")
        make_program(PROGRAMS[mode], sample, tracer)
