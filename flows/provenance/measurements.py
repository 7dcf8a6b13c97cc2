"""Measurements: the numbers that products gave."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from workers.contract import Measurement

from ..models.measurements import MeasuredProduct
from .insertion import upsert
from .records import Records
from .rows import to_record, to_values
from .schema import SQLMeasuredProduct, SQLMeasurement
from .sessions import Sessions, Tables, reads, select_in

__all__ = ["Measurements"]


class Measurements(Tables):
    """Products that were measured, with their numbers, which `records` keep too."""

    def __init__(self, sessions: Sessions, records: Records | None = None) -> None:
        super().__init__(sessions)
        self._records = records

    def record(self, measured: MeasuredProduct) -> None:
        """Record the numbers of a product, in the place of older ones.

        Its job must be recorded.
        """
        if self._records is not None:
            self._records.keep_measured(measured)
        owner = {"fingerprint": measured.fingerprint, "file": measured.product}
        numbers = [
            to_values(SQLMeasurement, number, **owner, position=position)
            for position, number in enumerate(measured.numbers)
        ]

        def work(session: Session) -> None:
            upsert(
                session, SQLMeasuredProduct, [to_values(SQLMeasuredProduct, measured)]
            )
            session.execute(delete(SQLMeasurement).filter_by(**owner))
            upsert(session, SQLMeasurement, numbers)

        self._sessions.write(work)

    @reads
    def find(
        self, session: Session, fingerprints: Iterable[str]
    ) -> Mapping[tuple[str, str], MeasuredProduct]:
        """Find the products of jobs that were measured, by job and name."""
        wanted = tuple(fingerprints)
        numbers = defaultdict[tuple[str, str], list[Measurement]](list)
        query = select(SQLMeasurement).order_by(SQLMeasurement.position)
        for row in select_in(session, query, SQLMeasurement.fingerprint, wanted):
            numbers[row.fingerprint, row.file].append(
                to_record(Measurement, row, product=row.file)
            )
        products = select(SQLMeasuredProduct)
        rows = select_in(session, products, SQLMeasuredProduct.fingerprint, wanted)
        return {
            key: to_record(MeasuredProduct, row, numbers=tuple(numbers[key]))
            for row in rows
            for key in [(row.fingerprint, row.product)]
        }
