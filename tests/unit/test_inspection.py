from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from outcomes import make_input, make_job
from stdatamodels.jwst.datamodels import ImageModel

from workers.contract import (
    METAFILE,
    Caveat,
    CaveatKind,
    Input,
    Job,
    ReferenceUse,
    Stage,
    StepStatus,
)
from workers.stages.caveats import (
    find_caveats,
    get_steps,
    list_reference_conflicts,
    read_headers,
)
from workers.stages.looking import look_at

NAN = np.full((2, 2), np.nan, np.float32)
ONES = np.ones((2, 2), np.float32)
JOB = replace(
    make_job(),
    stage=Stage.SPEC3,
    exp_type="MIR_LRS",
    parameters={"steps": {"photom": {"skip": False}, "bkg_subtract": {"skip": False}}},
    overrides={},
)

ALIASES = {
    "bkg_subtract": "back_sub",
    "photom": "photom",
    "cube_build": "cube_build",
    "targ_centroid": "targ_centroid",
}


def write(folder: Path, name: str, *hdus: fits.hdu.base.ExtensionHDU) -> Path:
    path = folder / name
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path


def save(folder: Path, **of_meta: object) -> Path:
    model = ImageModel(ONES)
    model.update({"meta": of_meta})
    path = folder / "a_cal.fits"
    model.save(path)
    model.close()
    return path


def kinds(caveats: Sequence[Caveat]) -> list[CaveatKind]:
    return [caveat.kind for caveat in caveats]


def inspect(job: Job, *products: Path, **steps: str) -> tuple[Caveat, ...]:
    status = [StepStatus(step, word) for step, word in steps.items()]
    empty = look_at(job.stage, products).empty
    return find_caveats(job, products, status, ALIASES, empty=empty)


def test_data_that_are_all_nan_are_a_caveat(tmp_path: Path) -> None:
    path = write(tmp_path, "a_s3d.fits", fits.ImageHDU(NAN, name="SCI"))
    [caveat] = inspect(JOB, path)
    assert caveat.kind is CaveatKind.ALL_NAN
    assert "SCI extension 1 of a_s3d.fits" in caveat.message


def test_one_good_pixel_is_enough(tmp_path: Path) -> None:
    data = NAN.copy()
    data[0, 0] = 0
    assert not inspect(
        JOB, write(tmp_path, "a_s3d.fits", fits.ImageHDU(data, name="SCI"))
    )


def test_only_science_arrays_are_looked_at(tmp_path: Path) -> None:
    hdus = [fits.ImageHDU(ONES, name="SCI"), fits.ImageHDU(NAN, name="ERR")]
    assert not inspect(JOB, write(tmp_path, "a_s3d.fits", *hdus))


@pytest.mark.parametrize(("flux", "found"), [(np.nan, ["ALL_NAN"]), (1.0, [])])
def test_spectra_are_looked_at(tmp_path: Path, flux: float, found: list[str]) -> None:
    table = Table({"WAVELENGTH": [1.0, 2.0], "FLUX": [flux, flux]})
    path = write(tmp_path, "a_x1d.fits", fits.BinTableHDU(table, name="EXTRACT1D"))
    assert kinds(inspect(JOB, path)) == found


def test_a_failed_step_is_a_caveat() -> None:
    [caveat] = inspect(JOB, photom="FAILED")
    assert (caveat.kind, caveat.message) == ("STEP_FAILED", "the step photom FAILED")


def test_a_skipped_step_is_a_caveat_only_when_somebody_asked_for_it() -> None:
    asked = replace(JOB, overrides={"steps": {"photom": {"skip": False}}})
    assert kinds(inspect(asked, photom="SKIPPED")) == ["STEP_SKIPPED"]
    assert inspect(JOB, photom="SKIPPED") == ()


def with_background(folder: Path, **tilts: float) -> Job:
    """Make a job with a background; of science and background the tilt in GWA_XTIL."""
    inputs = []
    for exptype, tilt in tilts.items():
        path = folder / f"{exptype}_rate.fits"
        header = fits.Header({"GWA_XTIL": tilt, "GWA_YTIL": 0.5})
        fits.PrimaryHDU(header=header).writeto(path)
        file = replace(make_input(path.name), path=str(path), exptype=exptype)
        inputs.append(file)
    return replace(JOB, inputs=tuple(inputs))


def test_members_ask_for_their_step(tmp_path: Path) -> None:
    job = with_background(tmp_path, science=0.25, background=0.25)
    [caveat] = inspect(job, back_sub="SKIPPED")
    assert caveat.message == (
        "the pipeline skipped bkg_subtract although there are background members"
    )


