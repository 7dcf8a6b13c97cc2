"""What a CRDS cache lacks of a context, by names alone; nothing is fetched."""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import CrdsCacheError
from .cache import OBSERVATORY
from .layout import iterate_files
from .server import open_catalogue

__all__ = ["CacheLook", "look_at_cache", "name_context"]

_FILE = re.compile(r"jwst_[A-Za-z0-9_.-]+\.(imap|rmap|fits|asdf|json)")


@dataclass(frozen=True, slots=True)
class CacheLook:
    """What a cache holds of a context."""

    context: str
    """The context, by its final name."""
    absence: str | None
    """Why no server was asked, without a full stop; None if one was."""
    mappings: int
    """Mappings that are there."""
    missing_mappings: tuple[str, ...]
    """Mappings that are not, as far as those that are there tell."""
    references: int
    """References that are there."""
    missing_references: int
    """References that are not, likewise."""


def look_at_cache(root: Path, context: str | None, server: str | None) -> CacheLook:
    """Look which files of a context are in a cache.

    Parameters
    ----------
    context
        As CRDS takes it; None for the operational one.
    server
        URL of the server that is asked; None to go by the cache itself.

    Raises
    ------
    CrdsCacheError
        The server is no CRDS server, or without it nothing tells the context.
    """
    with open_catalogue(server, root=root, known=()) as catalogue:
        name, absence = catalogue.name_context(context), catalogue.absence
        if absence is None:
            mappings = {*catalogue.list_mappings(name)}
            references = {*catalogue.list_references(name)}
        else:
            names = _walk(root, name)
            mappings = {one for one in names if one.endswith("map")}
            references = names - mappings
    there = {path.name for path, _ in iterate_files(root)}
    return CacheLook(
        context=name,
        absence=absence,
        mappings=len(mappings & there),
        missing_mappings=tuple(sorted(mappings - there)),
        references=len(references & there),
        missing_references=len(references - there),
    )


def name_context(root: Path, context: str | None, server: str | None) -> str:
    """Give the final name of a context, as a run would; see `look_at_cache`."""
    with open_catalogue(server, root=root, known=()) as catalogue:
        return catalogue.name_context(context)


def _walk(root: Path, context: str) -> set[str]:
    """Name a context, and all that it selects from, as far as it is there."""
    found, waiting = {context}, [context]
    while waiting:
        path = root / "mappings" / OBSERVATORY / waiting.pop()
        if path.is_file():
            new = {*_list_selected(path)} - found
            found |= new
            waiting += (name for name in new if name.endswith("map"))
    return found


def _list_selected(path: Path) -> Iterable[str]:
    """List the files that the selector of a mapping names; its header names others."""
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise CrdsCacheError(f"{path} is no mapping of CRDS: {error}.") from error
    texts = (
        node.value
        for made in tree.body
        if isinstance(made, ast.Assign)
        and any(isinstance(to, ast.Name) and to.id == "selector" for to in made.targets)
        for node in ast.walk(made.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in texts if _FILE.fullmatch(text)}
