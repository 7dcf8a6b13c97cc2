"""What holds of every source: a folder, a mirror in S3, MAST."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from exposures import raw_header
from mast_server import mast_server
from s3_server import s3_mirror

from flows.archive import FolderArchive
from flows.archive.mast import MastSource
from flows.archive.s3 import S3Source
from flows.archive.source import Access, FileKind, Query, RemoteFile, Source
from flows.errors import ArchiveError
from flows.models.products import Cone
from workers.errors import NotHeldError
from workers.sample import SampleSet
from workers.transfer import Body

IFU_1 = "jw99010001001_02101_00001_nrs1"
FILE_SET = IFU_1.removesuffix("_nrs1")
IFU_2 = "jw99010001001_02101_00001_nrs2"
MRS = "jw99010002001_03102_00001_mirifulong"
MSA_TA = "jw99010003001_02101_00001_nrs1"
MSA = "jw99010003001_03101_00001_nrs1"
SOSS_1 = "jw99010004001_04101_00001-seg001_nis"
SOSS_2 = "jw99010004001_04101_00001-seg002_nis"
OTHER = "jw99090001001_02101_00001_nrs1"

SOSS_KEYWORDS = {
    "TARGPROP": "WASP-39",
    "TARG_RA": 217.3,
    "TARG_DEC": -3.4,
    "INSTRUME": "NIRISS",
    "EXP_TYPE": "NIS_SOSS",
    "FILTER": "CLEAR",
    "GRATING": "N/A",
    "PUPIL": "GR700XD",
    "DATE-OBS": "2024-06-12",
    "TIME-OBS": "00:00:00.000",
}

EXPOSURES: dict[str, dict[str, str | float]] = {
    IFU_1: {"TARGPROP": "NGC-6302", "TARG_RA": 258.43, "TARG_DEC": -37.1},
    IFU_2: {"TARGPROP": "NGC-6302", "TARG_RA": 258.43, "TARG_DEC": -37.1},
    MRS: {
        "TARGPROP": "NGC-6302-SKY",
        "TARG_RA": 258.53,
        "TARG_DEC": -37.1,
        "INSTRUME": "MIRI",
        "EXP_TYPE": "MIR_MRS",
        "FILTER": "N/A",
        "GRATING": "N/A",
        "BAND": "SHORT",
        "DATE-OBS": "2024-03-05",
    },
    MSA_TA: {
        "TARGPROP": "[KAG2008] 13",
        "TARG_RA": 359.999,
        "TARG_DEC": 52.8,
        "EXP_TYPE": "NRS_MSATA",
        "FILTER": "F110W",
        "GRATING": "MIRROR",
        "DATE-OBS": "2024-06-11",
    },
    MSA: {
        "TARGPROP": "[KAG2008] 13",
        "TARG_RA": 359.999,
        "TARG_DEC": 52.8,
        "EXP_TYPE": "NRS_MSASPEC",
        "FILTER": "F290LP",
        "GRATING": "G395H",
        "DATE-OBS": "2024-06-11",
        "TIME-OBS": "23:59:59.999",
        "MSAMETFL": "jw99010003001_01_msa.fits",
    },
    SOSS_1: SOSS_KEYWORDS,
    SOSS_2: SOSS_KEYWORDS,
    OTHER: {"TARGPROP": "NGC-6302", "TARG_RA": 258.43, "TARG_DEC": -37.1},
}
"""Raw exposures, each with a countrate, and what their headers say."""

POOL = "jw99010_20240701t120000_pool.csv"
ASN_1 = "jw99010-o001_20240701t120000_spec2_00001_asn.json"
ASN_3 = "jw99010-o003_20240701t120000_spec3_00001_asn.json"
METAFILE = "jw99010003001_01_msa.fits"
GUIDE_STAR = "jw99010001001_gs-acq1_2024061120001_uncal.fits"
COMPANIONS = (POOL, ASN_1, ASN_3, METAFILE)

ALL = (IFU_1, IFU_2, MRS, MSA_TA, MSA, SOSS_1, SOSS_2)


@pytest.fixture(scope="session")
def holdings(sample: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with exposures of all kinds, and the sample programs."""
    folder = tmp_path_factory.mktemp("holdings")
    for number, name in enumerate(EXPOSURES):
        write_exposure(folder / "raw", f"{name}_uncal.fits", number)
        write_exposure(folder / "deeper" / "rates", f"{name}_rate.fits", number)
    write_exposure(folder, GUIDE_STAR, 0)
    for name in COMPANIONS:
        (folder / "level3").mkdir(exist_ok=True)
        (folder / "level3" / name).write_text(f"the text of {name}\n")
    for path in sample.archive.rglob("*_uncal.fits"):
        (folder / path.name).hardlink_to(path)
    return folder


