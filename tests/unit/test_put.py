"""Files that users bring: what is checked, and how they are kept."""

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from brought_files import (
    write_apertures,
    write_mask,
    write_profiles,
    write_spectrum,
)
from typer.testing import CliRunner

from config.brought import BROUGHT_KINDS
from flows.archive import BroughtFiles
from flows.cli import app
from flows.errors import ArchiveError, DataFolderError
from flows.models.brought import PutFile
from workers.brought import check_brought
from workers.content import file_sha256
from workers.contract import BROUGHT, TAKERS, BroughtReport
from workers.errors import BroughtError

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ROWS = np.linspace(0.55, 5.4)


def test_kinds_of_recipes_are_those_that_steps_take() -> None:
    assert {*BROUGHT_KINDS} == BROUGHT == {kind for kind, _ in TAKERS}


# What is checked.


@pytest.mark.parametrize(
    ("write", "name", "kind", "about"),
    [
        (write_spectrum, "a.fits", "background-spectrum", "50 rows, 0.55 to 5.4 um"),
        (write_mask, "a.fits", "bad-pixels", "2048 x 2048 pixels, 1 DO_NOT_USE"),
        (write_apertures, "a.json", "extract1d", "apertures of ANY"),
        (write_profiles, "a.asdf", "extract1d", "radius 0.3 to 0.5 arcsec"),
    ],
)
def test_a_file_says_what_it_is(
    write: Callable[[Path], Path], name: str, kind: str, about: str, tmp_path: Path
) -> None:
    report = check_brought(write(tmp_path / name))
    assert report.kind == kind
    assert about in report.about


def test_what_a_spectrum_covers_is_told(tmp_path: Path) -> None:
    assert check_brought(write_spectrum(tmp_path / "a.fits")).span_um == (0.55, 5.4)


WRONG_SPECTRA: dict[str, tuple[dict[str, Any], str]] = {
    "nanometres": ({"units": ("nm", "MJy/sr")}, "expected WAVELENGTH in um, got nm"),
    "flux": ({"units": ("um", "Jy")}, "expected SURF_BRIGHT in MJy/sr, got Jy"),
    "no unit": ({"units": ("um", "")}, "expected SURF_BRIGHT in MJy/sr, got no unit"),
    "backwards": ({"wavelength": ROWS[::-1]}, "does not in row 2: sort the rows"),
    "twice the same": ({"wavelength": [1, 2, 2, 3]}, "does not in row 3"),
    "no wavelength": ({"wavelength": [1, np.nan, 3]}, "WAVELENGTH is not finite"),
    "a single row": ({"wavelength": [1.0]}, "expected a spectrum, got 1 rows"),
    "called um": ({"wavelength": ROWS * 1000}, "expected wavelengths from 0.5 to 30"),
    "NaN": (
        {"bright": np.where(ROWS > 5, np.nan, 0.1)},
        "not finite in 5 of 50 rows, first at 5.00408 um",
    ),
    "a point": ({"bright": 0}, "extract the background as an EXTENDED source"),
    "subtracted": ({"S_MSBSUB": "COMPLETE"}, "its own was subtracted from it"),
}


@pytest.mark.parametrize("name", WRONG_SPECTRA)
def test_a_spectrum_that_the_step_would_misread_is_refused(
    name: str, tmp_path: Path
) -> None:
    changes, said = WRONG_SPECTRA[name]
    path = write_spectrum(tmp_path / "a.fits", **changes)
    with pytest.raises(BroughtError, match=re.escape(said)):
        check_brought(path)


def test_a_spectrum_without_a_column_is_refused(tmp_path: Path) -> None:
    column = fits.Column("WAVELENGTH", "D", unit="um", array=ROWS)
    table = fits.BinTableHDU.from_columns([column], name="EXTRACT1D")
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    with pytest.raises(BroughtError, match="has no column SURF_BRIGHT"):
        check_brought(path)


def test_a_spectrum_that_the_step_cannot_read_is_refused(tmp_path: Path) -> None:
    """Made by astropy alone, say: neither DATAMODL nor an ASDF tree."""
    path = tmp_path / "a.fits"
    with fits.open(write_spectrum(tmp_path / "b.fits")) as hdus:
        fits.HDUList([fits.PrimaryHDU(), hdus["EXTRACT1D"]]).writeto(path)
    with pytest.raises(BroughtError, match="master_background cannot read it"):
        check_brought(path)


