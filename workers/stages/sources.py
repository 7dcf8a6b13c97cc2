"""The sources that a level-3 job takes apart, and what it calls their products."""

from collections.abc import Iterator, Mapping
from typing import Any

from astropy.io import fits
from jwst.associations.lib.rules_level3_base import format_product

from ..contract import Job

__all__ = ["name_source_products"]

_BACKGROUND = "BKG"
"""Part of the name that spec2 gives to slitlets of empty sky."""


def name_source_products(job: Job) -> tuple[str, ...]:
    """Name the products of a level-3 job without suffix, one for each source.

    Sources are those of the slits of the science members, told apart and named as
    calwebb_spec3 does: by name for the MSA, by number for fixed slits.
    """
    slits: dict[str, list[Mapping[str, Any]]] = {}
    for header in _list_slits(job):
        key = str(header.get("SRCNAME", "")).strip() or str(header["SOURCEID"])
        slits.setdefault(key, []).append(header)
    return tuple(sorted({_name(job, headers) for headers in slits.values()}))


def _list_slits(job: Job) -> Iterator[Mapping[str, Any]]:
    for file in job.inputs:
        if file.exptype == "science":
            with fits.open(file.path, memmap=True) as hdus:
                yield from (hdu.header for hdu in hdus if hdu.name == "SCI")


def _name(job: Job, headers: list[Mapping[str, Any]]) -> str:
    source = _name_source(headers[0])
    if job.exp_type != "NRS_FIXEDSLIT":
        return str(format_product(job.name, source_id=source))
    slits = dict.fromkeys(str(header["SLTNAME"]).lower() for header in headers)
    return str(format_product(job.name, source_id=source, slit_name="-".join(slits)))


def _name_source(header: Mapping[str, Any]) -> str:
    """Name a source ``s``, empty sky ``b``, a source that is none ``v``."""
    number = int(header["SOURCEID"])
    if _BACKGROUND in str(header.get("SRCNAME", "")):
        return f"b{number:09d}"
    return f"v{-number:09d}" if number < 0 else f"s{number:09d}"
