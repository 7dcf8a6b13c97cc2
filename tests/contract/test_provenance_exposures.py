"""Exposures and programs, in every database."""

from dataclasses import replace
from datetime import UTC, datetime
from math import nan

from exposures import make_exposure

from flows.models.exposures import Exposure, Program, Role
from flows.provenance import Database
from workers.contract import FileHash

NAME = "jw99001001001_02101_00001_nrs1"


def make(name: str = NAME, **cards: str | float | bool) -> Exposure:
    exposure = make_exposure(name, **cards)
    return replace(exposure, size_bytes=9, mtime_ns=7)


def make_hash(exposure: Exposure, sha256: str, *, mtime_ns: int = 7) -> FileHash:
    return FileHash(str(exposure.path), 9, mtime_ns, sha256, "content")


def test_an_exposure_is_remembered_with_what_its_header_says(
    database: Database,
) -> None:
    exposure = make(
        **{"DATE-BEG": "2024-03-01T10:10:00.000", "DURATION": 17.5, "EFFEXPTM": 15},
        TARGPROP=" NGC 7319 ", TARG_RA=339.0, TARG_DEC=33.9, DETECTOR="NRS1",
        TITLE="A survey", PI_NAME="Doe, J.", CATEGORY="GO",
    )  # fmt: skip
    database.exposures.remember([exposure])
    (known,) = database.exposures.find("99001")
    assert (known.name, known.observation, known.visit) == (NAME, "001", "001")
    assert (known.exp_type, known.role) == ("NRS_IFU", Role.SCIENCE)
    assert (known.instrument, known.detector, known.grating) == (
        *("NIRSPEC", "NRS1", "PRISM"),
    )
    assert (known.target, known.ra_deg, known.dec_deg) == ("NGC 7319", 339.0, 33.9)
    assert known.started_at == datetime(2024, 3, 1, 10, 10, tzinfo=UTC)
    assert (known.duration_s, known.exposure_s) == (17.5, 15.0)
    assert (known.path, known.size_bytes, known.mtime_ns) == (
        *(str(exposure.path), 9, 7),
    )
    assert (known.sha256, known.defect, known.band) == ("", None, "")
    program = Program("99001", "A survey", "Doe, J.", "GO")
    assert database.exposures.list_programs() == (program,)


def test_headers_that_say_nothing_leave_no_facts(database: Database) -> None:
    odd: dict[str, str | float | bool] = {"DATE-BEG": "yesterday", "DURATION": nan}
    database.exposures.remember([make(**odd, TARG_RA="", TARG_DEC=True)])
    (known,) = database.exposures.find("99001")
    assert (known.started_at, known.duration_s) == (None, None)
    assert (known.ra_deg, known.dec_deg, known.exposure_s) == (None, None, None)


def test_exposures_that_are_remembered_again_are_there_once(
    database: Database,
) -> None:
    other = make(NAME.replace("_00001_", "_00002_"))
    database.exposures.remember([make(), other])
    once = database.exposures.find("99001")
    database.exposures.remember([other, make()])
    assert database.exposures.find("99001") == once
    database.exposures.remember([replace(make(), defect="It is cut.", size_bytes=5)])
    first, second = database.exposures.find("99001")
    assert (first.defect, first.size_bytes, second) == ("It is cut.", 5, once[1])
    assert database.exposures.find("99002") == ()


def test_an_exposure_has_the_hash_of_its_file_in_whatever_order_it_is_read(
    database: Database,
) -> None:
    before, after = make(), make(NAME.replace("_00001_", "_00002_"))
    database.files.remember_files([make_hash(before, "one")])
    database.exposures.remember([before, after])
    database.files.remember_files([make_hash(after, "two")])
    assert [e.sha256 for e in database.exposures.find("99001")] == ["one", "two"]
    # Another file at this place is not the one whose header was read.
    database.files.remember_files([make_hash(after, "three", mtime_ns=8)])
    assert [e.sha256 for e in database.exposures.find("99001")] == ["one", "two"]
    database.exposures.remember([replace(after, mtime_ns=8)])
    assert [e.sha256 for e in database.exposures.find("99001")] == ["one", "three"]