def test_of_two_spectra_none_is_chosen(tmp_path: Path) -> None:
    path = write_spectrum(tmp_path / "a.fits")
    with fits.open(path, mode="append") as hdus:
        hdus.append(hdus["EXTRACT1D"].copy())
    with pytest.raises(BroughtError, match="expected one spectrum, got 2"):
        check_brought(path)


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(BroughtError, match="expected a whole FITS file"):
        check_brought(path)


FLAGS = np.eye(8, dtype=np.int32)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (np.zeros((2, 8, 8), np.int32), "got the shape (2, 8, 8)"),
        (np.ones((8, 4096), np.int32), "got the shape (8, 4096)"),
        (FLAGS.astype(np.float32), "integers below 2**32, got >f4 from 0.0 to 1.0"),
        (-FLAGS, "integers below 2**32, got >i4 from -1 to 0"),
        (2 * FLAGS, "flags no pixel as DO_NOT_USE"),
        (np.ones((8, 8), np.int32), "flags every pixel as DO_NOT_USE"),
    ],
)
def test_a_mask_that_would_flag_something_else_is_refused(
    flags: Any, said: str, tmp_path: Path
) -> None:
    with pytest.raises(BroughtError, match=re.escape(said)):
        check_brought(write_mask(tmp_path / "a.fits", flags))


def test_a_table_is_no_mask(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    table = fits.BinTableHDU.from_columns([fits.Column("A", "D", array=ROWS)])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    with pytest.raises(BroughtError, match="or a mask of bad pixels"):
        check_brought(path)


@pytest.mark.parametrize(
    ("aperture", "said"),
    [
        ({"id": 3}, "aperture 1: expected a table with an `id`"),
        ({"extract_width": "6"}, "expected a number of pixels as extract_width, got"),
        ({"ystart": 9, "ystop": 4}, "ystart 9 is after ystop 4"),
        ({"src_coeff": [[1.0]]}, "expected pairs of polynomials as src_coeff"),
        ({"bkg_coeff": [1, 2]}, "expected pairs of polynomials as bkg_coeff"),
        ({"use_source_posn": "no"}, "expected true or false as use_source_posn"),
    ],
)
def test_wrong_apertures_of_slits_are_refused(
    aperture: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(BroughtError, match=re.escape(said)):
        check_brought(write_apertures(tmp_path / "a.json", **aperture))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "expected FITS"),
        ("\xff", "expected FITS"),
        ("[]", "a list of `apertures`"),
        ('{"apertures": []}', "a list of `apertures`"),
    ],
)
def test_what_is_no_such_file_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(BroughtError, match=said):
        check_brought(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"radius": None}, "a wrong, 'radius'"),
        ({"radius": np.array([0.3, 0.4])}, "of one length each"),
        ({"radius": np.array([0.3, np.nan, 0.4])}, "expected finite numbers"),
        ({"radius": np.array([0.3, -0.4, 0.4])}, "expected radii above 0"),
        ({"inner_bkg": np.array([2.0, 2.0, 2.0])}, "inner_bkg below outer_bkg"),
    ],
)
def test_wrong_apertures_of_cubes_are_refused(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(BroughtError, match=said):
        check_brought(write_profiles(tmp_path / "a.asdf", **changes))


# How they are kept.


@pytest.fixture
def brought(tmp_path: Path) -> BroughtFiles:
    return BroughtFiles(tmp_path / "data")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write_apertures(tmp_path / "mine.json")


def put(brought: BroughtFiles, path: Path) -> PutFile:
    file, _ = brought.put(path, check_brought, now=NOW)
    return file


def list_names(tmp_path: Path) -> list[str]:
    root = tmp_path / "data" / "brought"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_a_file_is_kept_under_its_hash_and_found_by_it(
    brought: BroughtFiles, mine: Path, tmp_path: Path
) -> None:
    kept = put(brought, mine)
    assert kept.sha256 == file_sha256(mine) == file_sha256(kept.path)
    name = f"extract1d-{kept.sha256[:16]}.json"
    own = [f"{kept.sha256}/{name}", f"{kept.sha256}/put.json"]
    assert list_names(tmp_path) == [kept.sha256, *own]
    assert brought.find(kept.sha256) == kept
    assert brought.list_all() == (kept,)


def test_to_put_it_again_changes_nothing(brought: BroughtFiles, mine: Path) -> None:
    kept = put(brought, mine)
    before = [path.stat() for path in sorted(kept.path.parent.iterdir())]

    def refuse(_: Path) -> BroughtReport:
        raise AssertionError("checked again")

    again, is_new = brought.put(mine, refuse, now=datetime.now(UTC))
    assert (again, is_new) == (kept, False)
    assert [path.stat() for path in sorted(kept.path.parent.iterdir())] == before


def test_what_becomes_of_the_file_later_changes_nothing(
    brought: BroughtFiles, mine: Path
) -> None:
    kept = put(brought, mine)
    mine.write_text("something else")
    assert brought.find(kept.sha256) == kept


def test_a_file_that_cannot_be_used_leaves_nothing(
    brought: BroughtFiles, tmp_path: Path
) -> None:
    with pytest.raises(BroughtError):
        put(brought, write_apertures(tmp_path / "wrong.json", id=3))
    assert list_names(tmp_path) == []


def test_what_is_checked_is_the_copy(brought: BroughtFiles, mine: Path) -> None:
    """Its owner may change the file while it is checked."""

    def change(copy: Path) -> BroughtReport:
        mine.write_text("something else")
        return check_brought(copy)

    kept, _ = brought.put(mine, change, now=NOW)
    assert b"extract_width" in kept.path.read_bytes()


def test_a_copy_that_was_not_written_as_it_is_is_not_kept(
    brought: BroughtFiles, mine: Path, tmp_path: Path
) -> None:
    def spoil(copy: Path) -> BroughtReport:
        report = check_brought(copy)
        copy.write_bytes(copy.read_bytes()[:-1])
        return report

    with pytest.raises(DataFolderError, match="was not written as it is"):
        brought.put(mine, spoil, now=NOW)
    assert not [name for name in list_names(tmp_path) if "." in name]


def test_a_kept_file_that_has_changed_is_an_error_and_put_mends_it(
    brought: BroughtFiles, mine: Path
) -> None:
    kept = put(brought, mine)
    kept.path.write_text("{}")
    with pytest.raises(ArchiveError, match=r"its sha256 is .*`rewebb put mine.json`"):
        brought.find(kept.sha256)
    put(brought, mine)
    assert brought.find(kept.sha256) is not None


def test_a_link_in_its_place_is_an_error(
    brought: BroughtFiles, mine: Path, tmp_path: Path
) -> None:
    kept = put(brought, mine)
    kept.path.rename(tmp_path / "elsewhere.json")
    kept.path.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ArchiveError, match="it is a link to elsewhere"):
        brought.find(kept.sha256)


