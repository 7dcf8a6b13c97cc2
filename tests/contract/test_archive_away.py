"""What is here and verified is used when MAST is away, denies it, or lists less."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fetching_site import POLICY, PROGRAM, Site
from loopback import Fault, Validator
from mast_server import MastServer, mast_server
from small_files import name_exposure, write_small_files

from config.recipe import AssociationChoice
from flows.archive import Fetcher, FetchReport, Query, RemoteFile
from flows.archive.access import Token
from flows.archive.mast import MastSource
from flows.associations import associate_rows, choose_rows
from flows.errors import AccessError, ArchiveError, UnknownProgramError
from flows.models.exposures import Exposure, Inventory
from flows.planning import build_graph
from workers.transfer import Body, Opener

LATER = datetime(2127, 3, 1, tzinfo=UTC)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return a folder of four raw files."""
    folder = tmp_path / "archive"
    write_small_files(folder, 4)
    return folder


@pytest.fixture
def mast(raw: Path) -> Iterator[MastServer]:
    with mast_server(raw) as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, mast: MastServer) -> Site:
    return Site(tmp_path / "data", mast.url)


def find_and_fetch(site: Site, count: int = 4) -> tuple[Exposure, ...]:
    """Do what a run does, for some of the exposures."""
    found = site.archive.find(PROGRAM).exposures
    return site.archive.fetch(found[:count], listener=lambda _: None)


def find_again(site: Site, mast: MastServer) -> Inventory:
    """Find in a process that knows nothing of the ones before."""
    return Site(site.folder, mast.url).archive.find(PROGRAM)


def take_away(mast: MastServer, fault: Fault = Fault.UNAVAILABLE) -> None:
    mast.loopback.faults = lambda _: fault


def deny_files(mast: MastServer, fault: Fault) -> None:
    """Answer searches alone."""
    mast.loopback.faults = lambda request: (
        fault if request.path.endswith("retrieve_product") else None
    )


@pytest.mark.parametrize(
    "fault", [Fault.UNAVAILABLE, Fault.SERVER_ERROR, Fault.TOO_MANY, Fault.EXPIRED]
)
def test_a_program_that_is_here_is_found_while_the_archive_is_away(
    site: Site, mast: MastServer, fault: Fault
) -> None:
    fetched = find_and_fetch(site)
    take_away(mast, fault)
    found = find_again(site, mast)
    assert found.exposures == fetched
    (said,) = found.unchecked
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert f"MAST at {mast.url} could not be asked" in said
    assert f"listing of {today} is taken, and what is new there" in said
    assert f"used the copies here, verified on {today}" in said
    assert f"{name_exposure(0)}_uncal.fits" in said


def test_what_is_not_here_is_known_and_missed_while_the_archive_is_away(
    site: Site, mast: MastServer
) -> None:
    """A pattern of four must not become one of two without a word."""
    before = site.archive.find(PROGRAM).exposures
    find_and_fetch(site, 2)
    take_away(mast)
    again = Site(site.folder, mast.url)
    found = again.archive.find(PROGRAM)
    assert [(e.name, e.header, e.is_remote) for e in found.exposures] == [
        (e.name, e.header, e.name in {name_exposure(2), name_exposure(3)})
        for e in before
    ]
    missed = again.archive.fetch(found.exposures[2:], listener=lambda _: None)
    assert all("503" in (exposure.defect or "") for exposure in missed)


def test_without_a_listing_the_copies_alone_are_known_and_that_is_said(
    site: Site, mast: MastServer
) -> None:
    fetched = find_and_fetch(site, 2)
    (site.folder / "raw" / PROGRAM / "listing.json").unlink()
    take_away(mast)
    found = find_again(site, mast)
    assert found.exposures == fetched
    assert "what else it has of the program" in found.unchecked[0]


def test_the_pool_is_kept_with_the_listing(
    site: Site, mast: MastServer, raw: Path
) -> None:
    (raw / "jw99100_20240101t000000_pool.csv").write_text("newest")
    find_and_fetch(site)
    deny_files(mast, Fault.UNAVAILABLE)
    assert find_again(site, mast).pool is not None
    take_away(mast)
    assert find_again(site, mast).pool is not None


def test_to_find_writes_nothing(site: Site) -> None:
    site.archive.find(PROGRAM)
    assert not site.folder.exists()


def test_of_a_program_of_which_nothing_is_here_the_archive_must_tell(
    site: Site, mast: MastServer
) -> None:
    take_away(mast)
    with pytest.raises(ArchiveError, match="503"):
        site.archive.find(PROGRAM)


def test_an_archive_that_answers_is_believed(
    site: Site, mast: MastServer, raw: Path
) -> None:
    find_and_fetch(site)
    for path in raw.iterdir():
        path.unlink()
    with pytest.raises(UnknownProgramError):
        find_again(site, mast)


def test_a_copy_that_somebody_changed_is_not_used_while_the_archive_is_away(
    site: Site, mast: MastServer
) -> None:
    first, *_ = find_and_fetch(site)
    first.path.write_bytes(first.path.read_bytes()[:-1] + b"x")
    take_away(mast)
    found = find_again(site, mast)
    assert len(found.exposures) == 3
    assert "is not what was fetched on" in found.unusable[0].reason


