"""What was made of what: lineages, differences, and their export."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcomes import (
    NOON,
    make_chain,
    make_input,
    make_job,
    make_outcome,
    make_product,
    make_reference,
    make_run,
)
from prov.model import (
    ProvAssociation,
    ProvDerivation,
    ProvDocument,
    ProvEntity,
    ProvUsage,
)
from sqlalchemy import Engine

from flows.errors import ExportError
from flows.models.exposures import FetchedFile
from flows.models.runs import JobState, RunJob
from flows.provenance import Database, make_prov_document, write_prov
from flows.provenance.schema import SQLBase
from flows.reports import Sameness, compare_jobs, compare_products, compare_runs, to_dot
from workers.contract import Edit, Outcome, ReferenceUse


@pytest.fixture
def chain(database: Database) -> list[Outcome]:
    chain = make_chain()
    for outcome in chain:
        database.jobs.record_outcome(outcome)
    return chain


def fingerprints(outcomes: list[Outcome]) -> set[str]:
    return {outcome.job.fingerprint for outcome in outcomes}


def fetch(sha256: str) -> FetchedFile:
    return FetchedFile(
        name="jw02736007001_03103_00001_nrs1_uncal.fits",
        program="02736",
        version=2,
        folder="raw/02736/v2",
        source="mast",
        uri="mast:JWST/product/jw02736007001_03103_00001_nrs1_uncal.fits",
        size_bytes=9,
        mtime_ns=9,
        sha256=sha256,
        entity=None,
        modified=None,
        fetched_at=NOON,
        checks=("size",),
    )


def test_a_spectrum_leads_up_to_its_raw_exposures(
    database: Database, chain: list[Outcome]
) -> None:
    database.files.remember_fetched(fetch("raw-1"))
    *_, last = chain
    found = database.lineages.trace([last.job.fingerprint])
    assert found.makings.keys() == fingerprints(chain)
    assert found.origins["raw-1"].version == 2
    assert "raw-2" not in found.origins
    order = list(found.makings)
    for fingerprint, making in found.makings.items():
        makers = {found.makers.get(file.sha256) for file in making.job.inputs}
        assert all(
            order.index(maker) < order.index(fingerprint) for maker in makers if maker
        )


def test_an_exposure_leads_down_to_all_that_was_made_of_it(
    database: Database, chain: list[Outcome]
) -> None:
    first, second, *others = chain
    found = database.lineages.trace([first.job.fingerprint], up=False, down=True)
    assert found.makings.keys() == fingerprints([first, *others])
    assert second.job.fingerprint not in found.makings


def test_a_job_without_a_success_is_found_with_what_it_reads(
    database: Database, chain: list[Outcome]
) -> None:
    *_, last = chain
    failed = replace(last, products=(), status="FAILED", attempt="another")
    job = replace(last.job, fingerprint="failed")
    database.jobs.record_outcome(replace(failed, job=job))
    found = database.lineages.trace(["failed"])
    assert found.makings["failed"].done is None
    assert len(found.makings) == 5


@given(
    links=st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda p: p[0] < p[1]),
        max_size=12,
    ),
    start=st.integers(0, 7),
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=20,
)
def test_lineages_are_the_closures_of_the_links(
    database: Database, engine: Engine, links: list[tuple[int, int]], start: int
) -> None:
    with engine.begin() as connection:
        for table in reversed(SQLBase.metadata.sorted_tables):
            connection.execute(table.delete())
    for number in range(8):
        read = sorted({a for a, b in links if b == number})
        inputs = [
            replace(make_input(f"{one}_rate.fits"), sha256=f"bytes-{one}")
            for one in read
        ]
        job = replace(make_job(f"job-{number}"), inputs=tuple(inputs))
        made = replace(make_product(f"{number}_rate.fits"), sha256=f"bytes-{number}")
        outcome = make_outcome(job, attempt=f"attempt-{number}", products=[made])
        database.jobs.record_outcome(outcome)

    def close(step: dict[int, set[int]]) -> set[str]:
        found, due = {start}, [start]
        while due:
            new = step.get(due.pop(), set()) - found
            found |= new
            due += new
        return {f"job-{number}" for number in found}

    above, below = {}, {}
    for a, b in links:
        above.setdefault(b, set()).add(a)
        below.setdefault(a, set()).add(b)
    asked = [f"job-{start}"]
    trace = database.lineages.trace
    assert trace(asked).makings.keys() == close(above)
    assert trace(asked, up=False, down=True).makings.keys() == close(below)


def test_a_difference_is_followed_to_its_cause(
    database: Database, chain: list[Outcome]
) -> None:
    other = make_chain(dark="dark_2.fits")
    for outcome in other:
        database.jobs.record_outcome(outcome)
    pair = chain[-1].job.fingerprint, other[-1].job.fingerprint
    found = compare_jobs(database, *pair)
    assert [one.key.partition(":")[0] for one in found] == [
        *("spec3", "spec2", "spec2", "detector1", "detector1")
    ]
    for one in found[:3]:
        assert all(each.kind == "input" for each in one.differences)
    for one in found[3:]:
        (difference,) = one.differences
        assert (difference.kind, difference.name) == ("reference", "dark")
        assert "dark.fits" in str(difference.before)
        assert "dark_2.fits" in str(difference.after)


def test_what_differs_by_name_alone_is_said_apart(database: Database) -> None:
    job = make_job()
    file = make_reference("jwst_nirspec_dark_0001.fits")
    renamed = replace(file, name="jwst_nirspec_dark_0002.fits")
    other = replace(
        job,
        fingerprint="e" * 64,
        context="jwst_1465.pmap",
        references=(ReferenceUse("dark", renamed), job.references[1]),
    )
    for number, one in enumerate((job, other)):
        outcome = make_outcome(one, attempt=f"attempt-{number}")
        database.jobs.record_outcome(outcome)
    (found,) = compare_jobs(database, job.fingerprint, other.fingerprint)
    assert found.differences == ()
    assert found.names == (
        "dark jwst_nirspec_dark_0001.fits -> jwst_nirspec_dark_0002.fits",
        "context jwst_1464.pmap -> jwst_1465.pmap",
    )


def test_products_are_compared_by_bytes_content_and_pixels(tmp_path: Path) -> None:
    one = replace(make_product("a.fits"), pixels_sha256="pixels")
    alike = {
        Sameness.IDENTICAL: one,
        Sameness.SAME_CONTENT: replace(one, sha256="other"),
        Sameness.SAME_PIXELS: replace(one, sha256="other", content_sha256="other"),
        Sameness.DIFFERENT: replace(
            one, sha256="other", content_sha256="other", pixels_sha256="other"
        ),
    }
    for sameness, other in alike.items():
        pair = [("a", one, tmp_path / "1")], [("a", other, tmp_path / "2")]
        (found,) = compare_products(*pair, reads=False)
        assert found.sameness == sameness
    mine = [("a", one, tmp_path)]
    assert [each.sameness for each in compare_products(mine, [])] == ["ONLY_FIRST"]
    assert [each.sameness for each in compare_products([], mine)] == ["ONLY_SECOND"]
    (unread,) = compare_products(*pair)
    assert "No such file" in unread.why_not


def test_pixels_that_differ_are_counted(tmp_path: Path) -> None:
    data = np.ones((4, 4), np.float32)
    pair = []
    for number, value in enumerate((1.0, 2.0)):
        data[1, 2] = value
        path = tmp_path / f"{number}.fits"
        fits.HDUList(
            [fits.PrimaryHDU(), fits.ImageHDU(data.copy(), name="SCI")]
        ).writeto(path)
        made = replace(
            make_product("a.fits"), sha256=path.name, content_sha256=path.name
        )
        pair.append([("a", made, path)])
    (found,) = compare_products(*pair)
    (difference,) = found.arrays
    assert (difference.part, difference.values) == ("SCI,1", 1)
    assert difference.largest_relative == 0.5


def test_runs_are_compared_job_by_job(database: Database, chain: list[Outcome]) -> None:
    other = make_chain(dark="dark_2.fits")
    first, second = make_run("run-1"), make_run("run-2")
    second = replace(second, context="jwst_1465.pmap", recipe_text='title = "Mine"\n')
    for run, outcomes in ((first, chain), (second, [*other[:2], *chain[2:4]])):
        database.runs.start_run(run)
        jobs = [
            RunJob(
                stage=outcome.job.stage,
                name=outcome.job.name,
                state=JobState.SUCCEEDED,
                updated_at=NOON,
                fingerprint=outcome.job.fingerprint,
            )
            for outcome in outcomes
        ]
        database.runs.set_jobs(run.id, jobs)
        for outcome in outcomes:
            database.jobs.record_outcome(outcome)
    found = compare_runs(database, first, second)
    assert found.settings == {"context": ("jwst_1464.pmap", "jwst_1465.pmap")}
    assert '+title = "Mine"' in found.recipe
    assert [one.key for one in found.jobs] == [
        f"detector1:{outcome.job.name}" for outcome in chain[:2]
    ]
    assert found.same == tuple(f"spec2:{outcome.job.name}" for outcome in chain[2:4])
    assert found.only == ((f"spec3:{chain[-1].job.name}",), ())


def ask_raw(document: ProvDocument, product: str) -> tuple[set[str], set[str]]:
    """Answer from a document alone which raw files and references made a product."""
    above: dict[str, set[str]] = {}
    for record in document.get_records(ProvDerivation):
        made, read, job, *_ = (str(value) for _, value in record.formal_attributes)
        above.setdefault(made, set()).add(read)
        above.setdefault(f"jobs of {made}", set()).add(job)
    found, due, jobs = set(), [product], set()
    while due:
        entity = due.pop()
        jobs |= above.get(f"jobs of {entity}", set())
        due += above.get(entity, set()) - found
        found |= above.get(entity, set())
    raw = {entity for entity in found if entity not in above}
    used = [
        tuple(str(value) for _, value in record.formal_attributes[:2])
        for record in document.get_records(ProvUsage)
    ]
    references = {what for job, what in used if job in jobs and what[:5] == "sha1:"}
    return raw, references


@pytest.mark.parametrize("form", ["json", "provn"])
def test_an_export_says_alone_what_made_a_spectrum(
    database: Database, chain: list[Outcome], form: str
) -> None:
    found = database.lineages.trace([chain[-1].job.fingerprint])
    document = make_prov_document(found, [])
    written = write_prov(document, form).decode()
    read = ProvDocument.deserialize(content=written, format=form)
    assert read == document
    made = next(
        str(entity.identifier)
        for entity in read.get_records(ProvEntity)
        if entity.get_attribute("voprov:name") == {f"{chain[-1].job.name}_x1d.fits"}
    )
    raw, references = ask_raw(read, made)
    assert len(raw) == 2
    assert {"sha1:sha1-dark.fits", "sha1:sha1-jwst_1464.pmap"} <= references


def test_an_export_names_who_asked_and_the_code(
    database: Database, chain: list[Outcome]
) -> None:
    run = make_run()
    database.runs.start_run(run)
    database.jobs.record_outcome(chain[0], run_id=run.id)
    found = database.lineages.trace([chain[0].job.fingerprint])
    document = make_prov_document(found, [run])
    agents = {
        str(record.formal_attributes[1][1])
        for record in document.get_records(ProvAssociation)
    }
    assert "agent:night" in agents
    assert any(agent.startswith("agent:code-") for agent in agents)
    text = write_prov(document, "json").decode()
    assert "What the rules give" in text
    assert '"3.0.0"' in text


def test_hostile_text_survives_an_export(database: Database) -> None:
    text = 'a "quoted" \\ <b>name</b>\n\u202e\x07 é'
    job = replace(make_job(), edits=(Edit("a.fits", text, {"key": text}),))
    database.jobs.record_outcome(make_outcome(job))
    run = replace(make_run(), requested_by=text, recipe_text=text)
    found = database.lineages.trace([job.fingerprint])
    document = make_prov_document(found, [run])
    for form in ("json", "provn"):
        written = write_prov(document, form).decode()
        assert ProvDocument.deserialize(content=written, format=form) == document
    assert to_dot(found).count("digraph") == 1


def test_a_graph_has_each_file_and_job_once(
    database: Database, chain: list[Outcome]
) -> None:
    found = database.lineages.trace([chain[-1].job.fingerprint])
    lines = to_dot(found).splitlines()
    boxes = {line.split()[0] for line in lines if "shape=box" in line}
    assert boxes == {f'"{fingerprint}"' for fingerprint in fingerprints(chain)}
    nodes = [line for line in lines if "[label=" in line and "->" not in line]
    assert len(nodes) == len(set(nodes)) == 5 + 2
    assert sum("->" in line for line in lines) == 2 + 4 + 2 + 5


def test_a_picture_without_graphviz_is_refused_in_a_sentence(
    database: Database, chain: list[Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    found = database.lineages.trace([chain[0].job.fingerprint])
    document = make_prov_document(found, [])
    with pytest.raises(ExportError, match="Graphviz"):
        write_prov(document, "svg")
    assert write_prov(document, "dot").startswith(b"digraph")
