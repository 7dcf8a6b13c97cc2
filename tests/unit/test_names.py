import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import FileNameError
from flows.names import (
    SUFFIXES,
    ExposureName,
    FileName,
    ProductName,
    check_file_name,
    format_exposure_name,
    member_file,
    parse_exposure_name,
    parse_file_name,
    parse_product_name,
    split_suffix,
    stem_of,
)


def matching(pattern: str) -> st.SearchStrategy[str]:
    return st.from_regex(pattern, fullmatch=True)


def is_no_suffix(text: str | None) -> bool:
    return text not in SUFFIXES


candidates = matching("o[0-9]{3}|[ca][0-9]{4}")
exposure_names = st.builds(
    ExposureName,
    program=matching("[0-9]{5}"),
    observation=matching("[0-9]{3}"),
    visit=matching("[0-9]{3}"),
    visit_group=matching("[0-9]{2}"),
    parallel=matching("[0-9]"),
    activity=matching("[0-9a-z]{2}"),
    exposure=matching("[0-9]{5}"),
    detector=st.sampled_from(["nrs1", "nrs2", "mirifulong", "mirimage", "nis"]),
    segment=st.none() | matching("[0-9]{3}"),
)
product_names = st.builds(
    ProductName,
    program=matching("[0-9]{5}"),
    candidate=candidates,
    target=matching("t[0-9]{3}(-s[0-9]{9})?|[sbv][0-9]{5,9}"),
    instrument=st.sampled_from(["nirspec", "miri", "niriss", "nircam"]),
    optical=st.none() | matching("[a-z0-9]{1,8}(-[a-z0-9]{1,8})*").filter(is_no_suffix),
)
endings = {
    "suffix": st.none() | st.sampled_from(sorted(SUFFIXES)),
    "extension": st.none() | matching("[a-z0-9]{1,5}"),
}
file_names = st.builds(FileName, product_names, **endings) | st.builds(
    FileName, exposure_names, candidate=st.none() | candidates, **endings
)


def format_product_name(name: ProductName) -> str:
    """Put the name of a level-3 product together."""
    optical = "" if name.optical is None else f"_{name.optical}"
    return f"jw{name.program}-{name.candidate}_{name.target}_{name.instrument}{optical}"


def format_file_name(name: FileName) -> str:
    """Put a file name together."""
    match name.of:
        case ExposureName() as exposure:
            stem = format_exposure_name(exposure)
        case ProductName() as product:
            stem = format_product_name(product)
    parts = [stem, name.candidate, name.suffix]
    body = "_".join(part for part in parts if part is not None)
    return body if name.extension is None else f"{body}.{name.extension}"


@given(exposure_names)
def test_an_exposure_name_comes_back_from_its_text(name: ExposureName) -> None:
    assert parse_exposure_name(format_exposure_name(name)) == name


@given(product_names)
def test_a_product_name_comes_back_from_its_text(name: ProductName) -> None:
    assert parse_product_name(format_product_name(name)) == name


@given(file_names)
def test_a_file_name_comes_back_from_its_text(name: FileName) -> None:
    assert parse_file_name(format_file_name(name)) == name


@given(st.text())
def test_a_text_is_refused_or_comes_back_unchanged(text: str) -> None:
    try:
        name = parse_file_name(text)
    except FileNameError:
        return
    assert format_file_name(name) == text


@given(exposure_names, st.sampled_from(sorted(SUFFIXES)))
def test_the_stem_of_a_product_is_the_exposure(name: ExposureName, suffix: str) -> None:
    stem = format_exposure_name(name)
    assert stem_of(member_file(stem, suffix)) == stem


def test_ids_keep_their_zeros() -> None:
    name = parse_exposure_name("jw02736007001_03103_00001-seg002_nrs1")
    assert (name.program, name.observation, name.visit) == ("02736", "007", "001")
    assert (name.exposure, name.segment, name.detector) == ("00001", "002", "nrs1")


@pytest.mark.parametrize(
    "text",
    [
        "jw01345-o063_s000001_nirspec_f290lp-g395m_x1d.fits",
        "jw02736-o007_t001_miri_ch1-short_s3d.fits",
        "jw02736-o007_t001_miri",
        "jw99002-o001_t001_nirspec_clear-prism-s1600a1-sub512_whtlt.ecsv",
        "jw01309-o022_t028-s000000001_nirspec_f290lp-g395m-s200a1_x1d.fits",
        "jw99001001001_03101_00001_nrs1_o001_crf.fits",
        "jw02736007001_0310a_00001_nrs1_uncal.fits",
        "jw01366003001_04101_00001-seg001_nrs1_x1dints.fits",
    ],
)
def test_names_seen_in_the_archive_are_understood(text: str) -> None:
    assert format_file_name(parse_file_name(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "jw1345066001_03101_00001_nrs1_uncal.fits",
        "jw01345066001_03101_00001_NRS1_uncal.fits",
        "jw01345066001_03101_00001_uncal.fits",
        "jw01345066001_03101_00001_nrs1_uncal.fits.gz",
        "jw01345066001_03101_00001_nrs1_uncal.",
        "jw\u0660\u0661\u0662\u0663\u0664066001_03101_00001_nrs1_uncal.fits",
        "jw01345066001_03101_00001_nrs1_uncal.fits\n",
        "jw01345-o63_t001_nirspec_prism_x1d.fits",
        "jw01345-t001_nirspec_prism",
    ],
)
def test_names_outside_the_grammar_are_refused(text: str) -> None:
    with pytest.raises(FileNameError):
        parse_file_name(text)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("x" * 256, "longer than 255"),
        ("a\0b", "NUL"),
        ("../etc/passwd", "path separator"),
        ("a\\b", "path separator"),
        ("a..b", r"'\.\.'"),
        (".hidden", "dot"),
        ("-rf", "dash"),
        ("a b", "letters"),
        ("é", "letters"),
        ("jw\n", "letters"),
    ],
)
def test_a_hostile_name_is_refused_and_told_why(name: str, why: str) -> None:
    with pytest.raises(FileNameError, match=why):
        check_file_name(name)


def test_a_harmless_name_is_passed_on() -> None:
    assert check_file_name("jw01345066001_01_msa.fits") == "jw01345066001_01_msa.fits"


def test_only_known_suffixes_are_split_off() -> None:
    assert split_suffix("jw_nrs1_cal") == ("jw_nrs1", "cal")
    assert split_suffix("jw_nrs1") == ("jw_nrs1", None)
    assert split_suffix("cal") == ("cal", None)
