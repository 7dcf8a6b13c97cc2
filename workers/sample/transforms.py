"""Transforms of places, from the numbers of the geometry files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.modeling import Model, models

__all__ = ["Spec", "make_distortion", "make_field", "normalise", "polynomial"]

Spec = Mapping[str, Any]
"""A JSON object of a geometry file."""


def polynomial(coefficients: Sequence[float]) -> Model:
    """Build a polynomial in x and y.

    Parameters
    ----------
    coefficients
        Powers of x outside, powers of y inside: c00, c01, ..., c10, c11, ...
    """
    degree = int((np.sqrt(8 * len(coefficients) + 1) - 3) / 2)
    names = [f"c{i}_{j}" for i in range(degree + 1) for j in range(degree + 1 - i)]
    return models.Polynomial2D(degree, **dict(zip(names, coefficients, strict=True)))


def normalise(spec: Spec) -> Model:
    """Build what takes both inputs of a polynomial to about -1 to 1."""
    (x, y), (width, height) = spec["centre"], spec["half_width"]
    shift = models.Shift(-x) & models.Shift(-y)
    return shift | models.Scale(1 / width) & models.Scale(1 / height)


def _chromatic(plain: Model, per_m: Model) -> Model:
    place = models.Mapping((0, 1), n_inputs=3)
    slope = (place | per_m) * models.Mapping((2,), n_inputs=3)
    return (place | plain) + slope


def _one_way(spec: Spec) -> Model:
    normal, x, y = normalise(spec), polynomial(spec["x"]), polynomial(spec["y"])
    if "x_per_m" not in spec:
        return normal | models.Mapping((0, 1, 0, 1)) | x & y
    x = _chromatic(x, polynomial(spec["x_per_m"]))
    y = _chromatic(y, polynomial(spec["y_per_m"]))
    repeat = models.Mapping((0, 1, 2, 0, 1, 2))
    return normal & models.Identity(1) | repeat | x & y


def make_distortion(spec: Spec) -> Model:
    """Build a transform towards the sky that knows its inverse."""
    model = _one_way(spec["to_sky"])
    model.inverse = _one_way(spec["to_detector"])
    return model


def make_field(spec: Spec) -> Model:
    """Make an affine transform with its inverse of its matrix and centre."""
    turn, centre = np.array(spec["matrix"]), np.array(spec["centre"])
    model = models.AffineTransformation2D(turn, translation=centre)
    back = np.linalg.inv(turn)
    model.inverse = models.AffineTransformation2D(back, translation=-back @ centre)
    return model
