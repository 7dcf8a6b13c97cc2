"""Our associations against those of the generator in the installed `jwst`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from exposures import (
    associate_headers,
    bots_pair_program,
    bots_program,
    ifu_program,
    make_exposure,
)
from jwst.associations import load_as_asn, load_asn
from official_generator import (
    DRAWN,
    SHIPPED,
    Summary,
    ask_command,
    ask_official,
    expand_pool,
    hash_pool,
    load_answers,
    load_kept,
    summarize,
    to_pool_text,
)
from pools import COLUMNS, Row, draw_pools

from config.recipe import AssociationChoice, LinkedObservations
from flows.associations import (
    associate_rows,
    document_name,
    read_pool,
    to_json_text,
)
from flows.models.associations import AssociationSet
from flows.models.exposures import Exposure, Role
from workers.sample import Mode
from workers.sample.catalogue import PROGRAMS
from workers.sample.exposures import RawExposure
from workers.sample.headers import primary_cards

ANSWERS = load_answers()

LIVE = (
    "jw09505_20251216t202003_pool",
    "pool_010_spec_nirspec_lv2bkg",
    "pool_021_tso",
    "pool_025_nirspec_fss_nod_chop",
)
"""Shipped pools for which the generator is asked again."""


def summarize_all(made: AssociationSet) -> set[Summary]:
    """Summarize what is written of a set."""
    documents = [json.loads(to_json_text(one)) for one in made.associations]
    return {summarize(asn["asn_type"], asn["products"][0]) for asn in documents}


def ours(rows: Sequence[Row]) -> set[Summary]:
    """Ask our rules about a pool."""
    made = associate_rows(read_pool(to_pool_text(rows)), None)
    return summarize_all(made)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_pool_gives_what_the_official_rules_give(name: str) -> None:
    assert ours(expand_pool(name)) == ANSWERS[name]


@pytest.mark.parametrize("name", LIVE)
def test_the_kept_answers_are_those_of_the_generator(name: str) -> None:
    assert ask_command(expand_pool(name), "--all-candidates") == ANSWERS[name]


@pytest.mark.slow
def test_drawn_pools_give_what_the_official_rules_give() -> None:
    """The generator is asked about each thirtieth pool, and where no answer is kept.

    None is of another `jwst`, nor of pools that are drawn in another way.
    """
    kept = load_kept()
    for number, rows in enumerate(draw_pools(DRAWN)):
        known = kept.get(hash_pool(rows))
        made = ours(rows)
        if known is None or number % 30 == 0:
            expected = ask_official(rows)
            assert known is None or known == expected
        else:
            expected = known
        assert (made - expected, expected - made) == (set(), set())


def test_a_psf_reference_that_is_a_background_gives_one_science_member() -> None:
    """The official rule puts every such exposure into one association as science."""
    rows = [
        dict.fromkeys(COLUMNS, "null")
        | {
            "filename": f"jw99001001001_03101_0000{n}_mirifulong_uncal.fits",
            "program": "99001",
            "exp_type": "mir_mrs",
            "instrume": "miri",
            "detector": "mirifulong",
            "band": "short",
            "channel": "34",
            "subarray": "full",
            "mostilno": "1",
            "targetid": "1",
            "obs_num": "1",
            "pntgtype": "science",
            "is_psf": "t",
            "bkgdtarg": "t",
            "asn_candidate": "[('o001', 'observation')]",
        }
        for n in (1, 2)
    ]
    kinds = [
        [kind for _, kind in members if kind == "science"]
        for asn_type, _, members in ours(rows)
        if asn_type == "spec2"
    ]
    assert kinds == [["science"], ["science"]]
    official = {members for kind, _, members in ask_official(rows) if kind == "spec2"}
    assert max(len(members) for members in official) == 2


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


def nod_program() -> list[Exposure]:
    """Make nods of the MSA and of a slit, and of the IFU with leakcals."""
    mos = {"EXP_TYPE": "NRS_MSASPEC", "MSAMETFL": "jw99007001001_01_msa.fits"}
    slit = {"EXP_TYPE": "NRS_FIXEDSLIT", "FXD_SLIT": "S400A1", "TARGNAME": "STAR"}
    ifu = {"PATTTYPE": "4-POINT-NOD"}
    made = []
    for n in (1, 2, 3):
        for obs, keywords in (("001", mos), ("002", slit), ("003", ifu)):
            name = f"jw99007{obs}001_03101_0000{n}_nrs1"
            made.append(make_exposure(name, PATT_NUM=n, **keywords))
    leakcal = make_exposure("jw99007003001_05101_00001_nrs1", IS_IMPRT=True, **ifu)
    return [*made, leakcal]


def lrs_nods() -> list[Exposure]:
    """Make what the sample program of the LRS with slit has."""
    return simulated(PROGRAMS[Mode.MIRI_LRS_SLIT].plan())


def lrs_series() -> list[Exposure]:
    """Make what the sample program of the LRS without slit has."""
    return simulated(PROGRAMS[Mode.MIRI_LRS_SLITLESS].plan())


def simulated(plan: Sequence[RawExposure]) -> list[Exposure]:
    """Make exposures of simulated headers."""
    return [
        make_exposure(raw.stem, **{"GRATING": "N/A", **primary_cards(raw)})
        for raw in plan
    ]


def pool_row(exposure: Exposure, target_id: int) -> Row:
    """Make a row of the pool, with the ten columns that no header gives."""
    words = {True: "t", False: "f"}
    row = dict.fromkeys(COLUMNS, "null") | {
        keyword.lower(): words[value] if isinstance(value, bool) else str(value)
        for keyword, value in exposure.header.items()
        if keyword.lower() in COLUMNS
    }
    observation = (f"o{exposure.observation}", "observation")
    acquisition = exposure.role is Role.TARGET_ACQUISITION
    slit = row["fxd_slit"]
    return row | {
        "program": exposure.program,
        "asn_candidate": str([observation, ("c1000", "background")]),
        "filename": exposure.path.name,
        "obs_num": exposure.observation,
        "targetid": str(target_id),
        "pntgtype": "target_acquisition" if acquisition else "science",
        "mostilno": "1",
        "dithptin": row["patt_num"],
        "expspcin": "1",
        "fxd_slit": "null" if slit == "NONE" else slit,
    }


@pytest.mark.parametrize(
    "program",
    [
        ifu_program,
        bots_program,
        bots_pair_program,
        grating_program,
        leakcal_program,
        acquisition_program,
        nod_program,
        lrs_nods,
        lrs_series,
    ],
)
def test_headers_give_what_the_official_rules_give_of_the_pool(
    program: Callable[[], list[Exposure]],
) -> None:
    exposures = program()
    names = sorted({str(e.header["TARGNAME"]) for e in exposures})
    rows = [pool_row(e, names.index(str(e.header["TARGNAME"])) + 1) for e in exposures]
    observations = tuple(sorted({e.observation for e in exposures}))
    linked = LinkedObservations.model_construct(
        id="c1000", type="background", observations=observations
    )
    made = associate_headers(exposures, None, declared=(linked,))
    assert summarize_all(made) == ask_official(sorted(rows, key=_by_name))


def _by_name(row: Row) -> str:
    return row["filename"]


@pytest.mark.parametrize(
    "program", [ifu_program, bots_program, nod_program, lrs_nods, lrs_series]
)
@pytest.mark.parametrize("is_official", [True, False])
def test_the_documents_are_valid_and_load(
    program: Callable[[], list[Exposure]], tmp_path: Path, *, is_official: bool
) -> None:
    choice = None if is_official else AssociationChoice(selfcal=True)
    for association in associate_headers(program(), choice).associations:
        path = tmp_path / document_name(association)
        path.write_text(to_json_text(association))
        with path.open() as stream:
            loaded = load_asn(stream)
        assert loaded["products"][0]["name"] == association.product_name
        assert loaded["asn_type"] == association.asn_type
        assert load_as_asn.LoadAsAssociation.load(path)["asn_id"] == association.asn_id
