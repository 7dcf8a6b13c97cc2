"""References of the sample programs, brought through a CRDS server into a cache."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from crds_server import CrdsServer, crds_serving
from loopback import Fault, RandomFaults, ScriptedFaults
from plain_crds import PlainCrds
from prefetching import (
    LINEARITY,
    PHOTOM,
    RMAP,
    SPEC2_PARS,
    find,
    hash_files,
    list_items,
    prefetch,
    refuse,
    resolve,
    spoil,
)

from workers.cache_contract import PrefetchRequest
from workers.calls import prefetch_references
from workers.contract import ErrorInfo, ResolveItem, Stage
from workers.sample import SampleSet

AWAY = "http://127.0.0.1:9"
"""Nobody listens there."""


@pytest.fixture
def server(sample: SampleSet) -> Iterator[CrdsServer]:
    with crds_serving(sample.crds) as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return the place of a cache that is not there yet."""
    return tmp_path / "crds"


@pytest.fixture
def filled(sample: SampleSet, cache: Path) -> Path:
    """Return a whole cache of which files may be replaced."""
    return shutil.copytree(sample.crds, cache, copy_function=os.link)


def test_an_empty_cache_is_filled_with_what_jobs_resolve_to(
    sample: SampleSet, server: CrdsServer, cache: Path
) -> None:
    items = list_items(sample, Stage.DETECTOR1, Stage.SPEC2, Stage.SPEC3)
    report = prefetch(cache, server.url, items=items)
    assert (report.failed, report.skipped, report.notes) == ((), (), ())
    resolved = resolve(cache, items).resolved
    used = {use.file.name for one in resolved for use in one.references if use.file}
    used |= {use.file.name for one in resolved for use in one.pars}
    fetched = {file.name for file in report.fetched}
    assert {name for name in fetched if not name.endswith("map")} == used
    assert {file.name for one in resolved for file in one.mappings} <= fetched


def test_plain_crds_finds_the_same_files_afterwards_without_a_server(
    sample: SampleSet, server: CrdsServer, cache: Path
) -> None:
    items = list_items(sample, Stage.DETECTOR1, Stage.SPEC2)
    prefetch(cache, server.url, items=items)
    plain = PlainCrds(cache, None, Path(items[0].exposure))
    paths = plain.ask("crds.getreferences(header, reftypes)")
    for path in (Path(path) for path in paths.values() if "NOT FOUND" not in path):
        assert path.read_bytes() == find(sample.crds, path.name).read_bytes()
    assert Path(paths["photom"]).is_relative_to(cache)


def test_the_context_is_that_of_the_server_and_is_written_down(
    sample: SampleSet, server: CrdsServer, cache: Path
) -> None:
    server.latest = "jwst_0002.pmap"
    items = list_items(sample, Stage.SPEC2)
    assert prefetch(cache, server.url, items=items).context == "jwst_0002.pmap"
    assert resolve(cache, items).context == "jwst_0002.pmap"


def test_another_context_does_not_become_the_operational_one(
    sample: SampleSet, server: CrdsServer, cache: Path
) -> None:
    prefetch(cache, server.url)
    items = list_items(sample, Stage.SPEC2)
    prefetch(cache, server.url, items=items, context="jwst_0002.pmap")
    assert resolve(cache, items, context="jwst_0002.pmap").context == "jwst_0002.pmap"
    assert resolve(cache, ()).context == "jwst_0001.pmap"


def test_a_second_prefetch_asks_for_no_file(
    sample: SampleSet, server: CrdsServer, cache: Path
) -> None:
    items = list_items(sample, Stage.SPEC2)
    first = prefetch(cache, server.url, items=items)
    asked = server.list_fetched()
    second = prefetch(cache, server.url, items=items, known=first.files)
    assert server.list_fetched() == asked
    assert (second.fetched, second.files) == ((), first.files)


@pytest.mark.parametrize(
    ("name", "truncate"),
    [(PHOTOM, True), (PHOTOM, False), (SPEC2_PARS, True), (RMAP, True)],
)
def test_a_bad_file_is_set_aside_and_replaced(
    sample: SampleSet, server: CrdsServer, filled: Path, name: str, *, truncate: bool
) -> None:
    bad = spoil(filled, name, truncate=truncate)
    items = list_items(sample, Stage.SPEC2)
    report = prefetch(filled, server.url, items=items)
    assert [problem.name for problem in report.repaired] == [name]
    assert [file.name for file in report.fetched] == [name]
    assert hash_files(filled) == hash_files(sample.crds)
    [aside] = (filled / "rewebb-set-aside").iterdir()
    assert aside.read_bytes() == bad


