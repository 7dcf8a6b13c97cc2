"""`rewebb run` of several programs: one cluster, one Prefect server, one end."""

from collections.abc import Callable
from itertools import pairwise

import psutil
import pytest
from commands import Ended, Rewebb, find_processes, query, stopped, wait_until
from terminal import in_terminal

pytestmark = pytest.mark.slow

MakeRewebb = Callable[..., Rewebb]

LIMIT_S = 900
"""How long a busy machine may take for two programs."""

SPANS = """
select job.program, attempt.started_at, attempt.finished_at
from attempt join job on job.fingerprint = attempt.fingerprint
order by attempt.started_at
"""


@pytest.fixture(scope="module")
def ran(make_rewebb: MakeRewebb) -> tuple[Rewebb, Ended]:
    """Two programs from empty, and one that the archive does not have."""
    rewebb = make_rewebb()
    (rewebb.folder / "programs.txt").write_text("99008  # MIRI\n99999\n")
    arguments = ("run", "99002", "--from", "programs.txt", "--json")
    with stopped(rewebb.start(*arguments)) as process:
        out, err = process.communicate(timeout=LIMIT_S)
    return rewebb, Ended(process.returncode, out, err)


def test_jobs_of_two_programs_interleave_on_one_cluster(
    ran: tuple[Rewebb, Ended],
) -> None:
    spans = query(ran[0].data, SPANS)
    programs = [program for program, *_ in spans]
    assert programs.count("99002") == 5
    assert programs.count("99008") == 6
    changes = sum(a != b for a, b in pairwise(programs))
    assert changes >= 3, programs
    for _, started, finished in spans:
        at_once = [s for s in spans if s[1] < finished and started < s[2]]
        assert len([s for s in at_once if s[1] <= started]) <= 2  # slots


def test_a_program_that_cannot_run_is_named_and_stops_no_other(
    ran: tuple[Rewebb, Ended],
) -> None:
    rewebb, ended = ran
    assert ended.code == ended.record["exit_code"] == 1, ended
    first, second, missing = ended.record["programs"]
    assert [end["program"] for end in (first, second)] == ["99002", "99008"]
    for end in (first, second):
        assert end["summary"]["state"] == "SUCCEEDED"
        assert (rewebb.data / end["summary"]["folder"] / "run.json").is_file()
    assert (missing["exit_code"], missing["summary"]) == (2, None)
    assert "unknown program 99999" in missing["error"]
    assert query(rewebb.data, "select program from lease") == []
    wait_until(lambda: not find_processes(rewebb.data), timeout_s=20, pause_s=0.3)


def test_each_program_is_reused_and_has_a_line_in_the_summary(
    ran: tuple[Rewebb, Ended],
) -> None:
    ended = ran[0]("run", "99002", "99008")
    assert ended.code == 0, ended
    header, *lines = ended.out.splitlines()
    assert header.split() == ["program", "REUSED", "time", "products"]
    assert [line.split()[:2] for line in lines[:2]] == [["99002", "5"], ["99008", "6"]]
    assert "2 of 2 programs" in ended.out


def test_ctrl_c_ends_all_programs(rewebb: Rewebb) -> None:
    runs = "select distinct run_id from run_job where state = 'RUNNING'"
    with in_terminal(rewebb, "run", "99002", "99008") as terminal:
        wait_until(lambda: len(query(rewebb.data, runs)) == 2, timeout_s=LIMIT_S)
        below = terminal.list_below()
        terminal.press_ctrl_c()
        terminal.process.wait(20)
        psutil.wait_procs(below, timeout=20)
    assert terminal.process.returncode == 130
    assert terminal.get_text().rstrip().endswith("interrupted: run again to go on")
    assert [p for p in below if p.is_running() and p.status() != "zombie"] == []
    assert query(rewebb.data, "select program from lease") == []
    assert query(rewebb.data, "select state from run") == [("CANCELLED",)] * 2
    assert not find_processes(rewebb.data)
    assert not [*(rewebb.data / "scratch").glob("99*")]
