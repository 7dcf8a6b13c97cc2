"""The CRDS cache, read only: what the rules of a context select, and its sha1.

CRDS itself accepts truncated references, hands out paths that do not exist, and falls
back to code defaults when a ``pars-*`` file is missing; here each of these is an error.
"""

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..contract import ParsUse, ReferenceFile, ReferenceUse
from ..errors import CrdsCacheError, ReferenceChangedError, ReferenceMissingError
from .verdict import identify_file, refuse_truncated

__all__ = [
    "OBSERVATORY",
    "ReferenceCache",
    "locate",
    "locate_reference",
    "name_pars",
    "name_references",
    "pin",
]

OBSERVATORY = "jwst"
"""The only observatory of this cache."""

_SERVERLESS = "https://jwst-serverless.stsci.edu"
"""What CRDS itself takes for no server."""

_LEADS_ELSEWHERE = re.compile(r"CRDS_(\w*PATH\w*|SERVER_URL|CONTEXT|MODE)")
"""Variables that CRDS obeys before, or besides, ``CRDS_PATH``."""

_NOT_FOUND = "NOT FOUND"
_NO_REFERENCE = "NOT FOUND n/a"


def pin(*, crds_path: str, context: str | None) -> None:
    """Bind this process to one cache and one context, without a server.

    CRDS memoises the context at its first call, so this is done once in the life of
    a process, before any call.
    """
    for name in [name for name in os.environ if _LEADS_ELSEWHERE.fullmatch(name)]:
        del os.environ[name]
    for kind in ("CONFIG", "MAPPING", "PICKLE", "REFERENCE"):
        os.environ[f"CRDS_{kind}_URI"] = "none"
    os.environ["CRDS_USE_PICKLED_CONTEXTS"] = "false"
    os.environ["CRDS_PATH"] = crds_path
    os.environ["CRDS_READONLY_CACHE"] = "1"
    if context is not None:
        os.environ["CRDS_CONTEXT"] = context
    if "crds" in sys.modules:  # it took its server from the environment, on import
        from crds.client import api

        api.set_crds_server(_SERVERLESS)


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
        """Name the pinned context, which must be in the cache."""
        import crds  # two seconds

        config = Path(os.environ["CRDS_PATH"], "config", OBSERVATORY, "server_config")
        if not config.is_file():
            raise CrdsCacheError(
                f"{os.environ['CRDS_PATH']} is no CRDS cache: {config} is not there; "
                "set CRDS_PATH (or `crds_path`) to a cache made by `rewebb refs sync`."
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

        No answer of the rules, or one that is not in the cache, is an error.
        """
        return tuple(
            ReferenceUse(reftype, self.identify(locate(name), role=reftype))
            if name
            else ReferenceUse(reftype, None)
            for reftype, name in name_references(header, reftypes).items()
        )

    def select_pars(
        self, header: Mapping[str, Any], reftypes: Iterable[str]
    ) -> tuple[ParsUse, ...]:
        """Select the parameter references of steps and pipelines for an exposure.

        A type for which the rules have nothing means code defaults, as it does for
        stpipe; a file that they name but the cache lacks is an error, as it is not.
        """
        return tuple(
            ParsUse(reftype, self.identify(locate(name), role=reftype))
            for reftype, name in name_pars(header, reftypes).items()
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
        """Return name, sha1, size and time of a file of the cache.

        It must be there, with the bytes that its name stood for before.
        """
        known = self._files.get(path.name)
        if known is not None and path.name in self._seen:
            return known
        try:
            found = identify_file(path, known)
            if found is not known:
                refuse_truncated(path)
        except OSError as error:
            raise ReferenceMissingError(
                f"The {role} file {path.name} that the context selects is not in the "
                f"CRDS cache: expected {path} ({error.strerror})."
            ) from error
        if known is not None and found.sha1 != known.sha1:
            raise ReferenceChangedError(
                f"{path} is not the file that CRDS delivered under this name: expected "
                f"sha1 {known.sha1} ({known.size_bytes} bytes), got {found.sha1} "
                f"({found.size_bytes} bytes); `rewebb refs verify --repair` fetches it "
                "again."
            )
        self._files[path.name] = found
        self._seen.add(path.name)
        return found

    def verify(self, files: Iterable[ReferenceFile]) -> None:
        """Check that files of the cache are those that were resolved."""
        for file in files:
            self._files.setdefault(file.name, file)
            path = locate(file.name)
            if path.suffix not in {".pmap", ".imap", ".rmap"}:
                self.identify(path, role="reference")


def name_references(
    header: Mapping[str, Any], reftypes: Iterable[str]
) -> dict[str, str | None]:
    """Name the reference of each type that the pinned context selects, None for N/A."""
    names = sorted(_recommend(header, sorted(set(reftypes))).items())
    return {reftype: _name_or_refuse(reftype, name) for reftype, name in names}


def name_pars(header: Mapping[str, Any], reftypes: Iterable[str]) -> dict[str, str]:
    """Name the parameter references that the pinned context selects."""
    names = sorted(_recommend(header, sorted(set(reftypes))).items())
    return {reftype: name for reftype, name in names if not name.startswith(_NOT_FOUND)}


def locate(name: str) -> Path:
    """Return the place of a file in the pinned cache."""
    import crds  # two seconds

    return Path(crds.locate_file(name, OBSERVATORY))


def locate_reference(uses: Iterable[ReferenceUse], reftype: str) -> Path | None:
    """Return the place of a reference of a job; None if it has none of the type."""
    names = (use.file.name for use in uses if use.file and use.reftype == reftype)
    return next(map(locate, names), None)


def _name_or_refuse(reftype: str, name: str) -> str | None:
    if name.lower() == _NO_REFERENCE.lower():
        return None
    if name.startswith(_NOT_FOUND):
        raise CrdsCacheError(
            f"The context selects no {reftype} reference for this exposure: "
            f"{name.removeprefix(_NOT_FOUND).strip()}."
        )
    return name


def _recommend(header: Mapping[str, Any], reftypes: Sequence[str]) -> dict[str, str]:
    import crds  # two seconds

    if not reftypes:
        return {}
    try:
        _refuse_missing_rules(str(header["meta.instrument.name"]))
        return dict(
            crds.getrecommendations(dict(header), reftypes, observatory=OBSERVATORY)
        )
    except (crds.CrdsError, OSError) as error:
        raise CrdsCacheError(
            f"CRDS cannot select references: {_first_line(error)}"
        ) from error


def _refuse_missing_rules(instrument: str) -> None:
    """Refuse a context of which the cache lacks mappings of an instrument.

    CRDS itself asks a server for them, and does not say which they are.
    """
    import crds  # two seconds

    context = str(crds.get_context_name(OBSERVATORY))
    pmap = crds.get_symbolic_mapping(context)
    missing = _list_missing([pmap.selector.get(instrument.upper(), "none.imap")])
    if not missing:
        missing = _list_missing(pmap.get_imap(instrument.lower()).selector.values())
    if missing:
        raise ReferenceMissingError(
            f"The CRDS cache {os.environ['CRDS_PATH']} lacks {', '.join(missing)}, "
            f"which {context} has for {instrument}; `rewebb refs sync` brings them."
        )


def _list_missing(names: Iterable[object]) -> list[str]:
    """List the mappings among these that are not in the cache; types may be N/A."""
    import crds  # two seconds

    mappings = [name for name in map(str, names) if name.endswith((".imap", ".rmap"))]
    return [name for name in mappings if not Path(crds.locate_mapping(name)).is_file()]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
