"""Audit: whether all that recorded products were made of is still what it was.

A file that is not is named with the products that it concerns, also those that were
made of them.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from workers.content import file_sha256
from workers.outside import open_outside

from ..archive import ToFetch
from ..errors import ArchiveError
from ..models.exposures import FetchedFile
from ..models.findings import Finding, FindingKind, UsedReference
from ..provenance import Database
from .checking import check
from .rebuilding import Listener

__all__ = ["Ask", "audit"]

_REFS = "`rewebb refs verify --repair` fetches what CRDS has; what was made with other "
_REFS += "bytes than these has to be made again"

_BLOCK_BYTES = 1 << 22

Ask = Callable[[str], ToFetch]
"""Asks an archive of the files of a program; raises `ArchiveError`."""


def audit(
    data_dir: Path,
    database: Database,
    *,
    caches: Iterable[Path] = (),
    ask: Ask | None = None,
    listener: Listener = lambda *_: None,
) -> Iterator[Finding]:
    """Read all that recorded products are, and were made of.

    Parameters
    ----------
    caches
        CRDS caches to compare besides those that jobs used.
    ask
        Asks the archive of a program what it would fetch of the files that are here.

    Raises
    ------
    DatabaseError
        The database cannot be used.
    """
    for one in check(data_dir, database, reads_bytes=True, listener=listener):
        file = Path(one.subject)
        is_product = one.kind in {FindingKind.FILE_CHANGED, FindingKind.FILE_MISSING}
        # The folder of a job in the store has its fingerprint for a name.
        jobs = {file.parent.name} if is_product else set()
        yield replace(one, affected=database.audits.list_affected(jobs))
    yield from _audit_references(database, caches, listener)
    yield from _audit_inputs(database, listener)
    yield from _audit_archive(database, ask)


def _audit_archive(database: Database, ask: Ask | None) -> Iterator[Finding]:
    """Ask the archive whether it still has the files that were fetched from it."""
    programs = defaultdict[str, list[FetchedFile]](list)
    for record in database.files.list_fetched():
        programs[record.program].append(record)
    for program, records in programs.items():
        try:
            decided = ask(program) if ask else None
            why = "no archive is set" if decided is None else ""
        except ArchiveError as error:
            decided, why = None, str(error)
        if decided is None:
            yield _tell_unasked(f"program {program}", why)
            continue
        for file in decided.missing.values():
            copies = [one.sha256 for one in records if one.name == file.name]
            readers = database.audits.find_readers(copies)
            yield Finding(
                FindingKind.INPUT_REPLACED,
                file.name,
                f"the archive has another one under this name, of {file.size_bytes} "
                "bytes",
                f"`rewebb run {program}` fetches it, and makes what depends on it",
                database.audits.list_affected(readers),
            )
        for name, said in {**decided.unknown, **decided.unchecked}.items():
            yield _tell_unasked(name, said)


def _tell_unasked(subject: str, why: str) -> Finding:
    return Finding(
        FindingKind.NOT_ASKED,
        subject,
        f"the archive did not tell whether it has replaced it: {why}",
        "audit again with --archive, when it answers",
    )


def _audit_references(
    database: Database, caches: Iterable[Path], listener: Listener
) -> Iterator[Finding]:
    """Compare the files of CRDS that jobs used with those of all caches."""
    used = database.audits.list_references()
    by_name = defaultdict[str, list[UsedReference]](list)
    for one in used:
        by_name[one.name].append(one)
    roots = sorted({Path(one.crds_path) for one in used} | {*caches})
    there = {root: _list_cache(root, by_name.keys()) for root in roots}
    hashed = dict(_hash_all("references", there, listener))

    def affect(those: Iterable[UsedReference]) -> tuple[str, ...]:
        users = (database.audits.find_users_of_reference(one) for one in those)
        return database.audits.list_affected(key for keys in users for key in keys)

    for one in used:
        path = there[Path(one.crds_path)].get(one.name)
        found = hashed.get(path) if path else None
        if found is None:
            yield Finding(
                FindingKind.REFERENCE_MISSING,
                one.name,
                f"it is not in {one.crds_path} any more: expected sha1 {one.sha1}",
                "`rewebb refs sync` fetches it",
                affect([one]),
            )
        elif found != one.sha1:
            yield Finding(
                FindingKind.REFERENCE_CHANGED,
                str(path),
                f"expected sha1 {one.sha1}, got {found}",
                _REFS,
                affect([one]),
            )
    for name, those in by_name.items():
        yield from _find_ambiguous(name, those, there, hashed, affect)


def _find_ambiguous(
    name: str,
    those: Sequence[UsedReference],
    there: Mapping[Path, Mapping[str, Path]],
    hashed: Mapping[Path, str],
    affect: Callable[[Iterable[UsedReference]], tuple[str, ...]],
) -> Iterator[Finding]:
    """Say of a name of CRDS where there are files of different content."""
    places = defaultdict[str, set[str]](set)
    for one in those:
        places[one.sha1].add(f"jobs used it from {one.crds_path}")
    own = {one.crds_path for one in those}
    for root, files in there.items():
        path = files.get(name)
        if path is not None and str(root) not in own:
            places[hashed[path]].add(f"it is in {root}")
    if len(places) > 1:
        said = "; ".join(
            f"sha1 {sha1}: {', '.join(sorted(where))}"
            for sha1, where in sorted(places.items())
        )
        yield Finding(FindingKind.REFERENCE_AMBIGUOUS, name, said, _REFS, affect(those))


def _audit_inputs(database: Database, listener: Listener) -> Iterator[Finding]:
    """Compare the files that jobs read, and that no job made, with what they were."""
    used = database.audits.list_inputs()
    for number, one in enumerate(used, 1):
        found = _hash_input(Path(one.path))
        listener("inputs", number, len(used))
        if found == one.sha256:
            continue
        readers = database.audits.find_readers([one.sha256])
        affected = database.audits.list_affected(readers)
        if found is None:
            said = f"it is not there: expected sha256 {one.sha256}"
            kind, remedy = FindingKind.FILE_MISSING, "put it back, or fetch it again"
        else:
            said = f"expected sha256 {one.sha256}, got {found}"
            kind = FindingKind.INPUT_REPLACED
            remedy = (
                "if the new one is right, run the program again, which makes what "
                "depends on it; else put the old one back"
            )
        yield Finding(kind, one.path, said, remedy, affected)


def _hash_input(path: Path) -> str | None:
    """Hash a file; None if it is not there."""
    try:
        return file_sha256(path)
    except OSError:
        return None


def _list_cache(root: Path, names: Iterable[str]) -> dict[str, Path]:
    """Find files of a CRDS cache by their names."""
    wanted = set(names)
    return {
        path.name: path
        for kind in ("mappings", "references")
        for path in (root / kind).rglob("*")
        if path.name in wanted
    }


def _hash_all(
    what: str, there: Mapping[Path, Mapping[str, Path]], listener: Listener
) -> Iterator[tuple[Path, str]]:
    paths = [path for files in there.values() for path in files.values()]
    for number, path in enumerate(paths, 1):
        with open_outside(path) as stream:
            digest = hashlib.sha1(usedforsecurity=False)
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
        listener(what, number, len(paths))
        yield path, digest.hexdigest()
