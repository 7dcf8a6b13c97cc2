"""Sessions: one transaction that reads, one that writes."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from itertools import islice
from typing import Concatenate, ParamSpec, TypeVar

import stamina
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Engine,
    Select,
    Text,
    any_,
    func,
    literal,
    select,
)
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session, sessionmaker

from ..errors import ConflictError, DatabaseAwayError, QueryError
from ..logs import log_retry
from .engine import BEGIN_IMMEDIATE, mapped_errors
from .schema import SQLBase

__all__ = [
    "PATIENCE",
    "Sessions",
    "Tables",
    "batches",
    "begins",
    "is_among",
    "reads",
    "select_in",
]

stamina.instrumentation.set_on_retry_hooks([log_retry])

PATIENCE = timedelta(minutes=10)
"""How long a database that is away is waited for: a restart or a failover takes
minutes, and calibration goes on meanwhile."""

_LONGEST_PAUSE_S = 15.0
"""Between two tries while the database is away."""

_BATCH = 500
"""Rows asked for at once; SQLite took 999 parameters a statement before 3.32."""

_LAST = "\U0010ffff"
"""The character that comes after all others."""

_TRIES = 5
"""How often a write that ran into another writer is done."""

_ROLLED_BACK = frozenset({"40001", "40P01"})
"""SQLSTATE of serialization failures and deadlocks."""

_T = TypeVar("_T")
_R = TypeVar("_R", bound=SQLBase)
_P = ParamSpec("_P")


class Sessions:
    """Opens transactions and maps their errors; see `Database`."""

    def __init__(
        self, engine: Engine, *, patience: timedelta = PATIENCE, keeps: bool = True
    ) -> None:
        self._engine = engine
        self._keeps = keeps
        self._patience = patience
        self._gave_up = False
        # PostgreSQL would show each statement another state of the tables.
        isolation = (
            {"isolation_level": "REPEATABLE READ"}
            if engine.dialect.name == "postgresql"
            else {}
        )
        self._readers = sessionmaker(engine.execution_options(**isolation))
        self._writers = sessionmaker(engine.execution_options(**BEGIN_IMMEDIATE))

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session that sees one state of all tables.

        Raises
        ------
        QueryError
            What is looked for is nothing that the database can hold.
        """
        with mapped_errors(self._engine):
            try:
                with self._readers.begin() as session:
                    yield session
            except DataError as error:  # NUL, or a number out of range
                said = str(error.orig).splitlines()[0]
                raise QueryError(f"Nothing can be found by that: {said}.") from error

    def write(self, work: Callable[[Session], _T]) -> _T:
        """Do `work` in one transaction, again if another writer came between.

        While the database is away it is done again as well. The transaction may have
        been committed although the answer was lost, so `work` must come to the same
        when it is done twice.

        Raises
        ------
        DatabaseError
            The database cannot be used, or `work` breaks a rule of the tables.
        """
        return self.insist(lambda: self._write(work))

    def insist(self, call: Callable[[], _T]) -> _T:
        """Do something until the database is back, or patience is over.

        Once it was waited for in vain, calls fail at once until one works again: the
        end of a run must not wait anew for each of its last words.

        Raises
        ------
        DatabaseAwayError
            It did not come back.
        """
        tries = stamina.retry_context(
            on=DatabaseAwayError,
            attempts=1 if self._gave_up else None,
            timeout=self._patience,
            wait_max=_LONGEST_PAUSE_S,
        )
        try:
            for attempt in tries:
                with attempt:
                    done = call()
        except DatabaseAwayError:
            self._gave_up = True
            raise
        self._gave_up = False
        return done

    def _write(self, work: Callable[[Session], _T]) -> _T:
        with mapped_errors(self._engine):
            for _ in range(_TRIES - 1):
                try:
                    return self._write_once(work)
                except (ConflictError, DBAPIError) as error:
                    if not _is_conflict(error):
                        raise
            return self._write_once(work)

    def _write_once(self, work: Callable[[Session], _T]) -> _T:
        with self._writers.begin() as session:
            done = work(session)
            if not self._keeps:
                session.rollback()
            return done


class Tables:
    """Tables of one subject."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions


_S = TypeVar("_S", bound=Tables)


def reads(
    method: Callable[Concatenate[_S, Session, _P], _T],
) -> Callable[Concatenate[_S, _P], _T]:
    """Pass a session to a method that reads, again while the database is away."""

    @wraps(method)
    def read(tables: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        sessions = tables._sessions  # noqa: SLF001  # it is of the class

        def work() -> _T:
            with sessions.read() as session:
                return method(tables, session, *args, **kwargs)

        return sessions.insist(work)

    return read


def begins(
    session: Session, column: InstrumentedAttribute[str], beginning: str
) -> ColumnElement[bool]:
    """Ask for the rows whose key begins so.

    SQLite looks up no pattern in an index. PostgreSQL does, as all text is compared by
    its bytes (`migration`), and needs no last character, which its encoding may lack.
    """
    if session.get_bind().dialect.name == "sqlite":
        return column.between(beginning, beginning + _LAST)
    return column.startswith(beginning, autoescape=True)


def is_among(
    session: Session, column: InstrumentedAttribute[str], keys: Iterable[str]
) -> ColumnElement[bool]:
    """Ask for the rows whose column holds one of the keys, however many these are.

    They are one parameter, so no backend has too many, and PostgreSQL chooses between
    an index and the whole table by how often they are in the column.
    """
    wanted = sorted(set(keys))
    if session.get_bind().dialect.name == "sqlite":
        rows = func.json_each(json.dumps(wanted)).table_valued("value")
        return column.in_(select(rows.c.value))
    return column == any_(literal(wanted, ARRAY(Text())))


def batches(items: Iterable[str], size: int = _BATCH) -> Iterator[Sequence[str]]:
    """Cut keys, each once and sorted, into pieces; by default they fit into an IN."""
    iterator = iter(sorted(set(items)))
    while piece := tuple(islice(iterator, size)):
        yield piece


def select_in(
    session: Session,
    query: Select[tuple[_R]],
    column: InstrumentedAttribute[str],
    keys: Iterable[str],
) -> Iterator[_R]:
    """Select the rows whose column holds one of the keys."""
    for batch in batches(keys):
        yield from session.scalars(query.where(column.in_(batch)))


def _is_conflict(error: ConflictError | DBAPIError) -> bool:
    if isinstance(error, ConflictError | IntegrityError):
        return True
    return getattr(error.orig, "sqlstate", None) in _ROLLED_BACK
