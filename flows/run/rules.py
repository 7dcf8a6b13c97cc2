"""The mappings of a CRDS context, read without `crds`: which rules it has for what.

A context names a mapping of each instrument (imap), and that the rules of each type of
references (rmap). Both hold nothing but literals.
"""

import ast
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workers.contract import ReferenceFile

__all__ = ["Context", "CrdsFolder", "is_rules"]

_RULES = ".rmap"


def is_rules(name: str) -> bool:
    """Return whether an instrument has rules for a type, and not N/A."""
    return name.endswith(_RULES)


@dataclass(frozen=True, slots=True)
class Context:
    """A context, with the rules of each instrument."""

    file: ReferenceFile
    """The context itself."""
    instruments: Mapping[str, ReferenceFile]
    """Mapping of each instrument, in lower case."""
    rules: Mapping[str, Mapping[str, str]]
    """By instrument: what the context has for each type, a file name or N/A.

    Instruments of which the cache lacks rules are left out."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.file.name


class CrdsFolder:
    """A CRDS cache as it is now, which nothing is written to.

    Parameters
    ----------
    known
        Files whose sha1 holds while size and modification time stand.
    """

    def __init__(self, root: Path, known: Iterable[ReferenceFile]) -> None:
        self._root = root
        self._known = {file.name: file for file in known}
        self._seen: dict[ReferenceFile, bool] = {}
        self._contexts: dict[str, Context] = {}
        self._sha1s: dict[str, str | None] = {}

    def read_config(self) -> tuple[str, str] | None:
        """Read what the server said at the last sync, and which files it calls bad.

        None if this is no cache.
        """
        folder = self._root / "config" / "jwst"
        try:
            config = (folder / "server_config").read_text()
            said = ast.literal_eval(config)
        except (OSError, ValueError, SyntaxError):
            return None
        if not isinstance(said, dict):
            return None
        bad = sorted(map(str, said.get("bad_files_list") or ()))
        return config, repr((bad, said.get("bad_files")))

    def read_context(self, name: str) -> Context | None:
        """Read a context; None if a mapping is not there, or says something else.

        One of which all rules are here is read once: what workers fetch adds nothing.
        """
        if name in self._contexts:
            return self._contexts[name]
        found = self._read(name)
        if found is None:
            return None
        file, names = found
        imaps = {i.lower(): imap for i, imap in names.items() if imap.endswith(".imap")}
        instruments: dict[str, ReferenceFile] = {}
        rules: dict[str, Mapping[str, str]] = {}
        for instrument, imap in imaps.items():
            read = self._read(imap)
            # Without all of its rules CRDS selects nothing for an instrument.
            if read is not None and self._has_all(read[1].values()):
                instruments[instrument], rules[instrument] = read
        context = Context(file, instruments, rules)
        if rules.keys() == imaps.keys():
            self._contexts[name] = context
        return context

    def has_rules(self, file: ReferenceFile) -> bool:
        """Return whether a mapping has the bytes that it had when it was used."""
        if file.name not in self._sha1s:
            [path] = self._list_places(file.name)
            self._sha1s[file.name] = _hash_file(path)
        return self._sha1s[file.name] == file.sha1

    def is_there(self, file: ReferenceFile) -> bool:
        """Return whether a file is as it was when its sha1 was taken."""
        if file not in self._seen:
            self._seen[file] = self._known.get(file.name) == file and any(
                _is_as(path, file) for path in self._list_places(file.name)
            )
        return self._seen[file]

    def _has_all(self, names: Iterable[str]) -> bool:
        rules = filter(is_rules, names)
        return all(path.is_file() for name in rules for path in self._list_places(name))

    def _list_places(self, name: str) -> tuple[Path, ...]:
        """List where a file may be, by the two ways to lay out a cache."""
        if name.endswith((".pmap", ".imap", _RULES)):
            return (self._root / "mappings" / "jwst" / name,)
        references = self._root / "references" / "jwst"
        _, _, rest = name.partition("_")
        return references / rest.partition("_")[0] / name, references / name

    def _read(self, name: str) -> tuple[ReferenceFile, dict[str, str]] | None:
        [path] = self._list_places(name) if "/" not in name else [self._root]
        try:
            status = path.stat()
            content = path.read_bytes()
            selector = _parse(content.decode())
            is_sound = _is_sound(content.decode())
        except (OSError, ValueError, SyntaxError):
            return None
        sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        file = ReferenceFile(name, sha1, status.st_size, status.st_mtime_ns)
        # One that has changed under its name is for a worker to refuse.
        is_known = self._known.get(name, file).sha1 == sha1
        if selector is None or not is_known or not is_sound:
            return None
        return file, selector


def _hash_file(path: Path) -> str | None:
    try:
        return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
    except OSError:
        return None


def _is_as(path: Path, file: ReferenceFile) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (file.size_bytes, file.mtime_ns)


def _is_sound(text: str) -> bool:
    """Return whether a mapping has the sum that is written in it, as CRDS takes it."""
    lines = [line for line in text.splitlines(keepends=True) if "sha1sum" not in line]
    digest = hashlib.sha1("".join(lines).encode(), usedforsecurity=False).hexdigest()
    return f"'sha1sum' : '{digest}'" in text or f"'sha1sum': '{digest}'" in text


def _parse(text: str) -> dict[str, str] | None:
    """Read the selector of a context or an instrument: files by instrument or type."""
    for statement in ast.parse(text).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="selector")], value=value):
                read = ast.literal_eval(value)
                if isinstance(read, dict):
                    return {str(key): str(name) for key, name in read.items()}
    return None
