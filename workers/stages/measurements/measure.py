"""`measure`: all that is measured in a product, by the registry."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from config.measurements import MeasurementKind, list_measurements

from ...contract import Measurement
from ...errors import MeasurementError
from .cubes import (
    measure_correlation,
    measure_flux_ratio,
    measure_offset,
    measure_oscillation,
    measure_outliers,
    measure_sky,
    measure_wander,
)
from .detector import measure_banding, measure_fraction
from .light_curves import (
    measure_excess,
    measure_scatter,
    measure_scatter_ratio,
    measure_slope,
)
from .products import Curve, Image, Product, Spectrum
from .robust import Flags, Measured, Values
from .slitlets import Slitlet, measure_unexpected
from .spectra import (
    count_spikes,
    measure_fringes,
    measure_line,
    measure_noise,
    measure_step,
)

__all__ = ["READERS", "measure"]


@dataclass(frozen=True, slots=True)
class _Task:
    """Numbers to be taken of a part of a product."""

    part: str
    """Of what."""
    take: Callable[[], Measured | tuple[Measured, ...]]
    """Takes them."""
    units: tuple[str, ...] | None = None
    """Their units; those of the measurement if None."""


def measure(
    path: Path, *, others: Sequence[Path] = (), lines_um: Sequence[float] = ()
) -> tuple[Measurement, ...]:
    """Take all measurements that a product is for; none if it is for none.

    Parameters
    ----------
    path
        A product under its canonical name.
    others
        Products that may go with it, besides those in its folder: the cube of a
        spectrum, the next band.
    lines_um
        Where lines should be, in the frame of the spectrum.

    Raises
    ------
    ProductError
        The file, or one that goes with it, cannot be read.
    """
    product = Product(path, others)
    kinds = {
        n: k for n, k in list_measurements().items() if product.suffix in k.suffixes
    }
    return tuple(
        measurement
        for name, kind in kinds.items()
        if kind.match.fits(product.facts)
        for task in _list_tasks(name, product, lines_um)
        for measurement in _take(task, name, kind, path.name)
    )


def _list_tasks(
    name: str, product: Product, lines_um: Sequence[float]
) -> Iterator[_Task]:
    """List what is to be taken; what prevents all of it is the task that fails."""
    try:
        if name == "line-positions":
            yield from _list_lines(product, lines_um)
        else:
            yield from READERS[name](product)
    except MeasurementError as error:
        yield _Task("", partial(_fail, error))


def _fail(error: MeasurementError) -> Measured:
    raise error


def _take(
    task: _Task, name: str, kind: MeasurementKind, product: str
) -> Iterator[Measurement]:
    units = task.units or tuple(value.unit for value in kind.values)
    try:
        found = task.take()
    except MeasurementError as error:
        for unit in units:
            yield Measurement(name, product, task.part, None, unit, 0, str(error))
        return
    numbers = found if isinstance(found, tuple) else (found,)
    for unit, number in zip(units, numbers, strict=True):
        value, n = float(number.value), number.n
        why = "" if np.isfinite(value) else f"the number is {value}"
        given = None if why else value
        yield Measurement(name, product, task.part, given, unit, n, why)


def _list_banding(product: Product) -> Iterator[_Task]:
    fast_axis = product.header.get("FASTAXIS")
    if fast_axis is None:
        raise MeasurementError("the header does not tell the FASTAXIS")
    for image in product.images:
        take = partial(measure_banding, image.data, image.usable, int(fast_axis))
        yield _Task(image.name, take)


def _list_oscillations(product: Product) -> Iterator[_Task]:
    for image in product.images:
        yield _Task(image.name, partial(measure_oscillation, _uncover(image)))


def _list_outliers(product: Product) -> Iterator[_Task]:
    for image in product.images:
        if product.suffix in {"crf", "crfints"}:
            among = _find_lit(image) & (np.isfinite(image.data) | image.outliers)
            yield _Task(image.name, partial(measure_fraction, image.outliers, among))
        else:
            yield _Task(image.name, partial(measure_outliers, _uncover(image)))


def _uncover(image: Image) -> Values:
    """Give a cube or rectified spectrum with wavelength first, without empty places."""
    data = np.where(_find_lit(image), image.data, np.nan)
    return data.T if data.ndim == 2 and image.header.get("DISPAXIS") == 1 else data


def _find_lit(image: Image) -> Flags:
    """Find where light falls: everywhere, if the file does not tell."""
    return np.ones(image.data.shape, bool) if image.seen is None else image.seen


def _list_noise(product: Product) -> Iterator[_Task]:
    for spectrum in product.spectra:
        yield _Task(spectrum.name, partial(measure_noise, spectrum.flux))


def _list_spikes(product: Product) -> Iterator[_Task]:
    for spectrum in product.spectra:
        yield _Task(spectrum.name, partial(count_spikes, spectrum.flux))


def _list_fringes(product: Product) -> Iterator[_Task]:
    for spectrum in product.spectra:
        where, name = spectrum.wavelength_um, spectrum.name
        take = partial(measure_fringes, where, spectrum.flux)
        yield _Task(f"{name} FLUX".strip(), take)
        if spectrum.defringed is not None:
            take = partial(measure_fringes, where, spectrum.defringed[0])
            yield _Task(f"{name} RF_FLUX".strip(), take)


def _list_steps(product: Product) -> Iterator[_Task]:
    for one in product.spectra:
        for name, other in _list_neighbours(product, one):
            if (step := _try_step(other, one)) is not None:
                yield _Task(f"{one.name} after {name}".strip(), step)


def _try_step(blue: Spectrum, red: Spectrum) -> Callable[[], Measured] | None:
    """Return how to take the step between spectra, if they are neighbours."""
    pair = [(each.wavelength_um, each.flux) for each in (blue, red)]
    try:
        step = measure_step(*pair)
    except MeasurementError as error:
        return partial(_fail, error)
    return None if step is None else lambda: step


def _list_neighbours(product: Product, one: Spectrum) -> Iterator[tuple[str, Spectrum]]:
    """List the spectra of the same source, in the same file and in those beside it."""
    for other in product.spectra:
        if product.suffix == "x1dints" and other is not one:
            yield other.name, other
    for path in product.list_beside():
        if difference := _tell_apart(product.path.name, path.name):
            found = [s for s in Product(path).spectra if s.name == one.name]
            yield from ((difference, other) for other in found)


def _tell_apart(name: str, other: str) -> str:
    """Return the part of a name that differs, if it alone does.

    It is the last but the suffix: band or grating, or the detector of an exposure.
    """
    head, _, suffix = name.rpartition("_")
    other_head, _, other_suffix = other.rpartition("_")
    stem, _, part = head.rpartition("_")
    other_stem, _, other_part = other_head.rpartition("_")
    is_next = (stem, suffix) == (other_stem, other_suffix) and part != other_part
    return other_part if is_next and stem else ""


def _list_gaps(product: Product) -> Iterator[_Task]:
    """List how to count what is not finite, in science and in errors."""
    if product.suffix in {"x1d", "x1dints"}:
        for one in product.spectra:
            seen = np.broadcast_to(one.seen, one.fluxes.shape)
            for what, values in (("FLUX", one.fluxes), ("FLUX_ERROR", one.errors)):
                take = partial(measure_fraction, ~np.isfinite(values), seen)
                yield _Task(f"{one.name} {what}".strip(), take)
    else:
        for image in product.images:
            if image.seen is None:
                raise MeasurementError("the file does not tell where light falls")
            for what, values in (("SCI", image.data), ("ERR", image.error)):
                take = partial(measure_fraction, ~np.isfinite(values), image.seen)
                yield _Task(f"{image.name} {what}".strip(), take)


def _list_offsets(product: Product) -> Iterator[_Task]:
    if product.header.get("EXP_TYPE") in _IFUS:
        cube = product.find_beside("s3d").images[0]
        for one in product.spectra:
            yield _Task(one.name, partial(_measure_in_cube, one, cube))
        return
    rectified = product.find_beside("s2d")
    slits = {image.name: image for image in rectified.images}
    scales = rectified.arcsec_per_pixel
    for one in product.spectra:
        if one.name not in slits:
            raise MeasurementError(f"{rectified.path.name} has not the same slits")
        take = partial(_measure_in_slit, one, slits[one.name], scales[one.name])
        yield _Task(one.name, take)


def _measure_in_cube(one: Spectrum, cube: Image) -> tuple[Measured, Measured]:
    centre = _find_aperture(one)
    if centre is None:
        raise MeasurementError("the spectrum is of the whole field, not of an aperture")
    return measure_offset(_uncover(cube), centre, _find_scale(cube))


def _find_scale(cube: Image) -> float:
    """Return the size of a spaxel in arcsec."""
    step = cube.header.get("CDELT1")
    if step is None:
        raise MeasurementError("the header does not tell the CDELT1")
    return abs(float(step)) * _ARCSEC_PER_DEGREE


def _find_aperture(one: Spectrum) -> tuple[float, float] | None:
    """Find the centre (y, x) of the aperture of a point source, counted from 0."""
    y, x = one.header.get("EXTR_Y"), one.header.get("EXTR_X")
    if one.header.get("SRCTYPE") != "POINT" or y is None or x is None:
        return None
    return float(y), float(x)


def _measure_in_slit(
    one: Spectrum, slit: Image, arcsec: float
) -> tuple[Measured, Measured]:
    axis = "Y" if slit.header.get("DISPAXIS") == 1 else "X"
    first, last = (one.header.get(f"EXTR{axis}{end}") for end in ("STR", "STP"))
    if first is None or last is None:
        raise MeasurementError(
            f"the header does not tell EXTR{axis}STR and EXTR{axis}STP"
        )
    # The keywords count from 1.
    centre = (float(first) + float(last)) / 2 - 1
    return measure_offset(_uncover(slit), (centre,), arcsec)


def _list_unexpected(product: Product) -> Iterator[_Task]:
    """List slitlets; those of extended sources may be full of their light."""
    chosen = [image for image in product.images if _is_sky_seen(image.header)]
    slitlets = [_to_slitlet(image) for image in chosen]
    for number, image in enumerate(chosen):
        yield _Task(image.name, partial(measure_unexpected, slitlets, number))


def _is_sky_seen(header: Mapping[str, object]) -> bool:
    return header.get("SRCTYPE") == "POINT" or _is_background(header)


def _is_background(header: Mapping[str, object]) -> bool:
    """Return whether there is no source: jwst names them 1345_BKG5, or BACKGROUND_5."""
    name = str(header.get("SRCNAME", "")).upper()
    return "_BKG" in name or name.startswith("BACKGROUND")


def _to_slitlet(image: Image) -> Slitlet:
    unit, area_sr = image.header.get("BUNIT"), image.header.get("PIXAR_SR")
    if image.wavelength_um is None:
        raise MeasurementError("the file does not tell the WAVELENGTH")
    if unit == "MJy/sr":
        brightness = image.data
    elif unit == "MJy" and area_sr:
        brightness = image.data / float(area_sr)
    else:
        raise MeasurementError(
            f"expected MJy/sr, or MJy and PIXAR_SR, got {unit} and {area_sr}"
        )
    lit = _find_lit(image) & np.isfinite(image.data)
    return Slitlet(
        brightness=brightness,
        wavelength_um=image.wavelength_um,
        usable=lit & image.usable & ~image.failed_open,
        has_source=not _is_background(image.header),
    )


def _list_wanders(product: Product) -> Iterator[_Task]:
    for cube in product.images:
        take = partial(measure_wander, _uncover(cube), _find_scale(cube))
        yield _Task(cube.name, take)


def _list_skies(product: Product) -> Iterator[_Task]:
    for cube in product.images:
        yield _Task(cube.name, partial(measure_sky, _uncover(cube)))


def _list_correlations(product: Product) -> Iterator[_Task]:
    for cube in product.images:
        yield _Task(cube.name, partial(measure_correlation, _uncover(cube)))


def _list_ratios(product: Product) -> Iterator[_Task]:
    cube = product.find_beside("s3d").images[0]
    for one in product.spectra:
        centre = _find_aperture(one)
        subtracted = one.background if centre else np.zeros_like(one.background)
        take = partial(
            measure_flux_ratio,
            one.flux,
            cube.data,
            float(cube.header["PIXAR_SR"]),
            area=one.area,
            background=subtracted,
            centre=centre,
        )
        yield _Task(one.name, take)


def _list_slopes(product: Product) -> Iterator[_Task]:
    for curve in product.curves:
        yield _Task(curve.name, partial(measure_slope, curve.time_d, curve.flux))


def _list_scatters(product: Product) -> Iterator[_Task]:
    for curve in product.curves:
        take = partial(measure_scatter, curve.time_d, curve.flux)
        yield _Task(curve.name, take, ("ppm",))
        yield _Task(curve.name, partial(_measure_ratio, product, curve), ("1",))


def _list_excesses(product: Product) -> Iterator[_Task]:
    for one in product.spectra:
        yield _Task(one.name, partial(measure_excess, one.fluxes, one.errors))


def _measure_ratio(product: Product, curve: Curve) -> Measured:
    """Compare the scatter of a curve with the errors of the spectra it is made of."""
    for one in product.find_beside("x1dints").spectra:
        seen = np.isfinite(one.fluxes)
        total = np.sort(np.where(seen, one.fluxes, 0).sum(axis=1))
        flux = np.sort(curve.flux[np.isfinite(curve.flux)])
        if total.size == flux.size and np.allclose(total, flux, rtol=1e-9, atol=0):
            error = np.sqrt((np.where(seen, one.errors, 0) ** 2).sum(axis=1))
            return measure_scatter_ratio(curve.time_d, curve.flux, error)
    raise MeasurementError(
        "the fluxes of no spectrum in the x1dints sum up to the curve"
    )


def _list_lines(product: Product, lines_um: Sequence[float]) -> Iterator[_Task]:
    for one in product.spectra:
        for line_um in lines_um:
            take = partial(measure_line, one.wavelength_um, one.flux, line_um)
            yield _Task(f"{one.name} {line_um:g} um".strip(), take)


_IFUS = frozenset({"NRS_IFU", "MIR_MRS"})
_ARCSEC_PER_DEGREE = 3600.0

READERS: Mapping[str, Callable[[Product], Iterator[_Task]]] = {
    "vertical-banding": _list_banding,
    "spaxel-oscillation": _list_oscillations,
    "outlier-fraction": _list_outliers,
    "spectral-noise": _list_noise,
    "absorption-spikes": _list_spikes,
    "fringe-amplitude": _list_fringes,
    "band-steps": _list_steps,
    "nan-fraction": _list_gaps,
    "source-offset": _list_offsets,
    "unexpected-light": _list_unexpected,
    "source-wander": _list_wanders,
    "sky-level": _list_skies,
    "plane-correlation": _list_correlations,
    "white-light-slope": _list_slopes,
    "white-light-scatter": _list_scatters,
    "light-curve-scatter": _list_excesses,
    "x1d-over-s3d": _list_ratios,
}
"""How each measurement is taken from a product; of lines, `_list_lines`."""
