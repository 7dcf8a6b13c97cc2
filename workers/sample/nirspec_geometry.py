"""Where light falls on the NIRSpec detectors: a compact model of the optics.

The numbers are in ``nirspec_geometry.json``, which says how they were derived.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from astropy.modeling import Model

from .transforms import Spec, make_distortion, normalise, polynomial

__all__ = [
    "Detector",
    "Geometry",
    "Grating",
    "IfuPost",
    "Prism",
    "Rectangle",
    "Shutters",
    "Tilt",
    "load_geometry",
    "load_grating_geometry",
    "load_msa_geometry",
]

_SHARED = ("camera", "collimator", "fore", "ote")
"""Transforms that light through any aperture passes."""


@dataclass(frozen=True, slots=True)
class IfuPost:
    """From the image slicer to the virtual slit of one slice."""

    linear: Model
    """Slicer coordinates to the inputs of the polynomials."""
    x: Model
    """MSA x, the part without wavelength."""
    y: Model
    """MSA y, the part without wavelength."""
    x_per_m: Model
    """MSA x per metre of wavelength."""
    y_per_m: Model
    """MSA y per metre of wavelength."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A slit in the MSA plane or a slice in the slicer plane, in metres."""

    name: str
    """Name of the slit, or number of the slice."""
    x: float
    """Centre along dispersion."""
    y: float
    """Centre across dispersion."""
    width: float
    """Size along dispersion."""
    height: float
    """Size across dispersion."""


@dataclass(frozen=True, slots=True)
class Shutters:
    """A quadrant of the shutter array, in metres and radians."""

    x: float
    """Centre of shutter (1, 1)."""
    y: float
    """Centre of shutter (1, 1)."""
    rotation: float
    """Rotation of the quadrant."""
    pitch: tuple[float, float]
    """Distance of neighbours along and across dispersion."""
    opening: tuple[float, float]
    """Open part of a shutter along and across dispersion."""


@dataclass(frozen=True, slots=True)
class Detector:
    """Position of one detector in the focal plane, in metres and radians."""

    x: float
    """Position of pixel (1, 1)."""
    y: float
    """Position of pixel (1, 1)."""
    pitch: float
    """Pixel size, negative where the detector is mounted upside down."""
    rotation: float
    """Rotation of the detector."""


@dataclass(frozen=True, slots=True)
class Tilt:
    """How a tilt sensor of the grating wheel reads, in arcsec."""

    zero: float
    """Reading at which the angles of the disperser hold."""
    coefficients: tuple[float, ...]
    """Polynomial of the reading, lowest order first."""
    temperature: float
    """Temperature of the calibration, K."""


@dataclass(frozen=True, slots=True)
class Prism:
    """The prism: angles in degrees, Sellmeier coefficients for microns."""

    theta: tuple[float, float, float]
    """Angles of the mount about x, y and z."""
    tilt_y: float
    """Angle of the front surface."""
    angle: float
    """Angle between the surfaces."""
    kcoef: tuple[float, ...]
    """Sellmeier numerators."""
    lcoef: tuple[float, ...]
    """Sellmeier denominators."""
    tcoef: tuple[float, ...]
    """Dependence of the index on temperature."""
    tref: float
    """Temperature of the index, K."""
    pref: float
    """Pressure of the index, atm."""
    wbound: tuple[float, float]
    """Wavelengths for which the index holds, m."""
    tilt_x_sensor: Tilt
    """Read as GWA_XTIL."""
    tilt_y_sensor: Tilt
    """Read as GWA_YTIL."""


@dataclass(frozen=True, slots=True)
class Grating:
    """A grating: angles in degrees."""

    theta: tuple[float, float, float]
    """Angles of the mount about x, y and z."""
    tilt_y: float
    """Angle of the surface."""
    grooves_per_m: float
    """Density of the grooves."""
    tilt_x_sensor: Tilt
    """Read as GWA_XTIL."""
    tilt_y_sensor: Tilt
    """Read as GWA_YTIL."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Everything between a pixel and the sky, for one filter."""

    camera: Model
    """Focal plane (m) to direction behind the disperser, with inverse."""
    collimator: Model
    """Direction before the disperser to MSA plane (m), with inverse."""
    fore: Model
    """MSA plane (m) and wavelength (m) to telescope focus (deg), with inverse."""
    ifufore: Model
    """Slicer plane (m) and wavelength (m) to MSA plane (m), with inverse."""
    ote: Model
    """Telescope focus (deg) to V2, V3 (arcsec), with inverse."""
    ifuposts: tuple[IfuPost, ...]
    """The 30 slices, in the order of the slicer."""
    slices: tuple[Rectangle, ...]
    """Where the slices are in the slicer plane."""
    slits: tuple[Rectangle, ...]
    """The five fixed slits, in the order of the MSA reference file."""
    quadrants: tuple[Shutters, ...]
    """The four quadrants of shutters."""
    detectors: Mapping[str, Detector]
    """NRS1 and NRS2."""
    dispersers: Mapping[str, Prism | Grating]
    """The prism and the gratings by name."""


def _make_ifupost(spec: Spec) -> IfuPost:
    parts = {name: polynomial(spec[name]) for name in ("x", "y", "x_per_m", "y_per_m")}
    return IfuPost(linear=normalise(spec), **parts)


def _make_tilt(spec: Spec) -> Tilt:
    coefficients = tuple(spec["coefficients"])
    return Tilt(spec["zero"], coefficients, spec["temperature"])


def _make_disperser(spec: Spec) -> Prism | Grating:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in spec.items()
    }
    for name in ("tilt_x_sensor", "tilt_y_sensor"):
        values[name] = _make_tilt(spec[name])
    return Grating(**values) if "grooves_per_m" in spec else Prism(**values)


def _make_shutters(spec: Spec) -> Shutters:
    pairs = {name: tuple(spec[name]) for name in ("pitch", "opening")}
    return Shutters(**{**spec, **pairs})


def _read_spec() -> Spec:
    text = files(__package__).joinpath("nirspec_geometry.json").read_text("utf-8")
    spec: Spec = json.loads(text)
    return spec


@cache
def load_geometry() -> Geometry:
    """Read the compact model of the IFU and the slit S1600A1 for CLEAR/PRISM."""
    spec = _read_spec()
    return Geometry(
        **{name: make_distortion(spec[name]) for name in (*_SHARED, "ifufore")},
        ifuposts=tuple(_make_ifupost(each) for each in spec["ifuposts"]),
        slices=tuple(Rectangle(**each) for each in spec["slices"]),
        slits=tuple(Rectangle(**each) for each in spec["slits"]),
        quadrants=tuple(_make_shutters(each) for each in spec["quadrants"]),
        detectors={k: Detector(**v) for k, v in spec["detectors"].items()},
        dispersers={k: _make_disperser(v) for k, v in spec["dispersers"].items()},
    )


@cache
def load_grating_geometry() -> Geometry:
    """Read the compact model of both for F290LP with G395H and G395M."""
    spec = _read_spec()["f290lp"]
    return replace(
        load_geometry(), **{name: make_distortion(spec[name]) for name in spec}
    )


@cache
def load_msa_geometry() -> Geometry:
    """Read the compact model of the shutters of quadrant 3 and the slits beside it."""
    spec = _read_spec()["msa"]
    return replace(
        load_geometry(), **{name: make_distortion(spec[name]) for name in _SHARED}
    )
