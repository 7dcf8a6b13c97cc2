"""The CRDS cache, read only: what the rules of a context select, and its sha1.

CRDS itself accepts truncated references, hands out paths that do not exist, and falls
back to code defaults when a ``pars-*`` file is missing; here each of these is an error.
"""

import hashlib
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .contract import ParsUse, ReferenceFile, ReferenceUse
from .errors import CrdsCacheError, ReferenceChangedError, ReferenceMissingError

__all__ = ["ReferenceCache", "pin"]

OBSERVATORY = "jwst"
"""The only observatory of this cache."""

_NOT_FOUND = "NOT FOUND"
_NO_REFERENCE = "NOT FOUND n/a"


def pin(*, crds_path: str, context: str | None) -> None:
    """Bind this process to one cache and one context, without a server.

    CRDS memoises the context at its first call, so this is done once in the life of
    a process, before any call.
    """
    os.environ["CRDS_PATH"] = crds_path
    os.environ["CRDS_READONLY_CACHE"] = "1"
    for name in ("CRDS_SERVER_URL", "CRDS_CONTEXT", "CRDS_MODE"):
        os.environ.pop(name, None)
    if context is not None:
        os.environ["CRDS_CONTEXT"] = context


class ReferenceCache:
    """What the pinned context selects from the pinned cache.

    Parameters
    ----------
    known
        Files whose sha1 holds while size and modification time stand.
    """

    def __init__(self, known: Iterable[ReferenceFile] = ()) -> None:
        self._files = {file.name: file for file in known}
        self._seen: set[str] = set()

    def get_context(self) -> str:
        """Name the pinned context.

        Raises
        ------
        CrdsCacheError
            The cache has no such context, or is no CRDS cache.
        """
        import crds  # two seconds

        config = Path(os.environ["CRDS_PATH"], "config", OBSERVATORY, "server_config")
        if not config.is_file():
            raise CrdsCacheError(
                f"{os.environ['CRDS_PATH']} is no CRDS cache: {config} is not there; "
                "set CRDS_PATH (or `crds_path`) to a cache made by `crds sync`."
            )
        try:
            context = str(crds.get_context_name(OBSERVATORY))
            crds.get_symbolic_mapping(context)
        except (crds.CrdsError, OSError, AssertionError) as error:
            wanted = os.environ.get("CRDS_CONTEXT", "the operational context")
            raise CrdsCacheError(
                f"The CRDS cache {os.environ['CRDS_PATH']} cannot give {wanted}: "
                f"{_first_line(error)}"
            ) from error
        return context

    def select_references(
        self, header: Mapping[str, Any], reftypes: Iterable[str]
    ) -> tuple[ReferenceUse, ...]:
        """Select the reference of each type for an exposure.

        Raises
        ------
        CrdsCacheError
            The rules give no answer, or an answer that is not in the cache.
        """
        names = _recommend(header, sorted(set(reftypes)))
        return tuple(
            ReferenceUse(reftype, self._find_reference(reftype, name))
            for reftype, name in sorted(names.items())
        )

    def select_pars(
        self, header: Mapping[str, Any], reftypes: Iterable[str]
    ) -> tuple[ParsUse, ...]:
        """Select the parameter references of steps and pipelines for an exposure.

        A type for which the rules have nothing means code defaults, as it does for
        stpipe; a file that they name but the cache lacks is an error, as it is not.
        """
        names = _recommend(header, sorted(set(reftypes)))
        return tuple(
            ParsUse(reftype, self.identify(_locate(name), role=reftype))
            for reftype, name in sorted(names.items())
            if not name.startswith(_NOT_FOUND)
        )

    def list_mappings(
        self, context: str, instrument: str, reftypes: Iterable[str]
    ) -> tuple[ReferenceFile, ...]:
        """List the mapping files that a selection of these types reads."""
        import crds  # two seconds

        imap = crds.get_symbolic_mapping(context).get_imap(instrument.lower())
        names = [context, imap.filename]
        for reftype in sorted(set(reftypes)):
            with suppress(crds.CrdsError, LookupError):  # N/A, or not in this context
                names.append(imap.get_rmap(reftype).filename)
        return tuple(
            self.identify(Path(crds.locate_mapping(name)), role="mapping")
            for name in names
        )

    def identify(self, path: Path, *, role: str) -> ReferenceFile:
        """Give name, sha1, size and time of a file of the cache.

        Raises
        ------
        ReferenceMissingError
            The file is not there.
        ReferenceChangedError
            Its bytes are not those that its name stood for before.
        """
        known = self._files.get(path.name)
        if known is not None and path.name in self._seen:
            return known
        try:
            found = _identify(path, known)
        except OSError as error:
            raise ReferenceMissingError(
                f"The {role} file {path.name} that the context selects is not in the "
                f"CRDS cache: expected {path} ({error.strerror})."
            ) from error
        if known is not None and found.sha1 != known.sha1:
            raise _changed(path, known, found)
        self._files[path.name] = found
        self._seen.add(path.name)
        return found

    def verify(self, files: Iterable[ReferenceFile]) -> None:
        """Check that files of the cache are those that were resolved.

        Raises
        ------
        CrdsCacheError
            One is missing or has changed.
        """
        for file in files:
            self._files.setdefault(file.name, file)
            path = _locate(file.name)
            if path.suffix not in {".pmap", ".imap", ".rmap"}:
                self.identify(path, role="reference")

    def _find_reference(self, reftype: str, name: str) -> ReferenceFile | None:
        if name.lower() == _NO_REFERENCE.lower():
            return None
        if name.startswith(_NOT_FOUND):
            raise CrdsCacheError(
                f"The context selects no {reftype} reference for this exposure: "
                f"{name.removeprefix(_NOT_FOUND).strip()}."
            )
        return self.identify(_locate(name), role=reftype)


