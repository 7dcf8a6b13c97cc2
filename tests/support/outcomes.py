"""Jobs, outcomes and runs for tests: one of each by default, any by hypothesis."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from flows.models.runs import JobState, Run, RunJob
from workers.contract import (
    Caveat,
    CaveatKind,
    Edit,
    ErrorInfo,
    Input,
    Job,
    JsonValue,
    Outcome,
    ParsUse,
    Product,
    ProductFacts,
    ReferenceFile,
    ReferenceUse,
    SourceFacts,
    Stage,
    Status,
    StepStatus,
    Usage,
)
from workers.workload import Workload

__all__ = [
    "NOON",
    "json_values",
    "make_chain",
    "make_job",
    "make_outcome",
    "make_product",
    "make_run",
    "make_run_job",
    "outcomes",
    "texts",
]

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""When things end unless a test says otherwise."""


def make_reference(name: str) -> ReferenceFile:
    """Make a file of a CRDS cache."""
    return ReferenceFile(name=name, sha1=f"sha1-{name}", size_bytes=9, mtime_ns=7)


def make_input(name: str) -> Input:
    """Make a raw file that a job reads."""
    return Input(
        name=name,
        path=f"/raw/{name}",
        exptype="science",
        reason="The exposure itself.",
        sha256=f"sha256-{name}",
        content_sha256=f"content-{name}",
    )


def make_job(
    fingerprint: str = "f" * 64,
    *,
    stage: Stage = Stage.DETECTOR1,
    name: str = "jw02736007001_03103_00001_nrs1",
    context: str = "jwst_1464.pmap",
) -> Job:
    """Make a job with one of everything."""
    return Job(
        stage=stage,
        name=name,
        program="02736",
        exp_type="NRS_MSASPEC",
        fingerprint=fingerprint,
        inputs=(make_input(f"{name}_uncal.fits"),),
        association=None,
        association_name=None,
        overrides={"steps": {"jump": {"rejection_threshold": 5.0}}},
        parameters={"steps": {"jump": {"rejection_threshold": 5.0, "skip": False}}},
        references=(
            ReferenceUse("dark", make_reference("jwst_nirspec_dark_0001.fits")),
            ReferenceUse("photom", None),
        ),
        pars=(ParsUse("pars-jumpstep", make_reference("jwst_pars-jump_0001.asdf")),),
        context=context,
        mappings=(make_reference(context), make_reference("jwst_nirspec_0300.imap")),
        crds_path="/crds",
        versions={"jwst": "3.0.0", "stcal": "1.20.0"},
        workload=Workload(pixels=2048**2, groups=5, integrations=1, members=1),
        origins={"jump.rejection_threshold": "recipe nirspec-mos"},
    )


def make_product(name: str = "jw02736007001_03103_00001_nrs1_rate.fits") -> Product:
    """Make a file that a job made."""
    return Product(
        name=name,
        size_bytes=5_000_000_000,
        mtime_ns=1_795_000_000_123_456_789,
        sha256=f"sha256-{name}",
        content_sha256=f"content-{name}",
    )


def make_outcome(
    job: Job | None = None,
    *,
    attempt: str = "00000000-0000-0000-0000-000000000001",
    status: Status = Status.SUCCEEDED,
    finished_at: datetime = NOON,
    products: Sequence[Product] | None = None,
    facts: Sequence[ProductFacts] = (),
) -> Outcome:
    """Make what an attempt leaves: products of a success, an error of a failure."""
    outcome = Outcome(
        job=job or make_job(),
        attempt=attempt,
        status=status,
        started_at=finished_at - timedelta(minutes=5),
        finished_at=finished_at,
        host="node1",
        usage=Usage(
            elapsed_s=300.5, cpu_s=290.25, peak_bytes=8 << 30, granted_bytes=9 << 30
        ),
        folder=f"attempts/{attempt}",
        node="tls://node1:1",
    )
    if status is not Status.SUCCEEDED:
        return replace(outcome, error=ErrorInfo("ValueError", "It is odd.", "Trace\n"))
    return replace(
        outcome,
        products=tuple([make_product()] if products is None else products),
        facts=tuple(facts),
        steps=(StepStatus("saturation", "COMPLETE"), StepStatus("jump", "SKIPPED")),
        caveats=(Caveat(CaveatKind.STEP_SKIPPED, "The step jump was skipped."),),
    )


