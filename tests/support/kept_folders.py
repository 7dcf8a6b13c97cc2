"""A data folder with one of everything that is kept, made without calibrating."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from outcomes import NOON, make_job, make_outcome, make_run, make_run_job

from flows.archive import FileKind, RemoteFile, Vault
from flows.layout import RAW
from flows.models.measurements import MeasuredProduct
from flows.models.runs import Export, JobState, RunJob, RunState
from flows.provenance import Database, Records, Store, set_aside
from workers.contract import (
    FileHash,
    Input,
    Job,
    Measurement,
    Outcome,
    Product,
    ProductFacts,
    ReferenceFile,
    ReferenceUse,
    SourceFacts,
    Stage,
    Status,
    to_json,
)
from workers.installed import keep_environment
from workers.job_layout import OUTCOME_NAME, get_attempt_folder, get_store_folder

__all__ = ["CRDS_FILE", "RAW_FILE", "KeptFolder", "place_product", "publish"]

RAW_FILE = "jw02736007001_03103_00001_nrs1_uncal.fits"
CRDS_FILE = "jwst_nirspec_dark_0001.fits"
_PROGRAM = "02736"


def place_product(folder: Path, name: str, text: str) -> Product:
    """Write a product, and give its record."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return Product(
        name=name,
        size_bytes=path.stat().st_size,
        mtime_ns=path.stat().st_mtime_ns,
        sha256=sha256,
        content_sha256=sha256,
    )


def publish(
    data: Path,
    job: Job,
    products: Mapping[str, str],
    *,
    attempt: str,
    status: Status = Status.SUCCEEDED,
) -> Outcome:
    """Leave what a worker leaves of an attempt, and give its answer."""
    place = get_store_folder(job.fingerprint)
    if status is not Status.SUCCEEDED:
        place = get_attempt_folder(job.fingerprint, attempt)
    made = [place_product(data / place, *item) for item in sorted(products.items())]
    outcome = make_outcome(job, attempt=attempt, status=status, products=made)
    of_success = made if status is Status.SUCCEEDED else ()
    facts = tuple(_make_facts(product.name) for product in of_success)
    outcome = replace(outcome, folder=str(place), facts=facts)
    (data / place).mkdir(parents=True, exist_ok=True)
    (data / place / OUTCOME_NAME).write_text(to_json(outcome))
    return outcome


def _make_facts(name: str) -> ProductFacts:
    """Make facts with one of everything."""
    region = "POLYGON ICRS 9.9 1.9 10.1 1.9 10.1 2.1 9.9 2.1"
    place = {"ra_deg": 10.0, "dec_deg": 2.0, "wave_min_m": 1e-6, "wave_max_m": 5e-6}
    source = SourceFacts(name="1_7", slit="3", region=region, **place)
    times = {"start_mjd": 60000.0, "end_mjd": 60000.5, "exposure_s": 42.5}
    return ProductFacts(
        *(name, "spectrum", 2, "M 31", "NIRSPEC", "NRS1", "PRISM", "CLEAR"),
        region=region,
        sources=(source,),
        **place,
        **times,
    )


