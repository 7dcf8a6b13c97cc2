"""What a scientist hands on: products of a run in a folder or a bucket, explained.

Everything is made of the database and the store alone, and nothing of it depends on
when it is made, so that exporting a run again finds what is there already.
"""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from workers.content import file_sha256
from workers.contract import Product, Stage
from workers.keywords import add_keywords
from workers.publishing import replace

from ..errors import ExportError
from ..models.jobs import StoredJob
from ..models.lineage import Lineage
from ..models.runs import Export, Run, RunState
from ..names import check_file_name
from ..provenance import Database, make_prov_document, write_prov
from .summary import tell_caveats

__all__ = ["FINAL_KINDS", "Exported", "export_run", "name_target"]

FINAL_KINDS = frozenset({"x1d", "x1dints", "c1d", "s2d", "s3d", "whtlt"})
"""Suffixes of products of the last stages that are exported if nothing else is said."""

_LAST = frozenset({Stage.SPEC3, Stage.TSO3})
_MANIFEST = "manifest.json"
_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?P<prefix>(?:/[^/]+)*)/?")
_SUFFIX = re.compile(r"_([a-z0-9]+)\.[a-z]+$")


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has written."""

    target: str
    """The folder, or the bucket and the prefix in it."""
    written: tuple[str, ...]
    """Files that were written, relative to it."""
    kept: tuple[str, ...]
    """Files that were there already, as they are to be."""
    left_out: tuple[str, ...]
    """Jobs of the run that have no products, with what became of them."""


class _Target(Protocol):
    """Where files are exported to."""

    def read_manifest(self) -> bytes | None:
        """Read the manifest that is there, if there is one."""

    def holds(self, name: str, sha256: str) -> bool:
        """Whether a file is there, of these bytes."""

    def put(self, name: str, draft: Path, sha256: str) -> None:
        """Put a file there, whole or not at all."""


def _list_kinds(names: Iterable[str]) -> tuple[str, ...]:
    """List the suffixes of products (``x1d``)."""
    return tuple(sorted({_kind_of(name) for name in names}))


def export_run(
    database: Database,
    run: Run,
    target: str,
    *,
    data_dir: Path,
    kinds: frozenset[str] | None = None,
    keeps: bool = True,
    listener: Callable[[str], object] = lambda _: None,
) -> Exported:
    """Write products of a run, with what explains them; again where it was cut off.

    Copies of FITS files carry the run, the fingerprint, the recipe and the version of
    Rewebb in their primary headers; their arrays and other cards are those of the
    store. The manifest comes last. That the run is published is recorded before the
    first file is written.

    Parameters
    ----------
    target
        A folder, or ``s3://bucket/prefix``.
    kinds
        Suffixes of the products; those of the last stages if None.
    keeps
        Whether it is recorded, so that the run is kept.
    listener
        Is told of each file before it is looked at.

    Raises
    ------
    ExportError
        The run is not over, has nothing of these kinds, a product is not as it was
        made, or the target holds another run.
    DatabaseError
        It cannot be recorded.
    OSError
        A file cannot be read or written.
    """
    if run.state is RunState.RUNNING:
        raise ExportError(f"The run {run.id} is not over; see `rewebb status`.")
    jobs = database.runs.get_run_jobs(run.id)
    done = database.jobs.find_outcomes(j.fingerprint for j in jobs if j.fingerprint)
    chosen = [
        (job, product)
        for job in done.values()
        for product in job.products
        if _is_wanted(job, product, kinds)
    ]
    if not chosen:
        made = _list_kinds(p.name for job in done.values() for p in job.products)
        wanted = ", ".join(sorted(kinds or FINAL_KINDS))
        raise ExportError(
            f"The run {run.id} has no product of the kinds {wanted}; it has "
            f"{', '.join(made) or 'none at all'}."
        )
    known = {job.key: tuple(job.caveats) for job in jobs}
    lineage = database.lineages.trace({job.fingerprint for job, _ in chosen})
    writer = _Writer(_open_target(target, run), data_dir, listener)
    if keeps:
        asked = tuple(sorted(kinds or FINAL_KINDS))
        export = Export(name_target(target), asked, datetime.now(UTC))
        database.runs.record_export(run.id, export)
    records = [
        writer.export_product(job, product, run)
        | {"caveats": _list_caveats(job, known)}
        for job, product in chosen
    ]
    for job, product in chosen:
        writer.export_provenance(database, job, product, run)
    writer.export_associations(lineage, {job.fingerprint for job, _ in chosen})
    if run.recipe_text:
        writer.export_text("recipe.toml", run.recipe_text)
    writer.export_text("README.md", _write_readme(run, lineage, records))
    sums = [f"{sha256}  {name}" for name, sha256 in sorted(writer.sums.items())]
    writer.export_text("SHA256SUMS", "\n".join(sums) + "\n")
    manifest = {"run": run.id, "files": writer.sums, "products": records}
    writer.export_text(_MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
    lost = [job for job in jobs if job.fingerprint not in done]
    return Exported(
        target=target,
        written=tuple(writer.written),
        kept=tuple(writer.kept),
        left_out=tuple(f"{job.key}: {job.state}" for job in lost),
    )


def name_target(target: str) -> str:
    """Name a target as it is recorded: one place has one name, from any folder."""
    if target.startswith("s3://"):
        return target.rstrip("/")
    return str(Path(target).resolve())


def _is_wanted(job: StoredJob, product: Product, kinds: frozenset[str] | None) -> bool:
    kind = _kind_of(product.name)
    if kinds is None:
        return job.stage in _LAST and kind in FINAL_KINDS
    return kind in kinds


def _kind_of(name: str) -> str:
    found = _SUFFIX.search(name)
    return found[1] if found else ""


def _list_caveats(job: StoredJob, known: Mapping[str, Sequence[Any]]) -> list[str]:
    key = f"{job.stage}:{job.name}"
    return list(tell_caveats(key, (*known.get(key, ()), *job.caveats)))


class _Writer:
    """Writes files that are not there yet as they are to be, and sums them all."""

    def __init__(
        self, target: _Target, data_dir: Path, listener: Callable[[str], object]
    ) -> None:
        self.written: list[str] = []
        self.kept: list[str] = []
        self.sums: dict[str, str] = {}
        self._target = target
        self._data_dir = data_dir
        self._listener = listener
        self._before = _read_sources(target)

    def export_product(
        self, job: StoredJob, product: Product, run: Run
    ) -> dict[str, Any]:
        """Copy a product, with keywords that lead back to its record."""
        name = check_file_name(product.name)
        self._listener(name)
        cards = {
            "RW_RUN": (run.id, "run of Rewebb"),
            "RW_FPRNT": (job.fingerprint, "fingerprint of the job"),
            "RW_RECIP": (_to_ascii(run.recipe_name), "recipe"),
            "RW_VERS": (version("rewebb"), "version of Rewebb"),
        }
        record = {
            "name": name,
            "fingerprint": job.fingerprint,
            "stage": job.stage,
            "context": job.context,
            "sha256_in_store": product.sha256,
            "content_sha256": product.content_sha256,
            "keywords": cards,
        }
        as_json = json.loads(json.dumps(record))
        before = self._before.get(name)
        if before and {k: before.get(k) for k in as_json} == as_json:
            sha256 = before["sha256"]
            if self._target.holds(name, sha256):
                self.kept.append(name)
                self.sums[name] = sha256
                return {**as_json, "sha256": sha256}
        with _drafting() as folder:
            draft = folder / name
            shutil.copyfile(self._data_dir / job.folder / name, draft)
            if file_sha256(draft) != product.sha256:
                raise ExportError(
                    f"{self._data_dir / job.folder / name} is not as it was made "
                    "(sha256); see `rewebb db verify`."
                )
            if name.endswith(".fits"):
                add_keywords(draft, cards)
            return {**as_json, "sha256": self._put(name, draft)}

    def export_provenance(
        self, database: Database, job: StoredJob, product: Product, run: Run
    ) -> None:
        """Write the provenance of a product beside it."""
        alone = database.lineages.trace([job.fingerprint])
        document = make_prov_document(alone, [run])
        text = write_prov(document, "json").decode()
        self.export_text(f"provenance/{product.name}.prov.json", text)

    def export_associations(self, lineage: Lineage, jobs: Iterable[str]) -> None:
        """Write the associations that products were made of."""
        for fingerprint in sorted(jobs):
            job = lineage.makings[fingerprint].job
            if job.association and job.association_name:
                name = check_file_name(job.association_name)
                self.export_text(f"associations/{name}", job.association)

    def export_text(self, name: str, text: str) -> None:
        """Write a text, unless it is there."""
        self._listener(name)
        content = text.encode()
        sha256 = hashlib.sha256(content).hexdigest()
        if self._target.holds(name, sha256):
            self.kept.append(name)
            self.sums[name] = sha256
            return
        with _drafting() as folder:
            draft = folder / Path(name).name
            draft.write_bytes(content)
            self._put(name, draft)

    def _put(self, name: str, draft: Path) -> str:
        sha256 = file_sha256(draft)
        self._target.put(name, draft, sha256)
        self.written.append(name)
        self.sums[name] = sha256
        return sha256


@contextmanager
def _drafting() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rewebb-export-") as folder:
        yield Path(folder)


def _read_sources(target: _Target) -> Mapping[str, Mapping[str, Any]]:
    text = target.read_manifest()
    products = json.loads(text)["products"] if text else []
    return {record["name"]: record for record in products}


def _open_target(target: str, run: Run) -> _Target:
    """Open a folder or a bucket, and refuse one that holds another run."""
    is_bucket = target.startswith("s3://")
    opened: _Target = _Bucket(target) if is_bucket else _Folder(Path(target))
    text = opened.read_manifest()
    try:
        holds = json.loads(text)["run"] if text is not None else run.id
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{target}/{_MANIFEST} is no manifest: {error}") from error
    if holds != run.id:
        raise ExportError(
            f"{target} holds the run {holds}: export {run.id} to a folder of its own."
        )
    return opened


class _Folder:
    """A folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read_manifest(self) -> bytes | None:
        """Read the manifest; None if there is none."""
        path = self._folder / _MANIFEST
        return path.read_bytes() if path.is_file() else None

    def holds(self, name: str, sha256: str) -> bool:
        """Whether the file has these bytes."""
        path = self._folder / name
        return path.is_file() and file_sha256(path) == sha256

    def put(self, name: str, draft: Path, sha256: str) -> None:
        """Copy a file there."""
        del sha256
        replace(self._folder / name, lambda path: shutil.copyfile(draft, path))


