"""Where the files of a CRDS cache are, and the few that describe the cache itself.

config/jwst/server_config           what the server said; names the operational one
config/jwst/bad_files.txt           files that one should not use
config/jwst/ref_cache_subdir_mode   how references are laid out
mappings/jwst/<name>
references/jwst/<instrument>/<name>
rewebb-set-aside/<name>.<sha1>      bad files that were replaced
rewebb-sync.lock                    held while the cache is changed
"""

import ast
import pprint
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any

from ..errors import CrdsCacheError
from ..publishing import replace
from .cache import OBSERVATORY, locate

__all__ = [
    "get_lock_path",
    "has_server_config",
    "iterate_files",
    "place",
    "read_server_config",
    "set_aside",
    "write_server_config",
    "write_subdir_mode",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""What CRDS allows in a file name, without blanks and dots at the begin."""

_SUBDIR_MODE = "instrument"


def place(name: str) -> Path:
    """Find the place of a file in the pinned cache; an error for names of no place."""
    import crds  # two seconds

    if not _NAME.fullmatch(name):
        raise CrdsCacheError(f"{name[:200]!r} is no name of a CRDS file.")
    try:
        return locate(name)
    except crds.CrdsError as error:
        raise CrdsCacheError(
            f"{name} tells no instrument, so it has no place in a CRDS cache."
        ) from error


def get_lock_path(root: Path) -> Path:
    """Return the lock; not below ``config``, where ``crds sync`` clears locks."""
    return root / "rewebb-sync.lock"


def iterate_files(root: Path) -> Iterator[tuple[Path, int]]:
    """Go through mappings and references, with sizes; not what downloads left."""
    for kind in ("mappings", "references"):
        for path in sorted((root / kind / OBSERVATORY).rglob("*")):
            hidden = path.name.startswith(".") or path.suffix == ".lock"
            with suppress(FileNotFoundError):  # moved away meanwhile
                stat = path.stat()
                if S_ISREG(stat.st_mode) and not hidden:
                    yield path, stat.st_size


def set_aside(root: Path, path: Path, sha1: str) -> Path:
    """Move a bad file out of the way, by one rename, and tell where it is now."""
    folder = root / "rewebb-set-aside"
    folder.mkdir(exist_ok=True)
    target = folder / f"{path.name}.{sha1}"
    path.replace(target)
    return target


def read_server_config(root: Path) -> Mapping[str, Any]:
    """Read what the server said at the last sync; an error if that is not there."""
    path = _get_config(root) / "server_config"
    try:
        config = ast.literal_eval(path.read_text())
    except (OSError, ValueError, SyntaxError) as error:
        raise CrdsCacheError(
            f"{root} is no CRDS cache, since {path} cannot be read: {error}."
        ) from error
    if not isinstance(config, dict) or "observatory" not in config:
        raise CrdsCacheError(f"{path} is not what CRDS writes; remove it and sync.")
    return config


def has_server_config(root: Path) -> bool:
    """Return whether a server was ever asked for this cache."""
    return (_get_config(root) / "server_config").is_file()


def write_server_config(root: Path, info: Mapping[str, Any]) -> None:
    """Write what the server said, as CRDS itself does.

    Sizes and checksums of all files, which make megabytes that every process of CRDS
    would have to parse, are left out: CRDS takes them from a server only.
    """
    kept = {key: value for key, value in info.items() if key != "download_metadata"}
    config, bad_files = pprint.pformat(kept), "\n".join(info["bad_files_list"])
    folder = _get_config(root)
    replace(folder / "server_config", lambda draft: draft.write_text(config))
    replace(folder / "bad_files.txt", lambda draft: draft.write_text(bad_files))


def write_subdir_mode(root: Path) -> None:
    """Say how references are laid out, in a cache where nothing says it yet."""
    path = _get_config(root) / "ref_cache_subdir_mode"
    has_references = any((root / "references" / OBSERVATORY).glob("*"))
    if not path.exists() and not has_references:
        replace(path, lambda draft: draft.write_text(_SUBDIR_MODE))


def _get_config(root: Path) -> Path:
    return root / "config" / OBSERVATORY