@dataclass(frozen=True)
class KeptFolder:
    """A data folder, the archive's files in it, and a CRDS cache beside it."""

    data: Path
    crds: Path

    @property
    def url(self) -> str:
        """URL of its own database."""
        return f"sqlite:///{self.data}/rewebb.db"

    def fill(self) -> None:
        """Make a raw file, two jobs in a chain, and what went wrong on the way."""
        with Database.open(self.url, records=Records(self.data)) as database:
            self._fill(database)

    def _fill(self, database: Database) -> None:
        store = Store(self.data, database, patience=timedelta(seconds=1))
        jobs = self.make_jobs()
        raw, made = jobs
        runs = database.runs
        self._remember_files(database)
        store.index_environment(keep_environment(self.data))
        first = make_run("run-dead-0001")
        runs.start_run(first)
        runs.set_context(first.id, "jwst_1464.pmap")
        runs.set_jobs(first.id, [_entry(raw), _entry(made)])
        lost = make_outcome(raw, attempt="a-lost", status=Status.LOST)
        store.record(replace(lost, folder="", node="node-7"), run_id=first.id)
        store.record(self._publish(raw, "a-old", "rot"), run_id=first.id)
        runs.update_jobs(first.id, [_entry(raw, JobState.SUCCEEDED)])
        runs.interrupt_dead_runs(_PROGRAM, now=NOON + timedelta(hours=1))

        second = make_run("run-good-0002", started_at=NOON + timedelta(hours=2))
        runs.start_run(second)
        runs.set_context(second.id, "jwst_1464.pmap")
        runs.set_jobs(second.id, [_entry(raw), _entry(made)])
        set_aside(self.data / get_store_folder(raw.fingerprint), data_dir=self.data)
        store.record(self._publish(raw, "a-new", "rate"), run_id=second.id)
        bad = publish(self.data, made, {}, attempt="b-bad", status=Status.OUT_OF_MEMORY)
        store.record(bad, run_id=second.id)
        spectra = {"a_x1d.fits": "x1d", "a_s2d.fits": "s2d"}
        store.record(
            publish(self.data, made, spectra, attempt="b-new"), run_id=second.id
        )
        done = [_entry(job, JobState.SUCCEEDED) for job in jobs]
        runs.update_jobs(second.id, done)
        runs.set_notes(second.id, ["one exposure is in no association"])
        end = NOON + timedelta(hours=3)
        runs.finish_run(second.id, RunState.SUCCEEDED, "2 jobs are done", now=end)
        for target in ("/papers/draft", "s3://papers/one"):
            runs.record_export(second.id, Export(target, ("s2d", "x1d"), end))
        runs.withdraw_export(second.id, "/papers/draft")
        database.measurements.record(_measure(made, "a_x1d.fits", "x1d"))

    def _publish(self, job: Job, attempt: str, text: str) -> Outcome:
        return publish(self.data, job, {"a_rate.fits": text}, attempt=attempt)

    def make_jobs(self) -> tuple[Job, Job]:
        """Make a job that reads the raw file, and one that reads its product."""
        reference = self._make_reference()
        job = make_job("a" * 64)
        raw_path = self.data / RAW / _PROGRAM / "v1" / RAW_FILE
        raw_path.parent.mkdir(parents=True, exist_ok=True)
        if not raw_path.exists():
            raw_path.write_text("raw")
        uses = (ReferenceUse("dark", reference), ReferenceUse("photom", None))
        mapping = self._make_mapping()
        job = replace(
            job, crds_path=str(self.crds), references=uses, mappings=(mapping,), pars=()
        )
        raw = replace(job, inputs=(_read(raw_path, "raw"),))
        rate = self.data / get_store_folder("a" * 64) / "a_rate.fits"
        made = replace(
            job,
            fingerprint="b" * 64,
            stage=Stage.SPEC2,
            inputs=(_read(rate, "rate"),),
        )
        return raw, made

    def _make_reference(self) -> ReferenceFile:
        return self._place_crds(f"references/jwst/nirspec/{CRDS_FILE}", "dark")

    def _make_mapping(self) -> ReferenceFile:
        return self._place_crds("mappings/jwst/jwst_1464.pmap", "rules")

    def _place_crds(self, place: str, text: str) -> ReferenceFile:
        path = self.crds / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(text)
        sha1 = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        status = path.stat()
        return ReferenceFile(path.name, sha1, status.st_size, status.st_mtime_ns)

    def _remember_files(self, database: Database) -> None:
        files = [self._make_reference(), self._make_mapping()]
        database.files.remember_references(files, crds_path=str(self.crds), now=NOON)
        path = self.data / RAW / _PROGRAM / "v1" / RAW_FILE
        vault = Vault(self.data, database.files.remember_fetched)
        vault.find(
            RemoteFile(
                name=RAW_FILE,
                uri=f"mast:JWST/product/{RAW_FILE}",
                kind=FileKind.UNCAL,
                size_bytes=3,
                program=_PROGRAM,
                observation="007",
            )
        )
        status = path.stat()
        sha256 = hashlib.sha256(b"raw").hexdigest()
        database.files.remember_files(
            [
                FileHash(
                    path=str(path),
                    size_bytes=status.st_size,
                    mtime_ns=status.st_mtime_ns,
                    sha256=sha256,
                    content_sha256=sha256,
                    pixels_sha256="pixels",
                    cards={"TARGNAME": "NGC 1"},
                )
            ]
        )


def _read(path: Path, text: str) -> Input:
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return Input(
        name=path.name,
        path=str(path),
        exptype="science",
        reason="The exposure itself.",
        sha256=sha256,
        content_sha256=sha256,
    )


def _entry(job: Job, state: JobState = JobState.DUE) -> RunJob:
    return replace(
        make_run_job(job.name, state),
        stage=job.stage,
        fingerprint=job.fingerprint,
        blocked_by=("detector1:other",),
    )


def _measure(job: Job, product: str, text: str) -> MeasuredProduct:
    number = Measurement("noise", product, "1", 0.25, "Jy", 7)
    none = Measurement("lines", product, "", None, "1", 0, "there is no line")
    return MeasuredProduct(
        fingerprint=job.fingerprint,
        product=product,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        kinds_sha256="kinds",
        measured_at=NOON,
        numbers=(number, none),
    )
