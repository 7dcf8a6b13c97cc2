"""Whatever is wrong outside comes to one sentence, and the rest is done."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from commands import Ended, Rewebb, assert_refused, find_processes, query
from spoiling import Files, Spoil, change_bytes, copy_files, cut, remove

from flows.provenance import Database, make_engine, upgrade
from workers.references.verdict import identify_file
from workers.sample import SampleSet

MakeRewebb = Callable[..., Rewebb]

RAW = "jw99002001001_04101_00001-seg001_nrs1_uncal.fits"
DETECTOR_1, DETECTOR_2, SPEC_1, SPEC_2 = (
    f"{stage}:jw99002001001_04101_00001-seg00{segment}_nrs1"
    for stage in ("detector1", "spec2")
    for segment in (1, 2)
)
TSO = "tso3:jw99002-o001_t001_nirspec_clear-prism-s1600a1-sub512"
PHOTOM = "jwst_nirspec_photom_0003.fits"
PARS = "jwst_nirspec_pars-detector1pipeline_0001.asdf"


@dataclass(frozen=True)
class Refusal:
    """Something because of which nothing can be done."""

    arguments: tuple[str, ...]
    """Of `rewebb`."""
    words: tuple[str, ...]
    """What the sentence names."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Over those of the tests."""


REFUSALS = {
    "an unknown program": Refusal(
        ("run", "00000"), ("unknown program 00000", "99001", "99002")
    ),
    "an unknown observation": Refusal(
        ("plan", "99002", "--observations", "042"), ("042", "99002", "holds 001")
    ),
    "an unknown context": Refusal(
        ("plan", "99002", "--context", "jwst_9999.pmap"), ("jwst_9999.pmap",)
    ),
    "an unwritable data folder": Refusal(
        ("run", "99002", "--data-dir", "/proc/rewebb"), ("/proc/rewebb", "data folder")
    ),
    "a data folder below a file": Refusal(
        ("plan", "99002", "--data-dir", "recipe.toml/data"), ("recipe.toml/data",)
    ),
    "an unknown recipe": Refusal(
        ("plan", "99002", "--recipe", "best"), ("'best'", "official", "selfcal")
    ),
    "a recipe with a forbidden parameter": Refusal(
        ("plan", "99002", "--recipe", "recipe.toml"),
        ("recipe.toml", "photom.override_photom"),
    ),
    "no CRDS_PATH": Refusal(
        ("plan", "99002"), ("No CRDS cache", "CRDS_PATH"), {"CRDS_PATH": ""}
    ),
    "a cache that is none": Refusal(
        ("plan", "99002"), ("is no CRDS cache", "server_config"), {"CRDS_PATH": "."}
    ),
    "a setting of the wrong type": Refusal(
        ("plan", "99002"), ("slots", "integer"), {"REWEBB_SLOTS": "zero"}
    ),
    "a scheduler that is no address": Refusal(
        ("plan", "99002"),
        ("clusters.there", "somewhere"),
        {"REWEBB_CLUSTERS": '{"there": {"kind": "address", "address": "somewhere"}}'},
    ),
    "a cluster profile that is not there": Refusal(
        ("plan", "99002", "--cluster", "locl"), ("'locl'", "Did you mean local?")
    ),
    "the setting of old for a scheduler": Refusal(
        ("plan", "99002"),
        ("is not a setting any more", "kind"),
        {"REWEBB_SCHEDULER": "tcp://127.0.0.1:8786"},
    ),
    "a database that is none": Refusal(
        ("plan", "99002"), ("foo", "sqlite"), {"REWEBB_DATABASE_URL": "foo://bar"}
    ),
}

RECIPE = """
title = "Reads what it likes"
[[parameters]]
stage = "spec2"
steps.photom.override_photom = "/etc/passwd"
"""


@dataclass(frozen=True)
class Damage:
    """Something that some of the jobs need, and others do not."""

    spoil: Spoil
    """How it came about."""
    states: Mapping[str, str]
    """What the jobs come to."""
    culprit: str
    """A job that fails."""
    words: tuple[str, ...]
    """What is said of it: file, expected and got."""
    is_known: bool = False
    """Whether the sound files were seen before."""


ONE_SEGMENT = {
    DETECTOR_1: "FAILED",
    DETECTOR_2: "REUSED",
    SPEC_1: "BLOCKED",
    SPEC_2: "SUCCEEDED",
    TSO: "BLOCKED",
}
"""When one of the raw files is bad: the other segment is done."""

