"""The full NIRSpec model of ESA, and the fit that makes the compact one of it.

Run by a developer, in the root of the repository, to make
``workers/sample/nirspec_geometry.json`` again:

    python tools/nirspec_full_model.py

The model (NRS_COMM_16, as published with ESA's eMPT tool) is read from
``../shared/instrument/nirspec``; none of its files is part of the project.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.modeling import Model, models
from gwcs.spectroscopy import AnglesFromGratingEquation3D
from stdatamodels.jwst.transforms import models as optics

from workers.sample.nirspec_geometry import (
    Detector,
    Geometry,
    Grating,
    IfuPost,
    Prism,
    Rectangle,
    Shutters,
    Tilt,
)
from workers.sample.transforms import polynomial

ROOT = Path(__file__).resolve().parents[1]
FULL_MODEL = ROOT.parent / "shared" / "instrument" / "nirspec"
COMPACT_MODEL = ROOT / "workers" / "sample" / "nirspec_geometry.json"

SLIT_CORNERS = {
    "S200A1": (
        (332.95012084, 330.7903719, 330.64620067, 332.80601543),
        (-480.51009460, -478.03938963, -478.16740817, -480.63818844),
    ),
    "S200A2": (
        (315.78885115, 313.61307470, 313.46809197, 315.64375306),
        (-490.71754928, -488.22220736, -488.35127640, -490.84668408),
    ),
    "S400A1": (
        (322.90845562, 320.42982116, 320.13471346, 322.61333838),
        (-479.31591407, -476.47818820, -476.74046676, -479.57833373),
    ),
    "S1600A1": (
        (322.38945223, 321.33204666, 320.13655357, 321.19388384),
        (-473.92509933, -472.71513194, -473.77755197, -474.98758516),
    ),
    "S200B1": (
        (441.51269298, 439.30907971, 439.15759750, 441.36121077),
        (-365.96690737, -363.49752579, -363.62981029, -366.09819190),
    ),
}
"""V2 and V3 (arcsec) of the corners of the slits, from the SIAF in pysiaf 0.29.0
(PRDOPSSOC-075): the published ESA model has no table of the fixed slits."""

HOW = (
    "Derived by tools/nirspec_full_model.py from the in-flight NIRSpec model"
    " NRS_COMM_16 (ESA/NIRSpec team, as published with eMPT). Each 5th-order transform"
    " was sampled over the field that the IFU slices and the slit S1600A1 use with"
    " CLEAR/PRISM (0.6-5.3 um) and refitted with polynomials of the lowest order that"
    " keeps its own error below 0.05 pixel. Inputs are normalised: (x - centre) /"
    " half_width; coefficients are c00, c01, .., c10, c11, .. (powers of x, of y)."
    " Fixed slits are the corners of the SIAF (PRDOPSSOC-075) taken to the MSA plane."
    " Lengths in m, field angles in deg, V2 and V3 in arcsec. Under `msa`, the same"
    " over the fixed slits S200A1 and S1600A1 and over the shutters of rows 100 to 260"
    " and columns 50 to 115 of quadrant 3. Under `f290lp`, what differs for the IFU and"
    " S1600A1 with F290LP and the gratings (2.87-5.27 um): the fore optics, and the"
    " camera over both detectors."
)

SHUTTER_QUADRANT, SHUTTER_ROWS, SHUTTER_COLUMNS = 3, range(100, 261, 40), (50, 115)
"""Part of the shutter array that the model is fitted to."""

GRATINGS = ("G395H", "G395M")
"""Gratings that go with F290LP."""
WAVELENGTHS = np.linspace(0.6e-6, 5.3e-6, 9)
GRATING_WAVELENGTHS = np.linspace(2.87e-6, 5.27e-6, 13)
TOLERANCES = {
    "focal": 0.9e-6,
    "direction": 3.2e-6,
    "msa": 2e-6,
    "sky": 1.4e-6,
    "slicer": 4e-5,
}
"""A twentieth of a pixel in m, direction cosine, m, degrees and m."""


def read_blocks(path: Path) -> dict[str, list[str]]:
    """Read a parameter file: lines by the key above them."""
    blocks: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in map(str.strip, path.read_text(encoding="latin-1").splitlines()):
        if line.startswith("*"):
            lines = blocks[line[1:].split()[0]] = []
        elif line:
            lines.append(line.split("!")[0])
    return blocks


def numbers(lines: Sequence[str]) -> list[float]:
    """Read all numbers of a block."""
    return [float(word) for line in lines for word in line.split()]


class Transform:
    """A coordinate transform of the model (``.pcf``)."""

    def __init__(self, path: Path) -> None:
        blocks = read_blocks(path)
        get = {key: numbers(blocks[key]) for key in blocks if "entre" in key}
        self._pivot, self._target = (
            get["InputRotationCentre"],
            get["OutputRotationCentre"],
        )
        self._factor = np.array(numbers(blocks["Factor"]))
        self._angle = np.deg2rad(numbers(blocks["Rotation"])[0])
        self._coefficients = {
            key.removesuffix("Coefficients"): numbers(blocks[key])
            for key in blocks
            if key.endswith("wardCoefficients")
        }

    def _rotation(self) -> Any:
        cosine, sine = np.cos(self._angle), np.sin(self._angle)
        return np.array([[cosine, sine], [-sine, cosine]])

    def linear(self) -> Model:
        """Towards the detector: turn about the pivot, stretch, move."""
        matrix = np.diag(self._factor) @ self._rotation()
        return _affine(self._pivot, matrix, self._target)

    def linear_back(self) -> Model:
        """Towards the sky: the inverse of `linear`."""
        matrix = self._rotation().T @ np.diag(1 / self._factor)
        return _affine(self._target, matrix, self._pivot)

    def plain(self, name: str) -> Model:
        """Give the polynomial ``xForward`` etc. without wavelength."""
        return polynomial(self._coefficients[name][:21])

    def per_m(self, name: str) -> Model:
        """Give the polynomial that is multiplied with the wavelength."""
        return polynomial((*self._coefficients[name][21:42], *[0.0] * 21)[:21])

    def flat(self) -> Model:
        """Give the transform towards the sky, with its inverse."""
        repeat = models.Mapping((0, 1, 0, 1))
        back = repeat | self.plain("xBackward") & self.plain("yBackward")
        model = back | self.linear_back()
        forth = repeat | self.plain("xForward") & self.plain("yForward")
        model.inverse = self.linear() | forth
        return model

    def _coloured(self, name: str) -> Model:
        place = models.Mapping((0, 1), n_inputs=3)
        slope = (place | self.per_m(name)) * models.Mapping((2,), n_inputs=3)
        return (place | self.plain(name)) + slope

    def refractive(self) -> Model:
        """Give the transform with wavelength towards the sky, with its inverse."""
        repeat = models.Mapping((0, 1, 2, 0, 1, 2))
        back = repeat | self._coloured("xBackward") & self._coloured("yBackward")
        model = back | self.linear_back()
        forth = repeat | self._coloured("xForward") & self._coloured("yForward")
        model.inverse = self.linear() & models.Identity(1) | forth
        return model

    def post(self) -> IfuPost:
        """Give the transform of one slice, towards the detector."""
        return IfuPost(
            linear=self.linear(),
            x=self.plain("xForward"),
            y=self.plain("yForward"),
            x_per_m=self.per_m("xForward"),
            y_per_m=self.per_m("yForward"),
        )


def _affine(centre: Sequence[float], matrix: Any, target: Sequence[float]) -> Model:
    start = models.Shift(-centre[0]) & models.Shift(-centre[1])
    end = models.Shift(target[0]) & models.Shift(target[1])
    return start | models.AffineTransformation2D(matrix) | end


def _read_sensor(path: Path) -> Tilt:
    blocks = read_blocks(path)
    return Tilt(
        zero=numbers(blocks["Zeroreadings"])[0],
        coefficients=tuple(numbers(blocks["CoeffsTemperature00"])[::-1]),
        temperature=numbers(blocks["Temperatures"])[0],
    )


def _read_mount(folder: Path, name: str, blocks: dict[str, list[str]]) -> Any:
    """Read what a prism and a grating have both."""
    turn = [numbers(blocks[f"THETA{axis}"])[0] / 3600 for axis in "XYZ"]
    return {
        "theta": tuple(turn),
        "tilt_y": numbers(blocks["TILTY"])[0],
        # The sensor that is read as GWA_XTIL measures the tilt about y.
        "tilt_x_sensor": _read_sensor(folder / f"disperser_{name}_TiltY.gtp"),
        "tilt_y_sensor": _read_sensor(folder / f"disperser_{name}_TiltX.gtp"),
    }


def _read_grating(folder: Path, name: str) -> Grating:
    blocks = read_blocks(folder / f"disperser_{name}.dis")
    grooves_per_m = numbers(blocks["GROOVEDENSITY"])[0]
    return Grating(grooves_per_m=grooves_per_m, **_read_mount(folder, name, blocks))


def _read_prism(folder: Path) -> Prism:
    blocks = read_blocks(folder / "disperser_PRISM.pri")
    thermal, bounds = numbers(blocks["THERMALCOEF"]), numbers(blocks["WBOUND"])
    sellmeier = numbers(blocks["COEFFORMULA"])
    return Prism(
        angle=numbers(blocks["ANGLE"])[0],
        kcoef=tuple(sellmeier[::2]),
        lcoef=tuple(sellmeier[1::2]),
        tcoef=tuple(thermal),
        tref=numbers(blocks["TREF"])[0],
        pref=numbers(blocks["PREF"])[0],
        wbound=(bounds[0], bounds[1]),
        **_read_mount(folder, "PRISM", blocks),
    )


def _read_detectors(path: Path) -> dict[str, Detector]:
    blocks = read_blocks(path)

    def read(name: str, sign: int) -> Detector:
        get = {
            key: numbers(blocks[f"{name}_{key}"])[0]
            for key in ("PosX", "PosY", "PitchX", "RotAngle")
        }
        pitch = sign * get["PitchX"]
        return Detector(get["PosX"], get["PosY"], pitch, get["RotAngle"])

    return {"NRS1": read("SCA491", 1), "NRS2": read("SCA492", -1)}


def _read_slices(path: Path) -> tuple[Rectangle, ...]:
    rows = fits.getdata(path, 1)
    return tuple(
        Rectangle(str(int(row[0])), *(float(each) for each in list(row)[1:5]))
        for row in rows
    )


def _read_quadrants(path: Path) -> tuple[Shutters, ...]:
    blocks = read_blocks(path)

    def read(name: str) -> Shutters:
        get = {
            key: numbers(blocks[name + key])[0]
            for key in ("xref", "yref", "rot", "xpitch", "ypitch", "xopen", "yopen")
        }
        return Shutters(
            x=get["xref"],
            y=get["yref"],
            rotation=get["rot"],
            pitch=(get["xpitch"] / 1000, get["ypitch"] / 1000),
            opening=(get["xopen"] / 1000, get["yopen"] / 1000),
        )

    return tuple(read(f"Q{number}") for number in range(1, 5))


def _place_slit(name: str, fore: Model, ote: Model) -> Rectangle:
    field = ote.inverse(*np.array(SLIT_CORNERS[name]))
    x, y = fore.inverse(*field, np.full(4, 2.5e-6))
    sides = np.hypot(np.diff(x, append=x[0]), np.diff(y, append=y[0]))
    horizontal = np.abs(np.diff(x, append=x[0])) > np.abs(np.diff(y, append=y[0]))
    width, height = sides[horizontal].mean(), sides[~horizontal].mean()
    return Rectangle(name, x.mean(), y.mean(), width, height)


def read_full_geometry(folder: Path = FULL_MODEL) -> Geometry:
    """Read the full model into the same form as the compact one."""
    optics, description = folder / "CoordTransform", folder / "Description"
    ote = Transform(optics / "OTE.pcf").flat() | models.Scale(3600) & models.Scale(3600)
    fore = Transform(optics / "Fore_CLEAR.pcf").refractive()
    posts = (optics / "IFU" / f"IFU-POST_{number}.pcf" for number in range(30))
    return Geometry(
        camera=Transform(optics / "Camera.pcf").flat(),
        collimator=Transform(optics / "Collimator.pcf").flat(),
        fore=fore,
        ifufore=Transform(optics / "IFU" / "IFU_FORE.pcf").refractive(),
        ote=ote,
        ifuposts=tuple(Transform(path).post() for path in posts),
        slices=_read_slices(description / "IFU_slicer.sgd"),
        slits=tuple(_place_slit(name, fore, ote) for name in SLIT_CORNERS),
        quadrants=_read_quadrants(folder / "MSA.msa.ascii"),
        detectors=_read_detectors(description / "FPA.fpa"),
        dispersers={
            "PRISM": _read_prism(description),
            **{name: _read_grating(description, name) for name in GRATINGS},
        },
    )


def read_full_grating_geometry(folder: Path = FULL_MODEL) -> Geometry:
    """Read the same for F290LP."""
    path = folder / "CoordTransform" / "Fore_F290LP.pcf"
    return replace(read_full_geometry(folder), fore=Transform(path).refractive())


def _basis(x: Any, y: Any, degree: int) -> Any:
    return np.stack(
        [x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)], axis=-1
    )


def _normalise(values: Any) -> tuple[float, float, Any]:
    centre = float(f"{(values.min() + values.max()) / 2:.9g}")
    half_width = float(f"{np.ptp(values) / 2 or 1.0:.9g}")
    return centre, half_width, (values - centre) / half_width


def fit(
    inputs: Sequence[Any], outputs: Sequence[Any], tolerance: float
) -> dict[str, Any]:
    """Fit polynomials of the lowest order that keeps to the tolerance.

    Parameters
    ----------
    inputs
        x, y and, for a refractive transform, the wavelength.
    outputs
        x and y.
    tolerance
        Largest error allowed, in the unit of the outputs.
    """
    (x0, width, x), (y0, height, y) = map(_normalise, inputs[:2])
    targets = np.stack(outputs, axis=-1)
    for degree in range(1, 6):
        basis = _basis(x, y, degree)
        slopes = [basis * inputs[2][:, None]] if len(inputs) > 2 else []
        matrix = np.concatenate([basis, *slopes], axis=-1)
        scale = np.abs(matrix).max(axis=0)
        solution = np.linalg.lstsq(matrix / scale, targets, rcond=None)[0]
        if np.abs(matrix / scale @ solution - targets).max() < tolerance:
            break
    parts = np.split(solution / scale[:, None], 1 + len(slopes))
    named = zip(("", "_per_m"), parts, strict=False)
    return {
        "centre": [x0, y0],
        "half_width": [width, height],
        **{
            axis + suffix: [float(f"{each:.10g}") for each in part[:, index]]
            for suffix, part in named
            for index, axis in enumerate("xy")
        },
    }


def _disperse(geometry: Geometry, name: str, msa: Any) -> tuple[Any, Any]:
    """Give the direction behind a disperser of light from the MSA plane."""
    disperser, (x, y, lam) = geometry.dispersers[name], msa
    angles = [*disperser.theta, disperser.tilt_y]
    turn = optics.Rotation3DToGWA(angles, axes_order="xyzy", name="turn")
    to_wheel = geometry.collimator.inverse | optics.Unitless2DirCos() | turn
    behind = _bend(disperser, lam, *to_wheel(x, y))
    direction: tuple[Any, Any] = (turn.inverse | optics.DirCos2Unitless())(*behind)
    return direction


def _bend(disperser: Prism | Grating, lam: Any, alpha: Any, beta: Any, z: Any) -> Any:
    if isinstance(disperser, Grating):
        grating = AnglesFromGratingEquation3D(disperser.grooves_per_m, -1)
        return grating(lam, -alpha, beta)
    prism = disperser
    index = (prism.kcoef, prism.lcoef, prism.tcoef, prism.tref, prism.pref)
    return optics.Snell(prism.angle, *index, 37.0, prism.pref)(lam, alpha, beta, z)


def _sample(
    rectangle: Rectangle, wavelengths: Any = WAVELENGTHS
) -> tuple[Any, Any, Any]:
    """Spread x, y and wavelength over a slit, with some margin along it."""
    across, along = np.linspace(-0.5, 0.5, 3), np.linspace(-0.62, 0.62, 25)
    x, y, lam = (each.ravel() for each in np.meshgrid(across, along, wavelengths))
    return (
        rectangle.x + x * rectangle.width,
        rectangle.y + y * rectangle.height,
        lam,
    )


def _fit_pair(
    model: Model, inputs: Any, tolerances: tuple[float, float]
) -> dict[str, Any]:
    """Fit a transform towards the sky and its inverse.

    Parameters
    ----------
    model
        The transform.
    inputs
        What it is used with.
    tolerances
        Of the inputs and of the outputs.
    """
    outputs, lam = model(*inputs), inputs[2:]
    return {
        "to_sky": fit(inputs, outputs, tolerances[1]),
        "to_detector": fit([*outputs, *lam], inputs[:2], tolerances[0]),
    }


def _project(post: IfuPost, x: Any, y: Any, lam: Any) -> tuple[Any, Any]:
    """Take points of a slice to its virtual slit in the MSA plane."""
    u, v = post.linear(x, y)
    return (
        post.x(u, v) + lam * post.x_per_m(u, v),
        post.y(u, v) + lam * post.y_per_m(u, v),
    )


def _find_virtual(geometry: Geometry, wavelengths: Any = WAVELENGTHS) -> list[Any]:
    """Give x, y and wavelength over the virtual slit of each slice."""
    samples = []
    for rectangle, post in zip(geometry.slices, geometry.ifuposts, strict=True):
        points = _sample(rectangle, wavelengths)
        samples.append((*_project(post, *points), points[2]))
    return samples


def _fit_slices(geometry: Geometry) -> list[dict[str, Any]]:
    return [
        fit(_sample(rectangle), virtual[:2], TOLERANCES["msa"])
        for rectangle, virtual in zip(
            geometry.slices, _find_virtual(geometry), strict=True
        )
    ]


def _fit_camera(
    geometry: Geometry, msa: Any, dispersers: Sequence[str]
) -> dict[str, Any]:
    focal, direction = TOLERANCES["focal"], TOLERANCES["direction"]
    behind = [_disperse(geometry, name, msa) for name in dispersers]
    focus = geometry.camera.inverse(*np.concatenate(behind, axis=1))
    return _fit_pair(geometry.camera, focus, (focal, direction))


def _fit_spectrograph(geometry: Geometry, msa: Any) -> dict[str, Any]:
    tolerances = TOLERANCES["direction"], TOLERANCES["msa"]
    wheel = geometry.collimator.inverse(*msa[:2])
    return {
        "camera": _fit_camera(geometry, msa, ["PRISM"]),
        "collimator": _fit_pair(geometry.collimator, wheel, tolerances),
    }


def _fit_telescope(geometry: Geometry, field: Any) -> dict[str, Any]:
    msa, sky, arcsec = TOLERANCES["msa"], TOLERANCES["sky"], 0.005
    return {
        "fore": _fit_pair(geometry.fore, field, (msa, sky)),
        "ote": _fit_pair(geometry.ote, geometry.fore(*field), (sky, arcsec)),
    }


def _fit_fore_optics(geometry: Geometry, slit: Any) -> dict[str, Any]:
    slicer = np.concatenate([_sample(each) for each in geometry.slices], axis=1)
    entrance = (*geometry.ifufore(*slicer), slicer[2])
    field = np.concatenate([entrance, slit], axis=1)
    tolerances = TOLERANCES["slicer"], TOLERANCES["msa"]
    return {
        "ifufore": _fit_pair(geometry.ifufore, slicer, tolerances),
        **_fit_telescope(geometry, field),
    }


def _sample_shutters(quadrant: Shutters) -> list[Any]:
    """Spread x, y and wavelength over columns of shutters."""
    first, last = SHUTTER_COLUMNS
    samples = []
    for row in SHUTTER_ROWS:
        x, y, lam = _sample(
            Rectangle(
                "",
                x=(row - 1) * quadrant.pitch[0],
                y=((first + last) / 2 - 1) * quadrant.pitch[1],
                width=quadrant.opening[0],
                height=(last - first) * quadrant.pitch[1],
            )
        )
        turned = models.Rotation2D(np.rad2deg(quadrant.rotation))(x, y)
        samples.append((quadrant.x + turned[0], quadrant.y + turned[1], lam))
    return samples


def _fit_shutters(geometry: Geometry) -> dict[str, Any]:
    """Fit the transforms to the shutters and the fixed slits beside them."""
    slits = [each for each in geometry.slits if each.name in {"S200A1", "S1600A1"}]
    quadrant = geometry.quadrants[SHUTTER_QUADRANT - 1]
    samples = [*map(_sample, slits), *_sample_shutters(quadrant)]
    field = np.concatenate(samples, axis=1)
    return {
        **_fit_spectrograph(geometry, field),
        **_fit_telescope(geometry, field),
    }


def _find_wide_slit(geometry: Geometry) -> Rectangle:
    return next(each for each in geometry.slits if each.name == "S1600A1")


def _fit_gratings(geometry: Geometry) -> dict[str, Any]:
    """Fit what differs for the gratings, with the model of their filter."""
    slit = _sample(_find_wide_slit(geometry), GRATING_WAVELENGTHS)
    virtual = _find_virtual(geometry, GRATING_WAVELENGTHS)
    slicer = [_sample(each, GRATING_WAVELENGTHS) for each in geometry.slices]
    entrance = [(*geometry.ifufore(*each), each[2]) for each in slicer]
    msa, field = (np.concatenate([*each, slit], axis=1) for each in (virtual, entrance))
    fore_tolerances = TOLERANCES["msa"], TOLERANCES["sky"]
    return {
        "camera": _fit_camera(geometry, msa, GRATINGS),
        "fore": _fit_pair(geometry.fore, field, fore_tolerances),
    }


def fit_compact(geometry: Geometry, with_filter: Geometry) -> dict[str, Any]:
    """Make the content of ``nirspec_geometry.json`` from the full model.

    Parameters
    ----------
    geometry
        The model for CLEAR.
    with_filter
        The same for the filter of the gratings.
    """
    slit = _sample(_find_wide_slit(geometry))
    msa = np.concatenate([*_find_virtual(geometry), slit], axis=1)
    return {
        "how": HOW,
        "detectors": {name: asdict(each) for name, each in geometry.detectors.items()},
        "dispersers": {k: asdict(v) for k, v in geometry.dispersers.items()},
        "slits": [asdict(each) for each in geometry.slits],
        "quadrants": [asdict(each) for each in geometry.quadrants],
        "slices": [asdict(each) for each in geometry.slices],
        **_fit_spectrograph(geometry, msa),
        **_fit_fore_optics(geometry, slit),
        "msa": _fit_shutters(geometry),
        "f290lp": _fit_gratings(with_filter),
        "ifuposts": _fit_slices(geometry),
    }


def to_text(content: dict[str, Any]) -> str:
    """Turn the content into JSON with lists of numbers on one line."""
    text = json.dumps(content, indent=1, default=float)
    return re.sub(r"\[[^][{}]*\]", _join, text) + "\n"


def _join(match: re.Match[str]) -> str:
    return " ".join(match[0].split()).replace("[ ", "[").replace(" ]", "]")


if __name__ == "__main__":
    fitted = fit_compact(read_full_geometry(), read_full_grating_geometry())
    COMPACT_MODEL.write_text(to_text(fitted), "utf-8")
