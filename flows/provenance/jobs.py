"""Jobs: what was attempted, what came of it, and what was made."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.orm import Session, defer

from workers.contract import (
    Caveat,
    Input,
    Job,
    Outcome,
    Product,
    ReferenceFile,
    Stage,
    Status,
    Usage,
)
from workers.workload import Workload

from ..errors import UnknownRecordError
from ..models.jobs import (
    Content,
    JobRecord,
    JobUse,
    OtherReference,
    StoredJob,
    StoredProduct,
    TakenCost,
)
from .loading import (
    find_successes,
    load_attempts,
    load_jobs,
    load_uses,
    to_stored_product,
)
from .recording import record_outcomes
from .rows import to_record
from .schema import (
    SQLAttempt,
    SQLCaveat,
    SQLJob,
    SQLProduct,
    SQLRawContent,
    SQLReference,
    SQLReferenceUse,
    SQLVersion,
)
from .sessions import Tables, batches, begins, reads, select_in
from .sets import load_uses_of

__all__ = ["Jobs"]

_Row = TypeVar("_Row", bound=tuple[Any, ...])

_USAGES = 20
"""How many attempts are looked at for the memory of the next."""
_LISTED = 10
"""How many are listed of those whose names begin alike."""
_EARLIER = 10
"""How many successes of a product are looked at to find the one that is nearest."""


class Jobs(Tables):
    """Jobs, their attempts and products."""

    def record_outcome(self, outcome: Outcome, *, run_id: str | None = None) -> None:
        """Record an attempt; the order, and recording it twice, make no difference.

        The run that made it must be recorded; None keeps the one that is known.
        """
        self.record_outcomes([outcome], run_id=run_id)

    def record_outcomes(
        self, outcomes: Sequence[Outcome], *, run_id: str | None = None
    ) -> None:
        """Record attempts in one transaction, as `record_outcome` does; far faster."""
        self._sessions.write(
            lambda session: record_outcomes(session, outcomes, run_id=run_id)
        )

    @reads
    def find_outcomes(
        self, session: Session, fingerprints: Iterable[str]
    ) -> Mapping[str, StoredJob]:
        """Find the success that lies in the store, of each job that ever succeeded."""
        found: dict[str, StoredJob] = {}
        for batch in batches(fingerprints):
            found.update(find_successes(session, batch))
        return found

    def remember_products(self, fingerprint: str, products: Iterable[Product]) -> None:
        """Remember the times of files that were read and found as they were made."""
        statements = [
            update(SQLProduct)
            .where(SQLProduct.fingerprint == fingerprint)
            .where(SQLProduct.name == product.name)
            .where(SQLProduct.sha256 == product.sha256)
            .values(mtime_ns=product.mtime_ns)
            for product in products
        ]

        def work(session: Session) -> None:
            for statement in statements:
                session.execute(statement)

        self._sessions.write(work)

    @reads
    def find_caveats(
        self, session: Session, fingerprints: Iterable[str]
    ) -> Mapping[str, tuple[Caveat, ...]]:
        """Find what jobs found that a scientist must know, if they found anything."""
        query = (
            select(SQLAttempt.fingerprint, SQLCaveat)
            .where(SQLCaveat.attempt_id == SQLAttempt.id, SQLAttempt.is_stored)
            .order_by(SQLAttempt.fingerprint, SQLCaveat.position)
        )
        found: dict[str, list[Caveat]] = defaultdict(list)
        for batch in batches(fingerprints):
            wanted = query.where(SQLAttempt.fingerprint.in_(batch))
            for fingerprint, row in session.execute(wanted).tuples():
                found[fingerprint].append(to_record(Caveat, row))
        return {key: tuple(caveats) for key, caveats in found.items()}

    @reads
    def get_job(self, session: Session, fingerprint: str) -> JobRecord:
        """Return all that is recorded of a job, by the beginning of its fingerprint.

        Raises
        ------
        UnknownRecordError
            No job or several begin so.
        """
        row = _find_job(session, fingerprint)
        (job,) = load_jobs(session, [row])
        return JobRecord(job=job, attempts=load_attempts(session, job))

    @reads
    def find_jobs(self, session: Session, beginning: str) -> Mapping[str, str]:
        """Find the jobs whose fingerprints begin so, with their keys; the first few."""
        query = (
            select(SQLJob.fingerprint, SQLJob.stage, SQLJob.name)
            .where(begins(session, SQLJob.fingerprint, beginning))
            .order_by(SQLJob.fingerprint)
            .limit(_LISTED)
        )
        rows = session.execute(query).tuples()
        return {fingerprint: f"{stage}:{name}" for fingerprint, stage, name in rows}

    @reads
    def find_attempts(self, session: Session, beginning: str) -> Mapping[str, str]:
        """Find the attempts whose ids begin so, with their fingerprints."""
        query = (
            select(SQLAttempt.id, SQLAttempt.fingerprint)
            .where(begins(session, SQLAttempt.id, beginning))
            .order_by(SQLAttempt.id)
            .limit(_LISTED)
        )
        return dict(session.execute(query).tuples().all())

    @reads
    def find_namesakes(
        self, session: Session, stage: Stage, name: str
    ) -> tuple[str, ...]:
        """List the fingerprints of the jobs of a name, the last attempted first."""
        query = _newest(select(SQLJob.fingerprint), stage, name)
        return tuple(dict.fromkeys(session.scalars(query)))

    @reads
    def find_products(
        self, session: Session, *, name: str | None = None, sha256: str | None = None
    ) -> tuple[StoredProduct, ...]:
        """Find products by name, by hash or by both, newest first."""
        query = (
            select(SQLProduct, SQLJob, SQLAttempt)
            .where(SQLProduct.fingerprint == SQLJob.fingerprint)
            .where(SQLProduct.attempt_id == SQLAttempt.id)
            .order_by(SQLAttempt.finished_at.desc(), SQLProduct.fingerprint)
        )
        if name is not None:
            query = query.where(SQLProduct.name == name)
        if sha256 is not None:
            query = query.where(SQLProduct.sha256 == sha256)
        return tuple(to_stored_product(*row) for row in session.execute(query))

    @reads
    def find_job(self, session: Session, fingerprint: str) -> Job | None:
        """Find a job by its whole fingerprint."""
        row = session.get(SQLJob, fingerprint)
        return None if row is None else load_jobs(session, [row])[0]

    @reads
    def find_earlier_jobs(
        self, session: Session, stage: Stage, name: str
    ) -> tuple[Job, ...]:
        """Find the successes of a stage and product name, newest first.

        They are the newest ones; there may be more.
        """
        query = _newest(select(SQLJob), stage, name).where(SQLAttempt.is_stored)
        return load_jobs(session, session.scalars(query.limit(_EARLIER)).all())

    @reads
    def find_last_making(self, session: Session) -> tuple[str, str] | None:
        """Find the version of `jwst` and the context of the last success, if any."""
        query = (
            select(SQLJob.versions_sha256, SQLJob.context)
            .where(SQLAttempt.fingerprint == SQLJob.fingerprint, SQLAttempt.is_stored)
            .order_by(SQLAttempt.finished_at.desc(), SQLAttempt.id)
            .limit(1)
        )
        found = session.execute(query).tuples().first()
        if found is None:
            return None
        versions_sha256, context = found
        jwst = session.get(SQLVersion, (versions_sha256, "jwst"))
        return jwst.version if jwst else "", context

    @reads
    def find_lineage(
        self, session: Session, fingerprints: Iterable[str]
    ) -> tuple[JobUse, ...]:
        """Find jobs, the jobs that made what they read, and so on to the raw files."""
        found: dict[str, JobUse] = {}
        due = set(fingerprints)
        while due:
            new = [use for batch in batches(due) for use in load_uses(session, batch)]
            found |= {use.fingerprint: use for use in new}
            read = {file.sha256 for use in new for file in use.inputs}
            made = select_in(session, select(SQLProduct), SQLProduct.sha256, read)
            due = {product.fingerprint for product in made} - found.keys()
        return tuple(found.values())

    @reads
    def find_mappings(
        self, session: Session, fingerprints: Iterable[str]
    ) -> tuple[tuple[ReferenceFile, ...], ...]:
        """Find what selected the references of jobs: each set of mappings once."""
        wanted: set[str] = set()
        for batch in batches(fingerprints):
            query = select(SQLJob.mappings_sha256).where(SQLJob.fingerprint.in_(batch))
            wanted |= {*session.scalars(query.distinct())}
        uses = load_uses_of(session, wanted)
        sets = (uses.get(one, ()) for one in sorted(wanted))
        return tuple(tuple(file for _, _, file in one if file) for one in sets)

    @reads
    def find_cards(
        self, session: Session, contents: Iterable[str]
    ) -> Mapping[str, Mapping[str, str]]:
        """Find the cards of raw files by the hash of their content, where recorded."""
        column = SQLRawContent.content_sha256
        rows = select_in(session, select(SQLRawContent), column, contents)
        return {row.content_sha256: row.cards for row in rows if row.cards}

    @reads
    def find_other_references(
        self, session: Session, program: str, files: Iterable[ReferenceFile]
    ) -> tuple[OtherReference, ...]:
        """Find files of other bytes that jobs of a program used by the same names."""
        here = {file.name: file.sha1 for file in files}
        known = select_in(session, select(SQLReference), SQLReference.name, here)
        others = [file for file in known if file.sha1 != here[file.name]]
        found: set[tuple[str, str, str]] = set()
        for file in others:
            use = SQLReferenceUse
            sets = select(use.set_sha256).where(use.sha1 == file.sha1)
            sets = sets.where(use.name == file.name)
            uses = or_(
                SQLJob.references_sha256.in_(sets), SQLJob.mappings_sha256.in_(sets)
            )
            query = select(SQLJob.crds_path).where(SQLJob.program == program, uses)
            paths = session.scalars(query.distinct())
            found.update((file.name, file.sha1, path) for path in paths)
        return tuple(OtherReference(*each) for each in sorted(found))

    @reads
    def find_contents(
        self, session: Session, files: Iterable[Input]
    ) -> Mapping[str, Content]:
        """Find what is known of the content of files, by content hash.

        Files of which nothing is known, such as products of older versions, are left
        out.
        """
        wanted = {file.content_sha256 for file in files}
        raw = select(SQLRawContent).where(SQLRawContent.content_sha256.in_(wanted))
        made = (
            select(SQLProduct.content_sha256, SQLProduct.pixels_sha256)
            .where(SQLProduct.sha256.in_({file.sha256 for file in files}))
            .where(SQLProduct.pixels_sha256 != "")
        )
        found = {
            content: Content(pixels, None)
            for content, pixels in session.execute(made).tuples()
        }
        return found | {
            row.content_sha256: Content(row.pixels_sha256, row.cards)
            for row in session.scalars(raw)
        }

    @reads
    def find_usages(
        self, session: Session, stage: Stage, name: str
    ) -> tuple[tuple[Status, Usage], ...]:
        """Find how the latest attempts at a product ended and what they took."""
        telling = (Status.SUCCEEDED, Status.OUT_OF_MEMORY)
        query = _newest(select(SQLAttempt), stage, name)
        query = query.where(SQLAttempt.status.in_(telling)).limit(_USAGES)
        rows = session.scalars(query)
        return tuple((row.status, to_record(Usage, row)) for row in rows)

    @reads
    def list_costs(self, session: Session) -> tuple[TakenCost, ...]:
        """List what every success took whose job has its workload recorded.

        A success without products, since no data fall on the detector, ends early and
        says nothing.
        """
        made = SQLProduct.attempt_id
        sizes = select(made, func.sum(SQLProduct.size_bytes)).group_by(made)
        disk_bytes = dict(session.execute(sizes).tuples().all())
        query = (
            select(SQLAttempt, SQLJob.stage, SQLJob.exp_type, SQLJob.workload)
            .join(SQLJob, SQLJob.fingerprint == SQLAttempt.fingerprint)
            .where(SQLAttempt.status == Status.SUCCEEDED, SQLAttempt.peak_bytes > 0)
            .options(defer(SQLAttempt.error_traceback))
            .order_by(SQLJob.stage, SQLJob.exp_type, SQLAttempt.id)
        )
        return tuple(
            to_record(
                TakenCost,
                attempt,
                stage=stage,
                exp_type=exp_type,
                workload=workload,
                disk_bytes=int(disk_bytes[attempt.id]),
            )
            for attempt, stage, exp_type, workload in session.execute(query).tuples()
            if workload != Workload() and attempt.id in disk_bytes
        )


def _newest(query: Select[_Row], stage: Stage, name: str) -> Select[_Row]:
    """Ask for the attempts at a product, newest first."""
    return (
        query.where(SQLAttempt.fingerprint == SQLJob.fingerprint)
        .where(SQLJob.stage == stage, SQLJob.name == name)
        .order_by(SQLAttempt.finished_at.desc(), SQLAttempt.id)
    )


def _find_job(session: Session, beginning: str) -> SQLJob:
    whole = session.get(SQLJob, beginning)
    if whole is not None:
        return whole
    query = (
        select(SQLJob)
        .where(begins(session, SQLJob.fingerprint, beginning))
        .order_by(SQLJob.fingerprint)
        .limit(_LISTED)
    )
    rows = session.scalars(query).all()
    if len(rows) == 1:
        return rows[0]
    count = "several jobs" if rows else "no job"
    listed = ": " * bool(rows) + ", ".join(f"{row.fingerprint}" for row in rows)
    raise UnknownRecordError(
        f"The database holds {count} whose fingerprint begins with "
        f"{beginning!r}{listed}."
    )
