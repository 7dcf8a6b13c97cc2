"""The commands, as a user meets them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import (
    BIN,
    Ended,
    Rewebb,
    assert_refused,
    find_processes,
    query,
    stopped,
    wait_until,
)
from typer.main import get_command

from flows.cli import app

MakeRewebb = Callable[..., Rewebb]

TSO = "jw99002-o001_t001_nirspec_clear-prism-s1600a1-sub512_x1dints.fits"
SPEC = "jw99002001001_04101_00001-seg001_nrs1_x1dints.fits"

HEAVY = {"jwst", "crds", "prefect", "sqlalchemy", "distributed", "astropy", "numpy"}
"""What `rewebb --help` has no need of."""

LIST_MODULES = """
import sys
from flows.cli import app
try:
    app(["--help"])
finally:
    print(*sys.modules, file=sys.stderr)
"""


def iterate_commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[Any]:
    """Return every command with its path."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from iterate_commands(command, (*path, name))
        else:
            yield pytest.param(command, id=" ".join((*path, name)))


def test_help_loads_nothing_heavy() -> None:
    command = [sys.executable, "-c", LIST_MODULES]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Usage" in ended.stdout
    assert HEAVY & set(ended.stderr.split()) == set()


@pytest.mark.parametrize("command", list(iterate_commands(get_command(app))))
def test_every_command_has_help_and_those_that_print_records_have_json(
    command: Any,
) -> None:
    options = {name for parameter in command.params for name in parameter.opts}
    assert command.help
    assert all(p.help for p in command.params if p.param_type_name == "option")
    assert "--json" in options or command.name in {
        "upgrade",
        "schema",
        "scheduler",
        "worker",
        "serve",  # it ends when it is stopped
        "web",  # likewise
        "prov",  # its document is JSON unless another format is asked for
    }


def test_a_plan_shows_what_is_due_and_does_nothing(rewebb: Rewebb) -> None:
    ended = rewebb.call_here("plan", "99002", "--json")
    assert ended.code == 0, ended
    assert set(ended.states.values()) == {"DUE"}
    assert len(ended.states) == 5
    assert not rewebb.data.exists()
    cost = ended.record["cost"]
    assert (cost["jobs"], cost["slots"], cost["download_bytes"]) == (5, 2, 0)
    assert cost["cpu_s"] / 2 <= cost["wall_s"] < cost["cpu_s"]
    assert min(cost["peak_bytes"], cost["disk_bytes"]) > 10**7


@pytest.mark.slow
def test_a_dry_run_is_a_plan(rewebb: Rewebb, standing: Mapping[str, str]) -> None:
    dry, planned = (
        rewebb.given(**standing).call_here(
            *command, "99002", "--observations", "001", "--json"
        )
        for command in (("run", "--dry-run"), ("plan",))
    )
    assert dry.code == 0, dry
    assert dry.states == planned.states
    assert set(dry.states.values()) == {"DUE"}
    assert not rewebb.data.exists()


def test_a_first_run_makes_every_product_by_its_canonical_name(
    finished: Rewebb, first_run: tuple[Rewebb, Ended]
) -> None:
    summary = first_run[1].record
    assert set(first_run[1].states.values()) == {"SUCCEEDED"}
    assert {TSO, SPEC} <= set(summary["products"])
    folder = finished.data / summary["folder"]
    assert set(summary["products"]) <= {path.name for path in folder.iterdir()}
    checked = finished.call_here("db", "check", "--bytes", "--json")
    assert checked.record == {"findings": []}  # what a rebuild gives has equal rows


def test_a_rebuilt_folder_is_all_reused_and_needs_no_server(
    make_rewebb: MakeRewebb, finished: Rewebb
) -> None:
    rewebb = make_rewebb(finished).given(PREFECT_API_URL="")
    assert rewebb.call_here("db", "rebuild", "--json").record["outcomes"] == 5
    before = list_store(rewebb)
    ended = rewebb("run", "99002", "--json")
    assert ended.code == 0, ended
    assert set(ended.states.values()) == {"REUSED"}
    assert list_store(rewebb) == before
    assert query(rewebb.data, "select count(*) from attempt") == [(5,)]
    wait_until(lambda: not find_processes(rewebb.data), timeout_s=20, pause_s=0.3)


