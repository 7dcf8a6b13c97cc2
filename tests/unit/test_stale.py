"""What is called stale, and why; against brute force over random contexts."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from exposures import bots_program, ifu_program
from outcomes import make_input, make_job, make_reference
from plans import DoneStore, make_binder, make_graph, make_resolved, with_raw
from synthetic_contexts import EDITS, make_context
from synthetic_contexts import resolve as resolve_in

from config.policy import Action, Policy
from flows.models.runs import JobState
from flows.planning import (
    Cause,
    DifferenceKind,
    JudgedJob,
    Plan,
    PlannedJob,
    Reason,
    ResolvedSet,
    Staleness,
    build_plan,
    choose_sample,
    find_nearest,
    find_sample_cost_s,
    judge_plan,
    list_reasons,
    take_fingerprint,
)
from flows.reports import tell_kept
from workers.contract import CaveatKind, Job, ParsUse, ReferenceUse, Resolved, Stage

GRAPH = make_graph(bots_program())
SPEC2 = GRAPH[2]
JOB = replace(
    make_job(stage=Stage.SPEC3, name="jw1"),
    inputs=(make_input("a_cal.fits"), make_input("b_uncal.fits")),
    references=(ReferenceUse("sflat", make_reference("jwst_nirspec_sflat_0208.fits")),),
    pars=(ParsUse("pars-outlierdetectionstep", make_reference("jwst_pars_1.asdf")),),
    parameters={"steps": {"outlier_detection": {"kernel_size": "7 7"}}},
    versions={"jwst": "2.0.1", "numpy": "2.3.1"},
    origins={},
)
PARS = {
    "parameters": {"steps": {"outlier_detection": {"kernel_size": "3 3"}}},
    "origins": {"outlier_detection.kernel_size": "pars jwst_pars_1.asdf"},
}


def use(name: str, sha1: str = "") -> dict[str, object]:
    file = make_reference(name)
    file = replace(file, sha1=sha1) if sha1 else file
    return {"references": (ReferenceUse("sflat", file),)}


REASONS = {
    "reference sflat jwst_nirspec_sflat_0208.fits -> _0215.fits": use(
        "jwst_nirspec_sflat_0215.fits"
    ),
    "reference sflat jwst_nirspec_sflat_0208.fits (sha1-jws) -> (01234567)": use(
        "jwst_nirspec_sflat_0208.fits", "0123456789"
    ),
    "reference sflat jwst_nirspec_sflat_0208.fits -> other.fits": use("other.fits"),
    "reference sflat jwst_nirspec_sflat_0208.fits -> N/A": {
        "references": (ReferenceUse("sflat", None),)
    },
    "reference sflat jwst_nirspec_sflat_0208.fits -> not used": {"references": ()},
    "parameter spec3.outlier_detection.kernel_size '7 7' -> '3 3' "
    "(pars-outlierdetectionstep)": PARS,
    "parameter spec3.outlier_detection.kernel_size '7 7' -> '3 3' (recipe mine)": {
        **PARS,
        "origins": {"outlier_detection.kernel_size": "recipe mine"},
    },
    "jwst 2.0.1 -> 3.0.0": {"versions": {**JOB.versions, "jwst": "3.0.0"}},
    "input replaced in the archive: b_uncal.fits": {
        "inputs": (JOB.inputs[0], replace(JOB.inputs[1], content_sha256="other"))
    },
    "input a_cal.fits was made anew and differs": {
        "inputs": (replace(JOB.inputs[0], content_sha256="other"), JOB.inputs[1])
    },
    "member added jw3_cal.fits": {"inputs": (*JOB.inputs, make_input("jw3_cal.fits"))},
    "member removed b_uncal.fits": {"inputs": JOB.inputs[:1]},
}


def plan_input(name: str) -> PlannedJob:
    """Plan a job of which one input is made by another."""
    [made, *_] = [file for file in SPEC2.inputs if file.producer]
    return replace(SPEC2, inputs=(replace(made, name=name),))


@pytest.mark.parametrize(("text", "change"), REASONS.items(), ids=REASONS.keys())
def test_a_reason_is_told_in_a_line(text: str, change: dict[str, object]) -> None:
    now = replace(JOB, **change)
    reasons = [*list_reasons(plan_input("a_cal.fits"), JOB, now, Policy())]
    assert [reason.text for reason in reasons] == [text]
    assert all(reason.action is Action.RERUN for reason in reasons)


@pytest.mark.parametrize(
    ("package", "version", "action"),
    [
        ("jwst", "2.0.2", Action.REPORT),
        ("jwst", "2.1.1", Action.RERUN),
        ("jwst", "3.0.1", Action.RERUN),
        ("jwst", "2.0.2.dev7", Action.RERUN),
        ("jwst", "2.0.1+mine", Action.RERUN),
        ("jwst", "2.0.1.post1", Action.REPORT),
        ("numpy", "2.3.5", Action.IGNORE),
        ("numpy", "2.4.0", Action.RERUN),
        ("numpy", "3.3.1", Action.RERUN),
        ("numpy", "none", Action.RERUN),
    ],
)
def test_versions_count_by_the_number_that_differs(
    package: str, version: str, action: Action
) -> None:
    now = replace(JOB, versions={**JOB.versions, package: version})
    [reason] = list_reasons(SPEC2, JOB, now, Policy())
    assert reason.action is action


def test_what_jobs_have_made_counts_whatever_the_policy() -> None:
    ignoring = Policy.model_validate(dict.fromkeys(Policy.model_fields, "ignore"))
    now = replace(JOB, **REASONS["input a_cal.fits was made anew and differs"])
    [own] = list_reasons(plan_input("a_cal.fits"), JOB, now, ignoring)
    [other] = list_reasons(plan_input("x_cal.fits"), JOB, now, ignoring)
    assert (own.action, other.action) == (Action.RERUN, Action.IGNORE)


def test_the_nearest_job_is_the_one_with_the_least_to_do_again() -> None:
    def record(**versions: str) -> Job:
        job = replace(JOB, versions=versions)
        return replace(job, fingerprint=take_fingerprint(job))

    newest = record(jwst="2.0.1", numpy="2.2.0")
    older = record(jwst="2.0.2", numpy="2.3.2", scipy="1.0.0")
    now = replace(JOB, versions={"jwst": "2.0.1", "numpy": "2.3.1", "scipy": "1.0.1"})
    nearest = find_nearest(SPEC2, now, [newest, older], Policy())
    assert nearest is not None
    assert (nearest.job, nearest.is_kept, len(nearest.reasons)) == (older, True, 3)


def test_jobs_whose_hashes_are_of_another_version_are_not_compared() -> None:
    assert find_nearest(SPEC2, JOB, [replace(JOB, fingerprint="old")], Policy()) is None


def judge(
    graph: Sequence[PlannedJob],
    resolved: ResolvedSet,
    store: DoneStore,
    *,
    policy: Policy | None = None,
    recorded: Mapping[str, str] | None = None,
    coming: Mapping[str, Reason] | None = None,
) -> dict[str, JudgedJob]:
    binder = make_binder(resolved, store, policy=policy)
    plan = build_plan(graph, binder)
    judged = judge_plan(
        plan,
        binder,
        history=store,
        find_done=store.find_done,
        recorded=recorded or {},
        coming=coming or {},
    )
    return {job.key: job for job in judged}


def count(judged: Mapping[str, JudgedJob]) -> dict[Staleness, int]:
    found = [job.staleness for job in judged.values()]
    return {one: found.count(one) for one in set(found)}


def test_what_is_done_is_current_and_what_was_never_done_is_new() -> None:
    resolved = make_resolved(GRAPH)
    store = do_all(GRAPH, resolved)
    assert count(judge(GRAPH, resolved, store)) == {Staleness.CURRENT: len(GRAPH)}
    assert count(judge(GRAPH, resolved, DoneStore())) == {Staleness.NEW: len(GRAPH)}


def test_a_photom_makes_spec2_stale_and_what_follows_if_it_changes() -> None:
    store = do_all(GRAPH, make_resolved(GRAPH))
    judged = judge(GRAPH, make_resolved(GRAPH, photom="photom_2.fits"), store)
    by_stage = {job.key.partition(":")[0]: job for job in judged.values()}
    assert by_stage["detector1"].staleness is Staleness.CURRENT
    assert by_stage["spec2"].why == "reference photom photom_1.fits -> _2.fits"
    [reason] = by_stage["tso3"].reasons
    assert reason.kind is Cause.UPSTREAM
    assert reason.text.startswith("stale if its input changes: spec2:jw99002")
    assert reason.text.endswith(" and 1 more")
    assert all(job.is_due for job in judged.values() if job.reasons)


def test_a_job_that_waits_tells_its_own_reasons_too() -> None:
    resolved = make_resolved(GRAPH)
    store = do_all(GRAPH, resolved)
    path = str(GRAPH[0].exposure.path)
    changed = replace(resolved.raw[path], content_sha256="replaced")
    other = make_resolved(GRAPH, photom="photom_2.fits")
    judged = judge(GRAPH, with_raw(other, changed), store)
    kinds = [[r.kind for r in judged[job.key].reasons] for job in GRAPH]
    own, waits = DifferenceKind.REFERENCE, Cause.UPSTREAM
    assert kinds == [[DifferenceKind.INPUT], [], [own, waits], [own], [waits]]


def test_what_nothing_asks_for_any_more_is_orphaned() -> None:
    resolved = make_resolved(GRAPH)
    store = do_all(GRAPH, resolved)
    recorded = {job.key: one for one, job in _by_fingerprint(store).items()}
    judged = judge(GRAPH[:2], resolved, store, recorded=recorded)
    assert count(judged) == {Staleness.CURRENT: 2, Staleness.ORPHANED: 3}
    orphan = judged[GRAPH[-1].key]
    assert (orphan.is_due, orphan.fingerprint) == (False, recorded[GRAPH[-1].key])


def _by_fingerprint(store: DoneStore) -> dict[str, PlannedJob]:
    planned = {(job.stage, job.name): job for job in GRAPH}
    return {one: planned[job.stage, job.name] for one, job in store.jobs.items()}


def test_a_new_member_is_named_before_anything_of_it_is_made() -> None:
    exposures = ifu_program()
    before = make_graph([exposures[0], *exposures[2:]])
    store = do_all(before, make_resolved(before))
    graph = make_graph(exposures)
    judged = judge(graph, make_resolved(graph), store)
    new = exposures[1].name
    assert judged[f"detector1:{new}"].staleness is Staleness.NEW
    [combined] = [j for k, j in judged.items() if k.startswith("spec3:jw99001-o001")]
    assert f"member added {new}_cal.fits" in combined.why
    assert combined.staleness is Staleness.STALE
    assert judged[f"spec2:{exposures[0].name}"].staleness is Staleness.CURRENT


def test_what_cannot_be_made_is_blocked_and_is_not_due() -> None:
    exposures = bots_program()
    store = do_all(GRAPH, make_resolved(GRAPH))
    broken = [replace(exposures[0], defect="truncated"), exposures[1]]
    judged = judge(make_graph(broken), make_resolved(GRAPH), store)
    assert count(judged) == {Staleness.BLOCKED: 3, Staleness.CURRENT: 2}
    assert not any(job.is_due for job in judged.values())


def test_products_that_are_gone_are_a_reason() -> None:
    resolved = make_resolved(GRAPH)
    store = do_all(GRAPH, resolved)
    [first, *_] = store.jobs.values()
    store.damage(first, "a_rate.fits: No such file")
    [stale, *_] = judge(GRAPH, resolved, store).values()
    assert [reason.kind for reason in stale.reasons] == [Cause.GONE]
    assert "damaged" in stale.why


def keep(resolved: ResolvedSet, store: DoneStore, **policy: str) -> Plan:
    binder = make_binder(resolved, store, policy=Policy.model_validate(policy))
    return build_plan(GRAPH, binder)


def with_numpy(version: str, *, jwst: str = "3.0.0") -> ResolvedSet:
    versions = {"jwst": jwst, "numpy": version}
    return replace(make_resolved(GRAPH), versions=versions)


def test_a_patch_of_numpy_leaves_jobs_as_they_are_recorded_and_says_so() -> None:
    store = do_all(GRAPH, with_numpy("2.3.1"))
    plan = keep(with_numpy("2.3.2"), store)
    assert plan.count(JobState.REUSED) == len(GRAPH)
    assert {e.job.fingerprint for e in plan.entries if e.job} == store.jobs.keys()
    assert all(
        e.why.endswith("kept as recorded: numpy 2.3.1 -> 2.3.2") for e in plan.entries
    )
    assert not any(entry.caveats for entry in plan.entries)
    [said] = tell_kept(plan)
    assert said.startswith("5 jobs kept as recorded although: numpy 2.3.1 -> 2.3.2 (")
    due = keep(with_numpy("2.3.2"), store, packages_patch="rerun")
    assert due.count(JobState.DUE) == len(GRAPH)


def test_what_is_only_reported_is_a_caveat_of_all_that_rests_on_it() -> None:
    store = do_all(GRAPH, with_numpy("2.3.1"))
    plan = keep(with_numpy("2.3.1", jwst="3.0.1"), store)
    assert plan.count(JobState.REUSED) == len(GRAPH)
    for entry in plan.entries:
        [caveat] = entry.caveats
        assert caveat.kind is CaveatKind.MIXED_PROVENANCE
        assert caveat.message.endswith("as the policy says: jwst 3.0.0 -> 3.0.1")
    judged = judge(GRAPH, with_numpy("2.3.1", jwst="3.0.1"), store, policy=Policy())
    assert count(judged) == {Staleness.STALE: len(GRAPH)}
    assert not any(job.is_due for job in judged.values())


def test_a_job_that_is_done_again_for_one_reason_takes_all_changes() -> None:
    store = do_all(GRAPH, with_numpy("2.3.1"))
    now = replace(
        make_resolved(GRAPH, photom="photom_2.fits"),
        versions={"jwst": "3.0.0", "numpy": "2.3.2"},
    )
    plan = keep(now, store)
    states = [entry.state for entry in plan.entries]
    assert states == [JobState.REUSED] * 2 + [JobState.DUE] * 3
    due = plan.entries[2].job
    assert due is not None
    assert due.versions["numpy"] == "2.3.2"
    kept = [entry.done for entry in plan.entries[:2]]
    assert {file.content_sha256 for file in due.inputs} <= {
        product.content_sha256 for done in kept if done for product in done.products
    }


def test_a_job_whose_recorded_products_are_gone_is_not_kept() -> None:
    store = do_all(GRAPH, with_numpy("2.3.1"))
    for job in [*store.jobs.values()]:
        store.damage(job, "gone")
    plan = keep(with_numpy("2.3.2"), store)
    assert plan.count(JobState.DUE) == len(GRAPH)


def effective(one: Resolved) -> dict[str, object]:
    """List all of a resolution that can change a pixel, by brute force."""
    references = {u.reftype: u.file.sha1 if u.file else "N/A" for u in one.references}
    pars = {use.reftype: use.file.sha1 for use in one.pars}
    steps = one.parameters["steps"]
    assert isinstance(steps, Mapping)
    skips = {f"{name}.skip": step["skip"] for name, step in steps.items()}
    return {**references, **pars, **skips}


def list_changes(before: Resolved, after: Resolved) -> set[str]:
    old, new = effective(before), effective(after)
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}


def follow(graph: Sequence[PlannedJob], own: set[str]) -> set[str]:
    """Add all that rests on jobs."""
    found = set(own)
    for planned in graph:
        if found.intersection(planned.producers):
            found.add(planned.key)
    return found


def do_all(graph: Sequence[PlannedJob], resolved: ResolvedSet) -> DoneStore:
    store = DoneStore()
    execute(graph, resolved, store)
    return store


def execute(
    graph: Sequence[PlannedJob], resolved: ResolvedSet, store: DoneStore
) -> set[str]:
    """Do what is due, round by round; products follow from all that jobs are of."""
    done = set()
    while True:
        plan = build_plan(graph, make_binder(resolved, store))
        due = [e for e in plan.entries if e.state is JobState.DUE and e.job]
        if not due:
            return done
        for entry in due:
            assert entry.job is not None
            store.add(entry.job)
            done.add(entry.planned.key)


@pytest.mark.parametrize("base", range(10))
def test_what_is_called_stale_is_what_brute_force_finds(base: int) -> None:
    """Over 10 * 50 pairs of contexts, with up to three edits (seeded by numbers)."""
    exposures = [*ifu_program(), *ifu_program(detector="nrs2")[:2]]
    graph = make_graph(exposures, selfcal=True)
    dice = random.Random(base)  # noqa: S311  # no secret
    years = {e.name: dice.choice((2022, 2023, 2024)) for e in exposures}
    dates = {name: f"{year}-03-01" for name, year in years.items()}
    before = make_context(base)
    raw = make_resolved(graph).raw
    resolved = replace(resolve_in(graph, before, dates), raw=raw)
    store = do_all(graph, resolved)
    seen: set[str] = set()
    for _ in range(50):
        after = before
        for name in dice.choices(sorted(EDITS), k=dice.randint(1, 3)):
            after = EDITS[name](dice, after)
        now = replace(resolve_in(graph, after, dates), raw=raw)
        changes = {
            key: found
            for key, one in now.by_key.items()
            if (found := list_changes(resolved.by_key[key], one))
        }
        judged = judge(graph, now, store)
        told = {
            key: {reason.name for reason in job.reasons if reason.kind != "upstream"}
            for key, job in judged.items()
        }
        assert {key: names for key, names in told.items() if names} == changes
        stale = {k for k, j in judged.items() if j.staleness is Staleness.STALE}
        assert stale == follow(graph, {*changes})
        assert stale == {key for key, job in judged.items() if job.is_due}
        first = min((key.partition(":")[0] for key in changes), default="")
        if first not in seen:  # once for each stage at which work starts
            assert execute(graph, now, do_all(graph, resolved)) == stale
            seen.add(first)
    assert len(seen) >= 2


def test_a_sample_takes_all_kinds_in_turn_and_a_larger_one_holds_it() -> None:
    programs = {"99001": ifu_program(), "99002": bots_program()}
    judged = {}
    for program, exposures in programs.items():
        graph = make_graph(exposures)
        store = do_all(graph, make_resolved(graph))
        resolved = make_resolved(graph, photom="photom_2.fits")
        plan = build_plan(graph, make_binder(resolved, store))
        judged[program] = ((*judge(graph, resolved, store).values(),), plan.entries)
    samples = [choose_sample(judged, count) for count in range(1, 9)]
    assert all(more[: len(less)] == less for less, more in pairwise(samples))
    assert {job.program for job in samples[1]} == {*programs}
    assert {job.key.partition(":")[0] for job in samples[-1]} == {"spec2"}
    ifu, bots = ([j for j in samples[-1] if j.program == one] for one in programs)
    assert {str(job.kind) for job in ifu} == {"NRS_IFU PRISM CLEAR"}
    assert [job.of for job in bots] == [2, 2]
    assert len({job.key for job in samples[-1]}) == len(ifu) + 2
    entries = judged["99002"][1]
    due_s = sum(entry.expected_s for entry in entries if entry.state is JobState.DUE)
    assert 0 < find_sample_cost_s(entries, [bots[0].key]) < due_s
    last = entries[-1].planned.key
    assert find_sample_cost_s(entries, [last]) == pytest.approx(due_s)
