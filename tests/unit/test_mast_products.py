from datetime import UTC, datetime

import pytest

from flows.archive.mast.products import (
    Dataset,
    choose_files,
    dataset_from_row,
    find_unlisted,
)
from flows.archive.source import Access, FileKind

EXPOSURE = "jw01366003001_04101_00001"
UNCAL = f"{EXPOSURE}-seg001_nrs1_uncal.fits"


def make_dataset(name: str = EXPOSURE, **cells: object) -> Dataset:
    dataset = dataset_from_row({"fileSetName": name, "productLevel": "1b, 2a", **cells})
    assert dataset is not None
    return dataset


def product(name: str, **cells: object) -> dict[str, object]:
    row = {"dataset": EXPOSURE, "filename": name, "uri": name, "size": 2880}
    return {**row, "access": "PUBLIC", **cells}


DATASETS = {EXPOSURE: make_dataset()}


def names_of(*products: dict[str, object]) -> list[str]:
    return [file.name for file in choose_files(products, DATASETS, FileKind.UNCAL)]


def refusal_of(*products: dict[str, object]) -> str:
    (refused,) = choose_files(products, DATASETS, FileKind.UNCAL).refused
    return refused


def test_segments_are_files_of_their_exposure() -> None:
    other = UNCAL.replace("seg001", "seg002")
    assert names_of(product(other), product(UNCAL)) == [UNCAL, other]


def test_a_dataset_may_be_one_segment() -> None:
    name = f"{EXPOSURE}-seg001"
    datasets = {name: make_dataset(name)}
    listing = choose_files([product(UNCAL)], datasets, FileKind.UNCAL)
    assert [file.name for file in listing] == [UNCAL]
    assert find_unlisted(listing, datasets.values(), FileKind.UNCAL) == ()


@pytest.mark.parametrize(
    "name",
    [
        f"{EXPOSURE}_nrs1_rate.fits",
        f"{EXPOSURE}_nrs1_cal.fits",
        f"{EXPOSURE}_nrs1_rate.jpg",
        f"{EXPOSURE}_nrs1_rate_thumb.jpg",
        "jw01366003001_gs-fg_2022211194500_uncal.fits",
        "jw01366003001_gs-acq1_2022211194500_uncal.fits",
        "jw01366-o003_t001_nirspec_clear-prism_x1d.fits",
    ],
)
def test_what_we_do_not_use_is_passed_over(name: str) -> None:
    listing = choose_files([product(name)], DATASETS, FileKind.UNCAL)
    assert (listing.files, listing.refused) == ((), ())


def test_a_file_listed_twice_alike_is_one() -> None:
    pool = "jw01366_20240614t123456_pool.csv"
    assert names_of(product(UNCAL), product(pool), product(pool)) == [UNCAL, pool]


def test_a_file_listed_with_two_sizes_is_refused() -> None:
    told = refusal_of(product(UNCAL), product(UNCAL, size=5760))
    assert (
        told
        == f"{UNCAL}: is listed as {UNCAL} of 2880 bytes and as {UNCAL} of 5760 bytes"
    )


def test_a_file_that_is_public_by_one_row_is_public() -> None:
    rows = [product(UNCAL, access="EXCLUSIVE_ACCESS"), product(UNCAL)]
    (file,) = choose_files(rows, DATASETS, FileKind.UNCAL)
    assert file.access is Access.PUBLIC


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"uri": "mast:JWST/product/other.fits"}, "URI"),
        ({"uri": None}, "URI"),
        ({"size": None}, "size"),
        ({"size": -1}, "size"),
        ({"size": True}, "size"),
        ({"size": "2880"}, "size"),
        ({"filename": UNCAL.replace("_00001", "_00002")}, "asked for"),
        ({"filename": UNCAL.replace("01366", "01367")}, "asked for"),
        ({"filename": "jw01367003001_01_msa.fits"}, "asked for"),
        ({"filename": "jw01366003001_01_uncal.fits"}, "name"),
        ({"filename": "jw01366_pool.csv"}, "name"),
        ({"filename": f"../{UNCAL}"}, "separator"),
        ({"filename": UNCAL.upper()}, "expected one plain extension"),
        ({"filename": "a\0b"}, "NUL"),
    ],
)
def test_what_only_looks_like_a_file_of_ours_is_refused_with_why(
    cells: dict[str, object], why: str
) -> None:
    assert why in refusal_of(product(UNCAL, **cells))


def test_a_product_list_without_names_is_refused() -> None:
    assert choose_files([{}], DATASETS, FileKind.UNCAL).files == ()


def test_companions_of_observations_that_are_not_listed_are_not_either() -> None:
    asn = "jw01366-o003_20240614t123456_spec2_00001_asn.json"
    other = asn.replace("o003", "o004")
    linked = asn.replace("o003", "c1001")
    names = (UNCAL, asn, other, linked)
    assert names_of(*(product(name) for name in names)) == sorted((UNCAL, asn, linked))


def test_an_exposure_that_should_have_files_is_missed_if_none_is_listed() -> None:
    raw = make_dataset("jw01366003001_04101_00002", productLevel="1b")
    rate = make_dataset("jw01366003001_04101_00003", productLevel="2a")
    untold = make_dataset("jw01366003001_04101_00004", productLevel=None)
    joined = make_dataset("jw01366-o003_t001_nirspec", productLevel="3")
    listing = choose_files([product(UNCAL)], DATASETS, FileKind.UNCAL)
    datasets = [*DATASETS.values(), raw, rate, untold, joined]
    assert find_unlisted(listing, datasets, FileKind.UNCAL) == (raw.name, untold.name)


def test_rows_are_read_as_mast_gives_them() -> None:
    dataset = make_dataset(
        "jw01714001001_02101_00001",
        productLevel="1b, 2a, 2b, 2c",
        program=1714,
        date_obs="2023-02-24T00:50:42.9710000",
        publicReleaseDate="2024-02-24T13:30:27",
        access="EXCLUSIVE_ACCESS",
        instrume="MIRI  ",
    )
    assert (dataset.program, dataset.observation) == ("01714", "001")
    assert dataset.levels == {"1b", "2a", "2b", "2c"}
    assert dataset.taken == datetime(2023, 2, 24, 0, 50, 42, 971000, UTC)
    assert dataset.public_from == datetime(2024, 2, 24, 13, 30, 27, tzinfo=UTC)
    assert dataset.access is Access.EXCLUSIVE
    assert dataset.instrument == "MIRI"


@pytest.mark.parametrize("name", [None, "", "../x", "jw1_02101_00001", f"{EXPOSURE}/"])
def test_a_row_without_the_name_of_a_dataset_is_none(name: str | None) -> None:
    assert dataset_from_row({"fileSetName": name}) is None
