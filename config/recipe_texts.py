"""The files of a recipe: its own, and those that it extends."""

import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, Final

from .errors import RecipeError

__all__ = ["RecipeText", "collect_texts", "list_recipes"]

_MOST_BYTES: Final = 1_000_000
"""Far more than anybody writes; each run keeps what it was asked for."""


@dataclass(frozen=True, slots=True)
class RecipeText:
    """One file of a recipe, as it is written."""

    name: str
    """Name of a packaged recipe, or stem of the file."""
    shown: str
    """The same in messages: the path of a file."""
    text: str
    """What is in it."""
    tree: Mapping[str, Any]
    """The same, parsed and not checked."""


def list_recipes() -> tuple[str, ...]:
    """List the names of the packaged recipes."""
    folder = resources.files("config").joinpath("recipes")
    return tuple(sorted(Path(file.name).stem for file in folder.iterdir()))


def collect_texts(name: str) -> tuple[RecipeText, ...]:
    """Collect a recipe and all that it extends, each once, what is extended first.

    Raises
    ------
    RecipeError
        There is no such recipe, it cannot be read, or recipes extend each other.
    """
    texts: dict[str, RecipeText] = {}
    _collect(name, None, {}, texts)
    return tuple(texts.values())


def _collect(
    name: str, by: Path | None, chain: Mapping[str, str], texts: dict[str, RecipeText]
) -> None:
    """Collect a recipe after what it extends.

    Parameters
    ----------
    by
        The file that extends it; None for the recipe that is asked for, and for what
        packaged ones extend.
    chain
        The recipes that lead to it, as they are shown, by name or absolute path.
    texts
        What is collected so far, likewise.
    """
    extended = f" (which {list(chain.values())[-1]} extends)" if chain else ""
    path = None if name in list_recipes() else _place(name, by, extended)
    key, shown = (name, name) if path is None else (os.path.realpath(path), str(path))
    if key in chain:
        loop = [*chain.values()][[*chain].index(key) :]
        circle = " extends ".join([*loop, loop[0]])
        raise RecipeError(f"Recipes extend each other in a circle: {circle}.")
    if key in texts:
        return
    text = _read(name, path, extended)
    tree = _parse(text, shown)
    for each in _list_extended(tree):
        _collect(each, path, {**chain, key: shown}, texts)
    texts[key] = RecipeText(Path(name).stem, shown, text, tree)


def _parse(text: str, shown: str) -> Mapping[str, Any]:
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        why = str(error)
    except RecursionError:
        why = "its tables or lists are nested too deeply"
    except ValueError:  # of `int`, as PEP 686 limits it
        why = "a number in it has too many digits"
    else:
        if not _has_null(tree):
            return tree
        why = "a text in it has the character NUL"
    raise RecipeError(f"The recipe {shown} cannot be used: {why}") from None


def _has_null(value: object) -> bool:
    """Return whether a text has what neither paths nor databases take."""
    match value:
        case str():
            return "\0" in value
        case Mapping():
            return any(_has_null(each) for pair in value.items() for each in pair)
        case list():
            return any(map(_has_null, value))
    return False


def _list_extended(tree: Mapping[str, Any]) -> Iterator[str]:
    """List what a recipe extends; what is no name is refused when it is checked."""
    given = tree.get("extends", ())
    names = given if isinstance(given, list) else [given]
    return (name for name in names if isinstance(name, str) and name)


def _place(name: str, by: Path | None, extended: str) -> Path:
    """Find where a recipe is that is not packaged."""
    if Path(name).suffix == ".toml" and "\0" not in name:
        return Path(name) if by is None else by.parent / name
    known = list_recipes()
    close = get_close_matches(name, known, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise RecipeError(
        f"Unknown recipe {name!r}{extended}{hint}: expected one of {', '.join(known)}, "
        "or the path of a .toml file."
    )


def _read(name: str, path: Path | None, extended: str) -> str:
    if path is None:
        folder = resources.files("config").joinpath("recipes")
        return folder.joinpath(f"{name}.toml").read_text("utf-8")
    try:
        # A pipe would never answer, and a device never end.
        if not stat.S_ISREG(path.stat().st_mode):
            why = "it is no file"
        else:
            with path.open("rb") as stream:
                data = stream.read(_MOST_BYTES + 1)
            if len(data) <= _MOST_BYTES:
                return data.decode("utf-8-sig")
            why = f"it is larger than {_MOST_BYTES} bytes"
    except OSError as error:
        why = str(error.strerror)
    except UnicodeDecodeError:
        why = "it is no text in UTF-8"
    raise RecipeError(f"The recipe {path}{extended} cannot be read: {why}.")
