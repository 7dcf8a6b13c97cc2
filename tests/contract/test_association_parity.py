"""Our associations against those of the generator in the installed `jwst`."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from exposures import bots_program, ifu_program, make_exposure
from jwst.associations import AssociationPool, Main, load_as_asn, load_asn

from flows.associations import (
    AssociationOptions,
    build_associations,
    document_name,
    to_json_text,
)
from flows.models import Exposure, Role

Summary = tuple[str, str, frozenset[tuple[str, str]]]
"""asn_type, product name, members with their exptype."""

OFFICIAL = AssociationOptions(imprints_as_science=True)
"""The options that follow the official rules to the letter."""

BACKGROUND_CANDIDATE = "c1000"
"""Candidate that links the background observation with the science."""


def grating_program() -> list[Exposure]:
    """Make a program of both detectors, with one grating that NRS2 does not see."""
    setups = [("001", "G395H", "F290LP"), ("002", "G235M", "F170LP")]
    return [
        make_exposure(
            f"jw99004{obs}001_03101_0000{dither}_nrs{detector}",
            GRATING=grating,
            FILTER=filter_name,
            PATT_NUM=dither,
            TARGNAME=f"TARGET {obs}",
        )
        for obs, grating, filter_name in setups
        for dither in (1, 2)
        for detector in (1, 2)
    ]


def leakcal_program() -> list[Exposure]:
    """Make a program with a leakcal at every dither, and a background with two."""
    made = []
    for observation, sky in (("001", False), ("002", True)):
        stem, target = f"jw99005{observation}001", f"SKY {sky}"
        for n in (1, 2, 3):
            keywords = {"PATT_NUM": n, "BKGDTARG": sky, "TARGNAME": target}
            made += [
                make_exposure(f"{stem}_03101_0000{n}_nrs1", **keywords),
                make_exposure(f"{stem}_05101_0000{n}_nrs1", IS_IMPRT=True, **keywords),
            ]
    return made


def acquisition_program() -> list[Exposure]:
    """Make an IFU observation with its target acquisition."""
    acquisition = make_exposure(
        "jw99006001001_02101_00001_nrs1", EXP_TYPE="NRS_WATA", GRATING="MIRROR"
    )
    return [make_exposure("jw99006001001_03101_00001_nrs1"), acquisition]


def pool_row(exposure: Exposure, target_id: int) -> dict[str, str]:
    """Make a row of the pool, with the ten columns that no header gives."""
    words = {True: "t", False: "f"}
    row = {
        keyword.lower(): words[value] if isinstance(value, bool) else str(value)
        for keyword, value in exposure.header.items()
    }
    observation = (f"o{exposure.observation}", "observation")
    candidates = [observation, (BACKGROUND_CANDIDATE, "background")]
    acquisition = exposure.role is Role.TARGET_ACQUISITION
    return row | {
        "asn_candidate": str(candidates),
        "filename": exposure.path.name,
        "obs_num": exposure.observation,
        "targetid": str(target_id),
        "pntgtype": "target_acquisition" if acquisition else "science",
        "mostilno": "1",
        "dithptin": row["patt_num"],
        "expspcin": "1",
        "subpxpns": row["subpxpts"],
        "dms_note": "null",
        "exposerr": "null",
    }


def read_pool(exposures: list[Exposure], folder: Path) -> AssociationPool:
    """Write and read the pool; only reading brings it into the case of the rules."""
    names = sorted({str(e.header["TARGNAME"]) for e in exposures})
    rows = [pool_row(e, names.index(str(e.header["TARGNAME"])) + 1) for e in exposures]
    path = folder / "pool.csv"
    AssociationPool(rows=rows).write(str(path))
    return AssociationPool.read(str(path))


def official(exposures: list[Exposure], folder: Path) -> set[Summary]:
    """Ask the official generator, candidate by candidate."""
    observations = sorted({f"o{exposure.observation}" for exposure in exposures})
    arguments = ["--dry-run", "-i", *observations, BACKGROUND_CANDIDATE]
    generator = Main(arguments, pool=read_pool(exposures, folder))
    generator.generate()
    return {
        summarize(asn["asn_type"], asn["products"][0]) for asn in generator.associations
    }


def summarize(asn_type: str, product: dict[str, object]) -> Summary:
    """Keep what decides the pixels."""
    members = product["members"]
    assert isinstance(members, Iterable)
    pairs = frozenset((member["expname"], member["exptype"]) for member in members)
    return asn_type, str(product["name"]), pairs


def ours(exposures: list[Exposure]) -> set[Summary]:
    """Ask our own rules."""
    made = build_associations(exposures, OFFICIAL).associations
    documents = [json.loads(to_json_text(association)) for association in made]
    return {summarize(asn["asn_type"], asn["products"][0]) for asn in documents}


def is_joint_level_3(summary: Summary) -> bool:
    """Tell whether an association lists extracted backgrounds.

    The official background candidate makes a spec3 of science and background, for
    the master background step. Where spec2 has subtracted the background pixel by
    pixel, that step skips itself, and the product is that of the observation.
    """
    return summary[0] == "spec3" and f"-{BACKGROUND_CANDIDATE}_" in summary[1]


def is_acquisition(summary: Summary) -> bool:
    """Tell whether an association is of an acquisition image (image2, not ours)."""
    return summary[0] == "image2"


def without_acquisitions(summary: Summary) -> Summary:
    """Leave out acquisitions, which spec3 ignores and nothing of ours would make."""
    asn_type, product, members = summary
    return (
        asn_type,
        product,
        frozenset(member for member in members if member[1] != "target_acquisition"),
    )


@pytest.mark.parametrize(
    "program",
    [
        ifu_program,
        bots_program,
        grating_program,
        leakcal_program,
        acquisition_program,
    ],
)
def test_our_rules_give_what_the_official_ones_give(
    program: Callable[[], list[Exposure]], tmp_path: Path
) -> None:
    exposures = program()
    expected = {
        without_acquisitions(summary)
        for summary in official(exposures, tmp_path)
        if not is_joint_level_3(summary) and not is_acquisition(summary)
    }
    assert ours(exposures) == expected


@pytest.mark.parametrize(
    ("program", "names"),
    [
        (ifu_program, {"jw99001-c1000_t002_nirspec_prism"}),
        (bots_program, set()),
        (grating_program, set()),
        (leakcal_program, {"jw99005-c1000_t001_nirspec_prism"}),
        (acquisition_program, {"jw99006001001_02101_00001_nrs1"}),
    ],
)
def test_these_are_all_the_products_that_only_the_official_rules_make(
    program: Callable[[], list[Exposure]], names: set[str], tmp_path: Path
) -> None:
    exposures = program()
    products = {name for _, name, _ in official(exposures, tmp_path)}
    assert products - {name for _, name, _ in ours(exposures)} == names


@pytest.mark.parametrize("program", [ifu_program, bots_program])
def test_the_documents_are_valid_and_load(
    program: Callable[[], list[Exposure]], tmp_path: Path
) -> None:
    options = AssociationOptions(selfcal=True)
    for association in build_associations(program(), options).associations:
        path = tmp_path / document_name(association)
        path.write_text(to_json_text(association))
        with path.open() as stream:
            loaded = load_asn(stream)
        assert loaded["products"][0]["name"] == association.product_name
        assert loaded["asn_type"] == association.asn_type
        assert load_as_asn.LoadAsAssociation.load(path)["asn_id"] == association.asn_id
