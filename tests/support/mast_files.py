"""A small archive of many kinds of spectroscopy: real names, tiny FITS files."""

from pathlib import Path

from astropy.io import fits
from exposures import raw_header

__all__ = ["ARCHIVE", "write_archive"]

Keywords = dict[str, str | float | bool]

_MSA = "jw99021001001_01_msa.fits"
_MIRI: Keywords = {
    "INSTRUME": "MIRI",
    "EXP_TYPE": "MIR_MRS",
    "GRATING": "N/A",
    "FILTER": "N/A",
    "BAND": "SHORT",
}

ARCHIVE: dict[str, Keywords] = {
    "jw99021001001_02101_00001_nrs1": {
        "EXP_TYPE": "NRS_MSATA",
        "FILTER": "F140X",
        "GRATING": "MIRROR",
        "MSAMETFL": _MSA,
    },
    "jw99021001001_03101_00001_nrs1": {
        "EXP_TYPE": "NRS_MSASPEC",
        "FILTER": "F290LP",
        "GRATING": "G395H",
        "MSAMETFL": _MSA,
    },
    "jw99021001001_03101_00001_nrs2": {
        "EXP_TYPE": "NRS_MSASPEC",
        "FILTER": "F290LP",
        "GRATING": "G395H",
        "MSAMETFL": _MSA,
    },
    "jw99021002001_03101_00001_nrs1": {"TARGPROP": "NGC-7469"},
    "jw99021002001_03101_00002_nrs1": {"TARGPROP": "NGC-7469"},
    "jw99022001001_03101_00001_mirifushort": {**_MIRI, "TARG_RA": 83.6},
    "jw99022001001_03101_00001_mirifulong": {**_MIRI, "TARG_RA": 83.6},
    "jw99022002001_04101_00001-seg001_nrs1": {
        "EXP_TYPE": "NRS_BRIGHTOBJ",
        "DATE-OBS": "2025-02-03",
    },
    "jw99022002001_04101_00001-seg002_nrs1": {
        "EXP_TYPE": "NRS_BRIGHTOBJ",
        "DATE-OBS": "2025-02-03",
    },
}
"""Headers of the raw files, by name."""

_TEXTS = (
    "jw99021_20260101t010203_pool.csv",
    "jw99021-o001_20260101t010203_spec2_00001_asn.json",
    "jw99021-o002_20260101t010203_spec3_00002_asn.json",
    "jw99021-c1001_20260101t010203_spec3_00003_asn.json",
    "jw99022-o001_20260101t010203_spec3_00001_asn.json",
)


def write_archive(folder: Path) -> Path:
    """Write the archive: a folder for every program, and a stray file."""
    for name, keywords in ARCHIVE.items():
        _write(folder / name[2:7] / f"{name}_uncal.fits", _header(name, keywords))
    for metafile in (_MSA, "jw99021009001_01_msa.fits"):
        _write(folder / "99021" / metafile, {})
    for name in _TEXTS:
        (folder / name[2:7] / name).write_text("{}")
    name = "jw99021002001_03101_00001_nrs1"
    _write(folder / "99021" / f"{name}_rate.fits", _header(name, ARCHIVE[name]))
    return folder


def _header(name: str, keywords: Keywords) -> Keywords:
    where: Keywords = {"TARGPROP": "ORION", "TARG_RA": 150.0, "TARG_DEC": 2.0}
    when: Keywords = {"DATE-OBS": "2024-03-01", "TIME-OBS": "12:00:00.000"}
    return {**raw_header(name), **where, **when, **keywords}


def _write(path: Path, header: Keywords) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    primary = fits.PrimaryHDU()
    primary.header.update(header)
    fits.HDUList([primary, fits.ImageHDU(name="SCI")]).writeto(path)
