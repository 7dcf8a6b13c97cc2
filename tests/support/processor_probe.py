"""Results whose last bits tell what code was chosen for this processor.

    python processor_probe.py

prints the digest of each as JSON.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from ctypes import CDLL, c_char_p
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
import scipy.linalg
import scipy.optimize
import scipy.special
from numpy._core import _multiarray_umath as numpy_core
from scipy import interpolate, ndimage, sparse
from scipy.sparse import linalg as sparse_linalg

__all__ = ["name_blas_cores", "name_numpy_targets", "probe"]

_CORENAMES = ("scipy_openblas_get_corename64_", "scipy_openblas_get_corename")
_SIZE = 1003

_UFUNCS = (
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt"),
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
    *("arcsinh", "reciprocal", "square"),
)
_BINARY = ("power", "arctan2", "hypot", "fmod", "logaddexp", "divide")


def probe() -> Mapping[str, str]:
    """Return the digest of each result."""
    return {name: _digest(work()) for name, work in _list_results().items()}


def name_numpy_targets() -> list[str]:
    """Name the groups of instructions, beyond its baseline, that numpy uses."""
    found = numpy_core.__cpu_features__
    return [name for name in numpy_core.__cpu_dispatch__ if found[name]]


def name_blas_cores() -> dict[str, str]:
    """Name the processor for which each OpenBLAS that is loaded computes."""
    maps = Path("/proc/self/maps").read_text()
    paths = set(re.findall(r"/\S*openblas\S*\.so\S*", maps))
    return {Path(path).parent.name: _name_core(CDLL(path)) for path in paths}


def _name_core(library: CDLL) -> str:
    name = next(name for name in _CORENAMES if hasattr(library, name))
    function = getattr(library, name)
    function.restype = c_char_p
    return str(function().decode())


def _digest(result: Any) -> str:
    parts = result if isinstance(result, tuple) else (result,)
    data = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
    return hashlib.sha256(data).hexdigest()[:16]


def _list_results() -> dict[str, Callable[[], Any]]:
    results: dict[str, Callable[[], Any]] = {}
    for kind in (np.float32, np.float64):
        one, other = _make(kind)
        results |= _list_ufuncs(one, other) | _list_sums(one)
        results |= _list_algebra(one, other) | _list_orders(one)
    return results | _list_scipy(*_make(np.float64))


def _make(kind: type) -> tuple[Any, Any]:
    random = np.random.default_rng(17)
    return tuple(random.uniform(0.01, 0.99, (2, _SIZE, 97)).astype(kind))


def _list_ufuncs(one: Any, other: Any) -> dict[str, Callable[[], Any]]:
    kind = one.dtype.name
    single = {f"{n} {kind}": lambda n=n: getattr(np, n)(one) for n in _UFUNCS}
    double = {f"{n} {kind}": lambda n=n: getattr(np, n)(one, other) for n in _BINARY}
    turned = {
        "large sin": lambda: np.sin(1e5 * one),
        "complex": lambda: np.abs((one + 1j * other) * np.exp(1j * one)),
    }
    return single | double | {f"{n} {kind}": turned[n] for n in turned}


def _list_sums(one: Any) -> dict[str, Callable[[], Any]]:
    holed = np.where(one > 0.9, np.nan, one)
    sums = {
        "sum": lambda: (one.sum(), one.sum(0), one.sum(1)),
        "mean": lambda: (one.mean(0), np.nanmean(holed, 1)),
        "std": lambda: (one.std(), one.var(0), np.nanstd(holed, 1)),
        "cumsum": one.cumsum,
        "median": lambda: (np.median(one, 0), np.nanmedian(holed, 1)),
        "percentile": lambda: np.nanpercentile(holed, [16, 84], axis=0),
        "diff": lambda: np.diff(one, axis=0) / one[1:],
        "convolve": lambda: np.convolve(one[:, 0], one[:50, 1]),
        "interp": lambda: np.interp(one[0], np.sort(one[:, 1]), one[:, 2]),
    }
    return {f"{name} {one.dtype.name}": sums[name] for name in sums}


def _list_algebra(one: Any, other: Any) -> dict[str, Callable[[], Any]]:
    square = one[:97] + 10 * np.eye(97, dtype=one.dtype)
    algebra = {
        "matmul": lambda: one @ other.T,
        "matmul of vectors": lambda: (one @ other[0], one[0] @ other[1]),
        "small matmul": lambda: one[:60].reshape(-1, 6, 10) @ other[:10, :7],
        "einsum": lambda: np.einsum("ij,kj->ik", one, other),
        "solve": lambda: np.linalg.solve(square, other[:97]),
        "inverse": lambda: np.linalg.inv(square),
        "svd": lambda: np.linalg.svd(one),
        "eigh": lambda: np.linalg.eigh(square + square.T),
        "least squares": lambda: np.linalg.lstsq(one, other[:, :3])[0],
        "scipy solve": lambda: scipy.linalg.solve(square, other[:97]),
        "scipy cholesky": lambda: scipy.linalg.cholesky(square @ square.T),
        "scipy least squares": lambda: scipy.linalg.lstsq(one, other[:, :3])[0],
        "fft": lambda: (np.fft.rfft(one), scipy.fft.fft2(one)),
    }
    return {f"{name} {one.dtype.name}": algebra[name] for name in algebra}


def _list_orders(one: Any) -> dict[str, Callable[[], Any]]:
    ties = np.round(one.ravel() * 50)
    orders = {
        "argsort": ties.argsort,
        "argpartition": lambda: ties.argpartition(1000),
        "sort": lambda: np.sort(one, axis=0),
        "argmax": lambda: (ties.argmax(), ties.argmin()),
    }
    return {f"{name} {one.dtype.name}": orders[name] for name in orders}


def _list_scipy(one: Any, other: Any) -> dict[str, Callable[[], Any]]:
    wave = np.linspace(0, 1, _SIZE)
    banded = sparse.csc_matrix(np.tril(np.triu(one[:97] + 3 * np.eye(97), -3), 3))

    def model(x: Any, *p: float) -> Any:
        return p[0] * np.exp(-(((x - p[1]) / p[2]) ** 2)) + p[3]

    data = model(wave, 3.0, 0.5, 0.1, 1.0) + 0.1 * other[:, 0]
    return {
        "erf": lambda: (scipy.special.erf(one), scipy.special.gamma(one + 1)),
        "gaussian": lambda: ndimage.gaussian_filter(one, 2.3),
        "spline shift": lambda: ndimage.map_coordinates(one, [wave * 900, wave * 90]),
        "median filter": lambda: ndimage.median_filter(one[:100], 5),
        "spline": lambda: interpolate.UnivariateSpline(wave, data, s=3.0)(wave),
        "cubic": lambda: interpolate.CubicSpline(wave, data)(wave**2),
        "curve fit": lambda: scipy.optimize.curve_fit(
            model, wave, data, p0=[2, 0.4, 0.2, 0]
        )[0],
        "polyfit": lambda: np.polyfit(wave, data, 7),
        "spsolve": lambda: sparse_linalg.spsolve(banded, other[:97, 0]),
        "normal": lambda: np.random.default_rng(5).normal(size=1000),
    }


if __name__ == "__main__":
    print(json.dumps(probe()))
