"""`rewebb asn`, in this process."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from exposures import ifu_program, lrs_program
from large_pools import LARGE_POOLS
from typer.testing import CliRunner, Result

from flows.cli import app
from flows.models.exposures import Exposure

Run = Callable[..., Result]


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    path = tmp_path / "jw99001_20240101t000000_pool.csv"
    path.write_text(LARGE_POOLS["MRS, one background"](50))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["asn", *map(str, arguments)])


def test_it_lists_associations_and_what_is_not_used(pool: Path) -> None:
    done = run("--pool", pool)
    assert done.exit_code == 0, done.output
    assert "Asn_Lv3MIRMRS" in done.output
    assert "50 exposures" in done.output
    assert "MIR_TACONFIRM is a target acquisition" in done.output


def test_it_gives_the_reason_of_every_member(pool: Path) -> None:
    done = run("--pool", pool, "--explain", "--candidates", "c1000")
    assert "_rate.fits: background of the same mode" in done.output


def test_it_prints_json(pool: Path) -> None:
    record = json.loads(run("--pool", pool, "--json", "--official").output)
    types = {one["asn_type"] for one in record["associations"]}
    assert types == {"spec2", "spec3"}
    assert record["associations"][0]["members"][0]["reason"]


def write_program(
    folder: Path, suffix: str, exposures: Iterable[Exposure] = ()
) -> Path:
    folder.mkdir()
    for exposure in exposures or ifu_program():
        pixels = fits.ImageHDU(np.ones((2, 2)), name="SCI")
        primary = fits.PrimaryHDU(header=fits.Header(dict(exposure.header)))
        path = folder / f"{exposure.name}_{suffix}.fits"
        fits.HDUList([primary, pixels]).writeto(path)
    return folder


def test_rates_give_the_associations_of_the_raw_files(tmp_path: Path) -> None:
    raw, rates = (write_program(tmp_path / s, s) for s in ("uncal", "rate"))
    [of_raw, of_rates] = [run("--headers", f, "--json").output for f in (raw, rates)]
    assert json.loads(of_raw) == json.loads(of_rates)
    assert json.loads(of_raw)["associations"]


def test_documents_are_written_when_they_change(pool: Path, tmp_path: Path) -> None:
    out = tmp_path / "asn"
    first = run("--pool", pool, "--out", out)
    count = len(list(out.iterdir()))
    assert f"{count} documents are new or changed" in first.output
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert "0 documents are new or changed" in run("--pool", pool, "--out", out).output
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    document = json.loads(min(before).read_text())
    assert document["asn_pool"] == pool.name


def test_it_compares_member_by_member(pool: Path, tmp_path: Path) -> None:
    out = tmp_path / "asn"
    run("--pool", pool, "--out", out, "--official")
    assert run("--pool", pool, "--official", "--diff", out).exit_code == 0
    done = run("--pool", pool, "--diff", out)
    assert done.exit_code == 1
    assert "member only there" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give one of PROGRAM"),
        (["--pool", "missing.csv"], "cannot be read"),
        (["--headers", "."], "holds neither ..._uncal.fits nor ..._rate.fits"),
        (["99001", "--pool", "a.csv"], "Give one of PROGRAM"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_unknown_candidates_are_refused(pool: Path) -> None:
    done = run("--pool", pool, "--candidates", "c1999")
    assert done.exit_code == 2
    assert "unknown candidate c1999: there are c1000, o001, o002" in done.output


def test_it_says_what_nods_of_the_lrs_lack(tmp_path: Path) -> None:
    folder = write_program(tmp_path / "raw", "uncal", lrs_program()[1:2])
    nod = "jw99007001001_03101_00001_mirimage"
    lines = run("--headers", folder).output.splitlines()
    said = [line for line in lines if line.startswith(f"lacking   {nod}: ")]
    assert len(said) == 3
    record = json.loads(run("--headers", folder, "--json").output)
    assert [one["exposures"] for one in record["lacking"]] == [[nod]] * 3