@pytest.mark.parametrize(
    "fault",
    [Fault.UNAVAILABLE, Fault.SERVER_ERROR, Fault.TOO_MANY, Fault.EXPIRED],
)
def test_copies_of_which_the_archive_does_not_tell_are_used(
    site: Site, mast: MastServer, fault: Fault
) -> None:
    fetched = find_and_fetch(site)
    deny_files(mast, fault)
    found = find_again(site, mast)
    assert found.exposures == fetched
    assert "did not tell of all files; used the copies here" in found.unchecked[0]
    decided = site.fetcher.decide(site.source.search(Query(program=PROGRAM)))
    assert len(decided.have) == len(decided.unchecked) == 4


def test_an_archive_that_is_away_is_not_asked_six_times_of_each_file(
    site: Site, mast: MastServer
) -> None:
    find_and_fetch(site)
    deny_files(mast, Fault.UNAVAILABLE)
    fetcher = Fetcher(site.source, site.vault, parallel=1, policy=POLICY)
    before = len(mast.asked("retrieve_product"))
    fetcher.decide(site.source.search(Query(program=PROGRAM)))
    assert len(mast.asked("retrieve_product")) - before == 6 + 1 + 1 + 1


def test_copies_of_what_became_exclusive_are_used_and_the_rest_is_withheld(
    site: Site, mast: MastServer
) -> None:
    fetched = find_and_fetch(site, 2)
    mast.exclusive[PROGRAM] = LATER
    found = find_again(site, mast)
    assert found.exposures == fetched
    assert len(found.withheld_files) == 2
    assert "used the copies here" in found.unchecked[0]
    assert not [r for r in mast.asked("retrieve_product") if "0-0" in str(r.headers)]


def test_copies_are_used_when_the_token_has_expired(
    site: Site, mast: MastServer
) -> None:
    fetched = find_and_fetch(site)
    mast.exclusive[PROGRAM] = LATER
    again = Site(site.folder, mast.url)
    again.use(MastSource(mast.url, token=Token("expired"), policy=POLICY, parallel=4))
    found = again.archive.find(PROGRAM)
    assert found.exposures == fetched
    assert "gave no access" in found.unchecked[0]
    assert "expired or unknown token" in found.unchecked[0]


def test_an_expired_token_is_an_error_where_nothing_is_here(
    site: Site, mast: MastServer
) -> None:
    mast.exclusive[PROGRAM] = LATER
    site.use(MastSource(mast.url, token=Token("expired"), policy=POLICY, parallel=4))
    with pytest.raises(AccessError, match="expired or unknown token"):
        site.archive.find(PROGRAM)


def test_an_exposure_of_which_no_files_are_listed_is_rejected_and_blocks_its_own(
    site: Site, mast: MastServer, raw: Path
) -> None:
    write_small_files(raw, 202)
    for path in sorted(raw.iterdir())[4:200]:
        path.unlink()
    lost = name_exposure(1).rpartition("_")[0]
    mast.lost_products[lost] = 100
    found = site.archive.find(PROGRAM)
    assert len(found.exposures) == 5
    (unusable,) = found.unusable
    assert unusable.observation == "001"
    assert f"{lost}_uncal.fits: MAST at {mast.url} knows the expo" in unusable.reason
    made = associate_rows(choose_rows(found).rows, AssociationChoice()).associations
    graph = build_graph(found.exposures, made, found.unusable)
    alone = f"detector1:{lost}"
    assert [job.key for job in graph if job.defect] == [alone]
    doubted = {job.exposure.observation for job in graph if alone in job.doubts}
    assert doubted == {"001"}
    assert {job.exposure.observation for job in graph} == {"001", "002"}


def test_bytes_that_come_again_end_the_trust_in_a_date(
    site: Site, mast: MastServer, raw: Path
) -> None:
    mast.loopback.validator = Validator.CHANGING_DATE
    assert [len(site.fetch().fetched) for _ in range(4)] == [4, 4, 0, 0]
    assert {record.version for record in site.records} == {1}
    name = f"{name_exposure(3)}_uncal.fits"
    other = (raw / name).read_bytes().replace(b"PRISM", b"G395H")  # of the same size
    (raw / name).write_bytes(other)
    report = site.fetch()
    assert report.fetched == (name,)
    assert report.files[name].version == 2
    assert site.vault.locate(report.files[name]).read_bytes() == other


@pytest.mark.parametrize("validator", [Validator.NONE, Validator.WEAK, Validator.DATE])
def test_without_an_etag_what_is_here_is_not_fetched_again(
    site: Site, mast: MastServer, validator: Validator
) -> None:
    mast.loopback.validator = validator
    assert [len(site.fetch().fetched) for _ in range(2)] == [4, 0]


class Fickle(MastSource):
    """A MAST with another ETag in every answer, all of them strong."""

    asked = 0

    def opener(self, file: RemoteFile) -> Opener:
        """Open a file."""

        @contextmanager
        def opened(**kwargs: Any) -> Iterator[Body]:
            with super(Fickle, self).opener(file)(**kwargs) as body:
                self.asked += 1
                yield replace(body, entity=f'"{self.asked}"')

        return opened


def test_bytes_that_come_again_end_the_trust_in_an_etag(
    site: Site, mast: MastServer
) -> None:
    site.use(Fickle(mast.url, policy=POLICY, parallel=4))
    reports: list[FetchReport] = [site.fetch() for _ in range(4)]
    assert [len(report.fetched) for report in reports] == [4, 4, 0, 0]
    assert {record.version for record in site.records} == {1}
