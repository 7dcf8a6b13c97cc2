"""Tokens for files of exclusive access: where they come from, and what they are for."""

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Final, NoReturn, Protocol, runtime_checkable

from flows.errors import AccessError

from .listing import Access, Listing, RemoteFile

__all__ = [
    "TOKEN_VARIABLE",
    "Token",
    "TokenUser",
    "find_token",
    "probe",
    "tell_withheld",
    "withhold",
]

TOKEN_VARIABLE: Final = "MAST_API_TOKEN"  # noqa: S105  # a name
"""Environment variable that astroquery reads as well."""

_WHERE: Final = "https://auth.mast.stsci.edu/token"
"""Where MAST gives tokens."""


class Token:
    """A secret that no text, log, error or pickle shows.

    Parameters
    ----------
    secret
        Printable ASCII without blanks, as tokens of MAST are.

    Raises
    ------
    AccessError
        It is something else.
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
        """Give the secret, to who puts it into a request."""
        return self._secret

    def __repr__(self) -> str:
        return "Token(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is not pickled, it would be stored")


@runtime_checkable
class TokenUser(Protocol):
    """A source that may have been given a token."""

    @property
    def name(self) -> str:
        """How messages call it."""
        ...

    @property
    def has_token(self) -> bool:
        """Whether it has."""
        ...

    def whoami(self) -> str | None:
        """Say whose the token is; None if the server does not know it."""
        ...

    def may_read(self, file: RemoteFile) -> bool:
        """Tell whether the server gives a file."""
        ...


def find_token(
    environment: Mapping[str, str],
    *,
    block: str | None = None,
    load_block: Callable[[str], str] | None = None,
) -> Token | None:
    """Find the token: in ``MAST_API_TOKEN``, or else in a Prefect Secret block.

    Parameters
    ----------
    environment
        Variables.
    block
        Name of the block in the settings.
    load_block
        Reads a block. What it raises is passed on.

    Raises
    ------
    AccessError
        What is found is no token.
    """
    secret = environment.get(TOKEN_VARIABLE, "").strip()
    if not secret and block is not None and load_block is not None:
        secret = load_block(block).strip()
        if not secret:
            raise AccessError(f"expected a token in the Secret block {block}, got none")
    return Token(secret) if secret else None


def withhold(
    files: Iterable[RemoteFile], *, has_token: bool
) -> tuple[tuple[RemoteFile, ...], tuple[RemoteFile, ...]]:
    """Separate files that cannot be had without a token.

    Returns
    -------
    allowed, withheld
        Both in the order that was given.
    """
    allowed: list[RemoteFile] = []
    withheld: list[RemoteFile] = []
    for file in files:
        may_have = has_token or file.access is Access.PUBLIC
        (allowed if may_have else withheld).append(file)
    return tuple(allowed), tuple(withheld)


def tell_withheld(withheld: Iterable[RemoteFile]) -> tuple[str, ...]:
    """Say of every observation what is withheld, and when it becomes public."""
    ordered = sorted(withheld, key=_observation_of)
    return tuple(
        _tell(program, observation, list(files))
        for (program, observation), files in groupby(ordered, key=_observation_of)
    )


def probe(source: TokenUser, listing: Listing) -> None:
    """See that the token is good for what is listed, before a run starts.

    Nothing is asked if everything is public, or if there is no token (`withhold`).

    Raises
    ------
    AccessError
        The token is expired, or gives no access to a program.
    ArchiveError
        The server does not tell.
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
            f"set {TOKEN_VARIABLE}"
        )
    if withheld := [file for file in firsts.values() if not source.may_read(file)]:
        told = "; ".join(f"no access to program {_tell_program(f)}" for f in withheld)
        raise AccessError(f"{source.name}: the token gives {told}")


def _observation_of(file: RemoteFile) -> tuple[str, str]:
    return file.program, file.observation


def _tell(program: str, observation: str, files: list[RemoteFile]) -> str:
    dates = [file.public_from for file in files if file.public_from is not None]
    where = f"program {program}" + f" observation {observation}" * bool(observation)
    number = f"{len(files)} file" + "s" * (len(files) != 1)
    date = f"{max(dates):%Y-%m-%d}" if dates else "an unknown date"
    return (
        f"{where}: {number} of exclusive access, public from {date}; set "
        f"{TOKEN_VARIABLE} to a token of the program to have them before"
    )


def _tell_program(file: RemoteFile) -> str:
    date = f", public from {file.public_from:%Y-%m-%d}" if file.public_from else ""
    return f"{file.program} ({file.name}{date})"
