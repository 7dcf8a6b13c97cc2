"""Reads every file of a CRDS cache, and compares it with what it must be."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..cache_contract import ReferenceProblem, VerifyReport, VerifyRequest
from ..transfer import Meter, Tell
from .cache import pin
from .catalogue import Catalogue
from .contexts import explain_absence
from .layout import iterate_files
from .server import AT_ONCE, open_catalogue
from .sync import Account, ReferenceSync
from .verdict import Finding, Verdict, describe_bad, inspect

__all__ = ["verify_cache"]


def verify_cache(request: VerifyRequest, tell: Tell) -> VerifyReport:
    """Verify a cache against its server or, without one, what was seen of it."""
    root, known = Path(request.crds_path), request.known
    pin(crds_path=str(root), context=None)
    with open_catalogue(request.server_url, root=root, known=known) as catalogue:
        context = catalogue.name_context(request.context)
        wanted = {*catalogue.list_mappings(context), *(file.name for file in known)}
        found = _read_all(root, catalogue, tell)
        bad, missing = _list_bad(found), _list_missing(found, wanted)
        sync = ReferenceSync(root, catalogue, tell=tell)
        if request.repair:
            sync.provide({*missing, *(each.name for each in bad)}, what="files")
        notes = explain_absence(root, request.context, context, catalogue)
    return _report(context, found, missing, sync.get_account(), notes)


def _read_all(root: Path, catalogue: Catalogue, tell: Tell) -> Sequence[Finding]:
    """Look at all files; those that others move away meanwhile are missing."""
    files = list(iterate_files(root))
    facts = catalogue.describe(path.name for path, _ in files)
    sizes = {str(path): size_bytes for path, size_bytes in files}
    with Meter("reading", tell, sizes) as meter, ThreadPoolExecutor(AT_ONCE) as pool:

        def read(file: tuple[Path, int]) -> Finding:
            path, _ = file
            finding = inspect(path, facts.get(path.name), None)
            meter.finish(str(path))
            return finding

        return list(pool.map(read, files))


def _list_bad(found: Sequence[Finding]) -> list[ReferenceProblem]:
    return [
        ReferenceProblem(each.name, f"{describe_bad(each)}.")
        for each in found
        if each.verdict is Verdict.BAD
    ]


def _list_missing(found: Sequence[Finding], wanted: set[str]) -> list[str]:
    there = {each.name for each in found if each.verdict is not Verdict.MISSING}
    return sorted((wanted | {each.name for each in found}) - there)


def _report(
    context: str,
    found: Sequence[Finding],
    missing: Sequence[str],
    account: Account,
    notes: tuple[str, ...],
) -> VerifyReport:
    unknown = [each.name for each in found if each.verdict is Verdict.UNKNOWN]
    good = [each.found for each in found if each.verdict is Verdict.GOOD]
    return VerifyReport(
        context=context,
        checked=len(found),
        bad=tuple(_list_bad(found)),
        missing=tuple(missing),
        unknown=tuple(unknown),
        repaired=account.repaired,
        failed=account.failed,
        notes=notes,
        files=(*(file for file in good if file), *account.files),
    )
