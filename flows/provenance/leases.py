"""Leases: the right of one orchestrator to run a program."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ..errors import ConflictError, LeaseHeldError
from ..models.runs import Lease
from .rows import to_record, to_records, to_row, to_values
from .schema import SQLLease
from .sessions import Tables, reads

__all__ = ["IsAlive", "Leases"]

IsAlive = Callable[[str, int], bool]
"""Whether a process of a host is alive; asked about our own host only."""


class Leases(Tables):
    """Who runs which program."""

    def acquire_lease(
        self,
        program: str,
        *,
        owner: str,
        host: str,
        pid: int,
        ttl: timedelta,
        now: datetime,
        is_alive: IsAlive,
    ) -> Lease:
        """Take the lease of a program.

        One that expired, or whose process on this same host died, is taken over; its
        owner may take it again.

        Raises
        ------
        LeaseHeldError
            Somebody else holds it: who, where, until when.
        """
        wanted = Lease(
            program=program,
            owner=owner,
            host=host,
            pid=pid,
            acquired_at=now,
            expires_at=now + ttl,
        )
        self._sessions.write(lambda session: _take(session, wanted, is_alive))
        return wanted

    def renew_lease(
        self, program: str, *, owner: str, ttl: timedelta, now: datetime
    ) -> Lease:
        """Hold a lease for longer.

        Raises
        ------
        LeaseHeldError
            It expired and somebody else took it, or it was released.
        """
        statement = (
            update(SQLLease)
            .where(SQLLease.program == program, SQLLease.owner == owner)
            .values(expires_at=now + ttl)
        )

        def work(session: Session) -> Lease:
            session.execute(statement)
            return _own_lease(session, program, owner)

        return self._sessions.write(work)

    def release_lease(self, program: str, *, owner: str) -> None:
        """Release a lease; one that is no longer held is left alone."""
        statement = delete(SQLLease).where(
            SQLLease.program == program, SQLLease.owner == owner
        )
        self._sessions.write(lambda session: session.execute(statement))

    def cancel_lease(self, program: str, *, owner: str, by: str) -> bool:
        """Ask the owner of a lease to stop; returns whether it still holds it."""
        statement = (
            update(SQLLease)
            .where(SQLLease.program == program, SQLLease.owner == owner)
            .values(cancelled_by=by)
            .returning(SQLLease.program)
        )

        def work(session: Session) -> bool:
            return session.scalar(statement) is not None

        return self._sessions.write(work)

    @reads
    def get_lease(self, session: Session, program: str) -> Lease | None:
        """Return the lease of a program, expired or not."""
        row = session.get(SQLLease, program)
        return None if row is None else to_record(Lease, row)

    @reads
    def list_leases(self, session: Session) -> tuple[Lease, ...]:
        """List all leases, expired or not, by program."""
        query = select(SQLLease).order_by(SQLLease.program)
        return to_records(Lease, session.scalars(query))


def _take(session: Session, wanted: Lease, is_alive: IsAlive) -> None:
    row = session.get(SQLLease, wanted.program)
    if row is None:
        # Whoever inserts second breaks the primary key, and is tried again.
        session.add(to_row(SQLLease, wanted))
        return
    held = to_record(Lease, row)
    if not _is_free(held, wanted, is_alive):
        raise LeaseHeldError(_describe(held))
    _take_over(session, held, wanted)


def _is_free(held: Lease, wanted: Lease, is_alive: IsAlive) -> bool:
    if held.owner == wanted.owner or held.expires_at <= wanted.acquired_at:
        return True
    return held.host == wanted.host and not is_alive(held.host, held.pid)


def _take_over(session: Session, held: Lease, wanted: Lease) -> None:
    # The condition makes it one step: whoever comes second finds another owner, or
    # a lease that was renewed meanwhile, and looks again.
    statement = (
        update(SQLLease)
        .where(
            SQLLease.program == held.program,
            SQLLease.owner == held.owner,
            SQLLease.expires_at == held.expires_at,
        )
        .values(to_values(SQLLease, wanted))
        .returning(SQLLease.program)
    )
    if session.execute(statement).first() is None:
        raise ConflictError(
            f"The lease of program {held.program} keeps changing hands: try again."
        )


def _own_lease(session: Session, program: str, owner: str) -> Lease:
    query = select(SQLLease).where(SQLLease.program == program)
    row = session.scalar(query)
    if row is None:
        raise LeaseHeldError(
            f"The lease of program {program} is lost: somebody released it."
        )
    if row.owner != owner:
        raise LeaseHeldError(
            f"The lease of program {program} is lost: "
            f"{_describe(to_record(Lease, row))}"
        )
    return to_record(Lease, row)


def _describe(held: Lease) -> str:
    return (
        f"Program {held.program} is being run by process {held.pid} on {held.host} "
        f"(owner {held.owner}) since {held.acquired_at:%Y-%m-%d %H:%M:%S} UTC; its "
        f"lease holds until {held.expires_at:%Y-%m-%d %H:%M:%S} UTC unless renewed."
    )