def test_with_a_fifth_of_requests_failing_every_file_arrives_whole(
    sample: SampleSet, server: CrdsServer, cache: Path
) -> None:
    kinds = [
        Fault.TOO_MANY,
        Fault.SERVER_ERROR,
        Fault.UNAVAILABLE,
        Fault.CUT,
        Fault.SHORT,
        Fault.SHORT_UNSAID,
        Fault.WRONG_BYTES,
        Fault.NEW_ENTITY,
    ]
    server.loopback.faults = RandomFaults(0.2, kinds)
    report = prefetch(cache, server.url, everything=True)
    assert len(server.loopback.struck) > 5
    assert report.failed == ()
    truth = hash_files(sample.crds)
    assert {name: truth[name] for name in hash_files(cache)} == hash_files(cache)
    assert len(hash_files(cache)) == report.checked


def test_a_fault_that_stays_names_the_file_and_the_rest_arrives(
    sample: SampleSet, server: CrdsServer, cache: Path
) -> None:
    faults = ScriptedFaults({PHOTOM: [Fault.WRONG_BYTES]}, persistent=[PHOTOM])
    server.loopback.faults = faults
    items = list_items(sample, Stage.SPEC2)
    [failed] = prefetch(cache, server.url, items=items).failed
    assert PHOTOM in failed.message
    assert "3 tries" in failed.message
    assert "sha1" in failed.message
    server.loopback.faults = lambda _: None
    second = prefetch(cache, server.url, items=items)
    assert [file.name for file in second.fetched] == [PHOTOM]


def test_a_job_whose_parameters_cannot_be_had_is_told_by_that_file(
    sample: SampleSet, server: CrdsServer, cache: Path
) -> None:
    server.hidden.add(SPEC2_PARS)
    items = list_items(sample, Stage.SPEC2)
    report = prefetch(cache, server.url, items=items)
    assert [problem.name for problem in report.failed] == [SPEC2_PARS]
    assert not list((cache / "references").rglob("*.fits"))


def test_a_raw_file_that_cannot_be_read_is_skipped_and_the_rest_is_fetched(
    sample: SampleSet, server: CrdsServer, cache: Path, tmp_path: Path
) -> None:
    broken = ResolveItem("spec2:broken", Stage.SPEC2, str(tmp_path / "no.fits"), {})
    items = (broken, *list_items(sample, Stage.SPEC2))
    report = prefetch(cache, server.url, items=items)
    assert [line.split(":")[1] for line in report.skipped] == ["broken"]
    assert PHOTOM in {file.name for file in report.fetched}


def test_a_dry_run_lists_references_with_their_sizes(
    sample: SampleSet, server: CrdsServer, cache: Path
) -> None:
    items = list_items(sample, Stage.SPEC2)
    due = prefetch(cache, server.url, items=items, dry_run=True).due
    sizes = {file.name: file.size_bytes for file in due}
    assert sizes[PHOTOM] == find(sample.crds, PHOTOM).stat().st_size
    assert not list((cache / "references").rglob("*.fits"))


def test_a_server_that_is_away_is_said_when_nothing_is_missing(
    sample: SampleSet, filled: Path
) -> None:
    report = prefetch(filled, AWAY, items=list_items(sample, Stage.SPEC2))
    [note] = report.notes
    assert AWAY in note
    assert "the context is jwst_0001.pmap, which was operational at 2026" in note


def test_a_server_that_is_away_is_an_error_when_files_are_missing(
    sample: SampleSet, filled: Path
) -> None:
    find(filled, PHOTOM).unlink()
    spoil(filled, SPEC2_PARS)
    find(filled, SPEC2_PARS).unlink()
    error = refuse(filled, AWAY, *list_items(sample, Stage.SPEC2, Stage.DETECTOR1))
    assert error.type == "ReferenceMissingError"
    assert AWAY in error.message
    assert "1 files are missing" in error.message
    assert SPEC2_PARS in error.message


def test_a_server_that_is_away_is_an_error_when_there_is_no_cache(cache: Path) -> None:
    assert f"{cache} is no CRDS cache" in refuse(cache, AWAY).message


def test_a_context_that_the_server_does_not_know_is_an_error(
    server: CrdsServer, cache: Path
) -> None:
    request = PrefetchRequest((), "jwst_9999.pmap", str(cache), server.url)
    answer = prefetch_references(request)
    assert isinstance(answer, ErrorInfo)
    assert "jwst_9999.pmap" in answer.message