def write_exposure(folder: Path, name: str, number: int) -> Path:
    """Write a small exposure; those of which nothing is known are all alike."""
    stem = name.rpartition("_")[0]
    time = {"DATE-OBS": "2024-03-01", "TIME-OBS": "12:00:00.000"}
    keywords = raw_header(stem if stem in EXPOSURES else IFU_1, **time)
    keywords |= EXPOSURES.get(stem, {})
    keywords["DATE-BEG"] = f"{keywords['DATE-OBS']}T{keywords['TIME-OBS']}"
    pixels = np.random.default_rng(number).integers(0, 60_000, (2, 50, 50))
    hdus = [
        fits.PrimaryHDU(header=fits.Header(keywords)),
        fits.ImageHDU(pixels.astype(np.uint16), name="SCI"),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    fits.HDUList(hdus).writeto(folder / name)
    return folder / name


@dataclass
class Served:
    """A source, and ways to change what it has."""

    source: Source
    change: Callable[[str, bytes], object]
    """Returns a file other bytes."""
    remove: Callable[[str], object]
    add: Callable[[str], object]
    """Adds a file of any name to program 99010."""


@contextmanager
def serve_folder(folder: Path) -> Iterator[Served]:
    yield Served(
        FolderArchive(folder),
        change=lambda name, content: (folder / name).write_bytes(content),
        remove=lambda name: (folder / name).unlink(),
        add=lambda name: (folder / name).touch(),
    )


@contextmanager
def serve_s3(folder: Path) -> Iterator[Served]:
    with s3_mirror(folder) as mirror:
        source = S3Source(mirror.url, endpoint=mirror.endpoint, parallel=4)
        yield Served(
            source,
            change=mirror.put,
            remove=mirror.remove,
            add=lambda name: mirror.put(name, b""),
        )


@contextmanager
def serve_mast(folder: Path) -> Iterator[Served]:
    with (
        mast_server(folder) as server,
        closing(MastSource(server.url, parallel=4)) as source,
    ):
        yield Served(
            source,
            change=lambda name, content: (folder / name).write_bytes(content),
            remove=lambda name: (folder / name).unlink(),
            add=lambda name: server.extra_products.update({FILE_SET: [name]}),
        )


Serve = Callable[[Path], AbstractContextManager[Served]]

SOURCES: dict[str, Serve] = {
    "folder": serve_folder,
    "s3": serve_s3,
    "mast": serve_mast,
}


@pytest.fixture(scope="module", params=list(SOURCES))
def serve(request: pytest.FixtureRequest) -> Serve:
    """Return what serves a folder by one of the sources."""
    return SOURCES[request.param]


@pytest.fixture(scope="module")
def source(serve: Serve, holdings: Path) -> Iterator[Source]:
    with serve(holdings) as served:
        yield served.source


@pytest.fixture
def own(serve: Serve, tmp_path: Path) -> Iterator[Served]:
    """Return a source with one exposure, which may be changed."""
    write_exposure(tmp_path, f"{IFU_1}_uncal.fits", 1)
    with serve(tmp_path) as served:
        yield served


def file_of(source: Source, name: str) -> RemoteFile:
    listing = source.search(Query(program=name[2:7]))
    return next(file for file in listing if file.name.startswith(name))


def read(body: Body) -> bytes:
    return b"".join(body.chunks)


def exposures(source: Source, **criteria: object) -> list[str]:
    """Search the made-up program, and give the stems of the exposures found."""
    query = Query(program="99010", **criteria)  # type: ignore[arg-type]  # of any kind
    suffix = f"_{query.kind}.fits"
    return [
        file.name.removesuffix(suffix)
        for file in source.search(query)
        if file.kind is query.kind
    ]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({}, ALL),
        ({"kind": FileKind.RATE}, ALL),
        ({"observations": ("002",)}, [MRS]),
        ({"observations": ("003", "001")}, [IFU_1, IFU_2, MSA_TA, MSA]),
        ({"observations": ("009",)}, []),
        ({"exp_types": ("NRS_IFU", "MIR_MRS")}, [IFU_1, IFU_2, MRS]),
        ({"exp_types": ("nrs_msata",)}, [MSA_TA]),
        ({"exp_types": ("NRS_BRIGHTOBJ",)}, []),
        ({"instrument": "MIRI"}, [MRS]),
        ({"instrument": "nirspec"}, [IFU_1, IFU_2, MSA_TA, MSA]),
        ({"instrument": "NIRCAM"}, []),
        ({"optics": ("PRISM",)}, [IFU_1, IFU_2]),
        ({"optics": ("g395h", "SHORT")}, [MRS, MSA]),
        ({"optics": ("GR700XD",)}, [SOSS_1, SOSS_2]),
        ({"optics": ("N/A",)}, []),
        ({"target": "NGC-6302"}, [IFU_1, IFU_2]),
        ({"target": "ngc-6302*"}, [IFU_1, IFU_2, MRS]),
        ({"target": "*KAG2008] 1*"}, [MSA_TA, MSA]),
        ({"target": "[KAG2008] 13"}, [MSA_TA, MSA]),
        ({"target": "NGC-630?"}, []),
        ({"target": "NGC"}, []),
        ({"cone": Cone(258.43, -37.1, 0.001)}, [IFU_1, IFU_2]),
        ({"cone": Cone(258.43, -37.1, 0.1)}, [IFU_1, IFU_2, MRS]),
        ({"cone": Cone(258.43, -37.1, 0.07)}, [IFU_1, IFU_2]),
        ({"cone": Cone(0.001, 52.8, 0.01)}, [MSA_TA, MSA]),
        ({"cone": Cone(10.0, 10.0, 1.0)}, []),
        ({"taken_from": datetime(2024, 6, 11, tzinfo=UTC)}, ALL[3:]),
        ({"taken_from": datetime(2024, 6, 12, tzinfo=UTC)}, [SOSS_1, SOSS_2]),
        ({"taken_until": datetime(2024, 6, 12, tzinfo=UTC)}, ALL[:5]),
        (
            {
                "taken_from": datetime(2024, 3, 1, 12, tzinfo=UTC),
                "taken_until": datetime(2024, 3, 1, 12, 0, 1, tzinfo=UTC),
            },
            [IFU_1, IFU_2],
        ),
        ({"access": Access.PUBLIC}, ALL),
        ({"access": Access.EXCLUSIVE}, []),
        ({"instrument": "NIRSPEC", "observations": ("002",)}, []),
        ({"exp_types": ("NRS_IFU",), "kind": FileKind.RATE}, [IFU_1, IFU_2]),
    ],
)
def test_every_source_finds_the_same_for_a_criterion(
    source: Source, criteria: dict[str, object], expected: list[str]
) -> None:
    assert exposures(source, **criteria) == list(expected)


