"""Bundles of jobs that nobody runs: what is in them, and which are refused."""

import json
import resource
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha1, sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from outcomes import NOON, make_job, make_outcome, make_product

from config.settings import Settings, load_settings
from flows.errors import BundleError, DataFolderError
from flows.factory import open_database
from flows.models.exposures import FetchedFile
from flows.planning import take_fingerprint
from flows.reproduction import Bundled, replay, write_bundle
from flows.reproduction.manifest import MANIFEST, parse_manifest
from flows.reproduction.unpacking import load_outcomes, unpack
from workers.contract import Job, Outcome, ReferenceFile, to_json

RAW = "jw02736007001_03103_00001_nrs1_uncal.fits"
RAW_BYTES = b"raw " * (5 << 18)
URI = f"mast:JWST/product/{RAW}"


@dataclass(frozen=True)
class Recorded:
    """A detector1 job that is recorded, with its raw file and references."""

    folder: Path
    settings: Settings
    outcome: Outcome

    def bundle(self, path: Path, **how: Any) -> Bundled:
        """Make a bundle of it."""
        asked = [self.outcome.job.fingerprint]
        return write_bundle(asked, self.settings, path, about="a test", **how)


def record(folder: Path) -> Recorded:
    settings = load_settings(data_dir=folder / "data", archive=str(folder))
    job = place(make_job(), folder / "crds", folder / RAW)
    done = make_outcome(job, products=[make_product()])
    with open_database(settings) as database:
        database.jobs.record_outcome(done)
    return Recorded(folder, settings, done)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Record a job once. Do not write to its folder."""
    return record(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="module")
def bundled(recorded: Recorded) -> bytes:
    """Make its bundle once."""
    return recorded.bundle(recorded.folder / "one.zip").path.read_bytes()


@pytest.fixture
def path(bundled: bytes, tmp_path: Path) -> Path:
    """Return a copy of the bundle."""
    path = tmp_path / "one.zip"
    path.write_bytes(bundled)
    return path


def place(job: Job, crds: Path, raw: Path) -> Job:
    """Write the files that a job needs, and give the job with their hashes."""

    def write(file: ReferenceFile) -> ReferenceFile:
        is_mapping = file.name.endswith((".pmap", ".imap", ".rmap"))
        folder = "mappings/jwst" if is_mapping else "references/jwst/nirspec"
        path = crds / folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{file.name} jwst_nirspec_unused_0001.rmap")
        digest = sha1(path.read_bytes()).hexdigest()  # noqa: S324  # of CRDS
        return replace(file, sha1=digest)

    write(ReferenceFile("jwst_nirspec_unused_0001.rmap", "", 0, 0))
    raw.write_bytes(RAW_BYTES)
    (file,) = job.inputs
    digest = sha256(raw.read_bytes()).hexdigest()
    job = replace(
        job,
        crds_path=str(crds),
        inputs=(replace(file, path=str(raw), sha256=digest),),
        references=tuple(
            replace(use, file=use.file and write(use.file)) for use in job.references
        ),
        pars=tuple(replace(use, file=write(use.file)) for use in job.pars),
        mappings=tuple(write(file) for file in job.mappings),
    )
    return replace(job, fingerprint=take_fingerprint(job))


def rewrite(
    path: Path, change: Callable[[dict[str, bytes]], object], *, sums: bool = True
) -> Path:
    """Write a bundle again with other members, and a manifest that fits them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members.pop(MANIFEST))
    change(members)
    if sums:
        manifest["members"] = [
            {"path": n, "size_bytes": len(t), "sha256": sha256(t).hexdigest()}
            for n, t in members.items()
        ]
    changed = path.with_name("changed.zip")
    with zipfile.ZipFile(changed, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
        archive.writestr(MANIFEST, json.dumps(manifest))
    return changed


def change_record(path: Path, change: Callable[[Outcome], Outcome]) -> Path:
    """Write a bundle again with another record of its job."""

    def work(members: dict[str, bytes]) -> None:
        from flows.provenance import parse_outcome

        (name,) = (name for name in members if name.startswith("jobs/"))
        outcome = change(parse_outcome(members[name], source="test"))
        job = replace(outcome.job, fingerprint=take_fingerprint(outcome.job))
        members[name] = to_json(replace(outcome, job=job)).encode()

    return rewrite(path, work)


def test_a_bundle_holds_all_that_a_job_needs_each_with_its_sum(
    recorded: Recorded, path: Path, tmp_path: Path
) -> None:
    manifest = unpack(path, tmp_path / "unpacked")
    job = recorded.outcome.job
    names = {member.path for member in manifest.members}
    assert names >= {
        *("README.md", "ro-crate-metadata.json", f"jobs/{job.fingerprint}.json"),
        f"inputs/{job.inputs[0].sha256}/{RAW}",
        "crds/mappings/jwst/jwst_1464.pmap",
        "crds/mappings/jwst/jwst_nirspec_unused_0001.rmap",
        "crds/references/jwst/nirspec/jwst_nirspec_dark_0001.fits",
        "crds/references/jwst/nirspec/jwst_pars-jump_0001.asdf",
    }
    (packages,) = (tmp_path / "unpacked").glob("installed/*.txt")
    assert f"numpy=={version('numpy')}" in packages.read_text().splitlines()
    for member in manifest.members:
        data = (tmp_path / "unpacked" / member.path).read_bytes()
        assert (len(data), sha256(data).hexdigest()) == (
            member.size_bytes,
            member.sha256,
        )
    assert load_outcomes(tmp_path / "unpacked", manifest) == (recorded.outcome,)


def test_files_of_an_archive_are_left_out_by_uri_and_asked_for(
    tmp_path: Path,
) -> None:
    recorded = record(tmp_path)
    (file,) = recorded.outcome.job.inputs
    fetched = FetchedFile(
        *(RAW, "02736", 1, "raw/02736/v1", "mast", URI, 5 << 20, 1, file.sha256),
        *(None, None, NOON, ("size",)),
    )
    with open_database(recorded.settings) as database:
        database.files.remember_fetched(fetched)
    made = recorded.bundle(tmp_path / "one.zip", by_uri=True)
    assert [(one.name, one.uri) for one in made.remote] == [(RAW, URI)]
    with zipfile.ZipFile(made.path) as archive:
        assert not [name for name in archive.namelist() if RAW in name]
    with pytest.raises(BundleError, match=f"--inputs: {RAW} .* is {URI} of mast"):
        replay(made.path, tmp_path / "place", recorded.settings)


def test_nothing_is_overwritten_by_a_bundle(recorded: Recorded, path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(BundleError, match="is there already"):
        recorded.bundle(path)
    assert path.read_bytes() == before


def test_no_bundle_is_made_of_a_file_that_was_changed_or_is_gone(
    tmp_path: Path,
) -> None:
    recorded = record(tmp_path)
    for name, said in (
        (RAW, "the input .* is gone .* has sha256 .* now"),
        ("crds/references/jwst/nirspec/jwst_nirspec_dark_0001.fits", "was changed"),
        ("crds/mappings/jwst/jwst_1464.pmap", "was changed"),
    ):
        path = tmp_path / name
        kept = path.read_bytes()
        path.write_text("other")
        with pytest.raises(BundleError, match=said):
            recorded.bundle(tmp_path / "one.zip")
        path.write_bytes(kept)
    (tmp_path / RAW).unlink()
    with pytest.raises(BundleError, match=r"is gone .*: bring it back"):
        recorded.bundle(tmp_path / "one.zip")
    assert not [*tmp_path.glob("*.zip"), *tmp_path.glob(".making*")]


@contextmanager
def limited(size_bytes: int) -> Iterator[None]:
    """Let no file become larger, as on a disk that is full."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_a_disk_that_is_full_leaves_nothing(
    recorded: Recorded, path: Path, tmp_path: Path
) -> None:
    with limited(4 << 20):
        with pytest.raises(BundleError, match="cannot be written, and was not: File"):
            recorded.bundle(tmp_path / "two.zip")
        with pytest.raises(BundleError, match="cannot be unpacked: File too large"):
            unpack(path, tmp_path / "place" / "bundle")
    assert not (tmp_path / "two.zip").exists()
    assert [*(tmp_path / "place").iterdir()] == []
    assert not [*tmp_path.glob(".making*")]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_a_bundle_that_was_cut_off_is_refused(
    path: Path, tmp_path: Path, share: float
) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(BundleError, match="is not a bundle, or was cut off or damaged"):
        unpack(path, tmp_path / "place" / "bundle")
    assert not (tmp_path / "place" / "bundle").exists()


def test_any_changed_byte_of_a_member_is_noticed(path: Path, tmp_path: Path) -> None:
    """The sums of zip are mended, so that only those of the manifest can tell."""
    names = zipfile.ZipFile(path).namelist()
    for name in set(names) - {MANIFEST}:

        def spoil(members: dict[str, bytes], name: str = name) -> None:
            members[name] = bytes([members[name][0] ^ 1]) + members[name][1:]

        spoiled = rewrite(path, spoil, sums=False)
        with pytest.raises(BundleError, match="is not what its manifest says"):
            unpack(spoiled, tmp_path / "place")
        assert not (tmp_path / "place").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../out",
        "/etc/out",
        "a/../../out",
        ".hidden",
        "a//b",
        "a\\b",
        "-rf",
        "a/\0b",
        "",
    ],
)
def test_a_member_that_leads_elsewhere_is_refused(path: Path, name: str) -> None:
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read(MANIFEST))
    manifest["members"].append({"path": name, "size_bytes": 0, "sha256": "0" * 64})
    with pytest.raises(BundleError, match="refused the"):
        parse_manifest(json.dumps(manifest).encode(), source="x.zip")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size_bytes": -1}, "a size is negative"),
        ({"sha256": "x"}, "a sha256 is none"),
        ({"path": MANIFEST}, "a member is listed twice"),
        ({"size_bytes": 1 << 60}, "needs 11529215046.* bytes, and .* has"),
        ({"size_bytes": 3}, "is not what its manifest says"),
    ],
)
def test_a_manifest_that_lies_is_refused(
    path: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members[MANIFEST])
    manifest["members"][0] |= change
    members[MANIFEST] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    with pytest.raises(BundleError, match=said):
        unpack(path, tmp_path / "place" / "bundle")


def test_links_compressed_and_unknown_members_are_refused(
    path: Path, tmp_path: Path
) -> None:
    def add(**how: Any) -> Path:
        changed = rewrite(path, lambda _: None)
        with zipfile.ZipFile(changed, "a") as archive:
            info = zipfile.ZipInfo("more")
            info.external_attr = 0o120777 << 16
            archive.writestr(info, "/etc/passwd", **how)
        return changed

    with pytest.raises(BundleError, match="manifest does not name: 'more'"):
        unpack(add(), tmp_path / "place")
    with pytest.raises(BundleError, match="a compressed member, 'more'"):
        unpack(add(compress_type=zipfile.ZIP_DEFLATED), tmp_path / "place")


def test_a_link_in_the_zip_file_becomes_a_plain_file(
    path: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, text)
    unpack(path, tmp_path / "place")
    assert not [one for one in (tmp_path / "place").rglob("*") if one.is_symlink()]
    assert (tmp_path / "place" / "README.md").read_bytes() == members["README.md"]


def rename(outcome: Outcome, **names: Any) -> Outcome:
    return replace(outcome, job=replace(outcome.job, **names))


def rename_input(outcome: Outcome, name: str) -> Outcome:
    return rename(outcome, inputs=(replace(outcome.job.inputs[0], name=name),))


ASN = '{"products": [{"name": "a", "members": [{"expname": "/etc/passwd"}]}]}'
HOOKS = {"steps": {"jump": {"pre_hooks": ["os.system"]}}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda o: rename_input(o, "../../x.fits"), "refused the file name"),
        (lambda o: rename(o, context="../x.pmap"), "refused the file name"),
        (lambda o: rename(o, program="../99"), "five digits"),
        (lambda o: rename(o, association_name="/x"), "refused the file name"),
        (lambda o: rename(o, association=ASN), "refused the file name '/etc"),
        (lambda o: rename(o, association="{}"), "its association has no 'products'"),
        (lambda o: rename(o, parameters=HOOKS), "jump.pre_hooks names a file or code"),
        (lambda o: rename(o, overrides=HOOKS), "jump.pre_hooks names a file or code"),
        (lambda o: rename(o, inputs=()), "not the record of a success"),
    ],
)
def test_a_record_that_names_what_it_must_not_is_refused(
    path: Path, tmp_path: Path, change: Callable[[Outcome], Outcome], said: str
) -> None:
    manifest = unpack(change_record(path, change), tmp_path / "place")
    with pytest.raises(BundleError, match=said):
        load_outcomes(tmp_path / "place", manifest)


def test_the_name_of_products_of_many_sources_is_safe(
    path: Path, tmp_path: Path
) -> None:
    name = "jw99004-o001_{source_id}_nirspec_clear-prism"
    text = json.dumps({"products": [{"name": name, "members": []}]})
    changed = change_record(path, lambda o: rename(o, name=name, association=text))
    with zipfile.ZipFile(changed) as archive:
        (record,) = (n for n in archive.namelist() if n.startswith("jobs/"))
    manifest = unpack(changed, tmp_path / "place")
    (found,) = load_outcomes(tmp_path / "place", replace(manifest, asked=()))
    assert found.job.name == name
    assert record in {member.path for member in manifest.members}


def test_a_record_that_was_changed_does_not_fit_its_fingerprint(
    path: Path, tmp_path: Path
) -> None:
    def change(members: dict[str, bytes]) -> None:
        (name,) = (name for name in members if name.startswith("jobs/"))
        assert b'"skip": false' in members[name]
        members[name] = members[name].replace(b'"skip": false', b'"skip": true')

    manifest = unpack(rewrite(path, change), tmp_path / "place")
    with pytest.raises(BundleError, match="its fingerprint is not that of the job"):
        load_outcomes(tmp_path / "place", manifest)


def test_a_folder_with_something_in_it_is_left_alone(
    recorded: Recorded, path: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataFolderError, match="is not empty"):
        replay(path, tmp_path, recorded.settings)


def test_no_file_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be unpacked: No such file"):
        unpack(tmp_path / "none.zip", tmp_path / "place")
