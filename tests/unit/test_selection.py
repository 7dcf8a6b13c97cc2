"""What exposures fit a query, and what becomes of the files of a source."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from astropy.coordinates import SkyCoord
from exposures import make_exposure
from hypothesis import given
from hypothesis import strategies as st

from flows.archive.selection import (
    HeldFile,
    is_asked_for,
    is_asked_for_by_name,
    keep_one_of_each,
    screen,
    to_listing,
)
from flows.archive.source import Access, FileKind, Query, RemoteFile
from flows.errors import ArchiveError
from flows.models.exposures import Exposure, UnusableFile
from flows.models.products import Cone
from flows.names import parse_exposure_name

NAME = "jw99001001001_03101_00001_nrs1"
OTHER = "jw99001002001_03101_00001_nrs1"
UNCAL = f"{NAME}_uncal.fits"

Value = str | float | bool

KEYWORDS: dict[str, Value] = {
    "TARGPROP": "NGC-6302",
    "TARG_RA": 10.0,
    "TARG_DEC": 20.0,
    "DATE-OBS": "2024-03-01",
    "TIME-OBS": "12:30:00.123",
}

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def fits(query: Query, **changes: Value) -> bool:
    """Return whether an exposure fits, whose header is changed."""
    return is_asked_for(make_exposure(NAME, **{**KEYWORDS, **changes}), query)


Examined = tuple[RemoteFile, Exposure | UnusableFile]


def examined(name: str = NAME, **keywords: Value) -> Examined:
    return remote(f"{name}_uncal.fits", 2880), make_exposure(name, **keywords)


def unusable(name: str = NAME) -> Examined:
    path = Path(f"{name}_uncal.fits")
    found = UnusableFile(path, name[2:7], name[7:10], f"{path}: no header")
    return remote(path.name, 9), found


def remote(name: str, size_bytes: int) -> RemoteFile:
    [file] = screen(
        [HeldFile(name, f"somewhere/{name}", size_bytes)], Query()
    ).exposures
    return file


def held(*names: str) -> list[HeldFile]:
    return [HeldFile(name, f"somewhere/{name}", 100) for name in names]


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(program="99001"),
        Query(observations=("007", "001")),
        Query(target="ngc-*"),
        Query(target="*"),
        Query(target="N*C*6302"),
        Query(cone=Cone(10.0, 20.0, 1e-9)),
        Query(instrument="nirspec"),
        Query(exp_types=("MIR_MRS", "nrs_ifu")),
        Query(optics=("Prism",)),
        Query(optics=("G395H", "CLEAR")),
        Query(taken_from=NOON, taken_until=NOON + HOUR),
        Query(access=Access.PUBLIC),
        Query(kind=FileKind.RATE),
    ],
)
def test_what_fits_every_criterion_is_asked_for(query: Query) -> None:
    assert fits(query)


@pytest.mark.parametrize(
    "query",
    [
        Query(program="99002"),
        Query(observations=("002",)),
        Query(target="NGC"),
        Query(target="NGC-630?"),
        Query(target="NGC-630[0-9]"),
        Query(target=""),
        Query(cone=Cone(10.01, 20.0, 0.009)),
        Query(instrument="MIRI"),
        Query(exp_types=("NRS",)),
        Query(optics=("PRI",)),
        Query(taken_from=NOON + HOUR),
        Query(taken_until=NOON),
        Query(access=Access.EXCLUSIVE),
        Query(program="99001", instrument="MIRI"),
    ],
)
def test_what_fails_one_criterion_is_not_asked_for(query: Query) -> None:
    assert not fits(query)


@pytest.mark.parametrize(
    ("query", "missing"),
    [
        (Query(target="*"), "TARGPROP"),
        (Query(cone=Cone(10.0, 20.0, 180.0)), "TARG_RA"),
        (Query(cone=Cone(10.0, 20.0, 180.0)), "TARG_DEC"),
        (Query(instrument="NIRSPEC"), "INSTRUME"),
        (Query(taken_from=NOON - 10_000 * HOUR), "DATE-OBS"),
    ],
)
def test_what_the_header_does_not_say_is_not_met(query: Query, missing: str) -> None:
    exposure = make_exposure(NAME, **KEYWORDS)
    header = {k: v for k, v in exposure.header.items() if k != missing}
    assert is_asked_for(exposure, query)
    assert not is_asked_for(replace(exposure, header=header), query)


def test_without_date_obs_the_begin_is_taken_from_date_beg() -> None:
    begin = {"DATE-OBS": "N/A", "DATE-BEG": "2024-03-02T00:00:00.1234567"}
    day = datetime(2024, 3, 2, tzinfo=UTC)
    assert fits(Query(taken_from=day), **begin)
    assert not fits(Query(taken_until=day), **begin)


def test_times_may_be_asked_for_in_any_zone() -> None:
    here = timezone(timedelta(hours=-5))
    at = datetime(2024, 3, 1, 7, 30, 0, 123_000, tzinfo=here)
    assert fits(Query(taken_from=at))
    assert not fits(Query(taken_until=at))


@pytest.mark.parametrize("none", ["N/A", "NONE", "", " "])
def test_no_element_is_no_optical_element(none: str) -> None:
    assert not fits(Query(optics=(none,)), PUPIL=none)


def test_of_a_target_only_the_star_is_special() -> None:
    assert fits(Query(target="[kag2008] *"), TARGPROP="[KAG2008] 13")
    assert not fits(Query(target="[kag2008] *"), TARGPROP="K 13")


positions = st.tuples(st.floats(0, 360), st.floats(-90, 90))


@given(target=positions, center=positions)
def test_a_cone_is_that_of_astropy(
    target: tuple[float, float], center: tuple[float, float]
) -> None:
    one, other = (SkyCoord(*at, unit="deg") for at in (target, center))
    separation_deg = float(one.separation(other).deg)
    keywords = {"TARG_RA": target[0], "TARG_DEC": target[1]}
    # To the square root of a rounding error near the antipode, where both are poor.
    margin = 1e-9 if separation_deg < 179 else 1e-5
    around = Cone(*center, min(separation_deg + margin, 180.0))
    assert fits(Query(cone=around), **keywords)
    if separation_deg > margin:
        cone = Cone(*center, separation_deg - margin)
        assert not fits(Query(cone=cone), **keywords)


def test_a_position_that_is_no_number_is_in_no_cone() -> None:
    assert not fits(Query(cone=Cone(10.0, 20.0, 180.0)), TARG_RA=math.nan)


def test_names_alone_exclude_programs_and_observations() -> None:
    name = parse_exposure_name(NAME)
    assert is_asked_for_by_name(name, Query(program="99001", instrument="MIRI"))
    assert not is_asked_for_by_name(name, Query(program="99002"))
    assert not is_asked_for_by_name(name, Query(observations=("002",)))
    assert not is_asked_for_by_name(name, Query(access=Access.EXCLUSIVE))


def test_files_are_sorted_by_their_names() -> None:
    pool = "jw99001_20240101t000000_pool.csv"
    asn = "jw99001-c1000_20240101t000000_tso-spec2_00001_asn.json"
    metafile = "jw99001001001_01_msa.fits"
    others = (f"{NAME}_rate.fits", f"{NAME}_uncal.jpg", "notes_pool.csv", "README")
    guide_star = "jw99001001001_gs-acq1_2024061120001_uncal.fits"
    files = held(UNCAL, pool, asn, metafile, *others, guide_star)
    screened = screen(files, Query())
    assert [file.name for file in screened.exposures] == [UNCAL]
    assert [file.name for file in screened.companions] == [pool, asn, metafile]
    assert screened.refused == []


def test_of_rates_only_rates_are_taken() -> None:
    files = held(UNCAL, f"{NAME}_rate.fits", f"{NAME}_rateints.fits")
    screened = screen(files, Query(kind=FileKind.RATE))
    assert [file.name for file in screened.exposures] == [f"{NAME}_rate.fits"]


@pytest.mark.parametrize(
    "name",
    [
        f"../{UNCAL}",
        f"a\\{UNCAL}",
        f"{NAME}\0_uncal.fits",
        f"{'x' * 300}_uncal.fits",
        UNCAL.upper(),
        f"{UNCAL} ",
        "jw99001-o001_t001_nirspec_uncal.fits",
        "_uncal.fits",
        "-rf_msa.fits",
        ".hidden_asn.json",
    ],
)
def test_hostile_names_are_refused(name: str) -> None:
    screened = screen(held(name), Query())
    assert len(screened.refused) == 1
    assert not screened.exposures + screened.companions


@given(st.text() | st.from_regex(r".{0,9}jw99001.{0,30}_(uncal\.fits|asn\.json)"))
def test_whatever_the_name_what_is_taken_is_safe(name: str) -> None:
    screened = screen(held(name), Query())
    for file in screened.exposures + screened.companions:
        assert file.name.startswith("jw")
        assert not set("/\\\0 \n") & set(file.name)


@pytest.mark.parametrize("kind", [FileKind.MSA, FileKind.POOL, FileKind.ASN])
def test_only_exposures_can_be_asked_for(kind: FileKind) -> None:
    with pytest.raises(ArchiveError, match="uncal or rate"):
        screen([], Query(kind=kind))


def test_a_listing_is_sorted_whatever_the_order_of_the_files() -> None:
    files = [examined(), examined(OTHER), unusable(NAME.replace("nrs1", "nrs2"))]
    listings = [to_listing(Query(), some) for some in itertools.permutations(files)]
    assert all(listing == listings[0] for listing in listings)
    assert len(listings[0].files) == 3


def test_a_file_without_a_header_is_listed_unless_headers_matter() -> None:
    for query in (Query(), Query(program="99001", observations=("001",))):
        listing = to_listing(query, [unusable()])
        assert [(file.name, file.size_bytes) for file in listing] == [(UNCAL, 9)]
    listing = to_listing(Query(target="*"), [unusable()])
    assert listing.files == ()
    assert listing.refused == (f"{UNCAL}: no header",)


def test_a_file_without_a_header_of_another_observation_is_of_no_concern() -> None:
    for target in (None, "*"):
        query = Query(observations=("002",), target=target)
        listing = to_listing(query, [unusable()])
        assert (listing.files, listing.refused) == ((), ())


def companions_of(files: Iterable[Examined], *names: str) -> list[str]:
    listing = to_listing(
        Query(), files, companions=screen(held(*names), Query()).companions
    )
    return [file.name for file in listing if file.kind is not FileKind.UNCAL]


def test_a_metafile_belongs_to_exposures_that_name_it() -> None:
    metafile = "jw99001001001_01_msa.fits"
    assert companions_of([examined(MSAMETFL=metafile)], metafile) == [metafile]
    assert companions_of([examined()], metafile) == []


def test_associations_belong_to_their_observation_or_to_the_program() -> None:
    joined = "jw99001-o001_20240101t000000_spec2_00001_asn.json"
    candidate = "jw99001-c1000_20240101t000000_spec3_00001_asn.json"
    assert companions_of([examined()], joined, candidate) == [candidate, joined]
    assert companions_of([examined(OTHER)], joined, candidate) == [candidate]
    assert companions_of([], joined, candidate) == []


def test_a_pool_of_another_program_does_not_belong() -> None:
    own, other = (f"jw{n}_20240101t000000_pool.csv" for n in ("99001", "99002"))
    assert companions_of([examined()], own, other) == [own]


def test_of_same_files_the_first_is_kept_and_different_ones_are_an_error() -> None:
    files = ["x/a", "y/a", "z/b"]
    assert keep_one_of_each(files, str, lambda *_: True) == ["x/a", "z/b"]
    with pytest.raises(ArchiveError, match="named a: x/a and y/a"):
        keep_one_of_each(files, str, lambda *_: False)
