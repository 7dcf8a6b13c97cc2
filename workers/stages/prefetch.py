"""The references of jobs, brought into the cache before any of them runs.

What is wanted is selected by the code that resolves jobs: first the ``pars-*`` files,
then, with the parameters that come from them, the references.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..cache_contract import PrefetchReport, PrefetchRequest
from ..contract import ResolveItem
from ..errors import WorkerError
from ..references import name_pars, name_references
from ..references.contexts import explain_absence, provide_context, refuse_if_alone
from ..references.server import open_catalogue
from ..references.sync import ReferenceSync
from ..transfer import Tell
from .pipelines import configure, list_pars_types
from .reference_types import ReferenceTypes, list_types, list_types_of_member
from .resolve import read_header

__all__ = ["prefetch"]

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class _Job:
    """A job whose parameter references are selected."""

    item: ResolveItem
    """What is asked for."""
    header: Mapping[str, Any]
    """Header that decides."""
    pars: frozenset[str]
    """Names of its parameter references."""


def prefetch(request: PrefetchRequest, tell: Tell) -> PrefetchReport:
    """Bring mappings, parameter references and references of jobs into the cache.

    Raises
    ------
    CrdsCacheError
        The context or the cache cannot be used; what is wrong with single files is in
        the report.
    ReferenceMissingError
        Files are missing, and there is no server to get them from.
    """
    root, known = Path(request.crds_path), request.known
    with open_catalogue(request.server_url, root=root, known=known) as catalogue:
        sync = ReferenceSync(
            root, catalogue, known=known, tell=tell, dry_run=request.dry_run
        )
        context = provide_context(root, request.context, catalogue, sync)
        if request.everything:
            sync.provide(catalogue.list_references(context), what="references")
        skipped = _provide_for(request.items, sync)
        account = sync.get_account()
        refuse_if_alone(account, root, catalogue)
        notes = explain_absence(root, request.context, context, catalogue)
    return PrefetchReport(
        context=context,
        checked=len(account.files) + len(account.due) + len(account.failed),
        fetched=account.fetched,
        due=account.due,
        repaired=account.repaired,
        failed=account.failed,
        skipped=skipped,
        notes=notes,
        files=account.files,
    )


def _provide_for(items: Sequence[ResolveItem], sync: ReferenceSync) -> tuple[str, ...]:
    """Provide what jobs need; say for which of them nothing can be selected."""
    skipped: list[str] = []
    jobs = list(_each(_select_pars, items, skipped))
    pars = {name for job in jobs for name in job.pars}
    sync.provide(pars, what="parameters", always=True)
    lost = {problem.name for problem in sync.get_account().failed}
    whole = [job for job in jobs if not job.pars & lost]
    named = _each(_Selection().select_references, whole, skipped)
    sync.provide((name for names in named for name in names), what="references")
    return tuple(skipped)


def _select_pars(item: ResolveItem) -> _Job:
    header = read_header(item.exposure)
    names = name_pars(header, list_pars_types(item.stage))
    return _Job(item, header, frozenset(names.values()))


_Types = tuple[ReferenceTypes, Mapping[str, ReferenceTypes]]
"""Types by the header of the exposure, and by those of members, by exptype."""


class _Selection:
    """Selects references; jobs with the same parameters are configured once."""

    def __init__(self) -> None:
        self._types: dict[tuple[object, ...], _Types] = {}

    def select_references(self, job: _Job) -> set[str]:
        own, of_members = self._list_types(job)
        names = _select_names(job.header, own)
        for member in job.item.members:
            wanted = of_members[member.exptype]
            if wanted.references or wanted.pars:
                names |= _select_names(read_header(member.exposure), wanted)
        return names

    def _list_types(self, job: _Job) -> _Types:
        item, header = job.item, job.header
        overrides = json.dumps(item.overrides, sort_keys=True)
        mode = [header.get(key) for key in ("meta.exposure.type", "meta.subarray.name")]
        exptypes = frozenset(member.exptype for member in item.members)
        key = (item.stage, job.pars, overrides, exptypes, *mode)
        if key not in self._types:
            pipeline = configure(item.stage, header, item.overrides)
            of_members = {
                exptype: list_types_of_member(pipeline, exptype, header)
                for exptype in exptypes
            }
            self._types[key] = list_types(pipeline, header), of_members
        return self._types[key]


def _select_names(header: Mapping[str, Any], wanted: ReferenceTypes) -> set[str]:
    names = [*name_references(header, wanted.references).values()]
    names += name_pars(header, wanted.pars).values()
    return {name for name in names if name is not None}


def _each(
    select: Callable[[_Item], _Answer], items: Iterable[_Item], skipped: list[str]
) -> Iterable[_Answer]:
    for item in items:
        try:
            yield select(item)
        except (WorkerError, OSError) as error:
            resolved = item.item if isinstance(item, _Job) else item
            assert isinstance(resolved, ResolveItem)
            skipped.append(f"{resolved.key}: {error}")
