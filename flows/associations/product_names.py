"""Names of level-3 products, as the official rules make them."""

import re
from collections.abc import Iterable
from typing import Final

from flows.errors import FileNameError

from .rows import Candidate, PoolRow

__all__ = [
    "image_name",
    "join_slits",
    "name_of_optics",
    "name_of_slit_sources",
    "name_of_sources",
    "name_without_optics",
    "target_name",
    "target_of",
]

_SAFE: Final = re.compile(r"jw[a-z0-9][a-z0-9{}_-]*")
"""What a product name may be made of; values of a header end in paths."""

_DIRECT_IMAGE: Final = re.compile(r"c[0-9]{4}")


def target_name(candidate: Candidate, row: PoolRow) -> str | None:
    """Name the target; parallel fields are all one."""
    target = target_of(candidate, row)
    return None if target is None else f"t{target:0>3s}"


def target_of(candidate: Candidate, row: PoolRow) -> str | None:
    """Give the number of the target."""
    if candidate.type == "direct_image" and _DIRECT_IMAGE.fullmatch(candidate.id):
        return "000"
    return row.targetid


def name_of_optics(
    candidate: Candidate, first: PoolRow, optics: Iterable[str], tail: Iterable[str]
) -> str:
    """Name it ``jw{program}-{acid}_{target}_{instrument}_{optics}{-slit}{-subarray}``.

    Parameters
    ----------
    optics
        Optical elements, in any order.
    tail
        Slit and subarray, in their order.
    """
    target = target_name(candidate, first)
    return _join(candidate, first, f"{target}_", optics, tail)


def name_of_sources(
    candidate: Candidate, first: PoolRow, optics: Iterable[str], tail: Iterable[str]
) -> str:
    """Name it with a placeholder for the source instead of the target."""
    return _join(candidate, first, "{source_id}_", optics, tail)


def name_of_slit_sources(
    candidate: Candidate, first: PoolRow, optics: Iterable[str], tail: Iterable[str]
) -> str:
    """Name it with placeholders for source and slit."""
    target = target_name(candidate, first)
    *_, subarray = tail
    return _join(
        candidate,
        first,
        f"{target}-{{source_id}}_",
        optics,
        ("{slit_name}", subarray),
    )


def name_without_optics(
    candidate: Candidate,
    first: PoolRow,
    optics: Iterable[str],
    tail: Iterable[str],
) -> str:
    """Name it after target and instrument alone."""
    del optics, tail
    target = target_name(candidate, first)
    return _check(f"{_head(candidate, first)}_{target}_{first.instrume}")


def image_name(
    candidate: Candidate, science: PoolRow, image: PoolRow, *, has_subarray: bool
) -> str:
    """Name the combined direct image of a grism exposure."""
    pupil = None if image.instrume == "miri" else image.pupil or image.grating
    band = None if image.instrume == "miri" else image.band
    optics = [value for value in (image.filter or band, pupil) if value]
    tail = [science.subarray or ""] if has_subarray else []
    return name_of_optics(candidate, science, optics, tail)


def _join(
    candidate: Candidate,
    first: PoolRow,
    middle: str,
    optics: Iterable[str],
    tail: Iterable[str],
) -> str:
    """Put a name together."""
    elements = "-".join(sorted(optics)) or "clear"
    apertures = [part for part in tail if part not in {"", "full"}]
    body = "-".join([elements, *apertures])
    return _check(f"{_head(candidate, first)}_{middle}{first.instrume}_{body}")


def _head(candidate: Candidate, first: PoolRow) -> str:
    """Name program and candidate."""
    return f"jw{first.program:0>5s}-{candidate.id}"


def _check(name: str) -> str:
    """Refuse a name that could lead out of its folder."""
    if _SAFE.fullmatch(name) is None:
        raise FileNameError(
            f"a header makes the product name {name[:80]!r}: expected letters, digits, "
            "'-' and '_'"
        )
    return name


def join_slits(slits: Iterable[str | None]) -> str:
    """Name some slits."""
    return "-".join(sorted(slit for slit in slits if slit))
