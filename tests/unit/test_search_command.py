"""`rewebb search` and `rewebb fetch`, in this process."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from exposures import raw_header
from loopback import Answer, serving
from typer.testing import CliRunner, Result

from flows.cli import app

FIRST = "jw99001001001_03101_00001_nrs1_uncal.fits"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def raw(elsewhere: Path) -> Path:
    """Return a folder with one raw file."""
    folder = elsewhere / "raw"
    folder.mkdir()
    header = fits.Header(raw_header(FIRST.removesuffix("_uncal.fits")))
    pixels = fits.ImageHDU(np.ones((2, 2), dtype=np.uint16), name="SCI")
    fits.HDUList([fits.PrimaryHDU(header=header), pixels]).writeto(folder / FIRST)
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def flat(done: Result) -> str:
    """Return what was printed, without the frame of an error."""
    return " ".join(done.output.replace("│", " ").split())


@pytest.mark.parametrize(
    "cone",
    [
        *("-1,0,1", "361,0,1", "0,-91,1", "0,91,1"),
        *("0,0,0", "0,0,-1", "0,0,181"),
        *("nan,0,1", "0,nan,1", "0,0,nan", "inf,0,1", "0,0,inf"),
    ],
)
def test_a_cone_that_is_not_on_the_sky_is_refused(cone: str) -> None:
    done = run("search", "--archive", "mast", f"--cone={cone}")
    assert done.exit_code == 2
    assert (
        "Expected RA 0-360, DEC -90-90, RADIUS above 0 and at most 180 degrees, got "
        f"{cone.replace(',', ', ')}." in flat(done)
    )


@pytest.mark.parametrize("cone", ["1,2", "1,2,3,4", "one,2,3", ""])
def test_a_cone_is_three_angles(cone: str) -> None:
    done = run("search", "--archive", "mast", f"--cone={cone}")
    assert done.exit_code == 2
    assert "Expected" in flat(done)
    assert "5h34m32s" in flat(done)


@pytest.mark.parametrize("cone", ["0,-90,180", "360,90,0.1"])
def test_a_cone_may_reach_the_ends_of_the_sky(raw: Path, cone: str) -> None:
    done = run("search", "--archive", raw, f"--cone={cone}", "--json")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--access", "public"],
        ["--optics", "G395H"],
        ["--access", "exclusive", "--optics", "G395H,F290LP", "--kind", "rate"],
    ],
)
def test_the_whole_mission_is_not_listed(options: list[str]) -> None:
    done = run("search", "--archive", "mast", *options)
    assert done.exit_code == 2
    assert "Say what to search" in flat(done)


def test_a_folder_may_be_listed_whole(raw: Path) -> None:
    record = json.loads(run("search", "--archive", raw, "--json").output)
    assert record["here"] == [FIRST]


@pytest.mark.parametrize("options", [[], ["--files"]])
def test_what_is_here_is_told(raw: Path, options: list[str]) -> None:
    done = run("search", "--archive", raw, *options)
    assert done.exit_code == 0, done.output
    row = next(line for line in done.output.splitlines() if line.startswith("99001"))
    assert row.split()[-1] == ("yes" if options else "1")
    assert "1 are here" in done.output


@pytest.mark.parametrize(
    ("keys", "why"),
    [([], ""), (["x/../jw1_uncal.fits"], "; refused the key 'x/../jw1_uncal.fits'")],
)
def test_a_fetch_of_nothing_says_so_and_what_was_refused(
    monkeypatch: pytest.MonkeyPatch, keys: list[str], why: str
) -> None:
    entries = [f"<Contents><Key>{key}</Key><Size>9</Size></Contents>" for key in keys]
    listed = f"<ListBucketResult>{''.join(entries)}</ListBucketResult>"
    with serving(lambda _: Answer(200, listed.encode())) as server:
        monkeypatch.setenv("REWEBB_S3_ENDPOINT", server.url)
        done = run("fetch", "99001", "--archive", "s3://bucket")
    assert done.exit_code == 2
    _, _, told = flat(done).partition("holds nothing of what is asked for")
    assert told.startswith(why)
    assert bool(told) is bool(why)