class _Bucket:
    """A prefix in a bucket of S3, with the credentials that boto3 finds."""

    def __init__(self, url: str) -> None:
        match = _URL.fullmatch(url)
        if match is None:
            raise ExportError(f"expected s3://bucket/prefix, got {url!r}")
        try:
            import boto3
        except ImportError as error:
            raise ExportError(
                "An export to S3 needs boto3: `pip install 'rewebb[s3]'`."
            ) from error
        self._url = url
        self._bucket = match["bucket"]
        self._prefix = f"{match['prefix']}/".removeprefix("/")
        self._client: Any = boto3.client("s3")

    def read_manifest(self) -> bytes | None:
        """Read the manifest; None if there is none."""
        if self._look(_MANIFEST) is None:
            return None
        with _mapped(self._url):
            answer = self._client.get_object(
                Bucket=self._bucket, Key=self._prefix + _MANIFEST
            )
            content: bytes = answer["Body"].read()
            return content

    def holds(self, name: str, sha256: str) -> bool:
        """Whether the object was put with this hash."""
        return self._look(name) == sha256

    def put(self, name: str, draft: Path, sha256: str) -> None:
        """Upload a file, which S3 verifies."""
        with _mapped(f"{self._url}: {name}"):
            self._client.upload_file(
                str(draft),
                self._bucket,
                self._prefix + name,
                ExtraArgs={
                    "Metadata": {"sha256": sha256},
                    "ChecksumAlgorithm": "SHA256",
                },
            )

    def _look(self, name: str) -> str | None:
        """Return the hash that an object was put with; None if it is not there."""
        from botocore.exceptions import ClientError

        with _mapped(f"{self._url}: {name}"):
            try:
                answer = self._client.head_object(
                    Bucket=self._bucket, Key=self._prefix + name
                )
            except ClientError as error:
                if error.response["Error"]["Code"] in {"404", "NoSuchKey"}:
                    return None
                raise
            return str(answer["Metadata"].get("sha256", ""))


