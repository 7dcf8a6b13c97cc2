"""Errors of the control plane.

RewebbError
* UnknownProgramError
* UnknownObservationError
* ArchiveError
  x AccessError
* BundleError
* IdError
* FileNameError
* PoolError
* PlanError
* QueryError
* RunCancelledError
* RunStateError
* DataFolderError
* OutcomeError
* RecordError
* ProductFileError
  x MissingPartError
* DatabaseError
  x ConflictError
  x DatabaseAwayError
  x LeaseHeldError
  x UnknownRecordError
* ExportError
* BugError
"""

__all__ = [
    "AccessError",
    "ArchiveError",
    "BugError",
    "BundleError",
    "ConflictError",
    "DataFolderError",
    "DatabaseAwayError",
    "DatabaseError",
    "ExportError",
    "FileNameError",
    "IdError",
    "LeaseHeldError",
    "MissingPartError",
    "OutcomeError",
    "PlanError",
    "PoolError",
    "ProductFileError",
    "QueryError",
    "RecordError",
    "RewebbError",
    "RunCancelledError",
    "RunStateError",
    "UnknownObservationError",
    "UnknownProgramError",
    "UnknownRecordError",
]


class RewebbError(Exception):
    """Stop; its message tells the user what to mend."""


class UnknownProgramError(RewebbError):
    """The archive holds no exposure of the program."""


class UnknownObservationError(RewebbError):
    """The archive holds the program, but not this observation of it."""


class IdError(RewebbError):
    """What is given is not the id of a program or an observation."""


class FileNameError(RewebbError):
    """A file name is not of the JWST grammar, or not safe to use in a path."""


class PoolError(RewebbError):
    """A file is not a pool of DMS, or contradicts itself."""


class ArchiveError(RewebbError):
    """The archive cannot be read."""


class AccessError(ArchiveError):
    """The archive does not give it to us: no token, a bad one, or no permission."""


class BundleError(RewebbError):
    """A bundle cannot be written, or is damaged, or holds what bundles do not."""


class PlanError(RewebbError):
    """The run cannot be planned: settings, recipe or cluster do not allow it."""


class QueryError(RewebbError):
    """What is asked for cannot be searched for, or names what is not known."""


class RunCancelledError(RewebbError):
    """Somebody has cancelled the run, from another process or host."""


class RunStateError(RewebbError):
    """What is asked for cannot be done with a run in its state."""


class DataFolderError(RewebbError):
    """The data folder cannot be used, or has no record of a run."""


class OutcomeError(RewebbError):
    """A file of the store, or the answer of a worker, is not the outcome of a job."""


class RecordError(RewebbError):
    """A record of the data folder cannot be read."""


class ProductFileError(RewebbError):
    """A product does not hold what files of its kind do."""


class MissingPartError(ProductFileError):
    """A product has no such spectrum, curve, wavelength or spaxel."""


class DatabaseError(RewebbError):
    """The database cannot be used, or refuses a record."""


class LeaseHeldError(DatabaseError):
    """Another run of the same program is under way."""


class UnknownRecordError(DatabaseError):
    """The database holds no such run or job, or more than one."""


class DatabaseAwayError(DatabaseError):
    """The database does not answer, or is locked: the same call may work in a while."""


class ConflictError(DatabaseError):
    """Another writer of the database was faster, again and again."""


class ExportError(RewebbError):
    """What was made cannot be handed on as it is asked for."""


class BugError(RewebbError):
    """Something that should never happen did; its message says how to report it."""
