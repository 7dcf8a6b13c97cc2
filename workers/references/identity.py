"""What a file of a CRDS cache is: its name, its sha1, and the state these hold for."""

import hashlib
import warnings
from pathlib import Path

from ..contract import ReferenceFile
from ..errors import CrdsCacheError
from ..outside import open_outside

__all__ = ["identify_file", "refuse_truncated"]


def identify_file(path: Path, known: ReferenceFile | None) -> ReferenceFile:
    """Give name, sha1, size and time of a file.

    Parameters
    ----------
    known
        The file as it was; while size and time stand, so does its sha1.

    Raises
    ------
    OSError
        It is not there, or cannot be read.
    """
    stat = path.stat()
    if (
        known is not None
        and (known.size_bytes, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns)
        and known.sha1
    ):
        return known
    with open_outside(path) as stream:
        sha1 = hashlib.file_digest(stream, "sha1").hexdigest()
    return ReferenceFile(path.name, sha1, stat.st_size, stat.st_mtime_ns)


def refuse_truncated(path: Path) -> None:
    """Refuse a FITS file that ends before its last header says.

    Raises
    ------
    CrdsCacheError
        It does.
    """
    from astropy.io import fits  # keeps the import of this module cheap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the truncation is told below
        with fits.open(path, lazy_load_hdus=False) as hdus:
            last = hdus[-1].fileinfo()
    expected, size_bytes = last["datLoc"] + last["datSpan"], path.stat().st_size
    if size_bytes < expected:
        raise CrdsCacheError(
            f"{path} is truncated: expected at least {expected} bytes, got "
            f"{size_bytes}; `rewebb refs verify --repair` fetches it again."
        )