def test_a_record_that_names_another_place_is_not_believed(
    brought: BroughtFiles, mine: Path
) -> None:
    kept = put(brought, mine)
    record = kept.path.with_name("put.json")
    tree = json.loads(record.read_text())
    record.write_text(json.dumps({**tree, "file": f"../../../{mine.name}"}))
    assert brought.find(kept.sha256) is None


@pytest.mark.parametrize("name", ["", "..", "../..", "A" * 64, "a" * 63 + "/"])
def test_only_a_hash_names_a_file(brought: BroughtFiles, name: str, mine: Path) -> None:
    put(brought, mine)
    assert brought.find(name) is None


def test_a_pipe_is_not_waited_for(brought: BroughtFiles, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchiveError, match="a pipe instead of a regular file"):
        put(brought, tmp_path / "pipe")


def test_a_file_that_is_not_there_is_named(
    brought: BroughtFiles, tmp_path: Path
) -> None:
    with pytest.raises(ArchiveError, match=r"none\.fits cannot be read: No such file"):
        put(brought, tmp_path / "none.fits")


def test_a_data_folder_that_cannot_be_written_is_said(
    mine: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFolderError, match="cannot be kept in"):
        put(BroughtFiles(tmp_path / "file"), mine)


# The command.


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["put", *map(str, arguments)])


def test_put_prints_what_a_recipe_says(mine: Path, tmp_path: Path) -> None:
    options = ("--data-dir", tmp_path / "data")
    first = invoke(mine, *options)
    assert first.exit_code == 0, first.output
    sha256 = file_sha256(mine)
    assert f'[[files]]\nkind = "extract1d"\nsha256 = "{sha256}"\n' in first.output
    assert "already" not in first.output
    assert "already" in invoke(mine, *options).output
    assert sha256 in invoke("--list", *options).output
    (kept,) = json.loads(invoke("--list", "--json", *options).output)
    assert (kept["sha256"], kept["brought_as"]) == (sha256, "mine.json")


def test_a_file_of_another_kind_is_refused(mine: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    done = invoke(mine, "--kind", "bad-pixels", "--data-dir", data_dir)
    assert done.exit_code == 2
    assert "expected a file of kind bad-pixels, got extract1d" in done.output
    assert invoke("--data-dir", data_dir).exit_code == 2