NO_SPECTRA = {
    DETECTOR_1: "REUSED",
    DETECTOR_2: "REUSED",
    SPEC_1: "FAILED",
    SPEC_2: "FAILED",
    TSO: "BLOCKED",
}
"""When something is bad that only spec2 needs."""

NOTHING = {
    DETECTOR_1: "FAILED",
    DETECTOR_2: "FAILED",
    SPEC_1: "BLOCKED",
    SPEC_2: "BLOCKED",
    TSO: "BLOCKED",
}
"""When something is bad that detector1 needs."""

DAMAGES = {
    "a truncated raw file": Damage(
        cut(RAW, share=0.5), ONE_SEGMENT, DETECTOR_1, (RAW, "expected", "bytes", "got")
    ),
    "a tampered reference": Damage(
        change_bytes(PHOTOM),
        NO_SPECTRA,
        SPEC_1,
        (PHOTOM, "expected sha1", "got"),
        is_known=True,
    ),
    "a missing parameter reference": Damage(
        remove(PARS), NOTHING, DETECTOR_1, (PARS, "not in the CRDS cache: expected")
    ),
}


@pytest.fixture(scope="module")
def damaged(
    make_rewebb: MakeRewebb,
    half_done: Rewebb,
    sample: SampleSet,
    standing: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, Future[Ended]]]:
    """Every run that something is spoiled for; two at a time, as each mostly waits."""

    def call(case: Damage) -> Ended:
        files = copy_files(sample, tmp_path_factory.mktemp("spoiled"))
        rewebb = make_rewebb(half_done).given(
            CRDS_PATH=files.crds, REWEBB_ARCHIVE=files.archive, **standing
        )
        if case.is_known:
            know(rewebb, files, PHOTOM)
        case.spoil(files)
        return rewebb("run", "99002", "--json")

    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(call, case) for name, case in DAMAGES.items()}


def know(rewebb: Rewebb, files: Files, name: str) -> None:
    """Remember a reference as a run does that resolves its jobs."""
    engine = make_engine(f"sqlite:///{rewebb.data}/rewebb.db")
    upgrade(engine)
    seen = identify_file(files.find(name), None)
    Database(engine).files.remember_references(
        [seen], crds_path=str(files.crds), now=datetime.now(UTC)
    )
    engine.dispose()


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_done_is_refused_in_one_sentence(
    name: str,
    rewebb: Rewebb,
    monkeypatch: pytest.MonkeyPatch,
    standing: Mapping[str, str],
) -> None:
    case = REFUSALS[name]
    (rewebb.folder / "recipe.toml").write_text(RECIPE)
    monkeypatch.chdir(rewebb.folder)
    given = rewebb.given(**(case.variables or standing))
    # Prefect, which a run needs, keeps what it has found in the environment.
    call = given if "run" in case.arguments else given.call_here
    assert_refused(call(*case.arguments), *case.words)


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGES)
def test_what_does_not_need_the_bad_file_is_done_and_the_rest_says_why(
    name: str, damaged: Mapping[str, Future[Ended]]
) -> None:
    case, ended = DAMAGES[name], damaged[name].result()
    assert ended.code == 1, ended
    assert "Traceback" not in ended.out + ended.err
    assert ended.states == case.states, ended.out
    why = ended.why(case.culprit)
    assert [word for word in case.words if word not in why] == [], why
    assert "\n" not in why
    blocked = [key for key, state in case.states.items() if state == "BLOCKED"]
    assert all("needs " in ended.why(key) for key in blocked)


@pytest.fixture
def small_disk(rewebb: Rewebb) -> Iterator[Path]:
    """Mount a disk that detector1 of 99002 does not fit on."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk; CI does")
    disk = rewebb.folder / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert mounted.returncode == 0, f"no tmpfs here: {mounted.stderr}"
    yield disk
    for process in find_processes(disk):
        process.kill()
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(
    rewebb: Rewebb, small_disk: Path
) -> None:
    rewebb = rewebb.given(REWEBB_DATA_DIR=small_disk)
    ended = rewebb("run", "99002", "--json")
    assert ended.code in {1, 2}, ended
    assert "Traceback" not in ended.out + ended.err
    assert re.search(
        "No space left|Not enough space|disk is full", ended.out + ended.err
    )
    assert str(small_disk) in ended.out + ended.err
    grown = ["mount", "-o", "remount,size=200m", str(small_disk)]
    subprocess.run(grown, check=True)
    assert rewebb("run", "99002").code == 0
    assert rewebb.call_here("db", "verify").code == 0
    assert query(small_disk, "select id from run where state = 'RUNNING'") == []
