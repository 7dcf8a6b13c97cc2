"""Retention: which jobs lie in the store, who reads them, and which runs have them."""

from collections import defaultdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..models.retention import KeptJob
from .schema import SQLAttempt, SQLJob, SQLJobInput, SQLProduct, SQLRunJob
from .sessions import Tables, reads

__all__ = ["Retention"]


class Retention(Tables):
    """What may be removed depends on this."""

    @reads
    def list_jobs(self, session: Session) -> tuple[KeptJob, ...]:
        """List the jobs that have succeeded, with what they made and read."""
        products = defaultdict[str, dict[str, int]](dict)
        makers = defaultdict[str, set[str]](set)
        sizes = select(
            SQLProduct.fingerprint,
            SQLProduct.name,
            SQLProduct.size_bytes,
            SQLProduct.sha256,
        )
        for key, name, size_bytes, sha256 in session.execute(sizes).tuples():
            products[key][name] = size_bytes
            makers[sha256].add(key)
        reads_from = defaultdict[str, set[str]](set)
        inputs = select(SQLJobInput.fingerprint, SQLJobInput.sha256)
        for key, sha256 in session.execute(inputs).tuples():
            reads_from[key] |= makers.get(sha256, set())
        query = (
            select(SQLJob.fingerprint, SQLJob.stage, SQLJob.name, SQLJob.program)
            .join(SQLAttempt, SQLAttempt.fingerprint == SQLJob.fingerprint)
            .where(SQLAttempt.is_stored)
            .order_by(SQLJob.fingerprint)
        )
        return tuple(
            KeptJob(
                key, stage, name, program, products[key], frozenset(reads_from[key])
            )
            for key, stage, name, program in session.execute(query).tuples()
        )

    @reads
    def list_uses(self, session: Session) -> dict[str, frozenset[str]]:
        """List the jobs of each run by fingerprint, whatever they came to."""
        query = select(SQLRunJob.run_id, SQLRunJob.fingerprint)
        query = query.where(SQLRunJob.fingerprint.is_not(None))
        uses = defaultdict[str, set[str]](set)
        for run_id, fingerprint in session.execute(query).tuples():
            if fingerprint is not None:
                uses[run_id].add(fingerprint)
        return {run_id: frozenset(keys) for run_id, keys in uses.items()}
