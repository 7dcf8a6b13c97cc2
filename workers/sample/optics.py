"""References of the optics: what the pipeline builds its coordinates from."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from astropy import units
from astropy.modeling import Model, models
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import wcs_ref_models as references

from .geometry import Detector, Geometry, Grating, Prism, Rectangle, Shutters, Tilt
from .library import EXP_TYPE, FILTER, GRATING, Library

__all__ = ["GRATINGS", "SHUTTERS", "add_grating_optics", "add_msa_optics", "add_optics"]

SHUTTERS = (365, 171)
"""Shutters of a quadrant along and across dispersion."""

GRATINGS: Mapping[str, int] = {"G395H": 2, "G395M": 3}
"""Gratings of the samples, all with F290LP, and the serials of their references."""

Table = NDArray[np.void]
"""A structured array."""

_MSA_COLUMNS = ("NO", "XC", "YC", "SIZEX", "SIZEY")
_FIELD = ("NRS_IFU", "NRS_BRIGHTOBJ")
"""Modes for which the compact model of the IFU and the slit S1600A1 was fitted."""
_MSA_FIELD = ("NRS_FIXEDSLIT", "NRS_MSASPEC")
"""Modes for which that of the shutters was fitted."""
_BY_FIELD = frozenset({"camera", "collimator", "fore", "ote"})
"""References of which there is one for each field."""
_SELECTED_BY: Mapping[str, str] = {
    "camera": GRATING,
    "disperser": GRATING,
    "fore": FILTER,
}
"""Of which there is one for each disperser or filter."""
_PRISM: Mapping[str, tuple[str, ...]] = {FILTER: ("CLEAR",), GRATING: ("PRISM",)}
_WAVELENGTHS_M = {
    "CLEAR_PRISM": [0.6e-6, 5.3e-6],
    "F290LP_G395H": [2.87e-6, 5.27e-6],
    "F290LP_G395M": [2.87e-6, 5.27e-6],
}


def _fpa_model(detector: Detector) -> Model:
    cosine, sine = np.cos(detector.rotation), np.sin(detector.rotation)
    turn = detector.pitch * np.array([[cosine, -sine], [sine, cosine]])
    place = models.Shift(detector.x) & models.Shift(detector.y)
    return models.AffineTransformation2D(turn) | place


def _tilt_table(tilt: Tilt) -> dict[str, Any]:
    names = {f"c{power}": value for power, value in enumerate(tilt.coefficients)}
    return {
        "temperatures": [tilt.temperature],
        "tilt_model": models.Polynomial1D(len(names) - 1, **names),
        "unit": "arcsec",
        "zeroreadings": [tilt.zero],
    }


def _disperser_model(name: str, disperser: Prism | Grating) -> Any:
    model = references.DisperserModel()
    model.theta_x, model.theta_y, model.theta_z = disperser.theta
    model.tilt_x, model.tilt_y = 0.0, disperser.tilt_y
    if isinstance(disperser, Grating):
        model.groovedensity = disperser.grooves_per_m
    else:
        _describe_glass(model, disperser)
    model.gwa_tiltx = _tilt_table(disperser.tilt_x_sensor)
    model.gwa_tilty = _tilt_table(disperser.tilt_y_sensor)
    model.meta.instrument.grating = name
    return model


def _describe_glass(model: Any, prism: Prism) -> None:
    model.angle = prism.angle
    model.kcoef, model.lcoef = list(prism.kcoef), list(prism.lcoef)
    model.tcoef, model.wbound = list(prism.tcoef), list(prism.wbound)
    model.tref, model.pref = prism.tref, prism.pref


def _rectangles(rows: Sequence[Rectangle], names: Sequence[str]) -> Table:
    numbered = [
        (number, each.x, each.y, each.width, each.height)
        for number, each in enumerate(rows)
    ]
    return np.array(numbered, dtype=[(name, "f8") for name in names])


def _shutter_table(quadrant: Shutters) -> Table:
    columns, rows = SHUTTERS
    number = np.arange(columns * rows)
    table = np.zeros(number.size, [(name, "f8") for name in _MSA_COLUMNS])
    table["NO"] = number + 1
    table["XC"] = number % columns * quadrant.pitch[0]
    table["YC"] = number // columns * quadrant.pitch[1]
    table["SIZEX"], table["SIZEY"] = quadrant.opening
    return table


def _msa_model(geometry: Geometry) -> Any:
    places, tables = {}, {}
    for number, quadrant in enumerate(geometry.quadrants, start=1):
        turn = models.Rotation2D(np.rad2deg(quadrant.rotation))
        places[f"Q{number}"] = turn | (
            models.Shift(quadrant.x) & models.Shift(quadrant.y)
        )
        tables[f"Q{number}"] = _shutter_table(quadrant)
    slits = _rectangles(geometry.slits, _MSA_COLUMNS)
    slits["NO"] += 1
    tables["Q5"] = slits
    places["Q5"] = models.Rotation2D(0.0) | models.Shift(0.0) & models.Shift(0.0)
    return references.MSAModel(models=places, data=tables)


def _wavelengthrange_model() -> Any:
    model = references.WavelengthrangeModel(
        wrange_selector=list(_WAVELENGTHS_M),
        wrange=list(_WAVELENGTHS_M.values()),
        order=[-1] * len(_WAVELENGTHS_M),
        wunits=units.m,
    )
    model.meta.exposure.type = "N/A"
    return model


def _ifu_models(geometry: Geometry) -> dict[str, Any]:
    posts = {
        f"slice_{number}": {
            "linear": post.linear,
            "xpoly": post.x,
            "ypoly": post.y,
            "xpoly_distortion": post.x_per_m,
            "ypoly_distortion": post.y_per_m,
        }
        for number, post in enumerate(geometry.ifuposts)
    }
    slices = _rectangles(geometry.slices, _MSA_COLUMNS)
    place = models.Rotation2D(0.0) | models.Shift(0.0) & models.Shift(0.0)
    return {
        "ifufore": references.IFUFOREModel(model=geometry.ifufore),
        "ifupost": references.IFUPostModel(slice_models=posts),
        "ifuslicer": references.IFUSlicerModel(model=place, data=slices),
    }


def _fore_model(geometry: Geometry, filter_name: str) -> Any:
    fore = references.FOREModel(model=geometry.fore)
    fore.meta.instrument.filter = filter_name
    return fore


def _make_models_of_field(geometry: Geometry) -> dict[str, Any]:
    return {
        "camera": references.CameraModel(model=geometry.camera),
        "collimator": references.CollimatorModel(model=geometry.collimator),
        "fore": _fore_model(geometry, "CLEAR"),
        "ote": references.OTEModel(model=geometry.ote, output_units=units.arcsec),
    }


def _make_models(geometry: Geometry) -> dict[str, Any]:
    # A `chromcorr` of Identity makes products that cannot be opened again.
    still = models.Shift(0.0) & models.Shift(0.0) & models.Scale(1.0)
    return {
        **_make_models_of_field(geometry),
        "chromcorr": references.ChromCorrModel(model=still),
        "disperser": _disperser_model("PRISM", geometry.dispersers["PRISM"]),
        "fpa": references.FPAModel(
            nrs1_model=_fpa_model(geometry.detectors["NRS1"]),
            nrs2_model=_fpa_model(geometry.detectors["NRS2"]),
        ),
        "msa": _msa_model(geometry),
        "wavelengthrange": _wavelengthrange_model(),
        **_ifu_models(geometry),
    }


def _offer(
    library: Library,
    reftype: str,
    name: str,
    *,
    exp_types: Sequence[str],
    path: Mapping[str, Sequence[str]] = _PRISM,
) -> None:
    """Let the rules select a file by what its type depends on.

    Parameters
    ----------
    exp_types
        The modes of its field.
    path
        The filters and dispersers that it is for.
    """
    choices = {EXP_TYPE: exp_types} if reftype in _BY_FIELD else {}
    if parkey := _SELECTED_BY.get(reftype):
        choices[parkey] = path[parkey]
    matches = list(product(*choices.values()))
    library.offer(reftype, name, parkeys=tuple(choices), matches=matches)


def add_optics(library: Library, geometry: Geometry) -> dict[str, str]:
    """Publish the references of the optics for CLEAR/PRISM.

    Returns
    -------
    names
        File names by reference type.
    """
    names = {}
    for reftype, model in _make_models(geometry).items():
        names[reftype] = library.add_model(reftype, model, suffix="asdf")
        _offer(library, reftype, names[reftype], exp_types=_FIELD)
    return names


def add_grating_optics(
    library: Library, geometry: Geometry
) -> dict[str, dict[str, str]]:
    """Publish those that differ for the gratings with F290LP.

    Returns
    -------
    names
        File names by reference type, by grating.
    """
    path = {FILTER: ("F290LP",), GRATING: tuple(GRATINGS)}
    shared = {}
    for reftype, model in (
        ("camera", references.CameraModel(model=geometry.camera)),
        ("fore", _fore_model(geometry, "F290LP")),
    ):
        shared[reftype] = library.add_model(reftype, model, serial=3, suffix="asdf")
        _offer(library, reftype, shared[reftype], exp_types=_FIELD, path=path)
    names = {}
    for grating, serial in GRATINGS.items():
        model = _disperser_model(grating, geometry.dispersers[grating])
        name = library.add_model("disperser", model, serial=serial, suffix="asdf")
        library.offer("disperser", name, parkeys=(GRATING,), matches=[(grating,)])
        names[grating] = {**shared, "disperser": name}
    return names


def add_msa_optics(library: Library, geometry: Geometry) -> dict[str, str]:
    """Publish those that differ for the shutters and the slits beside them.

    Returns
    -------
    names
        File names by reference type.
    """
    names = {}
    for reftype, model in _make_models_of_field(geometry).items():
        names[reftype] = library.add_model(reftype, model, serial=2, suffix="asdf")
        _offer(library, reftype, names[reftype], exp_types=_MSA_FIELD)
    return names