def _recommend(header: Mapping[str, Any], reftypes: Sequence[str]) -> dict[str, str]:
    import crds  # two seconds

    if not reftypes:
        return {}
    try:
        return dict(
            crds.getrecommendations(dict(header), reftypes, observatory=OBSERVATORY)
        )
    except (crds.CrdsError, OSError) as error:
        raise CrdsCacheError(
            f"CRDS cannot select references: {_first_line(error)}"
        ) from error


def _locate(name: str) -> Path:
    import crds  # two seconds

    return Path(crds.locate_file(name, OBSERVATORY))


def _identify(path: Path, known: ReferenceFile | None) -> ReferenceFile:
    stat = path.stat()
    if (
        known is not None
        and (known.size_bytes, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns)
        and known.sha1
    ):
        return known
    if path.suffix == ".fits":
        _refuse_truncated(path, stat.st_size)
    with path.open("rb") as stream:
        sha1 = hashlib.file_digest(stream, "sha1").hexdigest()
    return ReferenceFile(path.name, sha1, stat.st_size, stat.st_mtime_ns)


def _refuse_truncated(path: Path, size_bytes: int) -> None:
    """Refuse a FITS file that ends before its last header says."""
    from astropy.io import fits  # keeps the import of this module cheap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the truncation is told below
        with fits.open(path, lazy_load_hdus=False) as hdus:
            last = hdus[-1].fileinfo()
    expected = last["datLoc"] + last["datSpan"]
    if size_bytes < expected:
        raise CrdsCacheError(
            f"{path} is truncated: expected at least {expected} bytes, got "
            f"{size_bytes}; remove it and sync the cache again."
        )


def _changed(
    path: Path, known: ReferenceFile, found: ReferenceFile
) -> ReferenceChangedError:
    return ReferenceChangedError(
        f"{path} is not the file that CRDS delivered under this name: expected sha1 "
        f"{known.sha1} ({known.size_bytes} bytes), got {found.sha1} "
        f"({found.size_bytes} bytes); remove it and sync the cache again."
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