@contextmanager
def _mapped(what: str) -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise ExportError(f"{what}: {error}") from error


def _to_ascii(text: str) -> str:
    """Make text fit into a card."""
    kept = text.encode("ascii", "replace").decode()
    return "".join(c if c.isprintable() else "?" for c in kept)[:68]


def _write_readme(
    run: Run, lineage: Lineage, records: Sequence[Mapping[str, Any]]
) -> str:
    jobs = [making.job for making in lineage.makings.values()]
    versions = {f"{n} {v}" for job in jobs for n, v in job.versions.items()}
    contexts = sorted({job.context for job in jobs})
    raw = sorted(
        {
            file.name
            for job in jobs
            for file in job.inputs
            if file.sha256 not in lineage.makers
        }
    )
    caveats = dict.fromkeys(said for one in records for said in one["caveats"])
    lines = [
        f"# JWST program {run.program}, reprocessed",
        "",
        f"- run {run.id}, {run.started_at:%Y-%m-%d %H:%M} UTC, {run.state}",
        f"- recipe {run.recipe_name} (`recipe.toml`, sha256 {run.recipe_sha256})",
        f"- CRDS context {', '.join(contexts)}",
        f"- calibration code: {', '.join(sorted(versions))}",
        f"- Rewebb {version('rewebb')}",
        "",
        "## Files",
        "",
        *(f"- `{record['name']}`: {record['stage']}" for record in records),
        "",
        "`sha256sum --check SHA256SUMS` checks them all. `provenance/` has the W3C",
        "PROV document of each product, `associations/` what was combined. The",
        "keywords RW_RUN, RW_FPRNT, RW_RECIP and RW_VERS of the primary headers were",
        "added; arrays and all other keywords are those that the pipeline wrote.",
        "",
        "## What a scientist must know",
        "",
        *(f"- {said}" for said in caveats or ["No caveat is recorded."]),
        "",
        "## Made of",
        "",
        *(f"- {name}" for name in raw),
        "",
        "## How to cite",
        "",
        f"- The observations: JWST program {int(run.program)}, with a DOI of MAST for",
        "  the exposures above (https://archive.stsci.edu/publishing/doi).",
        "- The JWST calibration pipeline, with its version:",
        "  https://zenodo.org/badge/latestdoi/60551519",
        f"- The CRDS context: {', '.join(contexts)} (https://jwst-crds.stsci.edu).",
        "",
    ]
    return "\n".join(lines)
