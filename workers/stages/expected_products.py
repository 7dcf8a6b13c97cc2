"""The products that a job makes, by stage, mode and effective parameters.

What is known of it is data: ``config/products.toml``.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from astropy.io import fits
from jwst.associations.lib.rules_level3_base import format_product

from ..contract import Job, Parameters, Stage

__all__ = ["ProductRow", "list_endings", "list_expected", "name_source_products"]

_BACKGROUND = "BKG"
"""Part of the name that spec2 gives to slitlets of empty sky."""

ProductRow = Mapping[str, Any]
"""A row of the table; its head says what each key means."""


def list_expected(
    stage: Stage, exp_type: str, parameters: Parameters
) -> list[ProductRow]:
    """List the rows that are of a job; none where the mode is unknown.

    Rows of steps that are skipped are among them.
    """
    return [
        row
        for row in _read_table()
        if row["stage"] == stage
        and exp_type in row.get("exp_types", [exp_type])
        and _holds(row, parameters)
    ]


def list_endings(
    stage: Stage, exp_type: str, parameters: Parameters
) -> tuple[str, ...]:
    """List what follows the name of the job in the names of its products.

    Products of sources have names of their own, and are left out.
    """
    steps: Any = parameters.get("steps", {})
    rows = list_expected(stage, exp_type, parameters)
    made = (row for row in rows if not steps.get(row.get("step"), {}).get("skip"))
    return tuple(sorted({name for row in made for name in _iterate_endings(row)}))


def _iterate_endings(row: ProductRow) -> Iterator[str]:
    if not row.get("per_source"):
        for suffix in row["suffixes"]:
            yield from (f"{part}_{suffix}" for part in row.get("parts", ()))
            if "parts" not in row:
                yield suffix


def _holds(row: ProductRow, parameters: Parameters) -> bool:
    """Return whether the parameters are those of one of the cases of a row."""
    steps: Any = parameters.get("steps", {})
    return any(
        all(
            steps.get(step, {}).get(name) in values
            for step, of_step in case.items()
            for name, values in of_step.items()
        )
        for case in row.get("when", [{}])
    )


@cache
def _read_table() -> Sequence[ProductRow]:
    text = resources.files("config").joinpath("products.toml").read_text()
    table: Sequence[ProductRow] = tomllib.loads(text)["expected"]
    return table


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
    """Name a source ``s``, empty sky ``b``, anything else ``v``."""
    number = int(header["SOURCEID"])
    if _BACKGROUND in str(header.get("SRCNAME", "")):
        return f"b{number:09d}"
    return f"v{-number:09d}" if number < 0 else f"s{number:09d}"
