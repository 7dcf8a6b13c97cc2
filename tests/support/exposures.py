"""Exposures made up for tests: a name, and the headers that matter to the rules."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from config.recipe import AssociationChoice, LinkedObservations
from flows.archive import role_of
from flows.associations import associate_rows, read_headers
from flows.models.associations import AssociationSet
from flows.models.exposures import CalibratedFile, Exposure, Metafile
from flows.names import parse_exposure_name

__all__ = [
    "associate_headers",
    "bots_pair_program",
    "bots_program",
    "ifu_program",
    "lrs_program",
    "make_exposure",
    "mos_program",
    "mrs_program",
    "raw_header",
    "with_calibrated",
    "write_exposures",
]

Keywords = dict[str, str | float | bool]
"""Cards of a primary header."""

_IFU: Keywords = {
    "INSTRUME": "NIRSPEC",
    "EXP_TYPE": "NRS_IFU",
    "FILTER": "CLEAR",
    "GRATING": "PRISM",
    "SUBARRAY": "FULL",
    "FXD_SLIT": "NONE",
    "TARGNAME": "SOURCE",
    "BKGDTARG": False,
    "IS_IMPRT": False,
    "IS_PSF": False,
    "TSOVISIT": False,
    "PATTTYPE": "CYCLING",
    "PATT_NUM": 1,
    "NUMDTHPT": 1,
    "SUBPXPTS": 1,
    "NINTS": 1,
    "EXPSTART": 60000.0,
    "VISITYPE": "PRIME_TARGETED_FIXED",
}
"""Header of a single IFU exposure."""

_BOTS: Keywords = {
    "EXP_TYPE": "NRS_BRIGHTOBJ",
    "SUBARRAY": "SUB512",
    "FXD_SLIT": "S1600A1",
    "TSOVISIT": True,
    "PATTTYPE": "NONE",
    "NUMDTHPT": 1,
    "NINTS": 10,
}
"""What is different in a bright-object time series."""

_MOS: Keywords = {
    "EXP_TYPE": "NRS_MSASPEC",
    "MSAMETFL": "jw99004001001_01_msa.fits",
    "MSAMETID": 1,
    "TARGNAME": "",
    "TARGPROP": "FIELD",
    "PATTTYPE": "NONE",
    "NUMDTHPT": 3,
}
"""What is different in nods of the MSA."""

_MRS: Keywords = {
    "INSTRUME": "MIRI",
    "EXP_TYPE": "MIR_MRS",
    "FILTER": "N/A",
    "GRATING": "N/A",
    "CHANNEL": "12",
    "BAND": "SHORT",
    "PATTTYPE": "2-POINT",
    "NUMDTHPT": 2,
}
"""What is different in an exposure of the MRS."""

_LRS: Keywords = {
    "INSTRUME": "MIRI",
    "EXP_TYPE": "MIR_LRS-FIXEDSLIT",
    "FILTER": "P750L",
    "GRATING": "N/A",
    "PATTTYPE": "ALONG-SLIT-NOD",
    "NUMDTHPT": 2,
}
"""What is different in a nod along the slit of the LRS."""

_BACKGROUND: Keywords = {"BKGDTARG": True, "TARGNAME": "EMPTY SKY"}
"""What is different in an exposure of a dedicated background."""


def raw_header(name: str, **keywords: str | float | bool) -> Keywords:
    """Return the primary header of a raw file by its name; of the IFU if not told."""
    parts = parse_exposure_name(name)
    identity: Keywords = {
        "PROGRAM": parts.program,
        "OBSERVTN": parts.observation,
        "VISIT": parts.visit,
        "DETECTOR": parts.detector.upper(),
    }
    return {**identity, **_IFU, **keywords}


def make_exposure(name: str, **keywords: str | float | bool) -> Exposure:
    """Make an exposure by its name; of the IFU if not told."""
    parts = parse_exposure_name(name)
    header = raw_header(name, **keywords)
    return Exposure(
        name=name,
        program=parts.program,
        observation=parts.observation,
        visit=parts.visit,
        path=Path(f"{name}_uncal.fits"),
        size_bytes=2880,
        mtime_ns=0,
        exp_type=str(header["EXP_TYPE"]),
        role=role_of(header),
        header=header,
    )


def write_exposures(folder: Path, exposures: Iterable[Exposure]) -> Path:
    """Put raw files of exposures, of no pixels to speak of, into a folder."""
    folder.mkdir(exist_ok=True)
    for exposure in exposures:
        primary = fits.PrimaryHDU(header=fits.Header(dict(exposure.header)))
        pixels = fits.ImageHDU(np.ones((2, 2), np.float32), name="SCI")
        path = folder / f"{exposure.name}_uncal.fits"
        fits.HDUList([primary, pixels]).writeto(path)
    return folder


def with_calibrated(
    exposure: Exposure, *suffixes: str, software: str = "3.0.0"
) -> Exposure:
    """Put calibrated files of an exposure into the archive, made in context 1."""
    files = {
        suffix: CalibratedFile(
            Path(f"{exposure.name}_{suffix}.fits"), 5760, 7, software, "jwst_0001.pmap"
        )
        for suffix in suffixes
    }
    return replace(exposure, calibrated=files)


def ifu_program(program: str = "99001", *, detector: str = "nrs1") -> list[Exposure]:
    """Make two dithers with a leakcal, and a background (002) with its own."""
    science, sky = f"jw{program}001001", f"jw{program}002001"
    return [
        make_exposure(f"{science}_03101_00001_{detector}", PATT_NUM=1, NUMDTHPT=2),
        make_exposure(f"{science}_03101_00002_{detector}", PATT_NUM=2, NUMDTHPT=2),
        make_exposure(f"{science}_05101_00001_{detector}", IS_IMPRT=True),
        make_exposure(f"{sky}_03101_00001_{detector}", **_BACKGROUND),
        make_exposure(f"{sky}_05101_00001_{detector}", IS_IMPRT=True, **_BACKGROUND),
    ]


def bots_program(program: str = "99002") -> list[Exposure]:
    """Make a time series of two segments."""
    return [
        make_exposure(f"jw{program}001001_04101_00001-seg{segment}_nrs1", **_BOTS)
        for segment in ("001", "002")
    ]


def bots_pair_program(program: str = "99012") -> list[Exposure]:
    """Make the same of both detectors, with a grating."""
    grating = {"FILTER": "F290LP", "GRATING": "G395H", "SUBARRAY": "SUB2048"}
    return [
        make_exposure(
            f"jw{program}001001_04101_00001-seg{segment}_{detector}",
            **{**_BOTS, **grating},
        )
        for segment in ("001", "002")
        for detector in ("nrs1", "nrs2")
    ]


def mos_program(
    program: str = "99004", *, detectors: tuple[str, ...] = ("nrs1", "nrs2")
) -> list[Exposure]:
    """Make three nods of one configuration of shutters, with their metafile."""
    metafile = Metafile(str(_MOS["MSAMETFL"]), Path("archive") / str(_MOS["MSAMETFL"]))
    nods = [
        make_exposure(
            f"jw{program}001001_03101_0000{nod}_{detector}", **_MOS, PATT_NUM=nod
        )
        for nod in (1, 2, 3)
        for detector in detectors
    ]
    return [replace(exposure, metafile=metafile) for exposure in nods]


def mrs_program(program: str = "99003", *, sky_band: str = "SHORT") -> list[Exposure]:
    """Make two dithers of the MRS, and a background (002)."""
    names = [f"jw{program}001001_02101_0000{n}_mirifushort" for n in (1, 2)]
    sky = f"jw{program}002001_02101_00001_mirifushort"
    single: Keywords = {"PATTTYPE": "NONE", "NUMDTHPT": 1}
    background = {**_MRS, **_BACKGROUND, **single, "BAND": sky_band}
    return [
        make_exposure(names[0], **_MRS),
        make_exposure(names[1], **{**_MRS, "PATT_NUM": 2}),
        make_exposure(sky, **background),
    ]


def lrs_program(program: str = "99007") -> list[Exposure]:
    """Make the verification image of the slit, and two nods along it."""
    visit = f"jw{program}001001"
    image = {**_LRS, "EXP_TYPE": "MIR_TACONFIRM", "FILTER": "F560W", "PATTTYPE": "NONE"}
    return [
        make_exposure(f"{visit}_02101_00001_mirimage", **image),
        *(
            make_exposure(
                f"{visit}_03101_0000{nod}_mirimage", **{**_LRS, "PATT_NUM": nod}
            )
            for nod in (1, 2)
        ),
    ]


def associate_headers(
    exposures: Sequence[Exposure],
    choice: AssociationChoice | None,
    *,
    declared: Sequence[LinkedObservations] = (),
) -> AssociationSet:
    """Associate exposures by their headers; to the letter without a choice."""
    rows = read_headers(exposures, choice.candidates if choice else declared)
    by_name = {exposure.name: exposure for exposure in exposures}
    return associate_rows(rows, choice, exposures=by_name)
