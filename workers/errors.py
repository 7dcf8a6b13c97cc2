"""Errors of the data plane.

WorkerError                     stop and mend what the message names
* BroughtError                  a file that a user brings cannot be used
* CrdsCacheError                the cache or the context cannot be used
  x ReferenceMissingError       a selected file is not in the cache
  x ReferenceChangedError       a file is not the one that was resolved
* EditError                     an edit of a recipe does not fit a file
* InputChangedError             an input is not the file that was planned
* MeasurementError              a number cannot be taken from a product
* MetafileError                 an MSA metafile does not fit the exposure
* ParameterError                a recipe sets what the pipeline does not have
* PictureError                  something cannot be drawn of a product
* ProcessorError                this machine would give other pixels
* ProductError                  a file is not a product that can be read
* ResolvedNotUsedError          a product records other references or parameters
* SlitError                     files are not calibrated slits of exposures
* VersionMismatchError          this worker has another calibration code
* SampleError                   a sample program cannot be made
* TreeError                     a folder is not where folders may be removed
* TransferError                 a file cannot be had from a server
  x TransientTransferError      this try failed; another one may not
  x AccessDeniedError           the server does not give it to us
  x NotHeldError                the server does not have it

They cross the wire as `ErrorInfo`, never as exceptions.
"""

__all__ = [
    "AccessDeniedError",
    "BroughtError",
    "CrdsCacheError",
    "EditError",
    "InputChangedError",
    "MeasurementError",
    "MetafileError",
    "NotHeldError",
    "ParameterError",
    "PictureError",
    "ProcessorError",
    "ProductError",
    "ReferenceChangedError",
    "ReferenceMissingError",
    "ResolvedNotUsedError",
    "SampleError",
    "SlitError",
    "TransferError",
    "TransientTransferError",
    "TreeError",
    "VersionMismatchError",
    "WorkerError",
]


class WorkerError(Exception):
    """Stop; its message tells the user what to mend."""


class BroughtError(WorkerError):
    """A file that a user brings is not of a kind that can be used."""


class CrdsCacheError(WorkerError):
    """The CRDS cache or the context cannot be used."""


class ReferenceMissingError(CrdsCacheError):
    """A file that the rules select is not in the cache."""


class ReferenceChangedError(CrdsCacheError):
    """A reference file is not the one that was resolved."""


class EditError(WorkerError):
    """An edit of a recipe does not fit the file that it is for."""


class InputChangedError(WorkerError):
    """An input file is not the one that was planned."""


class MeasurementError(WorkerError):
    """A number cannot be taken from a product; its message is the `why` of that."""


class MetafileError(WorkerError):
    """An MSA metafile is damaged, or is not that of the exposure."""


class ParameterError(WorkerError):
    """A recipe sets a parameter that the pipeline does not have."""


class PictureError(WorkerError):
    """Something cannot be drawn of a product; its message says why."""


class ProcessorError(WorkerError):
    """The last bits of pixels from this machine would not be those of others."""


class ProductError(WorkerError):
    """A file is not a product that can be read."""


class ResolvedNotUsedError(WorkerError):
    """The pipeline used other references or parameters than were resolved."""


class SlitError(WorkerError):
    """Files are not calibrated slits, or do not go together."""


class VersionMismatchError(WorkerError):
    """The worker has another calibration code than the job was planned for."""


class SampleError(WorkerError):
    """A sample program cannot be made here."""


class TreeError(WorkerError):
    """A folder is not one that may be removed: it is not below the expected one."""


class TransferError(WorkerError):
    """A file cannot be had from a server; it says what was tried."""


class TransientTransferError(TransferError):
    """A try that failed (connection, 429, 5xx, wrong bytes); another one may not.

    Its `retry_after_s` is how long the server asks to wait.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class AccessDeniedError(TransferError):
    """The server does not give the file to us (401, 403)."""


class NotHeldError(TransferError):
    """The server does not have the file (404)."""