def list_store(rewebb: Rewebb) -> dict[Path, tuple[int, int]]:
    """Give inode and time of every file of the store."""
    files = (p for p in rewebb.data.glob("store/*/*/*"))
    return {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in files}


@pytest.mark.parametrize("name", [TSO, SPEC])
def test_show_explains_a_product_by_path_and_by_name(
    name: str, finished: Rewebb
) -> None:
    (path,) = finished.data.glob(f"runs/99002/*/{name}")
    shown = finished.call_here("show", str(path), "--parameters")
    record = finished.call_here("show", name, "--json").record
    assert shown.code == 0, shown
    facts = list(list_facts(record))
    assert len(facts) > 50
    assert [fact for fact in facts if fact not in shown.out] == []
    assert finished.call_here("show", name, "--parameters").out == shown.out


def list_facts(record: Any) -> Iterator[str]:
    """Give everything that an explanation owes."""
    job = record["record"]["job"]
    yield from (
        job["fingerprint"],
        job["context"],
        record["product"]["product"]["sha256"],
    )
    for file in job["inputs"]:
        yield from (file["name"], file["sha256"], file["reason"], file["exptype"])
    uses = [use["file"] for use in (*job["references"], *job["pars"]) if use["file"]]
    for file in (*uses, *job["mappings"]):
        yield from (file["name"], file["sha1"])
    for package, version in job["versions"].items():
        yield f"{package} {version}"
    for step, parameters in job["parameters"]["steps"].items():
        if step != "master_background_mos":  # a pipeline of its own
            yield from (f"{step}.{name} = " for name in parameters)
    (attempt,) = record["record"]["attempts"]
    outcome = attempt["outcome"]
    yield from (outcome["status"], outcome["host"], f"{outcome['folder']}/job.log")
    yield from (f"{step['step']} {step['status']}" for step in outcome["steps"])


def test_the_log_that_show_names_is_that_of_the_pipeline(finished: Rewebb) -> None:
    record = finished.call_here("show", TSO, "--json").record["record"]
    folder = record["attempts"][0]["outcome"]["folder"]
    assert "Tso3Pipeline" in (finished.data / folder / "job.log").read_text()


def test_a_rebuilt_database_explains_a_product_as_before(
    make_rewebb: MakeRewebb, finished: Rewebb
) -> None:
    rewebb = make_rewebb(finished)
    for kept in ("runs", "seen"):
        shutil.copytree(finished.data / kept, rewebb.data / kept)
    assert rewebb.call_here("db", "rebuild").code == 0
    before = finished.call_here("show", SPEC).out
    assert "\nused last by run " in before
    moved = before.replace(str(finished.data), str(rewebb.data))
    assert rewebb.call_here("show", SPEC).out == moved


