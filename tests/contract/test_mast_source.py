"""What `MastSource` lists of a server that speaks as MAST does, and may fail."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from loopback import Fault, ScriptedFaults
from mast_files import ARCHIVE, write_archive
from mast_server import MastServer, mast_server

from flows.archive.mast import MastLimits, MastSource
from flows.archive.source import Access, FileKind, Query
from flows.errors import AccessError, ArchiveError, IdError
from flows.models.products import Cone
from workers.errors import NotHeldError
from workers.sample import SampleSet
from workers.transfer import Pacing, RetryPolicy

SMALL = MastLimits(page_rows=2, batch_datasets=2, silent_s=0.3)
QUICK = Pacing(sleep=lambda _: None)
QUERY = Query(program="99021")
SEARCH, PRODUCTS = "/search?", "/post_list_products?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def server(folder: Path) -> Iterator[MastServer]:
    with mast_server(folder) as server:
        yield server


@pytest.fixture
def source(server: MastServer) -> Iterator[MastSource]:
    source = MastSource(server.url, limits=SMALL, pacing=QUICK, parallel=4)
    yield source
    source.close()


def raw(*parts: str) -> list[str]:
    """Name the raw files of which the names hold one of the parts."""
    return [f"{n}_uncal.fits" for n in sorted(ARCHIVE) if any(p in n for p in parts)]


def raw_of(source: MastSource, **asked: Any) -> list[str]:
    """Name the raw files that are listed."""
    listed = source.search(Query(**asked))
    return [file.name for file in listed if file.kind is FileKind.UNCAL]


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        ({}, ["jw"]),
        ({"program": "99021"}, ["jw99021"]),
        ({"program": "99021", "observations": ("002",)}, ["jw99021002"]),
        ({"observations": ("001", "002")}, ["jw"]),
        ({"target": "ngc*"}, ["jw99021002"]),
        ({"target": "NGC-74?9"}, []),
        ({"target": "*RIO*"}, ["jw99021001", "jw99022"]),
        ({"cone": Cone(83.6, 2.0, 0.01)}, ["jw99022001"]),
        ({"cone": Cone(83.6, 2.0, 0.01), "exp_types": ("NRS_IFU",)}, []),
        ({"cycles": (2,)}, ["jw99022"]),
        ({"cycles": (1, 2), "exp_types": ("MIR_MRS",)}, ["_mirifu"]),
        ({"cycles": (3,)}, []),
        ({"instrument": "miri"}, ["_mirifu"]),
        ({"exp_types": ("NRS_MSATA", "mir_mrs")}, ["_02101_", "_mirifu"]),
        ({"optics": ("g395h",)}, ["jw99021001001_03101"]),
        ({"optics": ("SHORT", "F140X")}, ["_mirifu", "_02101_"]),
        ({"taken_from": datetime(2024, 3, 1, 12, tzinfo=UTC)}, ["jw"]),
        ({"taken_from": datetime(2024, 3, 1, 12, 1, tzinfo=UTC)}, ["-seg"]),
        ({"taken_until": datetime(2025, 2, 3, 12, tzinfo=UTC)}, ["9021", "_mirifu"]),
        (
            {
                "taken_from": datetime(2025, 2, 3, tzinfo=UTC),
                "taken_until": datetime(2025, 2, 4, tzinfo=UTC),
            },
            ["-seg"],
        ),
        ({"access": Access.PUBLIC}, ["jw"]),
        ({"access": Access.EXCLUSIVE}, []),
        ({"program": "99999"}, []),
    ],
)
def test_every_query_lists_what_the_folder_holds_of_it(
    source: MastSource, asked: dict[str, Any], parts: list[str]
) -> None:
    assert raw_of(source, **asked) == raw(*parts)


def test_the_sample_programs_are_listed_as_they_are(sample: SampleSet) -> None:
    with mast_server(sample.archive) as server:
        listed = MastSource(server.url, parallel=4).search(Query()).files
    sizes = {path.name: path.stat().st_size for path in sample.archive.rglob("*.fits")}
    assert {file.name: file.size_bytes for file in listed} == sizes
    programs = {mode.program for mode in sample.modes}
    assert {file.program for file in listed} == programs


def test_files_have_what_the_server_tells(source: MastSource, folder: Path) -> None:
    path = folder / "99022" / "jw99022001001_03101_00001_mirifulong_uncal.fits"
    listed = source.search(Query(program="99022", observations=("001",)))
    file = next(file for file in listed if file.name == path.name)
    assert file.size_bytes == path.stat().st_size
    assert (file.program, file.observation) == ("99022", "001")
    assert (file.instrument, file.exp_type) == ("MIRI", "MIR_MRS")
    assert (file.optics, file.target) == ("SHORT", "ORION")
    assert file.access is Access.PUBLIC
    assert file.public_from == datetime(2024, 1, 1, tzinfo=UTC)


def test_metafiles_pools_and_associations_of_the_exposures_are_listed(
    source: MastSource,
) -> None:
    listed = source.search(Query(program="99021", exp_types=("NRS_MSASPEC",)))
    others = [file for file in listed if file.kind is not FileKind.UNCAL]
    assert [(file.kind, file.observation) for file in others] == [
        (FileKind.ASN, "001"),
        (FileKind.MSA, "001"),
        (FileKind.POOL, ""),
    ]


def test_of_guide_stars_previews_and_products_nothing_is_listed_or_refused(
    source: MastSource, server: MastServer
) -> None:
    listing = source.search(Query())
    assert listing.refused == ()
    assert {file.kind for file in listing} == set(FileKind) - {FileKind.RATE}
    assert not [file for file in listing if "_gs-" in file.name]
    assert len(server.asked("post_list_products")) > 1


def test_rates_are_listed_instead_of_raw_files(source: MastSource) -> None:
    listed = source.search(Query(program="99021", kind=FileKind.RATE)).files
    exposures = [file for file in listed if file.observation == "002"]
    assert {file.kind for file in exposures} == {FileKind.RATE, FileKind.ASN}
    assert exposures[-1].name == "jw99021002001_03101_00001_nrs1_rate.fits"


@pytest.mark.parametrize("endpoint", [SEARCH, PRODUCTS])
@pytest.mark.parametrize("fault", sorted(set(Fault) - {Fault.EXPIRED}))
def test_a_fault_that_passes_changes_nothing(
    source: MastSource, server: MastServer, fault: Fault, endpoint: str
) -> None:
    server.loopback.faults = ScriptedFaults({endpoint: [fault]})
    assert raw_of(source, program="99021") == raw("jw99021")
    assert server.loopback.struck


HARMLESS = {Fault.SLOW, Fault.ONE_BLOCK, Fault.WRONG_DATA, Fault.WRONG_HEADER}
"""What only strikes files, or is waited for."""

LOST = (Fault.PAGE_LOST, PRODUCTS)
LASTING = [(f, e) for f in sorted(set(Fault) - HARMLESS) for e in (SEARCH, PRODUCTS)]


@pytest.mark.parametrize(
    ("fault", "endpoint"),
    [one for one in LASTING if one != (Fault.PAGE_LOST, PRODUCTS)],
)
def test_a_fault_that_stays_ends_in_an_error_that_says_what_was_tried(
    source: MastSource, server: MastServer, fault: Fault, endpoint: str
) -> None:
    server.loopback.faults = ScriptedFaults({endpoint: [fault]}, persistent=[endpoint])
    with pytest.raises(ArchiveError) as caught:
        source.search(QUERY)
    text = str(caught.value)
    assert text.startswith(f"MAST at {server.url}: search for program 99021")
    tried = {Fault.EXPIRED: "401", Fault.PAGE_LOST: "in 3 rounds"}
    assert tried.get(fault, "after 6 tries") in text


def test_an_exposure_of_which_no_products_ever_come_is_set_aside_and_the_rest_listed(
    source: MastSource, server: MastServer
) -> None:
    lost = "jw99021002001_03101_00002"
    server.lost_products[lost] = 100
    listing = source.search(QUERY)
    names = [file.name for file in listing if file.kind is FileKind.UNCAL]
    assert names == [name for name in raw("jw99021") if lost not in name]
    (unlisted,) = listing.unlisted
    assert (unlisted.program, unlisted.observation) == ("99021", "002")
    assert f"{lost}_uncal.fits: MAST at {server.url} knows" in unlisted.reason
    assert "asked for 4 times" in unlisted.reason


def test_if_no_products_come_of_any_exposure_that_is_an_error(
    source: MastSource, server: MastServer
) -> None:
    for name in ARCHIVE:
        server.lost_products[name.rpartition("_")[0]] = 100
    with pytest.raises(ArchiveError, match="asked for 4 times"):
        source.search(QUERY)


def test_the_answer_of_a_server_that_asks_to_wait_is_waited_for(
    server: MastServer,
) -> None:
    waits: list[float] = []
    server.loopback.faults = ScriptedFaults({SEARCH: [Fault.UNAVAILABLE] * 3})
    pacing = Pacing(sleep=waits.append, dice=lambda: 1.0)
    source = MastSource(
        server.url, pacing=pacing, policy=RetryPolicy(first_wait_s=2), parallel=4
    )
    source.search(QUERY)
    assert waits == [2.0, 4.0, 8.0]


def test_an_answer_that_drips_too_long_is_given_up(server: MastServer) -> None:
    server.loopback.faults = lambda _: Fault.SLOW
    limits = MastLimits(answer_s=0.0)
    source = MastSource(server.url, limits=limits, pacing=QUICK, parallel=4)
    with pytest.raises(ArchiveError, match="was not whole after 0 s"):
        source.search(QUERY)


def test_datasets_without_products_are_asked_for_again(
    source: MastSource, server: MastServer
) -> None:
    server.lost_products["jw99021002001_03101_00002"] = 2
    assert raw_of(source, program="99021") == raw("jw99021")
    assert b"99021002001_03101_00002" in server.asked("post_list_products")[-1].body


def test_few_requests_are_made_and_never_more_than_four_at_a_time(
    folder: Path,
) -> None:
    with mast_server(folder, faults=lambda _: Fault.SLOW) as server:
        MastSource(server.url, parallel=4).search(Query())
        assert [request.path for request in server.loopback.requests] == [
            "/search/jwst/api/v0.1/search",
            "/search/jwst/api/v0.1/post_list_products",
        ]
        limits = MastLimits(batch_datasets=1, page_rows=1)
        MastSource(server.url, limits=limits, parallel=4).search(Query())
        assert 1 < server.loopback.most_at_once <= 4


def test_all_requests_state_who_asks(source: MastSource, server: MastServer) -> None:
    file = source.search(QUERY).files[0]
    source.whoami()
    with source.opener(file)() as body:
        assert sum(map(len, body.chunks)) == file.size_bytes
    agents = {request.headers["user-agent"] for request in server.loopback.requests}
    assert [agent.partition("/")[0] for agent in agents] == ["rewebb"]


def test_the_begin_of_a_file_is_read_with_or_without_ranges(
    source: MastSource, server: MastServer
) -> None:
    file = next(file for file in source.search(QUERY) if file.kind is FileKind.UNCAL)
    with source.opener(file)(end_byte=80) as body:
        assert b"".join(body.chunks).startswith(b"SIMPLE  =")
        assert body.total_bytes == file.size_bytes
    with source.opener(file)(start_byte=80, end_byte=90, entity='"other"') as body:
        assert body.start_byte == 0  # so says a server that has another version
        assert sum(map(len, body.chunks)) == 90
    assert server.loopback.requests[-1].headers["range"] == "bytes=80-89"


def test_a_file_that_is_not_there_is_said_to_be_so(
    source: MastSource,
) -> None:
    file = source.search(QUERY).files[-1]
    with (
        pytest.raises(NotHeldError),
        source.opener(replace(file, uri="mast:JWST/product/other.fits"))(),
    ):
        pass


def test_no_other_client_of_the_web_is_loaded() -> None:
    code = (
        "import sys, flows.archive.mast as m; m.MastSource(parallel=4);"
        "print(*{'astroquery', 'astropy', 'httpx', 'requests'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == []


HOSTILE = [
    "../jw99021002001_03101_00001_nrs1_uncal.fits",
    "/etc/jw99021002001_03101_00001_nrs1_uncal.fits",
    "jw99021002001_03101_00001_nrs1\0_uncal.fits",
    f"jw99021002001_03101_00001_{'n' * 300}_uncal.fits",
    "JW99021002001_03101_00001_NRS1_UNCAL.FITS",
    "jw99021002001_03101_00001_nrs1_uncal.fits ",
    "-jw99021002001_03101_00001_nrs1_uncal.fits",
    "jw01345002001_03101_00001_nrs1_uncal.fits",
    "jw99021002001_03101_00009_nrs1_uncal.fits",
    "JW99021_20260101T010203_POOL.CSV",
    "jw99021_$(reboot)_pool.csv",
    "x_msa.fits",
    "..",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_and_the_rest_is_listed(
    source: MastSource, server: MastServer, name: str
) -> None:
    before = source.search(QUERY)
    server.extra_products["jw99021002001_03101_00001"] = [name]
    after = source.search(QUERY)
    assert after.files == before.files
    assert len(after.refused) == 1
    assert "expected" in after.refused[0] or "refused" in after.refused[0]


@pytest.mark.parametrize(
    "asked",
    [
        {"program": "1,2"},
        {"program": "99021", "observations": ("1",)},
        {"exp_types": ("!NRS_IFU",)},
        {"instrument": "NIR*"},
        {"kind": FileKind.POOL},
    ],
)
def test_operators_of_the_search_are_no_values(
    source: MastSource, server: MastServer, asked: dict[str, Any]
) -> None:
    with pytest.raises((ArchiveError, IdError), match="expected"):
        source.search(Query(**asked))
    assert not server.loopback.requests


@pytest.mark.parametrize("url", ["ftp://x", "mast", "https://a:b@mast.stsci.edu"])
def test_a_url_that_is_none_of_a_server_is_refused_without_showing_it(
    url: str,
) -> None:
    with pytest.raises(ArchiveError) as caught:
        MastSource(url, parallel=4)
    assert "a:b" not in str(caught.value)


def test_a_401_at_a_search_is_an_access_error(
    source: MastSource, server: MastServer
) -> None:
    server.loopback.faults = lambda _: Fault.EXPIRED
    with pytest.raises(AccessError, match="401"):
        source.search(QUERY)
