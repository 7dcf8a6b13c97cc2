"""Errors of the data plane.

WorkerError                     stop and mend what the message names
* CrdsCacheError                the cache or the context cannot be used
  x ReferenceMissingError       a selected file is not in the cache
  x ReferenceChangedError       a file is not the one that was resolved
* InputChangedError             an input is not the file that was planned
* MetafileError                 an MSA metafile does not fit the exposure
* ParameterError                a recipe sets what the pipeline does not have
* ResolvedNotUsedError          a product records other references or parameters
* VersionMismatchError          this worker has another calibration code
* SampleError                   a sample program cannot be made

They cross the wire as `ErrorInfo`, never as exceptions.
"""

__all__ = [
    "CrdsCacheError",
    "InputChangedError",
    "MetafileError",
    "ParameterError",
    "ReferenceChangedError",
    "ReferenceMissingError",
    "ResolvedNotUsedError",
    "SampleError",
    "VersionMismatchError",
    "WorkerError",
]


class WorkerError(Exception):
    """Stop; its message tells the user what to mend."""


class CrdsCacheError(WorkerError):
    """The CRDS cache or the context cannot be used."""


class ReferenceMissingError(CrdsCacheError):
    """A file that the rules select is not in the cache."""


class ReferenceChangedError(CrdsCacheError):
    """A reference file is not the one that was resolved."""


class InputChangedError(WorkerError):
    """An input file is not the one that was planned."""


class MetafileError(WorkerError):
    """An MSA metafile is damaged, or is not that of the exposure."""


class ParameterError(WorkerError):
    """A recipe sets a parameter that the pipeline does not have."""


class ResolvedNotUsedError(WorkerError):
    """The pipeline used other references or parameters than were resolved."""


class VersionMismatchError(WorkerError):
    """The worker has another calibration code than the job was planned for."""


class SampleError(WorkerError):
    """A sample program cannot be made here."""