def test_a_proposal_cycle_is_known_or_refused(source: Source) -> None:
    query = Query(cycles=(2,), program="99090")
    if isinstance(source, MastSource):
        assert [file.name for file in source.search(query)] == [f"{OTHER}_uncal.fits"]
        assert not source.search(Query(cycles=(2,), program="99010")).files
    else:
        with pytest.raises(ArchiveError, match="which only MAST knows"):
            source.search(query)


def test_an_unknown_program_has_nothing(source: Source) -> None:
    assert source.search(Query(program="12345")).files == ()


def test_where_nothing_is_found_nothing_belongs_to_it(source: Source) -> None:
    assert source.search(Query(program="99010", instrument="NIRCAM")).files == ()


@pytest.mark.parametrize(
    ("observation", "expected"),
    [("001", [POOL, ASN_1]), ("002", [POOL]), ("003", [POOL, ASN_3, METAFILE])],
)
def test_what_belongs_to_exposures_is_listed_with_them(
    source: Source, observation: str, expected: list[str]
) -> None:
    found = source.search(Query(program="99010", observations=(observation,)))
    beside = [file.name for file in found if file.kind is not FileKind.UNCAL]
    assert sorted(beside) == sorted(expected)


def test_a_file_is_described_as_its_name_and_header_tell(source: Source) -> None:
    file = file_of(source, MSA)
    assert (file.kind, file.program, file.observation) == ("uncal", "99010", "003")
    assert (file.instrument, file.exp_type) == ("NIRSPEC", "NRS_MSASPEC")
    assert (file.target, file.access) == ("[KAG2008] 13", Access.PUBLIC)
    assert set(file.optics.split(";")) == {"F290LP", "G395H"}


