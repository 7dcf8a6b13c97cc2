"""Edits of the apertures that spectra are extracted with: an ``extract1d`` reference.

That of the context is the parent, which a job records with its sha1; what is made of it
is for the job alone.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from config.edits import ApertureEdit, SetCubeAperture, SetSlitAperture

from ..errors import EditError

__all__ = ["derive_apertures", "edit_apertures", "name_derived"]


def name_derived(parent: str) -> str:
    """Name what is made of a reference; products record this name as R_EXTR1D."""
    path = Path(parent)
    return f"{path.stem}_edited{path.suffix}"


def derive_apertures(
    parent: Path, target: Path, edits: Sequence[ApertureEdit], *, exp_type: str
) -> None:
    """Write the edited copy of a reference.

    Raises
    ------
    EditError
        An edit does not fit the reference.
    """
    tree = edit_apertures(parent, edits, exp_type=exp_type)
    if parent.suffix == ".json":
        target.write_text(json.dumps(tree, indent=1))
        return
    import asdf  # a third of a second

    asdf.AsdfFile(tree).write_to(target, all_array_storage="inline")


def edit_apertures(
    parent: Path, edits: Sequence[ApertureEdit], *, exp_type: str
) -> dict[str, Any]:
    """Read a reference, and edit what it says.

    Raises
    ------
    EditError
        An edit does not fit the reference.
    """
    tree = _read(parent)
    for edit in edits:
        match edit:
            case SetCubeAperture() if "data" in tree:
                _edit_cube(tree["data"], edit)
            case SetSlitAperture() if "apertures" in tree:
                _edit_slits(tree["apertures"], edit, across=_find_across(exp_type))
            case _:
                raise EditError(f"{edit.name}: {parent.name} has no such apertures")
    return tree


def _read(parent: Path) -> dict[str, Any]:
    if parent.suffix == ".json":
        tree: dict[str, Any] = json.loads(parent.read_text())
        return tree
    import asdf  # a third of a second

    with asdf.open(parent, memmap=False, lazy_load=False) as file:
        own = {k: v for k, v in file.tree.items() if k in {"meta", "data"}}
        data = {name: _to_array(value) for name, value in own["data"].items()}
    return {**own, "data": data}


def _to_array(value: Any) -> Any:
    return value if isinstance(value, str) else np.array(value)


def _edit_cube(data: dict[str, Any], edit: SetCubeAperture) -> None:
    """Change radii, which the reference has by wavelength, in arcsec."""
    if edit.radius_factor is not None:
        data["radius"] = data["radius"] * np.float32(edit.radius_factor)
    for name, value in (
        ("radius", edit.radius_arcsec),
        ("inner_bkg", edit.inner_background_arcsec),
        ("outer_bkg", edit.outer_background_arcsec),
    ):
        if value is not None:
            data[name] = np.full_like(data[name], value)
    if np.any(data["inner_bkg"] >= data["outer_bkg"]):
        raise EditError(
            f"{edit.edit}: the annulus would begin at {data['inner_bkg'].max():g} "
            f"arcsec and end at {data['outer_bkg'].min():g}"
        )


def _edit_slits(
    apertures: Iterable[dict[str, Any]], edit: SetSlitAperture, *, across: str
) -> None:
    """Change the apertures of slits.

    The step takes ``src_coeff`` before ``extract_width``, and this before the limits
    (jwst 3.0.0, ``box_profile``), so what would be taken before is left out.
    """
    known = {str(each["id"]): each for each in apertures}
    if missing := [name for name in edit.slits if name not in known]:
        raise EditError(
            f"{edit.edit}: the reference has no aperture {', '.join(missing)}, only "
            f"{', '.join(known)}"
        )
    for name, aperture in known.items():
        if edit.slits and name not in edit.slits:
            continue
        aperture.pop("src_coeff", None)
        if edit.limits_pixels is not None:
            aperture.pop("extract_width", None)
            first, last = edit.limits_pixels
            aperture |= {f"{across}start": first, f"{across}stop": last}
            aperture["use_source_posn"] = False
        if edit.width_pixels is not None:
            aperture["extract_width"] = edit.width_pixels


def _find_across(exp_type: str) -> str:
    """Find the axis across dispersion: the LRS disperses along columns."""
    return "x" if exp_type.startswith("MIR_LRS") else "y"
