import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import child_work
import processor_probe
import pytest

from workers.child import run_in_child
from workers.environment import PINS, THREADS, make_environment, require_pins
from workers.errors import ProcessorError

TOKENS = {
    "MAST_API_TOKEN": "secret",
    "PREFECT_API_KEY": "secret",
    "REWEBB_DATABASE_URL": "postgresql://user:secret@host/db",
    "AWS_SECRET_ACCESS_KEY": "secret",
}
STEERING = {
    "STPIPE_DISABLE_CRDS_STEPPARS": "true",
    "ENG_BASE_URL": "http://127.0.0.1:9",
    "CRDS_PATH_SINGLE": "1",
    "JWST_SOMETHING_NEW": "1",
    "NUMPY_MADVISE_HUGEPAGE": "0",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=7",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "OPENBLAS_L2_SIZE": "4096",
    "PYTHONWARNINGS": "ignore::ResourceWarning",
    "XDG_CONFIG_HOME": "/nowhere",
}
FORCED = {"OMP_NUM_THREADS": "7", "PYTHONHASHSEED": "7"}
HIGH = {"OPENBLAS_CORETYPE": "SkylakeX"}
LOW = {
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
}
WAYS_OUT = {
    "HTTPS_PROXY": "http://127.0.0.1:3128",
    "http_proxy": "http://127.0.0.1:3128",
    "NO_PROXY": "localhost",
    "SSL_CERT_FILE": "/etc/ca.pem",
    "SSL_CERT_DIR": "/etc/ca",
    "REQUESTS_CA_BUNDLE": "/etc/ca.pem",
}
ASK = """
import json, child_work, processor_probe
from workers.child import run_in_child
works = {works}
ends = [run_in_child(work) for work in works]
print(json.dumps([[end.answer, end.exit_code] for end in ends]))
"""
TELL = "child_work.list_variables, child_work.list_flags, processor_probe.probe"


@dataclass(frozen=True, slots=True)
class Told:
    """What children told of a process that has another environment."""

    variables: list[dict[str, str]]
    """Their environment, and that with which their fork server was started."""
    flags: list[object]
    digests: dict[str, str]


def ask_children(
    works: str, outside: dict[str, str], *flags: str, before: str = ""
) -> tuple[list[tuple[object, int]], str]:
    """Give answers and exit codes of children of such a process, and its errors."""
    folders = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, *flags, "-c", before + ASK.format(works=f"[{works}]")],
        env=os.environ | {"PYTHONPATH": folders} | outside,
        capture_output=True,
        text=True,
        check=True,
    )
    return [tuple(end) for end in json.loads(done.stdout)], done.stderr


@pytest.fixture(scope="module", params=[HIGH, LOW], ids=["high", "low"])
def told(request: pytest.FixtureRequest) -> Told:
    outside = TOKENS | STEERING | FORCED | WAYS_OUT | request.param
    ends, _ = ask_children(TELL, outside, "-O", "-Wignore::FutureWarning")
    return Told(*(answer for answer, _ in ends))  # type: ignore[arg-type]  # from JSON


def write_cpuinfo(folder: Path, flags: str) -> Path:
    path = folder / "cpuinfo"
    path.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: spectre_v1\n")
    return path


@pytest.fixture
def old_processor(tmp_path: Path) -> Path:
    """Return what Linux tells of a processor before AVX2."""
    return write_cpuinfo(tmp_path, "fpu sse sse2 ssse3 sse4_1 sse4_2 avx f16c")


@pytest.mark.parametrize("name", [*TOKENS, *STEERING])
def test_what_is_not_listed_stays_outside(name: str) -> None:
    assert name not in make_environment(TOKENS | STEERING)


@pytest.mark.parametrize("name", [*WAYS_OUT, "HOME", "PATH", "LC_ALL", "PYTHONPATH"])
def test_what_is_listed_is_kept(name: str) -> None:
    outside = WAYS_OUT | {"HOME": "/a", "PATH": "/b", "LC_ALL": "C", "PYTHONPATH": "/c"}
    assert make_environment(outside)[name] == outside[name]


def test_what_a_job_may_use_of_a_processor_is_no_choice_of_the_user() -> None:
    made = make_environment(HIGH | LOW | FORCED)
    assert {name: made[name] for name in PINS} == PINS
    assert {name: made[name] for name in THREADS} == THREADS
    assert "NPY_DISABLE_CPU_FEATURES" not in made


def test_a_made_environment_is_made_of_itself() -> None:
    made = make_environment(os.environ)
    assert make_environment(made) == made


def test_child_and_fork_server_are_started_with_a_made_environment(told: Told) -> None:
    for variables in told.variables:
        assert not {*TOKENS, *STEERING} & {*variables}
        assert "secret" not in "".join(variables.values())
        for expected in (PINS, THREADS, WAYS_OUT):
            assert {name: variables[name] for name in expected} == expected


def test_a_child_has_no_flags_of_python_that_change_what_code_does(told: Told) -> None:
    assert told.flags == [0, []]


def test_a_fork_server_that_something_else_has_started_is_refused() -> None:
    before = "import multiprocessing.forkserver as other; other.ensure_running();"
    ends, errors = ask_children("child_work.list_flags", {}, before=before)
    assert ends == [(None, 1)]
    assert "Something else started the fork server" in errors


def test_importing_what_restarts_the_fork_server_does_nothing_elsewhere() -> None:
    code = "import workers.restart as it; print(it.is_restarted())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"False\n"


def test_numpy_and_both_libraries_of_linear_algebra_are_pinned_in_a_child() -> None:
    targets = run_in_child(processor_probe.name_numpy_targets)
    assert targets.answer == ["X86_V3"]
    cores = run_in_child(processor_probe.name_blas_cores)
    assert cores.answer == {"numpy.libs": "Haswell", "scipy.libs": "Haswell"}


def test_results_are_equal_whatever_is_chosen_outside(told: Told) -> None:
    assert len(told.digests) > 100
    assert told.digests == run_in_child(processor_probe.probe).answer


def test_a_processor_without_avx2_is_not_told_to_use_it(old_processor: Path) -> None:
    assert not {*PINS} & {*make_environment({}, cpuinfo=old_processor)}


def test_a_processor_without_avx2_makes_no_pixels(old_processor: Path) -> None:
    with pytest.raises(ProcessorError, match="no AVX2 and FMA"):
        require_pins(cpuinfo=old_processor)


def test_pins_that_numpy_does_not_follow_are_an_error() -> None:
    code = "from workers.environment import require_pins; require_pins()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NPY_DISABLE_CPU_FEATURES": "X86_V3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ProcessorError: numpy on" in done.stderr


def test_pins_that_numpy_follows_are_no_error() -> None:
    assert run_in_child(require_pins).exit_code == 0
    assert run_in_child(child_work.add, 1, 1).answer == 2


def test_a_job_is_refused_where_numpy_computes_otherwise(tmp_path: Path) -> None:
    (tmp_path / "publish").mkdir()
    code = (
        "import sys; from pathlib import Path; from outcomes import make_job;"
        "from dataclasses import replace; from workers.run import _calibrate;"
        "job = replace(make_job(), versions={});"
        "sys.exit(_calibrate(job, Path(sys.argv[1]), None).error.type)"
    )
    folders = os.pathsep.join(filter(None, sys.path))
    variables = {"PYTHONPATH": folders, "NPY_DISABLE_CPU_FEATURES": "X86_V3"}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env=os.environ | variables,
        check=False,
    )
    log = (tmp_path / "publish" / "job.log").read_text()
    assert log.endswith("ProcessorError\n")
