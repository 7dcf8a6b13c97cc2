"""Who may have which files of a source."""

from pathlib import Path

from flows.models.exposures import UnusableFile

from .listing import Listing, RemoteFile, Source
from .tokens import TOKEN_VARIABLE, TokenUser, probe, withhold

__all__ = ["admit", "explain_withheld"]


def admit(
    source: Source, listing: Listing
) -> tuple[tuple[RemoteFile, ...], tuple[RemoteFile, ...]]:
    """Separate what we may have, after a look at the token.

    Returns
    -------
    allowed, withheld
        Both in the order of the listing.

    Raises
    ------
    AccessError
        The token is expired, or gives no access to a program of the listing.
    ArchiveError
        The source does not tell.
    """
    if not isinstance(source, TokenUser):
        return withhold(listing, has_token=False)
    probe(source, listing)
    return withhold(listing, has_token=source.has_token)


def explain_withheld(file: RemoteFile) -> UnusableFile:
    """Say when a file becomes public."""
    date = f"{file.public_from:%Y-%m-%d}" if file.public_from else "an unknown date"
    return UnusableFile(
        path=Path(file.name),
        program=file.program,
        observation=file.observation,
        reason=(
            f"{file.name}: of exclusive access, public from {date}; set "
            f"{TOKEN_VARIABLE} to a token of the program to have it before"
        ),
    )