def make_chain(raw: str = "raw", *, dark: str = "dark.fits") -> list[Outcome]:
    """Make two exposures, of which each is a nod of the other, up to their spectrum.

    Fingerprints and hashes tell what they are made of, so that another dark gives
    other ones of all.
    """
    tag = f"{raw}-{dark}"
    rates, cals = [], []
    for number in (1, 2):
        name = f"jw02736007001_03103_0000{number}_nrs1"
        job = make_job(f"detector1-{number}-{tag}", name=name)
        read = replace(make_input(f"{name}_uncal.fits"), sha256=f"{raw}-{number}")
        uses = (ReferenceUse("dark", make_reference(dark)),)
        rates.append(replace(job, inputs=(read,), references=uses))
    for number, name in enumerate([job.name for job in rates], 1):
        job = make_job(f"spec2-{number}-{tag}", stage=Stage.SPEC2, name=name)
        reads = [_read(rates[n], "rate", n + 1 == number) for n in (0, 1)]
        cals.append(replace(job, inputs=tuple(reads)))
    last = make_job(f"spec3-{tag}", stage=Stage.SPEC3, name="jw02736-o007_s00001")
    last = replace(last, inputs=tuple(_read(job, "cal", True) for job in cals))
    kinds = {Stage.DETECTOR1: "rate", Stage.SPEC2: "cal", Stage.SPEC3: "x1d"}
    return [
        make_outcome(
            job,
            attempt=f"of-{job.fingerprint}",
            products=[_make(job, kinds[job.stage])],
        )
        for job in (*rates, *cals, last)
    ]


def _make(job: Job, suffix: str) -> Product:
    made = make_product(f"{job.name}_{suffix}.fits")
    content = f"content-of-{job.fingerprint}"
    return replace(made, sha256=f"bytes-of-{job.fingerprint}", content_sha256=content)


def _read(job: Job, suffix: str, is_science: bool) -> Input:  # noqa: FBT001
    made = _make(job, suffix)
    return replace(
        make_input(made.name),
        exptype="science" if is_science else "background",
        sha256=made.sha256,
        content_sha256=made.content_sha256,
    )


def make_run(run_id: str = "run-1", *, started_at: datetime = NOON) -> Run:
    """Make a run that has just begun."""
    return Run(
        id=run_id,
        program="02736",
        recipe_name="nirspec-mos",
        recipe_sha256="abc",
        recipe_text='title = "What the rules give"\n',
        context="jwst_1464.pmap",
        environment={"python": "3.11.7"},
        request={"program": "02736", "observations": ["007"]},
        requested_by="night",
        started_at=started_at,
    )


def make_run_job(name: str, state: JobState = JobState.DUE) -> RunJob:
    """Make a job of a run."""
    return RunJob(
        stage=Stage.DETECTOR1,
        name=name,
        state=state,
        updated_at=NOON,
        why="It was never done.",
    )


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))
"""Text that every backend can hold."""

_words = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-.", min_size=1, max_size=12)
_names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=12)
_sizes = st.integers(min_value=0, max_value=2**63 - 1)
_seconds = st.floats(min_value=0, max_value=1e7)
_times = st.datetimes(
    min_value=datetime(2022, 7, 12),  # noqa: DTZ001  # hypothesis adds the zone
    max_value=datetime(2099, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)

json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner),
    max_leaves=6,
)
"""What JSON can hold, as reading it gives it."""

_parameters = st.dictionaries(texts, json_values, max_size=3)
_references = st.builds(
    lambda name, sha1, mtime_ns: ReferenceFile(name, sha1, len(sha1), mtime_ns),
    name=_words,
    sha1=_words,
    mtime_ns=_sizes,
)
"""Files of one sha1 have one size."""


