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
from .sync import ReferenceSync
from .verdict import Finding, Verdict, describe_bad, inspect

__all__ = ["verify_cache"]


def verify_cache(request: VerifyRequest, tell: Tell) -> VerifyReport:
    """Verify a cache against its server or, without one, what was seen of it."""
    root, known = Path(request.crds_path), request.known
    pin(crds_path=str(root), context=None)
    with open_catalogue(request.server_url, root=root, known=known) as catalogue:
        context = catalogue.name_context(request.context)
        found = _read_all(root, catalogue, tell)
        by_verdict = {
            verdict: [each for each in found if each.verdict is verdict]
            for verdict in Verdict
        }
        bad = tuple(
            ReferenceProblem(each.name, f"{describe_bad(each)}.")
            for each in by_verdict[Verdict.BAD]
        )
        gone = {each.name for each in by_verdict[Verdict.MISSING]}
        wanted = {*catalogue.list_mappings(context), *(file.name for file in known)}
        missing = sorted((wanted - {each.name for each in found}) | gone)
        sync = ReferenceSync(root, catalogue, tell=tell)
        if request.repair:
            sync.provide({*missing, *(each.name for each in bad)}, what="files")
        notes = explain_absence(root, request.context, context, catalogue)
    account = sync.get_account()
    good = [each.found for each in by_verdict[Verdict.GOOD] if each.found]
    return VerifyReport(
        context=context,
        checked=len(found),
        bad=bad,
        missing=tuple(missing),
        unknown=tuple(each.name for each in by_verdict[Verdict.UNKNOWN]),
        repaired=account.repaired,
        failed=account.failed,
        notes=notes,
        files=(*good, *account.files),
    )


def _read_all(root: Path, catalogue: Catalogue, tell: Tell) -> Sequence[Finding]:
    """Look at all files; those that others move away meanwhile are missing."""
    sizes = {str(path): size_bytes for path, size_bytes in iterate_files(root)}
    facts = catalogue.describe(Path(path).name for path in sizes)
    with Meter("reading", tell, sizes) as meter, ThreadPoolExecutor(AT_ONCE) as pool:

        def read(path: str) -> Finding:
            finding = inspect(Path(path), facts.get(Path(path).name), None)
            meter.finish(path)
            return finding

        return list(pool.map(read, sizes))
