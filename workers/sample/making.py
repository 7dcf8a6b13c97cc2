"""Makes sample programs: raw exposures, a CRDS cache, and the truth."""

from collections.abc import Callable, Sequence
from pathlib import Path

from workers.errors import SampleError

from .sample_set import MANIFEST, Mode, SampleSet, find_sample

__all__ = ["make_sample"]


def _ignore(_: str) -> None:
    pass


def make_sample(
    directory: Path,
    *,
    modes: Sequence[Mode] = tuple(Mode),
    on_progress: Callable[[str], None] = _ignore,
) -> SampleSet:
    """Make sample programs, or find them if they are there and whole.

    The same version makes the same files, byte by byte. It takes a minute or two.

    Parameters
    ----------
    directory
        Folder of the sample; it is made.
    modes
        Modes to make a program of. Programs that are there already are kept.
    on_progress
        Called with one sentence at each step.

    Raises
    ------
    SampleError
        The files cannot be written.
    """
    found = find_sample(directory)
    if found and set(modes) <= set(found.modes):
        on_progress(f"The sample in {directory} is whole.")
        return found
    wanted = {*modes, *(found.modes if found else ())}
    sample = SampleSet(directory, tuple(mode for mode in Mode if mode in wanted))
    try:
        _make(sample, on_progress)
    except OSError as error:
        raise SampleError(
            f"The sample in {directory} could not be written: {error}."
            " What is there is not whole; make it again."
        ) from error
    return sample


def _make(sample: SampleSet, on_progress: Callable[[str], None]) -> None:
    from .programs import make_programs, make_references  # takes seconds

    (sample.directory / MANIFEST).unlink(missing_ok=True)
    on_progress("Making the reference files and both contexts.")
    optics = make_references(sample.crds, sample.modes)
    make_programs(sample, optics, on_progress)
    on_progress("Listing the files of the sample.")
    sample.write_manifest()
