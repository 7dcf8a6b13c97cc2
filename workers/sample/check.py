"""Compares products of the sample programs with what was put into them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.errors import SampleError

from .sample_set import Mode

__all__ = ["Check", "check_products"]

_SPECTRA: Mapping[Mode, Mapping[str, str]] = {
    Mode.NIRSPEC_IFU_PRISM: {"jw99001-o001_*_x1d.fits": "spectrum"},
    Mode.NIRSPEC_BOTS_PRISM: {"jw99002-*_x1dints.fits": "spectrum"},
    Mode.NIRSPEC_MOS_PRISM: {
        f"jw99004-o001_{source}_*_x1d.fits": source
        for source in ("s000000001", "s000000002", "s000000003")
    },
    Mode.NIRSPEC_FS_PRISM: {"jw99005-*_x1d.fits": "spectrum"},
    Mode.MIRI_MRS: {
        f"jw99003-o001_*_{channel}-short_x1d.fits": "spectrum"
        for channel in ("ch1", "ch2")
    },
    Mode.MIRI_MRS_BANDS: {
        "jw99013-o001_*_ch1-shortmediumlong_x1d.fits": "spectrum",
    },
}
"""Spectra of each mode, with the name of their truth."""
_EMPTY_SKY = "jw99001-o002_*"
_LIGHT_CURVES: Mapping[Mode, Sequence[str]] = {
    Mode.NIRSPEC_BOTS_PRISM: ("jw99002-*_whtlt.ecsv",),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One number of a product beside what it should be."""

    name: str
    """Mode and what was measured."""
    measured: float
    """In the product."""
    expected: float
    """In the truth."""
    tolerance: float
    """Largest difference allowed."""
    unit: str
    """Unit of the three, empty for a ratio."""

    @property
    def passed(self) -> bool:
        """Whether the product agrees with the truth; NaN never does."""
        return bool(abs(self.measured - self.expected) <= self.tolerance)


def check_products(products: Path | Iterable[Path], truth: Path) -> tuple[Check, ...]:
    """Compare final products with the truth.

    Parameters
    ----------
    products
        A folder that has them at any depth, or the files themselves: level-3 ``x1d``
        of every source and channel, of the time series ``x1dints`` and ``whtlt``. What
        else there is does not matter.
    truth
        Folder of the truth of the sample.

    Raises
    ------
    SampleError
        There is no product of a sample program, or a mode lacks one of its products.
    """
    files = sorted(products.rglob("*") if isinstance(products, Path) else products)
    checks = [check for mode in Mode for check in _check_mode(mode, files, truth)]
    if not checks:
        patterns = (pattern for patterns in _SPECTRA.values() for pattern in patterns)
        raise SampleError(
            f"None of {len(files)} files is a level-3 spectrum of a sample program;"
            f" expected {', '.join(patterns)}."
        )
    return tuple(checks)


def _check_mode(mode: Mode, files: Sequence[Path], truth: Path) -> Iterator[Check]:
    from .comparison import compare_depth, compare_spectrum  # takes seconds

    spectra, curves = _SPECTRA[mode], _LIGHT_CURVES.get(mode, ())
    patterns = [*spectra, *curves]
    found = {pattern: path for pattern in patterns if (path := _find(files, pattern))}
    if not found:
        return
    if len(found) < len(patterns):
        there = ", ".join(path.name for path in found.values())
        raise SampleError(
            f"Of {mode} there is {there} alone; expected all of {', '.join(patterns)}."
        )
    for pattern, kind in spectra.items():
        yield from compare_spectrum(mode, found[pattern], truth, kind=kind)
    for pattern in curves:
        yield compare_depth(mode, found[pattern], truth)


def _find(files: Sequence[Path], pattern: str) -> Path | None:
    found = (path for path in files if path.match(pattern))
    return next((path for path in found if not path.match(_EMPTY_SKY)), None)