def test_the_sample_programs_are_whole(source: Source, sample: SampleSet) -> None:
    for mode in sample.modes:
        found = source.search(Query(program=mode.program))
        there = {path.name: path.stat().st_size for path in sample.list_raw(mode)}
        assert {file.name: file.size_bytes for file in found} == there


def test_a_listing_is_sorted_and_comes_out_the_same_again(source: Source) -> None:
    first, second = (source.search(Query(program="99010")) for _ in range(2))
    names = [file.name for file in first]
    assert names == sorted(names)
    assert len(names) == len(set(names)) == len(ALL) + len(COMPANIONS)
    assert first == second


def test_the_bytes_and_sizes_are_those_of_the_files(
    source: Source, holdings: Path
) -> None:
    paths = {path.name: path for path in holdings.rglob("*") if path.is_file()}
    for file in source.search(Query(program="99010")):
        with source.opener(file)() as body:
            content = read(body)
        assert content == paths[file.name].read_bytes()
        assert body.start_byte == 0
        assert file.size_bytes == len(content)
        assert body.total_bytes in {None, len(content)}


def test_a_large_file_comes_in_small_pieces(source: Source, sample: SampleSet) -> None:
    path = min(sample.archive.rglob("*_uncal.fits"), key=lambda path: path.name)
    with source.opener(file_of(source, path.name))() as body:
        sizes = [len(chunk) for chunk in body.chunks]
    assert sum(sizes) == path.stat().st_size
    assert max(sizes) <= 1 << 20


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_the_rest_of_a_version_comes_without_the_begin(
    source: Source, holdings: Path, share: float
) -> None:
    content = (holdings / "raw" / f"{MRS}_uncal.fits").read_bytes()
    start = math.ceil(share * len(content))
    file = file_of(source, MRS)
    with source.opener(file)() as body:
        entity = body.entity
    assert entity is not None
    with source.opener(file)(start_byte=start, entity=entity) as body:
        assert read(body) == content[start:]
    assert body.start_byte == start
    assert body.total_bytes == len(content)
    assert body.entity == entity


def test_a_start_without_a_version_is_kept_or_all_is_given(
    source: Source, holdings: Path
) -> None:
    content = (holdings / "raw" / f"{MRS}_uncal.fits").read_bytes()
    with source.opener(file_of(source, MRS))(start_byte=100) as body:
        assert read(body) == content[body.start_byte :]
    assert body.start_byte in {0, 100}


