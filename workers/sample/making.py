"""Makes sample programs: raw exposures, a CRDS cache, and the truth."""

from collections.abc import Callable, Collection, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from filelock import FileLock

from ..child import listening, make_sender, run_in_child
from ..errors import SampleError
from .sample_set import Mode, SampleSet, find_sample, list_spoilt, read_modes

__all__ = ["make_sample"]


def _ignore(_: str) -> None:
    pass


def make_sample(
    directory: Path,
    *,
    modes: Sequence[Mode] = Mode.list_usual(),
    on_progress: Callable[[str], None] = _ignore,
) -> SampleSet:
    """Make sample programs, or find them if they are there and whole.

    The same version makes the same files, byte by byte, on whichever machine (x86-64
    with AVX2), whichever modes it makes in whichever order; what is there is never
    changed. All take a minute or two.

    Parameters
    ----------
    directory
        Folder of samples, of any version; it is made.
    modes
        Modes to make a program of; by default all but those that show defects.
        Programs that are there already are kept.
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
    try:
        return _make_locked(directory, modes, on_progress)
    except OSError as error:
        raise SampleError(
            f"The sample in {directory} could not be written: {error}."
            " What is there is not whole; make it again."
        ) from error


def _make_locked(
    directory: Path, modes: Sequence[Mode], on_progress: Callable[[str], None]
) -> SampleSet:
    """Make what nobody else has made when it is this process's turn."""
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{SampleSet(directory, ()).folder}.lock"):
        there = read_modes(directory)
        spoilt = list_spoilt(directory) if there else ()
        for path in spoilt:
            path.unlink(missing_ok=True)
        wanted = {*modes, *there}
        missing = wanted if spoilt else wanted - {*there}
        sample = SampleSet(directory, _sort(wanted))
        if missing:
            _make_apart(SampleSet(directory, _sort(missing)), on_progress)
            on_progress("Listing the files of the sample.")
            sample.write_manifest()
    return sample


def _sort(modes: Collection[Mode]) -> tuple[Mode, ...]:
    return tuple(mode for mode in Mode if mode in modes)


def _make_apart(sample: SampleSet, on_progress: Callable[[str], None]) -> None:
    """Make a sample in a child, whose pixels do not depend on the processor."""
    with listening(on_progress) as sender:
        end = run_in_child(_make, sample, sender)
    if end.exit_code:
        raise SampleError(
            f"The process that made the sample in {sample.directory} ended with exit "
            f"code {end.exit_code}; make it again."
        )
    if end.answer:
        raise OSError(end.answer)


def _make(sample: SampleSet, sender: Connection | None) -> str:
    """Make a sample; return the error of the file system, if any."""
    from .catalogue import make_programs, make_references  # takes seconds

    on_progress = make_sender(sender)
    on_progress("Making the reference files and both contexts.")
    try:
        tracer = make_references(sample.crds, sample.modes)
        make_programs(sample, tracer, on_progress)
    except OSError as error:
        return str(error)
    return ""