def test_show_says_so_when_a_file_was_not_made_here(
    rewebb: Rewebb, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rewebb.call_here("db", "upgrade").code == 0
    (rewebb.folder / SPEC).write_text("mine")
    monkeypatch.chdir(rewebb.folder)
    assert_refused(rewebb.call_here("show", SPEC), SPEC, "not made here")
    assert_refused(rewebb.call_here("show", TSO), TSO)


def test_a_program_is_run_by_one_at_a_time_and_an_interrupt_leaves_it_free(
    rewebb: Rewebb,
) -> None:
    with stopped(rewebb.start("run", "99002")) as first:
        wait_until(lambda: query(rewebb.data, "select 1 from lease"))
        words = (f"process {first.pid} on {socket.gethostname()}", "99002")
        assert_refused(rewebb("run", "99002"), *words)
        wait_until(lambda: query(rewebb.data, "select 1 from run_job"))
        with stopped(rewebb.start("status", "--follow", "--json")) as follower:
            assert follower.stdout is not None
            lines = [json.loads(follower.stdout.readline())]
            os.kill(first.pid, signal.SIGINT)
            _, err = first.communicate(timeout=60)
            lines += map(json.loads, follower.communicate(timeout=60)[0].splitlines())
    assert [lines[0]["state"], lines[-1]["state"]] == ["RUNNING", "CANCELLED"]
    assert lines[0]["total"] == 5
    assert follower.returncode == 0
    assert first.returncode not in {0, -signal.SIGKILL}
    assert "Traceback" not in err
    assert query(rewebb.data, "select program from lease") == []
    assert query(rewebb.data, "select state from run") == [("CANCELLED",)]
    left = "select state from run_job where state in ('RUNNING', 'DUE')"
    assert query(rewebb.data, left) == []
    wait_until(lambda: not find_processes(rewebb.data), timeout_s=10, pause_s=0.3)


@pytest.mark.slow
def test_a_damaged_product_is_found_and_made_again_beside_the_old_one(
    make_rewebb: MakeRewebb, finished: Rewebb, standing: Mapping[str, str]
) -> None:
    rewebb = make_rewebb(finished).given(**standing)
    (product,) = rewebb.data.glob(f"store/*/*/{TSO}")
    damaged = change_one_byte(product)
    verified = rewebb.call_here("db", "verify", "--json")
    assert verified.code == 1
    assert [str(product) in line for line in verified.record["damaged"]] == [True]
    ended = rewebb("run", "99002", "--json")
    assert ended.code == 0, ended
    assert sorted(ended.states.values()) == ["REUSED"] * 4 + ["SUCCEEDED"]
    [why] = [j["why"] for j in ended.record["jobs"] if j["state"] == "SUCCEEDED"]
    assert why.startswith("done before, but damaged, so made again: store/")
    assert rewebb.call_here("db", "verify").code == 0
    (aside,) = rewebb.data.glob(f"damaged/*/{TSO}")
    assert aside.read_bytes() == damaged


def change_one_byte(path: Path) -> bytes:
    """Change a byte of a file that others share, for us alone."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)
    return bytes(content)


@pytest.mark.slow
def test_a_run_ends_well_when_nobody_reads_what_it_tells(
    make_rewebb: MakeRewebb, finished: Rewebb, standing: Mapping[str, str]
) -> None:
    rewebb = make_rewebb(finished).given(**standing)
    (product,) = rewebb.data.glob(f"store/*/*/{TSO}")
    shutil.rmtree(product.parent)  # one job is due
    with Path("/dev/full").open("w") as terminal:
        process = subprocess.Popen(
            [BIN / "rewebb", "run", "99002"],
            cwd=rewebb.folder,
            env=rewebb.environment,
            stdout=subprocess.PIPE,
            stderr=terminal,
            text=True,
        )
        with stopped(process):
            out, _ = process.communicate(timeout=180)
    assert "4 REUSED" in out
    assert "1 SUCCEEDED" in out
    assert query(rewebb.data, "select state from run") == [("SUCCEEDED",)]


@pytest.mark.slow
def test_two_programs_do_not_disturb_each_other(
    make_rewebb: MakeRewebb, finished: Rewebb, standing: Mapping[str, str]
) -> None:
    rewebb = make_rewebb(finished).given(**standing)
    with stopped(rewebb.start("run", "99002", "--json")) as run:
        planned = rewebb.call_here("plan", "99001", "--json")
        out, err = run.communicate(timeout=180)
    assert run.returncode == 0, err
    assert {job["state"] for job in json.loads(out)["jobs"]} == {"REUSED"}
    assert set(planned.states.values()) == {"DUE"}
    assert not any("99002" in key for key in planned.states)


def test_runs_and_status_tell_of_the_newest_run(
    finished: Rewebb, first_run: tuple[Rewebb, Ended]
) -> None:
    run = first_run[1].record["run"]
    found = finished.call_here("runs", "--json").record
    assert [each["id"] for each in found] == [run]
    status = finished.call_here("status", "--json").record
    assert status["run"]["state"] == "SUCCEEDED"
    assert len(status["jobs"]) == 5
    assert finished.call_here("status", run[:8], "--json").record == status
    assert_refused(finished.call_here("status", "ffffffffff"), "ffffffffff")