def test_of_another_version_all_is_given(source: Source, holdings: Path) -> None:
    content = (holdings / "raw" / f"{MRS}_uncal.fits").read_bytes()
    file = file_of(source, MRS)
    with source.opener(file)(start_byte=100, entity='"an-old-one"') as body:
        assert read(body) == content
    assert body.start_byte == 0
    assert body.entity != '"an-old-one"'


def test_a_start_behind_the_end_gives_all(source: Source, holdings: Path) -> None:
    content = (holdings / "raw" / f"{MRS}_uncal.fits").read_bytes()
    file = file_of(source, MRS)
    with source.opener(file)() as body:
        entity = body.entity
    with source.opener(file)(start_byte=len(content) + 1, entity=entity) as body:
        assert read(body) == content
    assert body.start_byte == 0


def test_no_more_comes_than_up_to_the_end_that_is_wanted(
    source: Source, holdings: Path
) -> None:
    content = (holdings / "raw" / f"{MRS}_uncal.fits").read_bytes()
    file = file_of(source, MRS)
    for end in (1, 2880, len(content), len(content) + 1):
        with source.opener(file)(end_byte=end) as body:
            assert read(body) == content[:end]
        assert body.total_bytes in {None, len(content)}


def test_a_changed_file_is_another_version(own: Served) -> None:
    file = file_of(own.source, IFU_1)
    with own.source.opener(file)() as body:
        old = body.entity
    own.change(file.name, b"SIMPLE  = changed".ljust(5760))
    with own.source.opener(file)(start_byte=2880, entity=old) as body:
        assert read(body) == b"SIMPLE  = changed".ljust(5760)
    assert body.start_byte == 0
    assert body.entity != old


def test_a_file_that_is_gone_is_not_held(own: Served) -> None:
    file = file_of(own.source, IFU_1)
    own.remove(file.name)
    with pytest.raises(NotHeldError), own.source.opener(file)():
        pass


def test_a_file_of_nowhere_is_not_held(source: Source) -> None:
    file = file_of(source, IFU_1)
    other = IFU_1.replace("00001", "00009")
    uri = file.uri.replace(IFU_1, other)
    file = replace(file, name=f"{other}_uncal.fits", uri=uri)
    with pytest.raises(NotHeldError), source.opener(file)():
        pass


def test_a_stream_may_be_left_at_any_time(source: Source, sample: SampleSet) -> None:
    path = max(sample.archive.rglob("*_uncal.fits"), key=lambda path: path.name)
    file = file_of(source, path.name)
    for _ in range(20):
        with source.opener(file)() as body:
            first = next(body.chunks)
        assert path.read_bytes()[: len(first)] == first


def test_what_goes_wrong_in_the_block_is_not_blamed_on_the_source(
    source: Source,
) -> None:
    file = file_of(source, IFU_1)
    with pytest.raises(OSError, match="disk full"), source.opener(file)():
        raise OSError("disk full")


def test_eight_threads_open_files_at_once(source: Source, holdings: Path) -> None:
    files = [
        file for file in source.search(Query(program="99010")) if file.kind == "uncal"
    ]

    def fetch(file: RemoteFile) -> bool:
        with source.opener(file)() as body:
            return read(body) == (holdings / "raw" / file.name).read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(fetch, files * 8))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (f"{IFU_2} (copy)_uncal.fits", "other than letters"),
        (f"{IFU_2}..\\_uncal.fits", "path separator"),
        (f".{IFU_2}_uncal.fits", "starts with a dot"),
        (f"-{IFU_2}_uncal.fits", "starts with a dash"),
        (f"{IFU_2.upper()}_uncal.fits", "not the name of an exposure"),
        (
            f"{IFU_2}\N{LATIN SMALL LETTER E WITH ACUTE}_uncal.fits",
            "other than letters",
        ),
    ],
)
def test_hostile_names_are_refused_and_told_why(
    own: Served, name: str, why: str
) -> None:
    own.add(name)
    listing = own.source.search(Query(program="99010"))
    assert [file.name for file in listing] == [f"{IFU_1}_uncal.fits"]
    [refusal] = listing.refused
    assert why in refusal
