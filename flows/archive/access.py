"""Who may have which files of a source, and the token that opens those of a program."""

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final, NoReturn

from ..errors import AccessError
from ..models.exposures import UnusableFile
from .headers import to_unusable
from .source import Access, Listing, RemoteFile, Source

__all__ = [
    "Files",
    "Token",
    "admit",
    "describe_withheld",
    "explain_withheld",
    "find_token",
    "probe",
    "withhold",
]

Files = tuple[RemoteFile, ...]
"""Files in the order of their listing."""

_TOKEN_VARIABLE: Final = "MAST_API_TOKEN"  # noqa: S105  # a name
"""Environment variable that astroquery reads as well."""

_WHERE: Final = "https://auth.mast.stsci.edu/token"
"""Where MAST gives tokens."""


class Token:
    """A secret that no text, log, error or pickle shows.

    It must be printable ASCII without blanks, as tokens of MAST are.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        if not secret or not all("!" <= character <= "~" for character in secret):
            raise AccessError(
                "expected a token of printable characters without blanks, got one of "
                f"{len(secret)} other characters"
            )
        self._secret = secret

    def reveal(self) -> str:
        """Return the secret, to who puts it into a request."""
        return self._secret

    def __repr__(self) -> str:
        return "Token(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is not pickled, it would be stored")


def find_token(
    environment: Mapping[str, str],
    *,
    block: str | None = None,
    load_block: Callable[[str], str] | None = None,
) -> Token | None:
    """Find the token: in ``MAST_API_TOKEN``, or else in a Prefect Secret block.

    What `load_block`, which reads a block, raises is passed on.
    """
    secret = environment.get(_TOKEN_VARIABLE, "").strip()
    if not secret and block is not None and load_block is not None:
        secret = load_block(block).strip()
        if not secret:
            raise AccessError(f"expected a token in the Secret block {block}, got none")
    return Token(secret) if secret else None


def admit(source: Source, listing: Listing) -> tuple[Files, Files]:
    """Separate what we may have from what we may not, after a look at the token."""
    probe(source, listing)
    return withhold(listing, has_token=source.has_token)


def withhold(files: Iterable[RemoteFile], *, has_token: bool) -> tuple[Files, Files]:
    """Separate files from those that cannot be had without a token."""
    listed = tuple(files)
    withheld = () if has_token else [f for f in listed if f.access is not Access.PUBLIC]
    names = {file.name for file in withheld}
    return tuple(f for f in listed if f.name not in names), tuple(withheld)


def probe(source: Source, listing: Listing) -> None:
    """See that the token is good for what is listed, before a run starts.

    Nothing is asked if everything is public, or if there is no token (`withhold`). An
    expired token, or a program to which it gives no access, is an `AccessError`.
    """
    firsts: dict[str, RemoteFile] = {}
    for file in listing:
        if file.access is Access.EXCLUSIVE:
            firsts.setdefault(file.program, file)
    if not firsts or not source.has_token:
        return
    if source.whoami() is None:
        raise AccessError(
            f"{source.name}: expired or unknown token; make a new one at {_WHERE} and "
            f"set {_TOKEN_VARIABLE}"
        )
    if closed := [file for file in firsts.values() if not source.may_read(file)]:
        programs = (
            f"no access to program {file.program} ({file.name}"
            + (f", public from {_date_of([file])})" if file.public_from else ")")
            for file in closed
        )
        raise AccessError(f"{source.name}: the token gives {'; '.join(programs)}")


def describe_withheld(withheld: Iterable[RemoteFile]) -> tuple[str, ...]:
    """Describe what is withheld of every observation, and when it becomes public."""
    ordered = sorted(withheld, key=_observation_of)
    return tuple(
        _describe(program, observation, list(files))
        for (program, observation), files in groupby(ordered, key=_observation_of)
    )


def explain_withheld(file: RemoteFile) -> UnusableFile:
    """Set a file aside until it becomes public."""
    reason = (
        f"of exclusive access, public from {_date_of([file])}; set {_TOKEN_VARIABLE} "
        "to a token of the program to have it before"
    )
    return to_unusable(Path(file.name), file, reason)


def _observation_of(file: RemoteFile) -> tuple[str, str]:
    return file.program, file.observation


def _describe(program: str, observation: str, files: list[RemoteFile]) -> str:
    where = f"program {program}" + f" observation {observation}" * bool(observation)
    number = f"{len(files)} file" + "s" * (len(files) != 1)
    return (
        f"{where}: {number} of exclusive access, public from {_date_of(files)}; set "
        f"{_TOKEN_VARIABLE} to a token of the program to have them before"
    )


def _date_of(files: Iterable[RemoteFile]) -> str:
    dates = [file.public_from for file in files if file.public_from is not None]
    return f"{max(dates):%Y-%m-%d}" if dates else "an unknown date"
