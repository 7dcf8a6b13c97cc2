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
from .members import list_pars_types_of_member, list_reftypes_of_member
from .nested import list_nested_pars_types
from .pipelines import configure, list_pars_types, list_reftypes
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


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Types of references and parameter references that a configured pipeline reads."""

    references: tuple[str, ...]
    """By the header of the exposure."""
    pars: frozenset[str]
    """Likewise, of steps that are made inside."""
    of_members: Mapping[str, tuple[str, ...]]
    """By the headers of members, by what they are members as."""
    pars_of_members: Mapping[str, tuple[str, ...]]
    """Likewise."""


class _Selection:
    """Selects references; jobs with the same parameters are configured once."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[object, ...], _Kinds] = {}

    def select_references(self, job: _Job) -> set[str]:
        kinds = self._list_kinds(job)
        names = {*name_references(job.header, kinds.references).values()}
        names |= {*name_pars(job.header, kinds.pars).values()}
        for member in job.item.members:
            wanted = kinds.of_members[member.exptype]
            wanted_pars = kinds.pars_of_members[member.exptype]
            if wanted or wanted_pars:
                header = read_header(member.exposure)
                names |= {*name_references(header, wanted).values()}
                names |= {*name_pars(header, wanted_pars).values()}
        return {name for name in names if name is not None}

    def _list_kinds(self, job: _Job) -> _Kinds:
        item, header = job.item, job.header
        overrides = json.dumps(item.overrides, sort_keys=True)
        mode = [header.get(key) for key in ("meta.exposure.type", "meta.subarray.name")]
        exptypes = frozenset(member.exptype for member in item.members)
        key = (item.stage, job.pars, overrides, exptypes, *mode)
        if key not in self._kinds:
            pipeline = configure(item.stage, header, item.overrides)
            self._kinds[key] = _Kinds(
                references=list_reftypes(pipeline, header),
                pars=list_nested_pars_types(pipeline, header),
                of_members={
                    exptype: list_reftypes_of_member(pipeline, exptype, header)
                    for exptype in exptypes
                },
                pars_of_members={
                    exptype: list_pars_types_of_member(pipeline, exptype, header)
                    for exptype in exptypes
                },
            )
        return self._kinds[key]


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
