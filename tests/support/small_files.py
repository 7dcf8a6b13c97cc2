"""Thousands of small raw files: real FITS, each with pixels of its own."""

import io
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits

__all__ = ["name_exposure", "write_small_files"]

_PLACEHOLDER: Final = 4294967290
"""A DATASUM as long as any."""

_SHAPE: Final = (12, 120)
"""One block of FITS."""


def name_exposure(number: int, program: str = "99100") -> str:
    """Name an exposure; two hundred make an observation."""
    observation, place = divmod(number, 200)
    return f"jw{program}{observation + 1:03d}001_03101_{place + 1:05d}_nrs1"


def write_small_files(folder: Path, count: int, program: str = "99100") -> list[Path]:
    """Write raw files with a DATASUM that holds, and give their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder, number, program) for number in range(count)]


def _write(folder: Path, number: int, program: str) -> Path:
    name = name_exposure(number, program)
    pixels = np.random.default_rng(number).integers(0, 60000, _SHAPE, dtype=np.uint16)
    data = pixels.astype(">i2").tobytes()
    text = _make_headers(program, name[7:10])
    total = int(np.frombuffer(data, ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    text = text.replace(b"%010d" % _PLACEHOLDER, b"%010d" % total)
    path = folder / f"{name}_uncal.fits"
    path.write_bytes(text + data)
    return path


@cache
def _make_headers(program: str, observation: str) -> bytes:
    """Make both headers once for an observation."""
    primary = fits.PrimaryHDU()
    primary.header.update(
        PROGRAM=program,
        OBSERVTN=observation,
        VISIT="001",
        INSTRUME="NIRSPEC",
        DETECTOR="NRS1",
        EXP_TYPE="NRS_IFU",
        FILTER="CLEAR",
        GRATING="PRISM",
    )
    image = fits.ImageHDU(np.zeros(_SHAPE, np.int16), name="SCI")
    image.header["DATASUM"] = f"{_PLACEHOLDER:010d}"
    stream = io.BytesIO()
    fits.HDUList([primary, image]).writeto(stream)
    return stream.getvalue()[:-2880]
