"""The sample programs as the pipeline, CRDS and the archive see them."""

import json
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from beside import REAL_DATA, needs
from crds import getrecommendations
from crds.core import exceptions, rmap
from jwst.stpipe.integration import get_steps
from stdatamodels.jwst import datamodels

from workers.sample import Mode, SampleSet, make_sample

FILES = {
    Mode.NIRSPEC_IFU_PRISM: 5,
    Mode.NIRSPEC_IFU_GRATINGS: 4,
    Mode.NIRSPEC_IFU_NOD: 4,
    Mode.NIRSPEC_BOTS_PRISM: 2,
    Mode.NIRSPEC_BOTS_G395H: 4,
    Mode.NIRSPEC_MOS_PRISM: 6,
    Mode.NIRSPEC_FS_PRISM: 3,
    Mode.MIRI_MRS: 3,
    Mode.MIRI_MRS_BANDS: 6,
    Mode.MIRI_LRS_SLIT: 3,
    Mode.MIRI_LRS_SLITLESS: 3,
    Mode.NIRSPEC_IFU_FLAWED: 2,
    Mode.NIRSPEC_BOTS_FLAWED: 1,
    Mode.NIRSPEC_BOTS_NRS2_FLAWED: 1,
    Mode.MIRI_MRS_FLAWED: 2,
    Mode.NIRSPEC_MOS_FLAWED: 2,
}
IFU = {
    Mode.NIRSPEC_IFU_PRISM,
    Mode.NIRSPEC_IFU_NOD,
    Mode.NIRSPEC_IFU_GRATINGS,
    Mode.NIRSPEC_IFU_FLAWED,
}
INSTRUMENTS = ("nirspec", "miri")
EVERY_RAW_FILE_HAS = {
    "DATE", "TELESCOP", "FILENAME", "SDP_VER", "PRD_VER", "OSS_VER", "CAL_VER",
    "CATEGORY", "PROGRAM", "OBSERVTN", "VISIT", "VISITGRP", "SEQ_ID", "ACT_ID",
    "EXPOSURE", "OBS_ID", "VISIT_ID", "TEMPLATE", "BKGDTARG", "VISITYPE",
    "TSOVISIT", "TARGPROP", "TARGNAME", "TARG_RA", "TARG_DEC", "SRCTYAPT",
    "INSTRUME", "DETECTOR", "EXP_TYPE", "EXPSTART", "EXPMID", "EXPEND", "READPATT",
    "NINTS", "NGROUPS", "NFRAMES", "TFRAME", "TGROUP", "EFFEXPTM", "IS_IMPRT",
    "SUBARRAY", "SUBSTRT1", "SUBSIZE1", "FASTAXIS", "SLOWAXIS", "PATTTYPE",
    "PATT_NUM", "NUMDTHPT", "SUBPXPTS", "XOFFSET", "YOFFSET", "APERNAME",
    "DATE-OBS", "TIME-OBS", "DATE-BEG", "DATE-END", "INTSTART", "INTEND",
}  # fmt: skip
EVERY_RAW_FILE_OF = {
    "NRS": {
        "FILTER", "GRATING", "LAMP", "OPMODE", "GWA_XTIL", "GWA_YTIL", "GWA_TILT",
    },
    "MIRIFU": {"CHANNEL", "BAND", "DITHDIRC", "DITHOPFR", "MRSPRCHN", "CCCSTATE"},
    "MIRIMAGE": {"FILTER", "CCCSTATE"},
}  # fmt: skip


