"""Exposures and programs: what was seen of an archive, as headers have it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from math import isfinite

from sqlalchemy import select
from sqlalchemy.orm import Session

from workers.contract import CONTENT_VERSION

from ..models.exposures import Exposure, KnownExposure, Program
from .insertion import upsert
from .rows import to_record, to_records, to_values
from .schema import (
    SQLExposure,
    SQLKnownFile,
    SQLProgram,
)
from .sessions import Tables, reads, select_in

__all__ = ["Exposures"]


class Exposures(Tables):
    """Exposures of an archive, and their programs."""

    def remember(self, exposures: Iterable[Exposure]) -> None:
        """Remember exposures, in the place of what was known of them."""
        found = tuple(exposures)
        known = [_to_known(exposure) for exposure in found]
        programs = {one.program: _to_program(one) for one in found}

        def work(session: Session) -> None:
            rows = [to_values(SQLProgram, one) for one in programs.values()]
            upsert(session, SQLProgram, rows)
            hashed = _add_hashes(session, known)
            upsert(
                session, SQLExposure, [to_values(SQLExposure, one) for one in hashed]
            )

        self._sessions.write(work)

    @reads
    def find(self, session: Session, program: str) -> tuple[KnownExposure, ...]:
        """Find the exposures of a program, by name."""
        query = select(SQLExposure).where(SQLExposure.program == program)
        rows = session.scalars(query.order_by(SQLExposure.name))
        return to_records(KnownExposure, rows)

    @reads
    def list_programs(self, session: Session) -> tuple[Program, ...]:
        """List the programs of which exposures are known, by id."""
        rows = session.scalars(select(SQLProgram).order_by(SQLProgram.id))
        return tuple(to_record(Program, row) for row in rows)


def _add_hashes(
    session: Session, exposures: Iterable[KnownExposure]
) -> list[KnownExposure]:
    """Add the hashes of files that were read as they are now."""
    found = list(exposures)
    query = select(SQLKnownFile).where(SQLKnownFile.content_version == CONTENT_VERSION)
    rows = select_in(session, query, SQLKnownFile.path, (one.path for one in found))
    hashes = {(r.path, r.size_bytes, r.mtime_ns): r.sha256 for r in rows}
    return [
        replace(one, sha256=hashes.get((one.path, one.size_bytes, one.mtime_ns), ""))
        for one in found
    ]


def _to_program(exposure: Exposure) -> Program:
    return Program(
        id=exposure.program,
        title=_read_text(exposure, "TITLE"),
        principal_investigator=_read_text(exposure, "PI_NAME"),
        category=_read_text(exposure, "CATEGORY"),
    )


def _to_known(exposure: Exposure) -> KnownExposure:
    read, measure = partial(_read_text, exposure), partial(_read_number, exposure)
    return KnownExposure(
        name=exposure.name,
        program=exposure.program,
        observation=exposure.observation,
        visit=exposure.visit,
        exp_type=exposure.exp_type,
        role=exposure.role,
        instrument=read("INSTRUME"),
        detector=read("DETECTOR"),
        grating=read("GRATING"),
        filter=read("FILTER"),
        pupil=read("PUPIL"),
        channel=read("CHANNEL"),
        band=read("BAND"),
        subarray=read("SUBARRAY"),
        aperture=read("APERNAME"),
        readout=read("READPATT"),
        target=read("TARGPROP"),
        ra_deg=measure("TARG_RA"),
        dec_deg=measure("TARG_DEC"),
        started_at=_read_time(exposure, "DATE-BEG"),
        duration_s=measure("DURATION"),
        exposure_s=measure("EFFEXPTM"),
        metafile=read("MSAMETFL"),
        path=str(exposure.path),
        size_bytes=exposure.size_bytes,
        mtime_ns=exposure.mtime_ns,
        sha256="",
        defect=exposure.defect,
    )


def _read_text(exposure: Exposure, keyword: str) -> str:
    return str(exposure.header.get(keyword, "")).strip()


def _read_number(exposure: Exposure, keyword: str) -> float | None:
    value = exposure.header.get(keyword)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if isfinite(value) else None


def _read_time(exposure: Exposure, keyword: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(_read_text(exposure, keyword))
    except ValueError:
        return None
    return read.replace(tzinfo=read.tzinfo or UTC).astimezone(UTC)
