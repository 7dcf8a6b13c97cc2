"""Names of level-3 products, as the official rules make them."""

import re
from collections.abc import Iterable
from typing import Final

from ..errors import FileNameError
from .pool import Candidate, PoolRow

__all__ = ["image_name", "join_slits", "name_product", "target_name", "target_of"]

_SAFE: Final = re.compile(r"jw[a-z0-9][a-z0-9{}_-]*")
"""What a product name may be made of; values of a header end in paths."""

_DIRECT_IMAGE: Final = re.compile(r"c[0-9]{4}")


def target_name(candidate: Candidate, row: PoolRow) -> str | None:
    """Name the target; parallel fields are all one."""
    target = target_of(candidate, row)
    return None if target is None else f"t{target:0>3s}"


def target_of(candidate: Candidate, row: PoolRow) -> str | None:
    """Find the number of the target."""
    if candidate.type == "direct_image" and _DIRECT_IMAGE.fullmatch(candidate.id):
        return "000"
    return row.targetid


def name_product(
    candidate: Candidate,
    first: PoolRow,
    optics: Iterable[str] | None,
    apertures: Iterable[str] = (),
    *,
    source: str = "{target}",
) -> str:
    """Name it ``jw{program}-{candidate}_{source}_{instrument}_{optics}{-apertures}``.

    Parameters
    ----------
    optics
        Optical elements, in any order; None if the name has none.
    apertures
        Slit and subarray, in their order.
    source
        What stands for the source; double braces for those that spec3 fills in.

    Raises
    ------
    FileNameError
        The name could lead out of its folder.
    """
    named = source.format(target=target_name(candidate, first))
    name = f"jw{first.program:0>5s}-{candidate.id}_{named}_{first.instrume}"
    if optics is not None:
        elements = "-".join(sorted(optics)) or "clear"
        name += "_" + "-".join(
            [elements, *(each for each in apertures if each not in {"", "full"})]
        )
    if _SAFE.fullmatch(name) is None:
        raise FileNameError(
            f"a header makes the product name {name[:80]!r}: expected letters, digits, "
            "'-' and '_'"
        )
    return name


def image_name(
    candidate: Candidate, science: PoolRow, image: PoolRow, *, has_subarray: bool
) -> str:
    """Name the combined direct image of a grism exposure."""
    elements = [image.filter or image.band, image.pupil or image.grating]
    if image.instrume == "miri":
        elements = [image.filter]
    optics = [value for value in elements if value]
    tail = [science.subarray or ""] if has_subarray else []
    return name_product(candidate, science, optics, tail)


def join_slits(slits: Iterable[str | None]) -> str:
    """Name some slits."""
    return "-".join(sorted(slit for slit in slits if slit))
