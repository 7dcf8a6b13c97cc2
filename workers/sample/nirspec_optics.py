"""References of the optics: what the pipeline builds its coordinates from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from astropy import units
from astropy.modeling import Model, models
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import wcs_ref_models as references

from .library import EXP_TYPE, FILTER, GRATING, Library
from .nirspec_geometry import (
    Detector,
    Geometry,
    Grating,
    Prism,
    Rectangle,
    Shutters,
    Tilt,
    load_geometry,
    load_grating_geometry,
    load_msa_geometry,
)

__all__ = [
    "DISPERSERS",
    "SHUTTERS",
    "CubeGrid",
    "LightPath",
    "Table",
    "add_all_optics",
    "add_grating_optics",
    "add_msa_optics",
    "add_optics",
]

SHUTTERS = (365, 171)
"""Shutters of a quadrant along and across dispersion."""


@dataclass(frozen=True, slots=True)
class CubeGrid:
    """The cube that `cube_build` makes by default."""

    wavelengths_um: tuple[float, float]
    """First and last wavelength."""
    step_um: float
    """Width of a plane."""
    spaxel_arcsec: float
    """Width of a spaxel."""
    pixels_um: tuple[float, float] | None = None
    """Width of a pixel of the detector at the first and the last wavelength, where it
    changes much: planes are as wide in cubes that are not linear."""

    def list_planes(self) -> list[float]:
        """List the wavelengths of the planes of a cube that is not linear."""
        start, stop = self.wavelengths_um
        widths_um = self.pixels_um or (self.step_um, self.step_um)
        planes: list[float] = []
        while start < stop:
            planes.append(start)
            start += float(np.interp(start, self.wavelengths_um, widths_um))
        return planes


@dataclass(frozen=True, slots=True)
class LightPath:
    """A disperser, and what goes with it."""

    filter: str
    """The filter."""
    range_m: tuple[float, float]
    """Wavelengths that it lets through."""
    detectors: tuple[str, ...]
    """Those that light of the IFU and the shutters falls on."""
    resolution: str
    """What tables of cubes by wavelength call it."""
    cube: CubeGrid
    """It covers lines, and the gap between detectors, and no more, to be quick."""


_GRATING_RANGE_M = (2.87e-6, 5.27e-6)
DISPERSERS: Mapping[str, LightPath] = {
    "PRISM": LightPath(
        *("CLEAR", (0.6e-6, 5.3e-6), ("NRS1",), "prism"),
        CubeGrid((1.5, 3.3), 0.01, 0.1, pixels_um=(0.0197, 0.0118)),
    ),
    "G395H": LightPath(
        *("F290LP", _GRATING_RANGE_M, ("NRS1", "NRS2"), "high"),
        CubeGrid((3.88, 4.31), 0.000665, 0.1),
    ),
    "G395M": LightPath(
        *("F290LP", _GRATING_RANGE_M, ("NRS1",), "med"),
        CubeGrid((3.4, 3.6), 0.00179, 0.1),
    ),
}
"""The dispersers of the sample programs."""

Table = NDArray[np.void]
"""A structured array."""
_Makers = Mapping[str, Callable[[], Any]]
"""What makes the models, by reference type."""

_MSA_COLUMNS = ("NO", "XC", "YC", "SIZEX", "SIZEY")
_FIELD = ("NRS_IFU", "NRS_BRIGHTOBJ")
"""Modes for which the compact model of the IFU and the slit S1600A1 was fitted."""
_MSA_FIELD = ("NRS_FIXEDSLIT", "NRS_MSASPEC")
"""Modes for which that of the shutters was fitted."""
_BY_FIELD = frozenset({"camera", "collimator", "fore", "ote"})
"""References of which there is one for each field."""


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


def _disperser_model(name: str, geometry: Geometry) -> Any:
    disperser = geometry.dispersers[name]
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
        wrange_selector=[f"{path.filter}_{name}" for name, path in DISPERSERS.items()],
        wrange=[list(path.range_m) for path in DISPERSERS.values()],
        order=[-1] * len(DISPERSERS),
        wunits=units.m,
    )
    model.meta.exposure.type = "N/A"
    return model


def _ifupost_model(geometry: Geometry) -> Any:
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
    return references.IFUPostModel(slice_models=posts)


def _ifuslicer_model(geometry: Geometry) -> Any:
    slices = _rectangles(geometry.slices, _MSA_COLUMNS)
    place = models.Rotation2D(0.0) | models.Shift(0.0) & models.Shift(0.0)
    return references.IFUSlicerModel(model=place, data=slices)


def _fore_model(geometry: Geometry, filter_name: str) -> Any:
    fore = references.FOREModel(model=geometry.fore)
    fore.meta.instrument.filter = filter_name
    return fore


def _list_of_field(geometry: Geometry) -> _Makers:
    return {
        "camera": lambda: references.CameraModel(model=geometry.camera),
        "collimator": lambda: references.CollimatorModel(model=geometry.collimator),
        "fore": lambda: _fore_model(geometry, "CLEAR"),
        "ote": lambda: references.OTEModel(
            model=geometry.ote, output_units=units.arcsec
        ),
    }


def _list_all(geometry: Geometry) -> _Makers:
    return {
        **_list_of_field(geometry),
        "chromcorr": _chromcorr_model,
        "disperser": lambda: _disperser_model("PRISM", geometry),
        "fpa": lambda: references.FPAModel(
            nrs1_model=_fpa_model(geometry.detectors["NRS1"]),
            nrs2_model=_fpa_model(geometry.detectors["NRS2"]),
        ),
        "msa": lambda: _msa_model(geometry),
        "wavelengthrange": _wavelengthrange_model,
        "ifufore": lambda: references.IFUFOREModel(model=geometry.ifufore),
        "ifupost": lambda: _ifupost_model(geometry),
        "ifuslicer": lambda: _ifuslicer_model(geometry),
    }


def _chromcorr_model() -> Any:
    # One of Identity makes products that cannot be opened again.
    still = models.Shift(0.0) & models.Shift(0.0) & models.Scale(1.0)
    return references.ChromCorrModel(model=still)


def _add(
    library: Library,
    makers: _Makers,
    exp_types: Sequence[str],
    dispersers: Sequence[str],
) -> None:
    """Publish references and let the rules select each by what its type depends on."""
    filters = dict.fromkeys(DISPERSERS[name].filter for name in dispersers)
    for reftype, make in makers.items():
        name = library.add_model(reftype, make, suffix="asdf")
        choices = {EXP_TYPE: exp_types} if reftype in _BY_FIELD else {}
        if reftype in {"camera", "disperser"}:
            choices[GRATING] = dispersers
        elif reftype == "fore":
            choices[FILTER] = tuple(filters)
        library.offer(reftype, name, choices)


def add_optics(library: Library, geometry: Geometry) -> None:
    """Publish the references of the optics for CLEAR/PRISM."""
    _add(library, _list_all(geometry), _FIELD, ["PRISM"])


def add_msa_optics(library: Library, geometry: Geometry) -> None:
    """Publish those that differ for the shutters and the slits beside them."""
    _add(library, _list_of_field(geometry), _MSA_FIELD, ["PRISM"])


def add_grating_optics(library: Library, geometry: Geometry) -> None:
    """Publish those that differ for the gratings with F290LP."""
    shared: _Makers = {
        "camera": lambda: references.CameraModel(model=geometry.camera),
        "fore": lambda: _fore_model(geometry, "F290LP"),
    }
    gratings = [name for name, each in DISPERSERS.items() if each.filter == "F290LP"]
    _add(library, shared, _FIELD, gratings)
    for grating in gratings:
        make = partial(_disperser_model, grating, geometry)
        _add(library, {"disperser": make}, _FIELD, [grating])


def add_all_optics(library: Library) -> None:
    """Publish the optics of all modes."""
    add_optics(library, load_geometry())
    add_msa_optics(library, load_msa_geometry())
    add_grating_optics(library, load_grating_geometry())
