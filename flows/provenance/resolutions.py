"""Resolutions and headers: what can be found out again, and is remembered."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from ..models.resolutions import Answer, KnownHeader
from .insertion import upsert
from .rows import to_record, to_values
from .schema import SQLKnownHeader, SQLResolution, SQLResolutionAnswer
from .sessions import Tables, batches, reads, select_in

__all__ = ["Resolutions"]

_KEPT: Final = 4
"""Answers that are kept to a question: those of the contexts that were asked last."""


class Resolutions(Tables):
    """What workers have resolved, and what headers of raw files say.

    None of it is kept beside the database: whoever misses it asks again.
    """

    @reads
    def find(
        self, session: Session, questions: Iterable[str]
    ) -> tuple[Mapping[str, Sequence[Answer]], Mapping[str, str]]:
        """Find answers, the newest first, by question; and their texts, by hash.

        The text of each is left to the second.
        """
        found: dict[str, list[Answer]] = defaultdict(list)
        table = SQLResolution
        query = select(
            *(table.question, table.answer_sha256, table.cubes, table.asked_at)
        ).order_by(table.asked_at.desc(), table.answer_sha256)
        for batch in batches(questions):
            rows = session.execute(query.where(table.question.in_(batch))).tuples()
            for question, sha256, cubes, asked_at in rows:
                found[question].append(Answer(question, sha256, "", cubes, asked_at))
        wanted = {one.answer_sha256 for answers in found.values() for one in answers}
        texts = select_in(
            session, select(SQLResolutionAnswer), SQLResolutionAnswer.sha256, wanted
        )
        return found, {row.sha256: row.text for row in texts}

    def remember(self, answers: Sequence[Answer]) -> None:
        """Remember answers, and forget those that were given long before them."""
        texts = {one.answer_sha256: one.text for one in answers}
        rows = [{"sha256": sha256, "text": text} for sha256, text in texts.items()]
        values = [to_values(SQLResolution, one) for one in answers]

        def work(session: Session) -> None:
            upsert(session, SQLResolutionAnswer, rows)
            upsert(session, SQLResolution, values)
            _forget(session, [one.question for one in answers])

        if answers:
            self._sessions.write(work)

    @reads
    def find_headers(
        self, session: Session, paths: Iterable[str], *, software: str
    ) -> Mapping[str, KnownHeader]:
        """Find headers that were read with the same software, by path.

        The caller checks whether a file is still as it was when it was read.
        """
        query = select(SQLKnownHeader).where(SQLKnownHeader.software == software)
        rows = select_in(session, query, SQLKnownHeader.path, paths)
        return {row.path: to_record(KnownHeader, row) for row in rows}

    def remember_headers(self, headers: Sequence[KnownHeader]) -> None:
        """Remember headers, in the place of what their files said before."""
        values = [to_values(SQLKnownHeader, one) for one in headers]
        if values:
            self._sessions.write(
                lambda session: upsert(session, SQLKnownHeader, values)
            )


def _forget(session: Session, questions: Iterable[str]) -> None:
    """Forget old answers to questions, and the texts that nothing needs any more."""
    table = SQLResolution
    asked = select(table.question, table.answer_sha256)
    asked = asked.order_by(table.question, table.asked_at.desc(), table.answer_sha256)
    old: list[tuple[str, str]] = []
    for batch in batches(questions):
        given: dict[str, int] = defaultdict(int)
        rows = session.execute(asked.where(table.question.in_(batch))).tuples()
        for question, sha256 in rows:
            given[question] += 1
            if given[question] > _KEPT:
                old.append((question, sha256))
    for begin in range(0, len(old), 200):
        pairs = tuple_(table.question, table.answer_sha256)
        session.execute(delete(table).where(pairs.in_(old[begin : begin + 200])))
    for batch in batches(sha256 for _, sha256 in old):
        used = select(table.answer_sha256).where(table.answer_sha256.in_(batch))
        text = SQLResolutionAnswer.sha256
        session.execute(
            delete(SQLResolutionAnswer).where(text.in_(batch), text.not_in(used))
        )
