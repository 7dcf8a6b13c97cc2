"""Keywords that are added to a copy of a FITS file, whose data stay as they are."""

import warnings
from collections.abc import Mapping
from pathlib import Path

__all__ = ["add_keywords"]


def add_keywords(path: Path, cards: Mapping[str, tuple[str, str]]) -> None:
    """Add cards to the primary header of a file; all other bytes of it stay.

    Parameters
    ----------
    cards
        Value and comment, by keyword. A value has at most 68 characters of ASCII.

    Raises
    ------
    OSError
        The file cannot be read or written, or is no FITS file.
    """
    from astropy.io import fits
    from astropy.io.fits.verify import VerifyWarning

    with warnings.catch_warnings():
        # A comment for which there is no room is cut off.
        warnings.simplefilter("ignore", VerifyWarning)
        with fits.open(
            path, mode="update", memmap=True, disable_image_compression=True
        ) as hdus:
            for keyword, card in cards.items():
                hdus[0].header[keyword] = card
