"""What a watch sees: an archive on loopback, a cache of CRDS and recorded runs."""

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from mast_files import write_archive
from mast_server import MastServer, mast_server
from outcomes import make_run
from prefect.client.schemas.objects import FlowRun
from prefect.states import Pending, Running, Scheduled
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import validate
from small_crds import write_cache
from typer.testing import CliRunner

from config.policy import Action, Policy
from config.settings import Settings, load_settings
from config.subscriptions import Budget, Subscriptions, load_subscriptions
from flows.cli import app
from flows.factory import open_database
from flows.models.runs import RunState
from flows.reprocess import reprocess_program
from flows.watch import Asked, is_waiting, settle, to_parameters
from flows.watching import Candidate, Cost, decide, dump_basis, list_fruitless, look

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
TEXT = """
[[subscription]]
name = "ours"
programs = ["99021", "99022", "99023"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def mast(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MastServer]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAST_API_TOKEN", "")
    with mast_server(folder) as server:
        yield server


@pytest.fixture
def settings(mast: MastServer, tmp_path: Path) -> Settings:
    return load_settings(
        archive="mast",
        mast_url=mast.url,
        data_dir=tmp_path / "data",
        crds_path=write_cache(tmp_path / "crds"),
        crds_context="jwst_0001.pmap",
    )


def subscribe(folder: Path, text: str = TEXT) -> Subscriptions:
    path = folder / "subscriptions.toml"
    path.write_text(text)
    return load_subscriptions(path)


def see(settings: Settings, wanted: Subscriptions) -> dict[str, Candidate]:
    return {one.program: one for one in look(settings, wanted)}


def record(
    settings: Settings, candidate: Candidate, state: RunState = RunState.SUCCEEDED
) -> None:
    """Record that a program was run, as the flow does."""
    parameters = to_parameters(candidate, {})
    name = f"{candidate.program}-{state}"
    run = replace(make_run(name), program=candidate.program, request=parameters)
    with open_database(settings) as database:
        database.runs.start_run(run)
        database.runs.finish_run(name, state, "it ended", now=NOW)


def explain(settings: Settings, wanted: Subscriptions) -> dict[str, tuple[str, ...]]:
    start = decide(look(settings, wanted), wanted.budget).start
    return {due.candidate.program: due.reasons for due in start}


def test_all_that_is_subscribed_to_is_seen_with_its_newest_science(
    settings: Settings, tmp_path: Path
) -> None:
    found = see(settings, subscribe(tmp_path))
    assert [*found] == ["99021", "99022"]
    assert found["99022"].newest is not None
    assert found["99022"].newest.year == 2025
    assert found["99022"].observations == ()
    assert found["99021"].basis.context == "jwst_0001.pmap"
    # Five exposures in detector1 and spec2; spec3 of two modes.
    assert found["99021"].cost.jobs >= 2 * 5 + 2
    assert found["99021"].cost.cpu_s > 0


def test_of_modes_and_targets_only_their_observations_are_asked_for(
    settings: Settings, tmp_path: Path
) -> None:
    mode = '[[subscription]]\nname = "tso"\nprograms = "99022"\nmodes = "NRS_BRIGHTOBJ"'
    target = '[[subscription]]\nname = "ngc"\ntargets = "NGC-*"\n'
    found = see(settings, subscribe(tmp_path, f"{mode}\n{target}"))
    seen = {name: one.observations for name, one in found.items()}
    assert seen == {"99022": ("002",), "99021": ("002",)}


def test_of_a_proposal_cycle_its_programs_are_asked_for(
    settings: Settings, tmp_path: Path
) -> None:
    of_cycle = '[[subscription]]\nname = "second"\ncycles = 2\n'
    found = see(settings, subscribe(tmp_path, of_cycle))
    assert {name: one.observations for name, one in found.items()} == {"99022": ()}


def test_what_was_run_is_left_until_something_changes(
    settings: Settings, mast: MastServer, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text('title = "Mine"\nextends = "official"\n')
    mast.exclusive["99022002"] = datetime.now(UTC) + timedelta(days=9)
    wanted = subscribe(tmp_path, f'{TEXT}recipe = "mine.toml"\n')
    for candidate in look(settings, wanted):
        record(settings, candidate)
    assert explain(settings, wanted) == {}

    mast.exclusive.clear()
    (reason,) = explain(settings, wanted).pop("99022")
    assert reason == "exclusive access to 2 files ended"

    later = settings.model_copy(update={"crds_context": "jwst_0002.pmap"})
    context = "context jwst_0001.pmap -> jwst_0002.pmap"
    assert explain(later, wanted)["99021"] == (context,)

    (tmp_path / "mine.toml").write_text('title = "New"\nextends = "official"\n')
    assert explain(settings, wanted)["99021"][0].startswith("recipe ")


def test_what_cannot_be_had_is_not_asked_for(
    settings: Settings, mast: MastServer, tmp_path: Path
) -> None:
    mast.exclusive["99022002"] = datetime.now(UTC) + timedelta(days=9)
    mode = '[[subscription]]\nname = "tso"\nprograms = "99022"\nmodes = "NRS_BRIGHTOBJ"'
    wanted = subscribe(tmp_path, mode)
    assert look(settings, wanted) == []
    assert list_fruitless(wanted, []) == ("tso",)
    mast.exclusive.clear()
    (candidate,) = look(settings, wanted)
    assert candidate.observations == ("002",)
    assert list_fruitless(wanted, [candidate]) == ()


def test_a_file_that_is_replaced_is_a_reason(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    wanted = subscribe(tmp_path)
    for candidate in look(settings, wanted):
        record(settings, candidate)
    raw = folder / "99021/jw99021002001_03101_00001_nrs1_uncal.fits"
    before = raw.read_bytes()
    raw.write_bytes(before + bytes(2880))
    try:
        with mast_server(folder) as again:
            told = settings.model_copy(update={"mast_url": again.url})
            (reason,) = explain(told, wanted)["99021"]
    finally:
        raw.write_bytes(before)
    assert reason.startswith("files were replaced in the archive")


def test_another_version_of_jwst_is_a_reason(
    settings: Settings, tmp_path: Path
) -> None:
    wanted = subscribe(tmp_path)
    for one in look(settings, wanted):
        record(settings, replace(one, basis=replace(one.basis, jwst="2.0.1")))
    assert explain(settings, wanted)["99021"] == ("jwst 2.0.1 -> 3.0.0",)


def test_a_run_that_did_not_come_to_its_end_is_started_again(
    settings: Settings, tmp_path: Path
) -> None:
    wanted = subscribe(tmp_path)
    found = see(settings, wanted)
    record(settings, found["99021"], RunState.INTERRUPTED)
    record(settings, found["99022"], RunState.FAILED)
    assert [*explain(settings, wanted)] == ["99021"]


def test_a_program_that_somebody_runs_is_carried_over(
    settings: Settings, tmp_path: Path
) -> None:
    with open_database(settings) as database:
        database.leases.acquire_lease(
            "99022",
            owner="somebody",
            host=socket.gethostname(),
            pid=os.getpid(),
            ttl=timedelta(hours=1),
            now=datetime.now(UTC),
            is_alive=lambda *_: True,
        )
    decision = decide(look(settings, subscribe(tmp_path)), Budget())
    assert [due.candidate.program for due in decision.start] == ["99021"]
    assert [due.candidate.program for due in decision.later] == ["99022"]


def test_what_a_night_has_started_counts_and_is_not_started_again(
    settings: Settings, tmp_path: Path
) -> None:
    candidates = look(settings, subscribe(tmp_path))
    costs = {one.program: one.cost for one in candidates}
    tonight = Asked("99022", is_of_tonight=True)
    waiting = Asked("99021", is_of_tonight=False)
    spent, left = settle(candidates, [tonight])
    started = decide(left, subscribe(tmp_path).budget, spent).start
    assert spent == costs["99022"]
    assert [due.candidate.program for due in started] == ["99021"]
    spent, left = settle(
        candidates, [tonight, waiting, Asked("01345", is_of_tonight=True)]
    )
    assert spent == costs["99022"] + Cost()
    assert decide(left, subscribe(tmp_path).budget, spent).start == ()


@pytest.mark.parametrize(
    ("state", "age", "expected"),
    [
        (Scheduled, timedelta(days=9), True),
        (Pending, timedelta(minutes=5), True),
        (Running, timedelta(minutes=5), True),
        (Running, timedelta(hours=9), False),
        (Pending, timedelta(hours=9), False),
    ],
)
def test_a_flow_run_of_a_host_that_is_gone_waits_for_nothing(
    state: Any, age: timedelta, *, expected: bool
) -> None:
    """Prefect shows it as running for ever; at work, it would hold a lease."""
    run = FlowRun(flow_id=uuid4(), state=state(timestamp=NOW - age))
    assert is_waiting(run, NOW) is expected


def test_the_flow_takes_what_a_watch_asks_for(
    settings: Settings, tmp_path: Path
) -> None:
    (one, *_) = look(settings, subscribe(tmp_path))
    parameters = to_parameters(one, {"archive": "mast", "cluster": None})
    schema = parameter_schema(reprocess_program).model_dump_for_openapi()
    validate(parameters, schema, raise_on_error=True)
    taken = reprocess_program.validate_parameters(parameters)
    assert taken["program"] == one.program
    assert taken["basis"] == dump_basis(one.basis)
    assert (parameters["archive"], "cluster" in parameters) == ("mast", False)
    assert "policy" not in parameters


def test_the_policy_of_a_subscription_goes_before_that_of_the_settings(
    settings: Settings, tmp_path: Path
) -> None:
    wanted = subscribe(tmp_path, f'{TEXT}policy.jwst_patch = "rerun"\n')
    parameters = to_parameters(look(settings, wanted)[0], {})
    schema = parameter_schema(reprocess_program).model_dump_for_openapi()
    validate(parameters, schema, raise_on_error=True)
    taken = reprocess_program.validate_parameters(parameters)["policy"]
    assert taken.list_changes() == {"jwst_patch": "rerun"}
    ours = Policy(references=Action.REPORT).refine(taken.list_changes())
    assert (ours.jwst_patch, ours.references) == (Action.RERUN, Action.REPORT)
    assert ours.packages_patch is Action.IGNORE


def test_the_command_shows_what_a_night_would_start(
    settings: Settings, tmp_path: Path
) -> None:
    subscribe(tmp_path, f"budget.jobs = 1\n{TEXT}")
    ours = {
        "REWEBB_ARCHIVE": "mast",
        "REWEBB_MAST_URL": settings.mast_url,
        "REWEBB_DATA_DIR": str(settings.data_dir),
        "CRDS_PATH": str(settings.crds_path),
        "CRDS_SERVER_URL": "",
    }
    runner = CliRunner(env=ours)
    told = runner.invoke(app, ["watch", "subscriptions.toml", "--json"])
    decision = json.loads(told.stdout)
    started = [due["candidate"]["program"] for due in decision["start"]]
    later = [due["candidate"]["program"] for due in decision["later"]]
    assert (started, later) == (["99022"], ["99021"])
    said = runner.invoke(app, ["watch", "subscriptions.toml"]).stdout
    assert "no run of 99022 with this recipe has come to its end" in said
    refused = runner.invoke(app, ["watch", "none.toml"])
    assert refused.exit_code == 2