@pytest.fixture
def crds(sample: SampleSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let CRDS use the cache of the sample, without a server."""
    monkeypatch.setenv("CRDS_PATH", str(sample.crds))
    monkeypatch.setenv("CRDS_READONLY_CACHE", "1")
    monkeypatch.delenv("CRDS_SERVER_URL", raising=False)


REAL_HEADER = REAL_DATA / "jw01345062001_03101_00001_nrs2_phot.138.1345_933.fits"

NOT_SIMULATED = {
    # Guide star and its acquisition.
    "GDSTARID", "GSENDTIM", "GSSTRTTM", "GS_DEC", "GS_MAG", "GS_ORDER", "GS_RA",
    "GS_UDEC", "GS_UMAG", "GS_URA", "GS_V3_PA", "VA_DEC", "VA_RA",
    # Telemetry, of which the pipeline reads no more than the tilt of the wheel.
    "GWA_PXAV", "GWA_PYAV", "GWA_XP_V", "GWA_YP_V", "SCTARATE",
    # The mirror, and files of the ground system.
    "NWFSEST", "PWFSEET", "OSF_FILE", "VISITEND", "DATAMODE",
    # The IRS2 readout.
    "NRS_NORM", "NRS_REF",
}  # fmt: skip
"""Cards of a real MOS exposure that nothing in the pipeline or in the rules reads."""

MADE_BY_PIPELINE = ("CRDS_", "R_", "S_", "EXTNCRS", "PRIMECRS")


def raw_headers(sample: SampleSet) -> dict[str, Any]:
    paths = [path for mode in Mode for path in sample.list_raw(mode)]
    return {path.name: fits.getheader(path) for path in paths}


def recommend(path: Path, context: str) -> dict[str, str]:
    """Ask for all reference types that the context knows."""
    with datamodels.open(path) as model:
        instrument = model.meta.instrument.name.lower()
        kinds = list(rmap.load_mapping(context).get_imap(instrument).selections)
        parameters = model.get_crds_parameters()
    found: dict[str, str] = getrecommendations(
        parameters, reftypes=kinds, context=context, observatory="jwst"
    )
    return found


def differences(sample: SampleSet, path: Path) -> dict[str, tuple[str, str]]:
    first, second = (recommend(path, context) for context in sample.contexts)
    return {
        kind: (first[kind], second[kind])
        for kind in first
        if first[kind] != second[kind]
    }


def test_raw_files_have_the_cards_of_the_archive(sample: SampleSet) -> None:
    headers = raw_headers(sample)
    assert {mode: len(sample.list_raw(mode)) for mode in Mode} == FILES
    for name, header in headers.items():
        wanted = EVERY_RAW_FILE_HAS.union(
            *(
                cards
                for start, cards in EVERY_RAW_FILE_OF.items()
                if header["DETECTOR"].startswith(start)
            )
        )
        assert set(header) >= wanted, name
        assert header["FILENAME"] == name


@needs(REAL_DATA)
def test_the_header_of_a_nod_has_the_cards_of_a_real_one(sample: SampleSet) -> None:
    real = fits.getheader(REAL_HEADER)
    ours = fits.getheader(sample.list_raw(Mode.NIRSPEC_MOS_PRISM)[1])
    there = {
        name
        for name in real
        if name not in {"", "COMMENT"} and not name.startswith(MADE_BY_PIPELINE)
    }
    assert there - set(ours) == NOT_SIMULATED
    kinds = {name: (type(real[name]), type(ours[name])) for name in there & set(ours)}
    assert {name for name, (one, other) in kinds.items() if one is not other} <= {
        "FOCUSPOS"
    }


def test_leakcals_and_backgrounds_say_so(sample: SampleSet) -> None:
    kinds = {
        name[:25]: (header["IS_IMPRT"], header["BKGDTARG"])
        for name, header in raw_headers(sample).items()
        if header["PROGRAM"] == Mode.NIRSPEC_IFU_PRISM.program
    }
    assert kinds == {
        "jw99001001001_02101_00001": (False, False),
        "jw99001001001_02101_00002": (False, False),
        "jw99001001001_04101_00001": (True, False),
        "jw99001002001_02101_00001": (False, True),
        "jw99001002001_04101_00001": (True, True),
    }


def test_times_of_integrations_go_on_over_the_segments(sample: SampleSet) -> None:
    numbers, starts = [], []
    for path in sample.list_raw(Mode.NIRSPEC_BOTS_PRISM):
        table = fits.getdata(path, "INT_TIMES")
        numbers += list(table["integration_number"])
        starts += list(table["int_start_MJD_UTC"])
    assert numbers == list(range(1, 41))
    assert starts == sorted(set(starts))


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("mode", sorted(IFU))
def test_the_contexts_differ_in_flux_and_parameters_of_the_ifu(
    sample: SampleSet, mode: Mode
) -> None:
    assert differences(sample, sample.list_raw(mode)[0]) == {
        "photom": ("jwst_nirspec_photom_0001.fits", "jwst_nirspec_photom_0002.fits"),
        "pars-spec2pipeline": (
            "jwst_nirspec_pars-spec2pipeline_0001.asdf",
            "jwst_nirspec_pars-spec2pipeline_0002.asdf",
        ),
    }


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("mode", sorted(set(Mode) - IFU))
def test_the_contexts_are_the_same_for_other_modes(
    sample: SampleSet, mode: Mode
) -> None:
    assert not differences(sample, sample.list_raw(mode)[0])


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("mode", Mode)
def test_every_step_can_ask_for_its_parameters(sample: SampleSet, mode: Mode) -> None:
    path = sample.list_raw(mode)[0]
    known = recommend(path, sample.contexts[0])
    asked = {f"pars-{name.rpartition('.')[2].lower()}" for name, _, _ in get_steps()}
    assert not asked - set(known)


@pytest.mark.usefixtures("crds")
def test_crds_finds_every_checksum_right(sample: SampleSet) -> None:
    for context in sample.contexts:
        mapping = rmap.load_mapping(context)
        assert len(mapping.mapping_names()) > 20


@pytest.mark.usefixtures("crds")
def test_crds_sees_a_changed_mapping(sample: SampleSet, tmp_path: Path) -> None:
    name = "jwst_nirspec_gain_0001.rmap"
    text = (sample.crds / "mappings" / "jwst" / name).read_text("utf-8")
    changed = tmp_path / name
    changed.write_text(text.replace("gain_0001.fits", "gain_0009.fits"), "utf-8")
    with pytest.raises(exceptions.ChecksumError):
        rmap.load_mapping(str(changed))


@pytest.mark.usefixtures("crds")
def test_every_reference_of_the_rules_is_in_the_cache(sample: SampleSet) -> None:
    folder = sample.crds / "references" / "jwst"
    there = {
        path.name
        for instrument in INSTRUMENTS
        for path in (folder / instrument).iterdir()
    }
    named = {
        name
        for context in sample.contexts
        for name in rmap.load_mapping(context).reference_names()
    }
    assert named == there


CHEAP = Mode.MIRI_LRS_SLITLESS, Mode.NIRSPEC_BOTS_PRISM, Mode.NIRSPEC_FS_PRISM
FULL = Mode.MIRI_MRS_BANDS, Mode.NIRSPEC_MOS_PRISM
"""Of whole detectors, one of each instrument: all would take minutes."""


@pytest.mark.parametrize(
    "modes",
    [
        pytest.param(CHEAP, id="cheap"),
        pytest.param(FULL, marks=pytest.mark.slow, id="full"),
    ],
)
def test_modes_made_again_one_by_one_are_those_made_at_once(
    sample: SampleSet, tmp_path: Path, modes: tuple[Mode, ...]
) -> None:
    """Byte by byte, in the other order.

    What is there is not touched, so that what was made from it can be planned.
    """
    for mode in reversed(modes):
        before = list_times(tmp_path)
        one_by_one = make_sample(tmp_path, modes=(mode,))
        assert list_times(tmp_path).items() >= before.items()
        raw = [path.name for path in one_by_one.list_raw(mode)]
        assert raw == [path.name for path in sample.list_raw(mode)] != []
    assert set(one_by_one.modes) == set(modes)
    found, expected = read_files(one_by_one), read_files(sample)
    assert found == {name: expected.get(name) for name in found}


def list_times(directory: Path) -> dict[str, tuple[int, int]]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    fixed = [path for path in files if path.name != "sample.json"]
    return {str(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in fixed}


def read_files(sample: SampleSet) -> Any:
    return json.loads(sample.manifest.read_text("utf-8"))["files"]


def test_a_spoilt_file_is_made_again_and_nothing_else(tmp_path: Path) -> None:
    sample = make_sample(tmp_path, modes=(Mode.MIRI_LRS_SLITLESS,))
    files, times = read_files(sample), list_times(tmp_path)
    spoilt = sample.crds / "references/jwst/miri/jwst_miri_gain_0003.fits"
    spoilt.write_bytes(b"cut")
    assert make_sample(tmp_path, modes=(Mode.MIRI_LRS_SLITLESS,)) == sample
    assert read_files(sample) == files
    changed = dict(list_times(tmp_path).items() - times.items())
    assert changed.keys() == {str(spoilt)}
