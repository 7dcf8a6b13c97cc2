"""Finding products, in every database."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from math import nan

import pytest
from astropy.coordinates import SkyCoord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcomes import (
    NOON,
    make_input,
    make_job,
    make_outcome,
    make_product,
    make_reference,
    make_run,
    make_run_job,
)
from sqlalchemy import Engine
from sqlalchemy import text as sql

from flows.errors import QueryError
from flows.models.products import Cone, ProductQuery, Span
from flows.models.runs import JobState
from flows.provenance import Database
from workers.contract import (
    Caveat,
    CaveatKind,
    Job,
    Outcome,
    Product,
    ProductFacts,
    ReferenceUse,
    SourceFacts,
    Stage,
)

EXPOSURE = "jw02736007001_03101_00002_nrs1"
FIELD = "POLYGON ICRS 150.49 2.49 150.51 2.49 150.51 2.51 150.49 2.51"


def make_facts(name: str, *sources: SourceFacts, **others: object) -> ProductFacts:
    ranges = [s.wave_min_m for s in sources if s.wave_min_m is not None]
    return replace(
        ProductFacts(
            product=name,
            dataproduct_type="spectrum",
            calib_level=2,
            wave_min_m=min(ranges, default=None),
            sources=sources,
        ),
        **others,
    )


def make_source(
    ra_deg: float | None, dec_deg: float | None, *waves_um: float, region: str = ""
) -> SourceFacts:
    low, high = (um * 1e-6 for um in waves_um) if waves_um else (None, None)
    return SourceFacts(
        ra_deg=ra_deg, dec_deg=dec_deg, region=region, wave_min_m=low, wave_max_m=high
    )


def make_made(
    job: Job, *names: str, number: int = 0, facts: Sequence[ProductFacts] = ()
) -> Outcome:
    """Make the outcome of a job with products, a minute after those before."""
    products = [
        replace(make_product(name), sha256=f"{job.fingerprint}-{name}")
        for name in sorted(names)
    ]
    return make_outcome(
        job,
        attempt=f"attempt-{job.fingerprint}",
        finished_at=NOON + timedelta(minutes=number),
        products=products,
        facts=facts,
    )


def to_input(job: Job, name: str) -> object:
    return replace(make_input(name), sha256=f"{job.fingerprint}-{name}")


DARK = make_job("a1", name=EXPOSURE)
CAL = replace(
    make_job("a2", stage=Stage.SPEC2, name=EXPOSURE),
    inputs=(to_input(DARK, f"{EXPOSURE}_rate.fits"),),
    references=(ReferenceUse("photom", make_reference("jwst_nirspec_photom_7.fits")),),
)
LAST = replace(
    make_job("a3", stage=Stage.SPEC3, name="jw02736-o007", context="jwst_1470.pmap"),
    inputs=(to_input(CAL, f"{EXPOSURE}_cal.fits"),),
    references=(),
    exp_type="NRS_IFU",
    versions={"jwst": "3.0.1"},
)
OTHER = replace(
    make_job("b1", name="jw01345001001_02101_00001_nrs2"),
    references=(ReferenceUse("dark", make_reference("jwst_nirspec_dark_0002.fits")),),
    program="01345",
)
MADE = (
    make_made(DARK, f"{EXPOSURE}_rate.fits", f"{EXPOSURE}_rateints.fits"),
    make_made(
        *(CAL, f"{EXPOSURE}_cal.fits", f"{EXPOSURE}_x1d.fits"),
        number=1,
        facts=[
            make_facts(
                f"{EXPOSURE}_x1d.fits",
                make_source(150.0, 2.0, 0.6, 5.3),
                make_source(150.01, 2.0, 0.6, 3.0),
                make_source(None, None, 0.6, 5.3),
                target="NGC  7319_a%b",
            )
        ],
    ),
    make_made(
        *(LAST, "jw02736-o007_x1d.fits", "jw02736-o007_s3d.fits"),
        number=2,
        facts=[
            make_facts(
                "jw02736-o007_s3d.fits",
                make_source(150.5, 2.5, 4.9, 7.65, region=FIELD),
                target="ngc 7319",
            )
        ],
    ),
    make_made(OTHER, "jw01345001001_02101_00001_nrs2_rate.fits", number=3),
)
RATES = {f"{EXPOSURE}_rate.fits", f"{EXPOSURE}_rateints.fits"}
CALS = {f"{EXPOSURE}_cal.fits", f"{EXPOSURE}_x1d.fits"}
LASTS = {"jw02736-o007_x1d.fits", "jw02736-o007_s3d.fits"}
OTHERS = {"jw01345001001_02101_00001_nrs2_rate.fits"}
ALL = RATES | CALS | LASTS | OTHERS


@pytest.fixture
def filled(database: Database) -> Database:
    database.runs.start_run(make_run())
    for outcome in MADE:
        database.jobs.record_outcome(outcome, run_id="run-1")
    known = replace(
        make_run_job(LAST.name, JobState.SUCCEEDED),
        stage=Stage.SPEC3,
        fingerprint="a3",
        caveats=(Caveat(CaveatKind.PARTIAL, 'It says ["MIXED_PROVENANCE", too.'),),
    )
    database.runs.update_jobs("run-1", [known])
    return database


def find(database: Database, **asked: object) -> set[str]:
    found = database.products.find(ProductQuery(**asked))
    names = [one.product.name for one in found]
    assert len(names) == len(set(names))
    return set(names)


_CASES: list[tuple[dict[str, object], set[str]]] = [
        ({}, ALL),
        ({"references": ("jwst_nirspec_dark_0001.fits",)}, RATES),
        ({"references": ("jwst_nirspec_photom_7.fits",)}, CALS),
        (
            {
                "references": (
                    "jwst_nirspec_photom_7.fits",
                    "jwst_nirspec_dark_0002.fits",
                )
            },
            CALS | OTHERS,
        ),
        (
            {
                "references": ("jwst_nirspec_dark_0001.fits",),
                "is_downstream": True,
            },
            RATES | CALS | LASTS,
        ),
        (
            {"references": ("jwst_nirspec_photom_7.fits",), "is_downstream": True},
            CALS | LASTS,
        ),
        ({"references": ("jwst_nirspec_0300.imap",)}, ALL),
        ({"contexts": ("jwst_1470.pmap",)}, LASTS),
        ({"contexts": ("jwst_1470.pmap", "jwst_1464.pmap")}, ALL),
        ({"jwst": ("3.0.1",)}, LASTS),
        ({"jwst": ("3.0",)}, set()),
        ({"exposures": (EXPOSURE,)}, RATES | CALS | LASTS),
        ({"exposures": (EXPOSURE[:-1],)}, set()),
        ({"exposures": ("%",)}, set()),
        ({"caveats": (CaveatKind.STEP_SKIPPED,)}, ALL),
        ({"caveats": (CaveatKind.ALL_NAN,)}, set()),
        ({"caveats": (CaveatKind.PARTIAL, CaveatKind.ALL_NAN)}, LASTS),
        ({"caveats": (CaveatKind.MIXED_PROVENANCE,)}, set()),
        ({"recipes": ("nirspec-mos",)}, LASTS),
        ({"recipes": ("official",)}, set()),
        ({"programs": ("01345",)}, OTHERS),
        ({"stages": (Stage.SPEC2, Stage.SPEC3)}, CALS | LASTS),
        ({"kinds": ("x1d",)}, {f"{EXPOSURE}_x1d.fits", "jw02736-o007_x1d.fits"}),
        ({"kinds": ("rate",), "programs": ("02736",)}, {f"{EXPOSURE}_rate.fits"}),
        ({"targets": ("NGC 7319",)}, {"jw02736-o007_s3d.fits"}),
        ({"targets": ("ngc 7319_A%b",)}, {f"{EXPOSURE}_x1d.fits"}),
        ({"targets": ("ngc 7319xa%b", "ngc 7319%", "%")}, set()),
        (
            {"targets": ("NGC*",)},
            {f"{EXPOSURE}_x1d.fits", "jw02736-o007_s3d.fits"},
        ),
        ({"targets": ("*_a*",)}, {f"{EXPOSURE}_x1d.fits"}),
        ({"waves": (Span(5.0, 6.0),)}, CALS - RATES and {f"{EXPOSURE}_x1d.fits",
                                                        "jw02736-o007_s3d.fits"}),
        ({"waves": (Span(5.3, 5.4),), "stages": (Stage.SPEC2,)},
         {f"{EXPOSURE}_x1d.fits"}),
        ({"waves": (Span(7.651, 20.0), Span(0.1, 0.5))}, set()),
        ({"near": (Cone(150.0, 2.0, 0.001),)}, {f"{EXPOSURE}_x1d.fits"}),
        ({"near": (Cone(150.01, 2.0, 0.001),), "waves": (Span(4.0, 5.0),)}, set()),
        ({"near": (Cone(150.01, 2.0, 0.02),), "waves": (Span(4.0, 5.0),)},
         {f"{EXPOSURE}_x1d.fits"}),
        ({"near": (Cone(150.509, 2.509, 0.0001),)}, {"jw02736-o007_s3d.fits"}),
        ({"near": (Cone(150.5, 2.511, 0.0009),)}, set()),
        ({"near": (Cone(150.5, 2.511, 0.0011),)}, {"jw02736-o007_s3d.fits"}),
        ({"near": (Cone(330.5, -2.5, 1.0),)}, set()),
        ({"near": (Cone(0, 90, 180.0),)},
         {f"{EXPOSURE}_x1d.fits", "jw02736-o007_s3d.fits"}),
        ({"limit": 1}, OTHERS),
        ({"limit": 2, "stages": (Stage.SPEC3,)}, LASTS),
    ]  # fmt: skip
"""What is asked for, and what is found."""


def test_products_are_found_by_what_is_said_of_them(filled: Database) -> None:
    for asked, expected in _CASES:
        assert find(filled, **asked) == expected, asked


def test_a_reference_is_found_by_its_sum(database: Database) -> None:
    sha1 = "0123456789abcdef" * 2 + "01234567"
    dark = replace(make_reference("jwst_nirspec_dark_0001.fits"), sha1=sha1)
    job = replace(DARK, references=(ReferenceUse("dark", dark),))
    database.jobs.record_outcome(make_made(job, "a_rate.fits"))
    database.jobs.record_outcome(MADE[3])
    assert find(database, references=(sha1.upper(),)) == {"a_rate.fits"}
    with pytest.raises(QueryError, match=f"sha1 {'0' * 40}"):
        find(database, references=("0" * 40,))


def test_an_unknown_reference_is_refused_with_the_nearest_name(
    filled: Database,
) -> None:
    with pytest.raises(QueryError, match=r"mean jwst_nirspec_photom_7\.fits\?"):
        find(filled, references=("jwst_nirspec_fotom_7.fits",))
    with pytest.raises(QueryError, match="No recorded job has used"):
        find(filled, references=("'; DROP TABLE product; --",))
    assert find(filled) == ALL


def test_a_product_comes_with_what_it_is_of(filled: Database) -> None:
    near = Cone(150.0100001, 2.0, 0.001)
    (one,) = filled.products.find(ProductQuery(near=(near,)))
    assert (one.kind, one.stage, one.program) == ("x1d", Stage.SPEC2, "02736")
    assert (one.jwst, one.context) == ("3.0.0", "jwst_1464.pmap")
    assert one.facts == MADE[1].facts[0]
    assert one.sources == (MADE[1].facts[0].sources[1],)
    assert one.separation_deg == pytest.approx(1e-7, rel=0.01)


def test_the_newest_of_a_name_is_the_one_that_was_made_last(
    filled: Database,
) -> None:
    again = replace(CAL, fingerprint="c2", context="jwst_1470.pmap")
    names = (f"{EXPOSURE}_cal.fits", f"{EXPOSURE}_x1d.fits")
    filled.jobs.record_outcome(make_made(again, *names, number=9))
    query = ProductQuery(stages=(Stage.SPEC2,), is_newest=True)
    found = filled.products.find(query)
    assert [one.fingerprint for one in found] == ["c2", "c2"]
    older = replace(query, contexts=("jwst_1464.pmap",))
    assert [one.fingerprint for one in filled.products.find(older)] == ["a2", "a2"]


def test_a_job_that_is_done_again_has_the_facts_of_its_last_products(
    filled: Database, engine: Engine
) -> None:
    fewer = replace(MADE[1], attempt="again", facts=(), products=MADE[1].products[:1])
    filled.jobs.record_outcome(fewer)
    assert find(filled, near=(Cone(150.0, 2.0, 0.1),)) == set()
    with engine.connect() as connection:
        count = connection.execute(sql("SELECT count(*) FROM product_source"))
        assert count.scalar_one() == 1
    filled.jobs.record_outcome(MADE[1])
    assert find(filled, near=(Cone(150.0, 2.0, 0.1),)) == {f"{EXPOSURE}_x1d.fits"}


PLACES = st.tuples(
    st.floats(0, 360, exclude_max=True) | st.sampled_from([0.0, 359.99999, 180.0]),
    st.floats(-90, 90) | st.sampled_from([-90.0, 90.0, 89.9999, -89.9999, 0.0]),
)
RADII = st.floats(1e-4, 180) | st.floats(1e-4, 1)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=40,
)
@given(
    places=st.lists(PLACES, min_size=1, max_size=12),
    centre=PLACES,
    radius_deg=RADII,
    offset=st.tuples(st.floats(0, 360), st.floats(0, 2)),
)
def test_a_circle_on_the_sky_is_that_of_astropy(
    database: Database,
    places: list[tuple[float, float]],
    centre: tuple[float, float],
    radius_deg: float,
    offset: tuple[float, float],
) -> None:
    """Wherever it is; one source is near its edge."""
    around = SkyCoord(*centre, unit="deg")
    angle, apart = offset[0] * around.ra.unit, offset[1] * radius_deg * around.ra.unit
    edge = around.directional_offset_by(angle, min(apart, 180 * around.ra.unit))
    places = [*places, (edge.ra.deg % 360, edge.dec.deg)]
    names = [f"n{number}_x1d.fits" for number in range(len(places))]
    facts = [
        make_facts(name, make_source(*place))
        for name, place in zip(names, places, strict=True)
    ]
    products: Iterable[Product] = map(make_product, sorted(names))
    outcome = make_outcome(DARK, products=tuple(products), facts=facts)
    database.jobs.record_outcome(outcome)
    found = find(database, near=(Cone(*centre, radius_deg),))
    for name, place in zip(names, places, strict=True):
        apart_deg = SkyCoord(*place, unit="deg").separation(around).deg
        if abs(apart_deg - radius_deg) > 1e-9:
            assert (name in found) == (apart_deg <= radius_deg), (name, place)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"references": ("",)}, "references of 1 to 500 printable"),
        ({"references": ("a\x00b",)}, "printable"),
        ({"targets": ("\ud800",)}, "printable"),
        ({"contexts": ("x" * 501,)}, "1 to 500"),
        ({"programs": ("02736",) * 201}, "at most 200 programs"),
        ({"near": (Cone(0, 0, 1),) * 201}, "at most 200 near"),
        ({"kinds": ("x1d.fits",)}, "kind of products"),
        ({"kinds": ("%",)}, "kind of products"),
        ({"jwst": ('3.0.0", "stcal',)}, "version such as 3.0.0"),
        ({"is_downstream": True}, "of which reference"),
        ({"limit": 0}, "limit of 1 or more"),
        ({"limit": 2**40}, "limit of 1 or more"),
    ],
)
def test_what_nothing_can_be_found_by_is_refused(
    asked: dict[str, object], said: str
) -> None:
    with pytest.raises(QueryError, match=said):
        ProductQuery(**asked)


@pytest.mark.parametrize(
    "ends", [(0, 1), (-1, 1), (2, 1), (nan, 1), (1, nan), (1, 1e300), (1, float("inf"))]
)
def test_what_is_no_span_of_wavelengths_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(QueryError, match="two wavelengths"):
        Span(*ends)