def _tuples(
    strategy: st.SearchStrategy[object],
) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


_inputs = st.builds(
    Input,
    name=_words,
    path=texts,
    exptype=_words,
    reason=texts,
    sha256=_words,
    content_sha256=_words,
)
_products = st.builds(
    Product,
    name=_names,
    size_bytes=_sizes,
    mtime_ns=_sizes,
    sha256=_words,
    content_sha256=_words,
    pixels_sha256=_words,
)
_named_products = st.lists(_products, max_size=3, unique_by=lambda item: item.name).map(
    lambda items: tuple(sorted(items, key=lambda item: item.name))
)


_numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
_sources = st.builds(
    SourceFacts,
    name=texts,
    slit=texts,
    ra_deg=st.none() | st.floats(0, 360, exclude_max=True),
    dec_deg=st.none() | st.floats(-90, 90),
    region=_words | st.just("POLYGON ICRS 1 2 1.1 2 1.1 2.1"),
    wave_min_m=_numbers,
    wave_max_m=_numbers,
)


def _facts_of(products: Sequence[Product]) -> st.SearchStrategy[tuple[object, ...]]:
    """Give facts of some products, by name."""
    return st.tuples(
        *(
            st.builds(
                ProductFacts,
                product=st.just(product.name),
                dataproduct_type=st.sampled_from(["spectrum", "cube"]),
                calib_level=st.integers(2, 3),
                target=texts,
                ra_deg=_numbers,
                start_mjd=_numbers,
                wave_min_m=_numbers,
                sources=_tuples(_sources),
            )
            for product in products[::2]
        )
    )


def _jobs() -> st.SearchStrategy[Job]:
    return st.builds(
        Job,
        stage=st.sampled_from(Stage),
        name=_words,
        program=st.just("02736"),
        exp_type=_words,
        fingerprint=st.sampled_from(["f1", "f2"]),
        inputs=_tuples(_inputs),
        association=st.none() | texts,
        association_name=st.none() | _words,
        overrides=_parameters,
        parameters=_parameters,
        origins=st.none() | st.dictionaries(texts, _words, max_size=3),
        references=_tuples(
            st.builds(ReferenceUse, reftype=_words, file=st.none() | _references)
        ),
        pars=_tuples(st.builds(ParsUse, reftype=_words, file=_references)),
        context=_words,
        mappings=_tuples(_references),
        crds_path=texts,
        versions=st.dictionaries(_words, _words, max_size=3),
        edits=_tuples(st.builds(Edit, file=_words, edit=_words, values=_parameters)),
    )


def outcomes() -> st.SearchStrategy[Outcome]:
    """Give any outcome; of two jobs, so that attempts meet."""
    return st.builds(
        Outcome,
        job=_jobs(),
        attempt=st.uuids().map(str),
        status=st.sampled_from(Status),
        started_at=_times,
        finished_at=_times,
        host=_words,
        node=_words,
        environment_sha256=_words,
        usage=st.builds(
            Usage,
            elapsed_s=_seconds,
            cpu_s=_seconds,
            peak_bytes=_sizes,
            granted_bytes=_sizes,
        ),
        folder=_names,
        products=_named_products,
        steps=_tuples(st.builds(StepStatus, step=_words, status=_words)),
        caveats=_tuples(
            st.builds(Caveat, kind=st.sampled_from(CaveatKind), message=texts)
        ),
        error=st.none()
        | st.builds(ErrorInfo, type=_words, message=texts, traceback=texts),
    ).flatmap(_with_facts_of_successes)


def _with_facts_of_successes(outcome: Outcome) -> st.SearchStrategy[Outcome]:
    if outcome.status is not Status.SUCCEEDED:
        return st.just(replace(outcome, products=()))
    facts = _facts_of(outcome.products)
    return st.builds(replace, st.just(outcome), facts=facts)