def test_a_moved_grating_wheel_is_why_no_background_was_subtracted(
    tmp_path: Path,
) -> None:
    job = with_background(tmp_path, science=0.25, background=0.26)
    [caveat] = inspect(job, back_sub="SKIPPED")
    assert caveat.message.endswith(
        "GWA_XTIL and GWA_YTIL of background_rate.fits (0.26, 0.5) are not those of "
        "the science (0.25, 0.5)"
    )


def test_a_verification_image_asks_for_its_step() -> None:
    member = replace(make_input("b_rate.fits"), exptype="target_acquisition")
    parameters = {"steps": {"targ_centroid": {"skip": False}}}
    job = replace(JOB, inputs=(*JOB.inputs, member), parameters=parameters)
    [caveat] = inspect(job, targ_centroid="SKIPPED")
    assert "there are target_acquisition members" in caveat.message


def test_a_missing_product_is_a_caveat() -> None:
    job = replace(JOB, exp_type="NRS_IFU")
    found = [caveat.message for caveat in inspect(job)]
    assert [message.split()[-2] for message in found] == ["crf", "s3d", "x1d"]
    assert all("made no" in message for message in found)


def test_what_a_skipped_step_would_make_is_not_missed() -> None:
    steps = {
        name: {"skip": True}
        for name in ("cube_build", "extract_1d", "outlier_detection")
    }
    job = replace(JOB, exp_type="NRS_IFU", parameters={"steps": steps})
    assert inspect(job) == ()


@pytest.mark.parametrize(
    ("status", "said"), [("FAILED", ["STEP_FAILED"]), ("SKIPPED", [])]
)
def test_of_a_step_that_did_not_run_it_is_said_once(
    status: str, said: list[str]
) -> None:
    steps = {name: {"skip": True} for name in ("extract_1d", "outlier_detection")}
    job = replace(JOB, exp_type="NRS_IFU", parameters={"steps": steps})
    assert kinds(inspect(job, cube_build=status)) == said


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({}, ["UNEXPECTED_PRODUCT"]),
        ({"steps": {"jump": {"save_results": True}}}, []),
    ],
)
def test_a_product_that_nobody_makes_or_asks_for_is_a_caveat(
    tmp_path: Path, overrides: dict[str, object], said: list[str]
) -> None:
    names = ("a_crf.fits", "a_s3d.fits", "a_x1d.fits", "a_jump.fits")
    paths = [write(tmp_path, name) for name in names]
    job = replace(JOB, exp_type="NRS_IFU", overrides=overrides)
    assert kinds(inspect(job, *paths)) == said


