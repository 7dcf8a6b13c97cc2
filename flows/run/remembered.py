"""What workers resolved before, where it still holds, without asking them again.

What is resolved of a job follows from these, and is asked for anew when one changes:

- the bytes of the raw files whose headers are read, and of the metafile of the MSA;
- stage, parameters and edits of the recipe;
- the software that resolves, ours included, and the files that CRDS calls bad;
- the rules (rmaps) of every type of references that was asked for;
- the files that these selected, which are in the cache as they were.

So an answer holds in every context that has the same rules for the job.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from config.clusters import LocalProfile
from workers.contract import (
    FileHash,
    ReferenceFile,
    Resolution,
    Resolved,
    ResolveItem,
)
from workers.installed import Environment, describe_environment, hash_software
from workers.versions import calibration_versions

from ..execution import find_standing
from ..factory import Services, get_clusters_folder
from ..models.resolutions import Answer
from .rules import Context, CrdsFolder

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Memory", "Recalled"]

_CONTEXT = ".pmap"
_NOTHING = ""
"""What a context says of a type that it does not have."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is known of jobs, and what workers are to be asked for."""

    context: str | None
    """The context by its final name; None if only workers can tell."""
    versions: Mapping[str, str]
    """Versions of the calibration code of the workers."""
    by_key: Mapping[str, Resolved]
    """What holds, by key of the planned job."""
    due: tuple[ResolveItem, ...]
    """The others."""


class Memory:
    """Resolutions in the database.

    Parameters
    ----------
    known
        Files of the cache whose sha1 was taken.
    describe_worker
        Asks a worker for its versions and software; only where it may have others than
        this process.
    """

    def __init__(
        self,
        services: Services,
        known: Iterable[ReferenceFile],
        describe_worker: Callable[[], tuple[Mapping[str, str], Environment]],
    ) -> None:
        self._index = services.database.resolutions
        self._crds_path = services.crds_path
        self._folder = CrdsFolder(services.crds_path, known)
        if _is_foreign(services):
            self._versions, environment = describe_worker()
        else:
            self._versions = calibration_versions()
            environment = describe_environment()
        self._software = hash_software(environment)

    def recall(
        self,
        items: Sequence[ResolveItem],
        wanted: str | None,
        raw: Mapping[str, FileHash],
    ) -> Recalled:
        """Find what is known of jobs in a context.

        Parameters
        ----------
        wanted
            The context; None for the operational one of the cache.
        raw
            Hashes of the files that jobs read, by path.
        """
        name = self._name_context(wanted)
        context = self._folder.read_context(name) if name else None
        if context is None:
            return Recalled(None, self._versions, {}, tuple(items))
        questions = self._list_questions(items, raw)
        rows, texts = self._index.find(filter(None, questions))
        held = {
            sha256: resolved
            for sha256, text in texts.items()
            if (resolved := self._hold(text, context))
        }
        by_key: dict[str, Resolved] = {}
        for item, question in zip(items, questions, strict=True):
            for row in rows.get(question or "", ()):
                if resolved := held.get(row.answer_sha256):
                    by_key[item.key] = replace(
                        resolved, key=item.key, cubes=_to_cubes(row.cubes)
                    )
        due = tuple(item for item in items if item.key not in by_key)
        return Recalled(name, self._versions, by_key, due)

    def remember(
        self,
        items: Iterable[ResolveItem],
        resolutions: Iterable[Resolution],
        wanted: str | None,
        raw: Mapping[str, FileHash],
    ) -> None:
        """Remember what workers have answered; not what could not be resolved."""
        by_key = {item.key: item for item in items}
        answers: list[Answer] = []
        now = datetime.now(UTC)
        for part in resolutions:
            context = self._folder.read_context(part.context)
            if context is None or part.versions != self._versions:
                continue
            self._remember_name(wanted, part.context, now)
            for resolved in part.resolved:
                [question] = self._list_questions([by_key[resolved.key]], raw)
                rules = _list_rules(resolved, context)
                if question and rules:
                    answers.append(_to_answer(question, resolved, rules, now))
        self._index.remember(answers)

    def _name_context(self, wanted: str | None) -> str | None:
        """Name a context; a word for it means what it meant to the workers last."""
        if wanted is not None and wanted.endswith(_CONTEXT):
            return wanted
        question = self._ask_name(wanted)
        if question is None:
            return None
        _, texts = self._index.find([question])
        names = [json.loads(text)["context"] for text in texts.values()]
        return names[0] if len(names) == 1 else None

    def _remember_name(self, wanted: str | None, name: str, now: datetime) -> None:
        question = self._ask_name(wanted)
        if question and not (wanted or "").endswith(_CONTEXT):
            text = json.dumps({"context": name})
            self._index.remember([Answer(question, _hash(text), text, "[]", now)])

    def _ask_name(self, wanted: str | None) -> str | None:
        """Hash what decides on the meaning of a word for a context."""
        config = self._folder.read_config()
        if config is None:
            return None
        place = str(self._crds_path)
        return _hash(json.dumps(["context", wanted, place, config, self._software]))

    def _list_questions(
        self, items: Iterable[ResolveItem], raw: Mapping[str, FileHash]
    ) -> list[str | None]:
        """Hash what decides on each job, but for the rules; None if it is not known."""
        config = self._folder.read_config()
        if config is None:
            return [None for _ in items]
        return [_ask(item, raw, self._software + config[1]) for item in items]

    def _hold(self, text: str, context: Context) -> Resolved | None:
        """Return an answer in a context; None if it does not hold there."""
        answer = json.loads(text)
        resolved = _adapter().validate_python(answer["resolved"])
        _, imap, *_ = resolved.mappings
        instrument = imap.name.split("_")[1]
        rules, there = answer["rules"], context.rules.get(instrument)
        if there is None or any(
            rules.get(kind, _NOTHING) not in {None, there.get(kind, _NOTHING)}
            for kind in rules.keys() | there.keys()
        ):
            return None
        mappings = resolved.mappings[2:]
        references = [use.file for use in resolved.references if use.file]
        files = (*references, *(use.file for use in resolved.pars), *mappings)
        if not all(map(self._folder.is_there, files)):
            return None
        heads = (context.file, context.instruments[instrument])
        return replace(resolved, mappings=(*heads, *mappings))


