"""Files come from a MAST that fails as it is told, and every byte is verified."""

import _thread
import json
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fetching_site import POLICY, PROGRAM, Site
from loopback import Fault, RandomFaults, Request, ScriptedFaults, Validator
from mast_server import MastServer, mast_server
from small_files import name_exposure, write_small_files

from config.recipe import AssociationChoice
from flows.archive import (
    Fetcher,
    FolderArchive,
    Query,
    Vault,
    find_records,
    load_record,
)
from flows.associations import associate_rows, choose_rows
from flows.errors import ArchiveError
from flows.models.exposures import PoolFile
from flows.planning import build_graph
from workers.cache_contract import FileProgress
from workers.sample import SampleSet


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return a folder of thirty raw files."""
    folder = tmp_path / "archive"
    write_small_files(folder, 30)
    return folder


@pytest.fixture
def mast(raw: Path) -> Iterator[MastServer]:
    with mast_server(raw) as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, mast: MastServer) -> Site:
    return Site(tmp_path / "data", mast.url)


def expected(folder: Path) -> dict[str, bytes]:
    return {f"v1/{path.name}": path.read_bytes() for path in folder.iterdir()}


def test_what_is_fetched_is_what_the_archive_has(site: Site, raw: Path) -> None:
    report = site.fetch()
    assert site.copies() == expected(raw)
    assert report.failed == {}
    assert len(report.fetched) == len(site.records) == 30
    assert {record.checks for record in site.records} == {
        ("length", "size", "fits structure", "DATASUM (1 of 2 HDUs)")
    }


def test_what_is_here_is_asked_for_and_not_fetched_again(
    site: Site, mast: MastServer
) -> None:
    site.fetch()
    before = mast.loopback.sent.total()
    report = site.fetch()
    asked = mast.asked("retrieve_product")[30:]
    assert report.fetched == ()
    assert len(report.files) == 30
    assert {request.headers["range"] for request in asked} == {"bytes=0-0"}
    assert mast.loopback.sent.total() - before < 60_000  # a search and thirty bytes


MENDED = (*(set(Fault) - {Fault.EXPIRED, Fault.HANG, Fault.WRONG_HEADER}),)
"""What is overcome. These small files have no CHECKSUM, which alone would tell of a
letter in a comment (`test_transfer_faults`)."""


@pytest.mark.parametrize(
    ("validator", "count"),
    [
        pytest.param(Validator.STRONG, 1000, marks=pytest.mark.slow),
        *((validator, 200) for validator in Validator),
    ],
)
def test_many_files_arrive_although_a_fifth_of_the_requests_fail(
    tmp_path: Path, validator: Validator, count: int
) -> None:
    folder = tmp_path / "archive"
    write_small_files(folder, count)
    # A server that hangs takes a while each time.
    share = 5 if count >= 1000 else 1
    kinds = [*sorted(MENDED) * share, Fault.HANG, *[Fault.EXPIRED] * share]
    dice = RandomFaults(0.2, kinds, seed=3)
    with mast_server(
        folder, faults=lambda r: (dice if _is_file(r) else _MILD)(r)
    ) as mast:
        mast.loopback.validator, mast.loopback.drip_s = validator, 0.2
        site = Site(tmp_path / "data", mast.url)
        report = site.fetch()
        struck = list(mast.loopback.struck)
        left = {fault for _, fault in mast.loopback.left}
        expired = {
            request.query["product_name"]
            for request, fault in struck
            if fault is Fault.EXPIRED
        }
        # A token that has expired is not waited for, and nothing is lost by it.
        assert set(report.failed) == expired != set()
        assert all("401" in why for why in report.failed.values())
        mast.loopback.faults = lambda _: None
        assert site.fetch().failed == {}
    assert site.copies() == expected(folder)
    assert {fault for _, fault in struck} == set(kinds)
    # The server saw that the client had enough, and did not only send slowly.
    assert left == {Fault.SLOW, Fault.HANG}
    if count >= 1000:
        _assert_that_hardly_anything_is_fetched_twice(mast)
    # That a client has left, the server sees a moment later.
    assert mast.loopback.most_at_once <= 4 + 4


_MILD = RandomFaults(0.2, [Fault.UNAVAILABLE, Fault.PAGE_LOST, Fault.SHORT])
"""How searches fail: the token is no matter for them."""


def _is_file(request: Request) -> bool:
    return request.path.endswith("retrieve_product")


def _assert_that_hardly_anything_is_fetched_twice(mast: MastServer) -> None:
    """But for what took so long on a busy machine that it was asked for again."""
    struck = {id(request) for request, _ in mast.loopback.struck}
    whole = Counter(
        request.query["product_name"]
        for request in mast.asked("retrieve_product")
        if id(request) not in struck and request.headers.get("range") != "bytes=0-0"
    )
    assert set(whole.values()) <= {1, 2, 3}
    assert whole.total() < 1.1 * len(whole)


def test_a_file_that_always_fails_is_named_and_the_rest_arrives(
    site: Site, raw: Path, mast: MastServer
) -> None:
    bad = f"{name_exposure(7)}_uncal.fits"
    mast.loopback.faults = ScriptedFaults({bad: [Fault.UNAVAILABLE]}, persistent=[bad])
    report = site.fetch()
    assert list(report.failed) == [bad]
    assert bad in report.failed[bad]
    assert "given up after 6 tries" in report.failed[bad]
    assert "503" in report.failed[bad]
    kept = {name: data for name, data in expected(raw).items() if bad not in name}
    assert site.copies() == kept


def test_a_file_that_changed_in_the_archive_becomes_a_new_version(
    site: Site, raw: Path
) -> None:
    site.fetch()
    old = expected(raw)
    name = f"{name_exposure(3)}_uncal.fits"
    other = raw / f"{name_exposure(4)}_uncal.fits"
    (raw / name).write_bytes(other.read_bytes())  # of the same size
    report = site.fetch()
    assert report.fetched == (name,)
    assert report.files[name].version == 2
    assert site.copies() == old | {f"v2/{name}": other.read_bytes()}
    assert site.fetch().fetched == ()


def test_a_copy_that_somebody_changed_is_refused(site: Site) -> None:
    report = site.fetch()
    record = report.files[f"{name_exposure(0)}_uncal.fits"]
    path = site.vault.locate(record)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    again = site.fetch()
    assert list(again.failed) == [record.name]
    assert "is not what was fetched on" in again.failed[record.name]
    assert len(again.files) == 29


def test_a_copy_that_was_only_touched_is_kept(site: Site) -> None:
    report = site.fetch()
    path = site.vault.locate(report.files[f"{name_exposure(0)}_uncal.fits"])
    path.touch()
    assert site.fetch().fetched == ()


def test_a_copy_without_a_record_is_taken_as_it_is(site: Site) -> None:
    """As after a kill between the publication of a file and that of its record."""
    report = site.fetch()
    name = f"{name_exposure(0)}_uncal.fits"
    path = site.vault.locate(report.files[name])
    path.with_name(f"{name}.json").unlink()
    again = site.fetch()
    assert again.files[name].sha256 == report.files[name].sha256
    assert [r.version for r in site.records if r.name == name] == [1, 1]


def test_bytes_that_are_here_are_no_new_version_whatever_the_archive_calls_them(
    site: Site,
) -> None:
    """As after a change to a mirror, which has ETags of its own."""
    report = site.fetch()
    name = f"{name_exposure(0)}_uncal.fits"
    path = site.vault.locate(report.files[name])
    record = path.with_name(f"{name}.json")
    entity = report.files[name].entity
    record.write_text(json.dumps({**json.loads(record.read_text()), "entity": "x"}))
    again = site.fetch()
    assert again.fetched == (name,)
    assert again.files[name].version == 1
    assert again.files[name].entity == entity
    assert not (path.parent.parent / "v2" / name).exists()
    assert site.fetch().fetched == ()


def test_what_else_lies_beside_the_versions_is_not_looked_at(site: Site) -> None:
    site.fetch()
    folder = site.folder / "raw" / PROGRAM
    shutil.copytree(folder / "v1", folder / "v1-old")
    assert site.fetch().fetched == ()


def test_only_records_are_taken_for_records(site: Site) -> None:
    """Associations of DMS are JSON, and so is what a killed fetch leaves."""
    site.fetch()
    folder = site.folder / "raw" / PROGRAM / "v1"
    (folder / "jw99100-o001_20240101t000000_spec2_00001_asn.json").write_text("{}")
    (folder / ".jw99100001001_03101_00900_nrs1_uncal.fits.part.json").write_text("{}")
    assert len([load_record(path) for path in find_records(site.folder)]) == 30


def test_headers_arrive_although_a_fifth_of_the_requests_fail(
    site: Site, raw: Path, mast: MastServer
) -> None:
    """But for wrong bytes, which no header tells from right ones."""
    wrong = {Fault.EXPIRED, Fault.HANG, Fault.WRONG_BYTES, Fault.NEW_ENTITY}
    kinds = [fault for fault in Fault if fault not in wrong]
    mast.loopback.faults = RandomFaults(0.2, kinds, seed=2)
    found = site.archive.find(PROGRAM)
    assert len(mast.loopback.struck) > 3
    assert found.unusable == ()
    assert [(e.name, e.header) for e in found.exposures] == [
        (e.name, e.header) for e in FolderArchive(raw).find(PROGRAM).exposures
    ]


def test_two_who_fetch_at_once_leave_one_copy_of_each(
    site: Site, raw: Path, mast: MastServer
) -> None:
    other = Site(site.folder, mast.url)
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(Site.fetch, (site, other)))
    assert site.copies() == expected(raw)
    assert [report.failed for report in reports] == [{}, {}]
    assert [len(report.files) for report in reports] == [30, 30]


def test_nothing_is_fetched_if_there_is_no_room(site: Site) -> None:
    class FullVault(Vault):
        def free_bytes(self) -> int:
            return 1000

    vault = FullVault(site.folder, site.records.append)
    fetcher = Fetcher(site.source, vault, parallel=4, policy=POLICY)
    listing = site.source.search(Query(program=PROGRAM))
    with pytest.raises(ArchiveError, match=r"30 files of 259\.2 kB .* only 1\.0 kB"):
        fetcher.fetch(fetcher.decide(listing))
    assert site.copies() == {}


def test_progress_ends_with_all_files_and_bytes(site: Site) -> None:
    told: list[FileProgress] = []
    listing = site.source.search(Query(program=PROGRAM))
    site.fetcher.fetch(site.fetcher.decide(listing), listener=told.append)
    assert told[-1] == FileProgress("fetching files", 30, 30, 30 * 8640, 30 * 8640)
    assert [one.done_bytes for one in told] == sorted(one.done_bytes for one in told)


def test_who_stops_a_fetch_waits_for_no_other_try(site: Site, mast: MastServer) -> None:
    """As Ctrl-C does: the server asks for minutes of patience, nobody has it."""
    patient = replace(POLICY, first_wait_s=600.0, longest_wait_s=600.0)
    fetcher = Fetcher(site.source, site.vault, parallel=4, policy=patient)
    decided = fetcher.decide(site.source.search(Query(program=PROGRAM)))
    bad = [f"{name_exposure(number)}_uncal" for number in (1, 2, 3)]
    mast.loopback.faults = ScriptedFaults({name: [Fault.UNAVAILABLE] for name in bad})

    pressed: list[FileProgress] = []

    def stop(progress: FileProgress) -> None:
        if progress.done and not pressed:
            pressed.append(progress)
            _thread.interrupt_main()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    start_s = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            fetcher.fetch(decided, listener=stop)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - start_s < 60


def test_a_listener_that_raises_stops_no_fetch(site: Site) -> None:
    def fail(progress: FileProgress) -> None:
        raise BrokenPipeError(progress)

    listing = site.source.search(Query(program=PROGRAM))
    report = site.fetcher.fetch(site.fetcher.decide(listing), listener=fail)
    assert len(report.files) == 30


def test_headers_far_away_say_what_those_of_a_folder_say(
    site: Site, raw: Path, mast: MastServer
) -> None:
    there = site.archive.find(PROGRAM)
    here = FolderArchive(raw).find(PROGRAM)
    assert [(e.name, e.header, e.role) for e in there.exposures] == [
        (e.name, e.header, e.role) for e in here.exposures
    ]
    assert all(exposure.is_remote for exposure in there.exposures)
    assert site.copies() == {}
    assert {request.headers["range"] for request in mast.asked("retrieve_product")} == {
        "bytes=0-184319"
    }


def test_only_the_exposures_that_are_needed_are_fetched(site: Site, raw: Path) -> None:
    found = site.archive.find(PROGRAM).exposures
    fetched = site.archive.fetch(found[:2], listener=lambda _: None)
    assert [exposure.is_remote for exposure in fetched] == [False, False]
    assert {path.name for path in (site.folder / "raw").rglob("jw*.fits")} == {
        exposure.path.name for exposure in found[:2]
    }
    assert fetched[0].path.read_bytes() == (raw / fetched[0].path.name).read_bytes()
    again = site.archive.find(PROGRAM).exposures
    assert [e.is_remote for e in again] == [False, False] + 28 * [True]
    assert again[:2] == fetched


def test_an_exposure_that_cannot_be_fetched_has_that_as_its_defect(
    site: Site, mast: MastServer
) -> None:
    found = site.archive.find(PROGRAM).exposures[:2]
    bad = found[0].path.name
    mast.loopback.faults = ScriptedFaults({bad: [Fault.SERVER_ERROR]}, persistent=[bad])
    broken, sound = site.archive.fetch(found, listener=lambda _: None)
    assert "given up after 6 tries" in (broken.defect or "")
    assert sound.defect is None


def test_an_exposure_whose_header_cannot_be_read_is_rejected(
    site: Site, mast: MastServer
) -> None:
    bad = f"{name_exposure(0)}_uncal.fits"
    mast.loopback.faults = ScriptedFaults({bad: [Fault.CUT]}, persistent=[bad])
    found = site.archive.find(PROGRAM)
    assert [file.path.name for file in found.unusable] == [bad]
    assert len(found.exposures) == 29


def test_what_is_exclusive_is_withheld_with_its_date(raw: Path, tmp_path: Path) -> None:
    write_small_files(raw, 230)
    exclusive = {"99100002": datetime(2027, 3, 1, tzinfo=UTC)}
    with mast_server(raw, exclusive=exclusive) as mast:
        found = Site(tmp_path / "data", mast.url).archive.find(PROGRAM)
    assert {exposure.observation for exposure in found.exposures} == {"001"}
    assert len(found.withheld_files) == 30
    (said,) = found.withheld
    assert "99100 observation 002: 30 files" in said
    assert "public from 2027-03-01" in said
    assert found.unusable == ()


def test_of_an_observation_that_is_there_in_part_nothing_is_made(
    raw: Path, tmp_path: Path
) -> None:
    name = name_exposure(5).rpartition("_")[0].removeprefix("jw")
    exclusive = {name: datetime(2027, 3, 1, tzinfo=UTC)}
    with mast_server(raw, exclusive=exclusive) as mast:
        found = Site(tmp_path / "data", mast.url).archive.find(PROGRAM)
    assert len(found.exposures) == 29
    assert [file.observation for file in found.withheld_files] == ["001"]
    made = associate_rows(choose_rows(found).rows, AssociationChoice()).associations
    graph = build_graph(found.exposures, made, found.withheld_files)
    alone = f"detector1:{name_exposure(5)}"
    assert [job.key for job in graph if job.defect] == [alone]
    assert all(alone in job.doubts for job in graph if job.association)


POOL = "jw99100_20240101t000000_pool.csv"


def test_the_newest_pool_comes_with_the_exposures(raw: Path, tmp_path: Path) -> None:
    (raw / POOL).write_text("newest")
    (raw / POOL.replace("2024", "2023")).write_text("older")
    with mast_server(raw) as mast:
        pool = Site(tmp_path / "data", mast.url).archive.find(PROGRAM).pool
    assert pool == PoolFile(POOL, "newest")


def test_a_pool_that_cannot_be_read_is_said(raw: Path, tmp_path: Path) -> None:
    """Headers in its place would give other associations."""
    (raw / POOL).write_text("newest")
    faults = ScriptedFaults({POOL: [Fault.SERVER_ERROR]}, persistent=[POOL])
    with (
        mast_server(raw, faults=faults) as mast,
        pytest.raises(ArchiveError, match=f"the pool {POOL}"),
    ):
        Site(tmp_path / "data", mast.url).archive.find(PROGRAM)


def test_a_metafile_comes_with_the_exposures_that_name_it(
    sample: SampleSet, tmp_path: Path
) -> None:
    with mast_server(sample.archive) as mast:
        archive = Site(tmp_path, mast.url).archive
        first, *_ = archive.find("99004").exposures
        assert (first.is_remote, first.metafile) == (True, None)
        (fetched,) = archive.fetch([first], listener=lambda _: None)
        again, other, *_ = archive.find("99004").exposures
    assert fetched.metafile is not None
    (original,) = sample.archive.rglob(fetched.metafile.name)
    assert fetched.metafile.path.read_bytes() == original.read_bytes()
    assert again == fetched
    assert other.is_remote


def test_a_metafile_that_cannot_be_fetched_is_no_metafile(
    sample: SampleSet, tmp_path: Path
) -> None:
    faults = ScriptedFaults({"_msa.fits": [Fault.EXPIRED]}, persistent=["_msa.fits"])
    with mast_server(sample.archive, faults=faults) as mast:
        archive = Site(tmp_path, mast.url).archive
        first, *_ = archive.find("99004").exposures
        (fetched,) = archive.fetch([first], listener=lambda _: None)
    assert fetched.defect is None
    assert fetched.metafile is not None
    assert "401" in (fetched.metafile.defect or "")


def test_names_of_a_server_lead_nowhere(site: Site, mast: MastServer) -> None:
    hostile = [
        *("../jw99100001001_03101_00900_nrs1_uncal.fits", "/etc/passwd_uncal.fits"),
        *("jw99100001001_03101_00901_nrs1\0_uncal.fits", f"jw{'9' * 300}_uncal.fits"),
        "JW99100001001_03101_00001_NRS1_uncal.fits",
    ]
    exposure = name_exposure(0).rpartition("_")[0]
    mast.extra_products[exposure] = hostile
    listing = site.source.search(Query(program=PROGRAM))
    assert len(listing.refused) >= 5
    site.fetcher.fetch(site.fetcher.decide(listing))
    assert len(site.copies()) == 30
    outside = [p for p in site.folder.parent.rglob("*") if "passwd" in p.name]
    assert outside == []