def test_the_worst_status_of_a_step_counts(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder, status in zip(folders, ("COMPLETE", "FAILED"), strict=True):
        folder.mkdir()
        save(folder, cal_step={"photom": status, "flat_field": "SKIPPED"})
    products = [folder / "a_cal.fits" for folder in folders]
    assert get_steps(read_headers(products), {"photom"}) == (
        StepStatus("photom", "FAILED"),
    )


def resolve_photom(*inputs: Input) -> Job:
    """Make a job for which the first photom was resolved."""
    file = replace(make_job().pars[0].file, name="photom_1.fits")
    return replace(JOB, references=(ReferenceUse("photom", file),), inputs=inputs)


@pytest.mark.parametrize(
    ("recorded", "conflicts"),
    [
        ("crds://photom_1.fits", []),
        (
            "crds://photom_2.fits",
            ["photom crds://photom_1.fits but crds://photom_2.fits"],
        ),
        ("N/A", ["photom crds://photom_1.fits but N/A"]),
    ],
)
def test_a_product_must_record_what_was_resolved(
    tmp_path: Path, recorded: str, conflicts: list[str]
) -> None:
    path = save(tmp_path, ref_file={"photom": {"name": recorded}})
    headers = read_headers([path])
    assert list_reference_conflicts(resolve_photom(), headers, tmp_path) == conflicts


def test_a_product_may_record_what_an_input_was_made_with(tmp_path: Path) -> None:
    path = save(tmp_path, ref_file={"photom": {"name": "crds://photom_2.fits"}})
    job = resolve_photom(make_input(path.name))
    assert list_reference_conflicts(job, read_headers([path]), tmp_path) == []


def test_a_metafile_is_not_asked_for_references(tmp_path: Path) -> None:
    shutters = make_input(write(tmp_path, "a_msa.fits").name)
    job = resolve_photom(replace(shutters, exptype=METAFILE))
    path = save(tmp_path, ref_file={"photom": {"name": "crds://photom_2.fits"}})
    assert len(list_reference_conflicts(job, read_headers([path]), tmp_path)) == 1


def test_a_product_must_record_the_context(tmp_path: Path) -> None:
    path = save(tmp_path, ref_file={"crds": {"context_used": "jwst_0002.pmap"}})
    job = replace(JOB, inputs=(make_input(path.name),))
    assert list_reference_conflicts(job, read_headers([path]), tmp_path) == [
        f"crds.context_used {JOB.context} but jwst_0002.pmap"
    ]


def test_a_source_may_keep_the_context_of_its_exposures(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("kept", "own")]
    for folder, context in zip(folders, ("jwst_0002.pmap", JOB.context), strict=True):
        folder.mkdir()
        save(folder, ref_file={"crds": {"context_used": context}})
    headers = read_headers(folder / "a_cal.fits" for folder in folders)
    job = replace(JOB, inputs=(make_input("a_cal.fits"),))
    assert list_reference_conflicts(job, headers, tmp_path / "kept") == []
    assert len(list_reference_conflicts(job, headers, tmp_path / "own")) == 1


def write_slits(folder: Path, name: str, *slits: tuple[str, int, str]) -> Path:
    """Write a level-2 product: name and number of the source, and name, of slits."""
    keywords = ("SRCNAME", "SOURCEID", "SLTNAME")
    headers = [fits.Header(zip(keywords, slit, strict=True)) for slit in slits]
    return write(
        folder, name, *(fits.ImageHDU(ONES, header, name="SCI") for header in headers)
    )


def combine(job_name: str, exp_type: str, *members: Path) -> Job:
    inputs = tuple(
        replace(make_input(path.name), path=str(path), exptype="science")
        for path in members
    )
    steps = {name: {"skip": False} for name in ("extract_1d", "outlier_detection")}
    steps["resample_spec"] = {"skip": True}
    return replace(
        JOB,
        name=job_name,
        exp_type=exp_type,
        inputs=inputs,
        parameters={"steps": steps},
    )


MOS_NAME = "jw99004-o001_{source_id}_nirspec_clear-prism"
MOS_SLITS = (("99004_1", 1, "1"), ("99004_BKG4", 4, "4"), ("99004_-7", -7, "9"))


def test_every_source_of_the_shutters_has_its_products(tmp_path: Path) -> None:
    first = write_slits(tmp_path, "a_cal.fits", *MOS_SLITS)
    second = write_slits(tmp_path, "b_cal.fits", MOS_SLITS[0], ("99004_12", 12, "2"))
    made = [
        tmp_path / f"jw99004-o001_{source}_nirspec_clear-prism_{suffix}.fits"
        for source in ("s000000001", "s000000012", "b000000004", "v000000007")
        for suffix in ("cal", "crf", "x1d", "c1d")
    ]
    for path in made:
        fits.PrimaryHDU().writeto(path)
    job = combine(MOS_NAME, "NRS_MSASPEC", first, second)
    assert inspect(job, *made) == ()
    missing = [made[0], made[-1]]
    messages = [caveat.message for caveat in inspect(job, *made[1:-1])]
    assert messages == [f"spec3 of {MOS_NAME} made no {p.name}" for p in missing]


def test_products_of_fixed_slits_are_named_after_source_and_slits(
    tmp_path: Path,
) -> None:
    name = "jw99005-o001_t001-{source_id}_nirspec_clear-prism-{slit_name}"
    first = write_slits(tmp_path, "a_cal.fits", ("", 1, "S200A1"), ("", 12, "S200A2"))
    second = write_slits(tmp_path, "b_cal.fits", ("", 1, "S200A2"))
    job = combine(name, "NRS_FIXEDSLIT", first, second)
    messages = [caveat.message for caveat in inspect(job)]
    assert [message.split()[-1] for message in messages[:2]] == [
        "jw99005-o001_t001-s000000001_nirspec_clear-prism-s200a1-s200a2_cal.fits",
        "jw99005-o001_t001-s000000012_nirspec_clear-prism-s200a2_cal.fits",
    ]


@pytest.mark.parametrize(
    ("output_type", "said"),
    [("band", ["made no cube of its second channel"]), ("multi", [])],
)
def test_a_cube_that_spec2_does_not_keep_is_missed(
    tmp_path: Path, output_type: str, said: list[str]
) -> None:
    parts = {"band": ("0_x1d", "1_x1d"), "multi": ("x1d",)}[output_type]
    cube_build = {"skip": False, "output_type": output_type, "channel": "all"}
    job = replace(
        JOB,
        stage=Stage.SPEC2,
        name="a",
        exp_type="MIR_MRS",
        parameters={"steps": {"cube_build": cube_build}},
    )
    paths = [write(tmp_path, f"a_{e}.fits") for e in ("cal", "s3d", *parts)]
    caveats = inspect(job, *paths)
    assert kinds(caveats) == [CaveatKind.MISSING_PRODUCT] * len(said)
    assert all(each in c.message for each, c in zip(said, caveats, strict=True))
    if len(parts) > 1:
        assert "made no a_1_x1d.fits" in inspect(job, *paths[:-1])[-1].message
