from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.modeling.models import Identity
from gwcs import WCS, coordinate_frames
from stdatamodels.jwst.datamodels import ImageModel, MultiSlitModel, SlitModel
from typer.testing import CliRunner

from flows.cli import app
from workers.errors import SlitError
from workers.stages.wrapping import wrap_slits

FIRST = "jw01345062001_03101_00001_nrs2_cal.fits"
SECOND = "jw01345062001_03101_00002_nrs2_cal.fits"


@dataclass(frozen=True)
class Given:
    """What of a slit tests choose."""

    name: str = "138"
    number: str = "1"
    unit: str = "MJy/sr"
    context: str = "jwst_1225.pmap"
    group: str | None = "03"


WriteSlit = Callable[..., Path]


def _wcs() -> WCS:
    names = ["detector", "world"]
    frames = [
        coordinate_frames.Frame2D(name=name, unit=(units.pix,) * 2) for name in names
    ]
    return WCS([(frames[0], Identity(2)), (frames[1], None)])


def _make_slit(given: Given) -> SlitModel:
    slit = SlitModel(np.full((4, 6), float(given.number), np.float32))
    slit.name, slit.source_id = given.name, 933
    observation = {
        "program_number": "01345",
        "observation_number": "062",
        "visit_number": "001",
        "visit_group": given.group,
        "sequence_id": "1",
        "activity_id": "01",
        "exposure_number": given.number,
    }
    slit.update({"meta": {"observation": observation}})
    slit.meta.instrument.name, slit.meta.instrument.detector = "NIRSPEC", "NRS2"
    slit.meta.calibration_software_version = "1.14.0"
    slit.meta.ref_file.crds.context_used = given.context
    slit.meta.bunit_data = given.unit
    slit.meta.wcs = _wcs()
    return slit


@pytest.fixture
def write_slit(tmp_path: Path) -> WriteSlit:
    def write(file: str, **chosen: str | None) -> Path:
        path = tmp_path / f"{file}.fits"
        with _make_slit(Given(**chosen)) as slit:
            slit.save(path)
        return path

    return write


def test_slits_go_into_the_exposure_that_their_headers_name(
    tmp_path: Path, write_slit: WriteSlit
) -> None:
    slits = [
        write_slit("a"),
        write_slit("b", name="139"),
        write_slit("c", number="2"),
    ]
    assert wrap_slits(slits, tmp_path / "out") == (FIRST, SECOND)
    with MultiSlitModel(tmp_path / "out" / FIRST) as exposure:
        assert [slit.name for slit in exposure.slits] == ["138", "139"]
        assert all((slit.data == 1).all() for slit in exposure.slits)
        assert exposure.slits[0].meta.wcs(2, 3) == (2, 3)


def test_what_the_slits_say_of_their_making_stays(
    tmp_path: Path, write_slit: WriteSlit
) -> None:
    wrap_slits([write_slit("a")], tmp_path / "out")
    header = fits.getheader(tmp_path / "out" / FIRST)
    assert (header["CAL_VER"], header["CRDS_CTX"]) == ("1.14.0", "jwst_1225.pmap")
    assert (header["DATAMODL"], header["FILENAME"]) == ("MultiSlitModel", FIRST)
    assert header["S_PHOTOM"] == "COMPLETE"
    assert "slit 138 is that of a.fits, sha256" in str(header["HISTORY"])


def test_slits_that_do_not_go_together_are_refused(
    tmp_path: Path, write_slit: WriteSlit
) -> None:
    first = write_slit("a")
    twice = [first, write_slit("b")]
    with pytest.raises(SlitError, match="a slit is given twice: 138, 138"):
        wrap_slits(twice, tmp_path / "out")
    mixed = [first, write_slit("c", name="139", context="jwst_1226.pmap")]
    with pytest.raises(SlitError, match=r"alike.*1225\.pmap and .*1226\.pmap"):
        wrap_slits(mixed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(tmp_path: Path, write_slit: WriteSlit) -> None:
    slits = [write_slit("a"), write_slit("b", number="2")]
    wrap_slits(slits[1:], tmp_path / "out")
    with pytest.raises(SlitError, match=f"{SECOND} is there already"):
        wrap_slits(slits, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [SECOND]


def test_a_slit_that_is_not_calibrated_is_refused(
    tmp_path: Path, write_slit: WriteSlit
) -> None:
    with pytest.raises(SlitError, match=r"SlitModel in MJy/sr .* SlitModel in DN/s"):
        wrap_slits([write_slit("a", unit="DN/s")], tmp_path)


def test_another_product_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "a.fits"
    with ImageModel(np.ones((3, 3), np.float32)) as model:
        model.save(image)
    (tmp_path / "b.fits").write_text("no slit")
    for name, words in (("a", "got a ImageModel"), ("b", "calibrated slit")):
        with pytest.raises(SlitError, match=words):
            wrap_slits([tmp_path / f"{name}.fits"], tmp_path)


def test_a_slit_of_no_exposure_is_refused(
    tmp_path: Path, write_slit: WriteSlit
) -> None:
    with pytest.raises(SlitError, match="VISITGRP"):
        wrap_slits([write_slit("a", group=None)], tmp_path)


def test_the_command_says_what_it_made_and_what_is_wrong(
    tmp_path: Path, write_slit: WriteSlit
) -> None:
    command = ["wrap", str(write_slit("a")), "--out", str(tmp_path / "out")]
    first, again = (CliRunner().invoke(app, command) for _ in range(2))
    assert (first.exit_code, again.exit_code) == (0, 2)
    assert "1 slits of 1 exposures" in first.output
