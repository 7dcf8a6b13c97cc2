"""`rewebb reproduce`, `bundle` and `replay`, as a user meets them."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from commands import BIN, Rewebb, assert_refused, stopped, wait_until
from fits_differences import list_differences
from rocrate.rocrate import ROCrate

from flows.provenance import Database, find_outcomes, load_outcome
from flows.reproduction.unpacking import unpack
from workers.content import file_sha256, hash_content
from workers.contract import Outcome, Stage
from workers.trees import IN_USE

MakeRewebb = Callable[..., Rewebb]

STEM = "jw99002001001_04101_00001-seg001_nrs1"
CALIBRATED = f"{STEM}_calints.fits"
TSO = "jw99002-o001_t001_nirspec_clear-prism-s1600a1-sub512_x1dints.fits"


@pytest.fixture
def rewebb(
    make_rewebb: MakeRewebb, finished: Rewebb, standing: Mapping[str, str]
) -> Rewebb:
    """Return the command with a copy of the store of program 99002; see `record`."""
    return make_rewebb(finished).given(**standing)


def record(rewebb: Rewebb, change: Callable[[Outcome], Outcome]) -> None:
    """Record what is in the store, each job as if it had been another."""
    with Database.open(f"sqlite:///{rewebb.data}/rewebb.db") as database:
        for path in find_outcomes(rewebb.data):
            database.jobs.record_outcome(change(load_outcome(path)))


def list_store(rewebb: Rewebb) -> dict[str, tuple[int, int]]:
    files = [path for path in rewebb.data.rglob("*") if path.is_file()]
    stats = {str(p.relative_to(rewebb.data)): p.stat() for p in files}
    kept = {n: s for n, s in stats.items() if n.startswith("store/")}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in kept.items()}


def alter(rewebb: Rewebb) -> Path:
    """Let the store have another calibrated exposure, by a pixel."""
    (path,) = rewebb.data.glob(f"store/*/*/{CALIBRATED}")
    altered = path.with_name("altered.fits")
    shutil.copy(path, altered)
    with fits.open(altered, mode="update") as hdus:
        data = hdus["SCI"].data
        data[np.unravel_index(np.nanargmax(data), data.shape)] *= 1.5
    return altered.replace(path)


def describe(outcome: Outcome, path: Path) -> Outcome:
    """Let a job have made a file as it is now, if it has made it."""
    content, _ = hash_content(path)
    changed = {"sha256": file_sha256(path), "content_sha256": content}
    return replace(
        outcome,
        products=tuple(
            replace(product, **changed) if product.name == path.name else product
            for product in outcome.products
        ),
    )


def test_what_differs_is_named_by_extension_and_the_store_stays_as_it_is(
    rewebb: Rewebb,
) -> None:
    altered = alter(rewebb)
    record(rewebb, lambda outcome: describe(outcome, altered))
    before = list_store(rewebb)
    ended = rewebb.call_here("reproduce", CALIBRATED, "--json")
    assert (ended.code, ended.record["verdict"]) == (1, "DIFFERENT"), ended
    assert ended.record["environment"] == []
    (job,) = ended.record["jobs"]
    products = {product["name"]: product for product in job["products"]}
    assert products[f"{STEM}_x1dints.fits"]["verdict"] == "IDENTICAL"
    (found,) = products[CALIBRATED]["differences"]
    assert (found["part"], found["values"]) == ("SCI,1", 1)
    assert found["largest_relative"] == pytest.approx(1 / 3)
    assert list_store(rewebb) == before
    assert not list(rewebb.data.glob("scratch/reproduced/*"))


def test_a_chain_is_made_from_the_raw_file_and_an_older_environment_is_named(
    rewebb: Rewebb, tmp_path: Path
) -> None:
    def age(outcome: Outcome) -> Outcome:
        """Let a job be of the time before environments were recorded, elsewhere."""
        job = outcome.job
        job = replace(job, versions={**job.versions, "jwst": "2.9.9"})
        if job.stage is not Stage.DETECTOR1:
            moved = (replace(one, path=f"/gone/{one.name}") for one in job.inputs)
            job = replace(job, inputs=tuple(moved))
        return replace(outcome, job=job)

    record(rewebb, age)
    for name in ("killed", "kept"):
        (tmp_path / name).mkdir()
    (tmp_path / "killed" / IN_USE).touch()
    for path in rewebb.data.glob(f"store/*/*/{STEM}_rateints.fits"):
        path.unlink()
    alone = rewebb.call_here("reproduce", CALIBRATED)
    assert (alone.code, "`--chain` makes it again" in alone.out) == (2, True), alone
    ended = rewebb.call_here(
        *("reproduce", CALIBRATED, "--chain", "--in", str(tmp_path), "--keep")
    )
    assert ended.code == 0, ended
    changed = "the environment differs: jwst was 2.9.9, is 3.0.0"
    assert changed in ended.err.splitlines()
    assert ended.out.splitlines()[-1] == "IDENTICAL: 2 jobs"
    for made in ("rateints", "calints"):
        assert len([*tmp_path.glob(f"*/store/*/*/{STEM}_{made}.fits")]) == 1
    assert "killed" not in {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "kept").is_dir()


def test_what_is_gone_is_named_with_what_to_do(rewebb: Rewebb) -> None:
    def lose(outcome: Outcome) -> Outcome:
        job = outcome.job
        if job.stage is Stage.DETECTOR1:
            return replace(outcome, job=replace(job, crds_path=str(rewebb.data)))
        gone = (replace(file, path="/gone", sha256="x") for file in job.inputs)
        return replace(outcome, job=replace(job, inputs=tuple(gone)))

    record(rewebb, lose)
    ended = rewebb.call_here("reproduce", TSO, "--json")
    assert ended.code == 2, ended
    (job,) = ended.record["jobs"]
    assert job["verdict"] == "CANNOT"
    assert f"the input {CALIBRATED} with sha256 x is gone" in job["message"]
    assert "(it was /gone): bring it back" in job["message"]
    ended = rewebb.given(CRDS_PATH="").call_here("reproduce", f"detector1:{STEM}")
    assert ended.code == 2, ended
    assert f"is not in {rewebb.data}: `rewebb refs sync" in ended.out


def test_the_bundle_of_a_run_is_replayed_without_a_network_to_the_same_pixels(
    finished: Rewebb, tmp_path: Path
) -> None:
    run = finished.call_here("runs", "--json").record[-1]["id"]
    bundled = finished.call_here("bundle", run, str(tmp_path / "tso.zip"), "--json")
    assert (bundled.code, bundled.record["jobs"]) == (0, 5), bundled
    check_crate(tmp_path / "tso.zip")
    alone = tmp_path / "alone"
    alone.mkdir()
    (tmp_path / "tso.zip").rename(alone / "tso.zip")
    command = f"ip link set lo up && exec {BIN}/rewebb replay tso.zip"
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    ended = subprocess.run(
        ["unshare", *as_root, "--net", "sh", "-c", command],
        cwd=alone,
        env={
            **{name: os.environ[name] for name in ("HOME", "PATH", "XDG_CONFIG_HOME")},
            "REWEBB_SLOTS": "2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended
    assert ended.stdout.splitlines()[-1] == "IDENTICAL: 5 jobs"
    made = {path.name: path for path in (alone / "tso-replay/products").iterdir()}
    first = {
        path.name: path
        for path in finished.data.glob("store/*/*/*")
        if path.name.endswith((".fits", ".ecsv")) and path.name in made
    }
    assert len(first) == len(made) == 12
    for name, path in first.items():
        assert list_differences(path, made[name]) == []


def check_crate(path: Path) -> None:
    """Read a bundle as an RO-Crate, and go from a product to the raw files."""
    crate = ROCrate(path)
    assert crate.metadata.extra_terms == {}
    for name in ("name", "description", "datePublished", "license"):
        assert crate.root_dataset[name]
    files = {entity["name"]: entity for entity in crate.root_dataset["hasPart"]}
    assert {f"{STEM}_uncal.fits", "server_config"} <= files.keys()
    assert all(one["sha256"] and one["encodingFormat"] for one in files.values())
    actions = crate.root_dataset["mentions"]
    makers = {r["name"]: action for action in actions for r in action["result"]}
    seen, due = set(), [TSO]
    while due:
        name = due.pop()
        seen.add(name)
        read = makers[name]["object"] if name in makers else []
        due += [one["name"] for one in read if one["name"] not in seen]
    assert {f"{STEM}_uncal.fits", f"{STEM}_rateints.fits", CALIBRATED} <= seen


def test_a_bundle_that_is_killed_leaves_nothing_half(
    finished: Rewebb, tmp_path: Path
) -> None:
    path = tmp_path / "one.zip"
    with stopped(finished.start("bundle", TSO, str(path))) as process:
        wait_until(lambda: [*tmp_path.glob(".making-*/*")] or path.exists())
        process.kill()
        process.wait()
    if path.exists():  # it was quicker
        unpack(path, tmp_path / "first")
        path.unlink()
    ended = finished.call_here("bundle", TSO, str(path))
    assert ended.code == 0, ended
    unpack(path, tmp_path / "second")


def test_names_and_files_that_are_none_are_refused(
    finished: Rewebb, tmp_path: Path
) -> None:
    assert_refused(finished.call_here("reproduce", "nothing"), "No file nothing")
    path = tmp_path / "x.zip"
    assert_refused(
        finished.call_here("bundle", "nothing", str(path)), "No file nothing"
    )
    path.write_text("no bundle")
    assert_refused(finished.call_here("replay", str(path)), "x.zip is not a bundle")
    assert [*tmp_path.iterdir()] == [path]