def _is_foreign(services: Services) -> bool:
    """Whether workers may have other software than this process."""
    settings = services.settings
    if not isinstance(settings.find_profile(), LocalProfile):
        return True
    return find_standing(get_clusters_folder(settings), settings.cluster) is not None


def _ask(item: ResolveItem, raw: Mapping[str, FileHash], common: str) -> str | None:
    paths = [item.exposure, *(member.exposure for member in item.members)]
    paths += [*item.science, *([item.metafile] if item.metafile else [])]
    files = [raw.get(path) for path in paths]
    if any(file is None or file.error is not None for file in files):
        return None
    facts = [
        common,
        item.stage,
        [
            (path.rpartition("/")[2], f.sha256)
            for path, f in zip(paths, files, strict=True)
            if f
        ],
        [member.exptype for member in item.members],
        [(each.file, each.edit, each.values) for each in item.edits],
        [len(item.science), item.metafile is not None],
        item.overrides,
    ]
    return _hash(json.dumps(facts, sort_keys=True))


def _list_rules(
    resolved: Resolved, context: Context
) -> Mapping[str, str | None] | None:
    """List what the context has for each type; None for what was not asked for.

    An error is not remembered, nor is what followed from other mappings.
    """
    if resolved.error is not None or not resolved.mappings:
        return None
    pmap, imap, *rmaps = resolved.mappings
    instrument = imap.name.split("_")[1]
    there = context.rules.get(instrument)
    if there is None or (pmap, imap) != (context.file, context.instruments[instrument]):
        return None
    asked = {file.name for file in rmaps}
    return {
        kind: name if name in asked or not name.endswith(".rmap") else None
        for kind, name in there.items()
    }


def _to_answer(
    question: str, resolved: Resolved, rules: Mapping[str, str | None], now: datetime
) -> Answer:
    answer = {"resolved": replace(resolved, key="", cubes=()), "rules": rules}
    text = json.dumps(answer, sort_keys=True, default=_to_fields)
    return Answer(question, _hash(text), text, json.dumps(resolved.cubes), now)


def _to_fields(record: "DataclassInstance") -> dict[str, object]:
    return {each.name: getattr(record, each.name) for each in fields(record)}


def _to_cubes(text: str) -> tuple[tuple[int, int, int], ...]:
    return tuple((a, b, c) for a, b, c in json.loads(text))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _adapter() -> TypeAdapter[Resolved]:
    return TypeAdapter(Resolved)