def test_of_many_processes_one_fetches_and_the_others_find_it_done(
    sample: SampleSet, server: CrdsServer, cache: Path
) -> None:
    items = list_items(sample, Stage.SPEC2)
    with ThreadPoolExecutor(4) as pool:
        reports = list(
            pool.map(lambda _: prefetch(cache, server.url, items=items), range(4))
        )
    fetched = server.list_fetched()
    assert len(fetched) == len(set(fetched))
    assert len({report.files for report in reports}) == 1
    assert sum(len(report.fetched) for report in reports) == len(fetched)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 6 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk; CI does")
    disk = tmp_path / "small"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert mounted.returncode == 0, f"no tmpfs here: {mounted.stderr}"
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_disk_that_is_too_small_is_said_before_references_are_fetched(
    sample: SampleSet, server: CrdsServer, small_disk: Path
) -> None:
    error = refuse(small_disk, server.url, *list_items(sample, Stage.DETECTOR1))
    assert f"The CRDS cache {small_disk} has no room for" in error.message
    assert not list((small_disk / "references").rglob("*.fits"))


def test_a_disk_that_runs_full_names_the_files_and_keeps_the_rest(
    sample: SampleSet, server: CrdsServer, small_disk: Path
) -> None:
    sizes = {path.name: path.stat().st_size for path in sample.crds.rglob("*.fits")}
    server.claims = {name: {"size": ""} for name in sizes}
    items = list_items(sample, Stage.DETECTOR1)
    report = prefetch(small_disk, server.url, items=items)
    messages = {problem.name: problem.message for problem in report.failed}
    assert "No space left on device" in messages[LINEARITY]
    truth, here = hash_files(sample.crds), {f.name for f in report.files}
    assert here
    assert all(truth[n] == h for n, h in hash_files(small_disk).items() if n in here)


PREFETCH = """
import sys
from workers.cache_contract import (PrefetchRequest)
from workers.contract import (ResolveItem, Stage)
from workers.calls import prefetch_references
if __name__ == "__main__":
    raw, cache, url = sys.argv[1:]
    items = (ResolveItem("x", Stage.DETECTOR1, raw, {}),)
    prefetch_references(PrefetchRequest(items, None, cache, url))
"""


def test_after_a_kill_only_missing_bytes_are_fetched(
    sample: SampleSet, server: CrdsServer, cache: Path, tmp_path: Path
) -> None:
    script = tmp_path / "prefetch.py"
    script.write_text(PREFETCH)
    server.loopback.faults = ScriptedFaults({LINEARITY: [Fault.SLOW]})
    [item] = list_items(sample, Stage.DETECTOR1)
    command = [sys.executable, str(script), item.exposure, str(cache), server.url]
    process = subprocess.Popen(command, start_new_session=True, cwd=Path.cwd())
    part = cache / "references/jwst/nirspec" / f".{LINEARITY}.part"
    wait_for(lambda: part.is_file() and part.stat().st_size > 1_000_000)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not part.with_name(LINEARITY).exists()
    had_bytes = part.stat().st_size
    report = prefetch(cache, server.url, items=[item])
    assert LINEARITY in {file.name for file in report.fetched}
    assert server.get_last_range(LINEARITY) == f"bytes={had_bytes}-"
    truth = hash_files(sample.crds)
    assert {name: truth[name] for name in hash_files(cache)} == hash_files(cache)


def wait_for(is_so: object, timeout_s: float = 60.0) -> None:
    assert callable(is_so)
    end_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_jobs_never_ask_a_server_although_the_environment_names_one(
    sample: SampleSet, server: CrdsServer, tmp_path: Path
) -> None:
    script = tmp_path / "resolve.py"
    script.write_text(
        "from workers.contract import ResolveItem, ResolveRequest, Stage\n"
        "from workers.calls import resolve_jobs\n"
        "import sys\n"
        "if __name__ == '__main__':\n"
        "    items = (ResolveItem('x', Stage.SPEC2, sys.argv[1], {}),)\n"
        "    answer = resolve_jobs(ResolveRequest(items, None, sys.argv[2]))\n"
        "    print(answer.context, answer.resolved[0].error)\n"
    )
    [item] = list_items(sample, Stage.SPEC2)
    elsewhere = {"CRDS_SERVER_URL": server.url, "CRDS_PATH_SINGLE": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, str(script), item.exposure, str(sample.crds)],
        env=os.environ | elsewhere,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "jwst_0001.pmap None\n"
    assert server.loopback.requests == []
