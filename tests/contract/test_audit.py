"""What is not any more what products were made of, and how it is named."""

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from fetching_site import Site
from kept_folders import CRDS_FILE, RAW_FILE, KeptFolder, publish
from mast_server import mast_server
from small_files import name_exposure, write_small_files
from typer.testing import CliRunner

from flows.cli import app
from flows.provenance import Database, Records

ALL = ["a_rate.fits", "a_s2d.fits", "a_x1d.fits"]
SPECTRA = ["a_s2d.fits", "a_x1d.fits"]
JOB, MADE = "job " + "a" * 64, "b" * 64


def audit(kept: KeptFolder, *options: str) -> Result:
    arguments = ["audit", "--data-dir", str(kept.data), "--json", *options]
    return CliRunner().invoke(app, arguments)


def find(kept: KeptFolder, *options: str) -> dict[str, tuple[str, list[str]]]:
    """Audit a folder, and give kinds and affected products by subject."""
    audited = audit(kept, *options)
    findings = json.loads(audited.stdout)["findings"]
    wrong = [one for one in findings if one["kind"] != "NOT_ASKED"]
    assert audited.exit_code == bool(wrong)
    return {Path(one["subject"]).name: (one["kind"], one["affected"]) for one in wrong}


def test_nothing_is_found_where_nothing_was_touched(filled: KeptFolder) -> None:
    assert find(filled) == {}


def _flip(path: Path) -> None:
    """Change one byte of a file, and nothing of its size and time."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _touch(pattern: str, spoil: Callable[[Path], None]) -> Callable[[KeptFolder], None]:
    def tamper(kept: KeptFolder) -> None:
        (path,) = kept.data.parent.glob(pattern)
        spoil(path)

    return tamper


def _bend(path: Path) -> None:
    path.write_text(path.read_text().replace("NRS_MSASPEC", "NRS_MSASPEX"))


def _write(statement: str) -> Callable[[KeptFolder], None]:
    def tamper(kept: KeptFolder) -> None:
        with closing(sqlite3.connect(kept.data / "rewebb.db")) as connection:
            assert connection.execute(statement).rowcount == 1
            connection.commit()

    return tamper


RATE, X1D = "data/store/aa/*/a_rate.fits", "data/store/bb/*/a_x1d.fits"
DARK = f"crds/references/*/*/{CRDS_FILE}"
RULES = "crds/mappings/*/jwst_1464.pmap"
RAW = f"data/raw/*/*/{RAW_FILE}"
OF_PRODUCT = "UPDATE product SET pixels_sha256 = 'x' WHERE name = 'a_x1d.fits'"
OF_RUN = "UPDATE run SET requested_by = 'me' WHERE id = 'run-good-0002'"
OF_STATE = "UPDATE run SET state = 'GOOD' WHERE id = 'run-good-0002'"

TAMPERED = {
    "product": (_touch(RATE, _flip), "a_rate.fits", "FILE_CHANGED", ALL),
    "last product": (_touch(X1D, _flip), "a_x1d.fits", "FILE_CHANGED", SPECTRA),
    "no product": (_touch(X1D, Path.unlink), "a_x1d.fits", "FILE_MISSING", SPECTRA),
    "reference": (_touch(DARK, _flip), CRDS_FILE, "REFERENCE_CHANGED", ALL),
    "no reference": (_touch(DARK, Path.unlink), CRDS_FILE, "REFERENCE_MISSING", ALL),
    "mapping": (_touch(RULES, _flip), "jwst_1464.pmap", "REFERENCE_CHANGED", ALL),
    "input": (_touch(RAW, _flip), RAW_FILE, "INPUT_REPLACED", ALL),
    "no input": (_touch(RAW, Path.unlink), RAW_FILE, "FILE_MISSING", ALL),
    "outcome": (_touch("data/store/aa/*/outcome.json", _bend), JOB, "ROW_CHANGED", []),
    "row": (_write(OF_PRODUCT), f"product {MADE}, a_x1d.fits", "ROW_CHANGED", []),
    "row of a run": (_write(OF_RUN), "run run-good-0002", "ROW_CHANGED", []),
    "odd state": (_write(OF_STATE), "run run-good-0002", "ROW_CHANGED", []),
}
"""What is touched, and the subject, kind and products that are named for it."""


@pytest.mark.parametrize("what", TAMPERED)
def test_one_byte_that_was_changed_is_named(kept: KeptFolder, what: str) -> None:
    tamper, subject, kind, affected = TAMPERED[what]
    tamper(kept)
    assert find(kept)[subject] == (kind, affected)


def test_files_of_one_name_and_other_content_are_named_across_caches(
    filled: KeptFolder, tmp_path: Path
) -> None:
    other = tmp_path / "other/references/jwst/nirspec" / CRDS_FILE
    other.parent.mkdir(parents=True)
    other.write_text("dark")
    assert find(filled, "--cache", str(tmp_path / "other")) == {}
    other.write_text("light")
    found = find(filled, "--cache", str(tmp_path / "other"))
    assert found == {CRDS_FILE: ("REFERENCE_AMBIGUOUS", ALL)}


def test_an_audit_is_read_by_people_too(kept: KeptFolder) -> None:
    _flip(next(kept.data.parent.glob(DARK)))
    told = CliRunner().invoke(app, ["audit", "--data-dir", str(kept.data)]).stdout
    assert "  products: a_rate.fits, a_s2d.fits, a_x1d.fits\n" in told
    assert told.endswith("1 findings.\n")


def test_inputs_that_the_archive_has_replaced_are_named(tmp_path: Path) -> None:
    """While the archive is away, it is only told that it was not asked."""
    write_small_files(tmp_path / "archive", 3)
    name = f"{name_exposure(1)}_uncal.fits"
    with mast_server(tmp_path / "archive") as mast:
        kept = _fetch(tmp_path, mast.url, name)
        far = ("--archive", "mast")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("REWEBB_MAST_URL", mast.url)
            assert find(kept, *far) == {}
            other = tmp_path / "archive" / f"{name_exposure(2)}_uncal.fits"
            other.replace(other.with_name(name))
            assert find(kept, *far) == {name: ("INPUT_REPLACED", ["far_rate.fits"])}
    told = json.loads(audit(kept).stdout)["findings"]
    assert [one["kind"] for one in told] == ["NOT_ASKED"]


def _fetch(folder: Path, url: str, name: str) -> KeptFolder:
    """Fetch small files, and record a job that has read one of them."""
    kept = KeptFolder(folder / "data", folder / "crds")
    site = Site(kept.data, url)
    site.fetch()
    with Database.open(kept.url, records=Records(kept.data)) as database:
        for record in site.records:
            database.files.remember_fetched(record)
        (raw,) = (record for record in site.records if record.name == name)
        job = kept.make_jobs()[0]
        path = str(kept.data / raw.folder / name)
        read = replace(job.inputs[0], name=name, path=path, sha256=raw.sha256)
        made = publish(
            kept.data,
            replace(job, inputs=(read,)),
            {"far_rate.fits": "rate"},
            attempt="far",
        )
        database.jobs.record_outcome(made)
    return kept
