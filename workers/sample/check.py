"""Compares products of the sample programs with what was put into them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import SampleError
from .products import Check, find_products, list_patterns
from .sample_set import Mode

__all__ = ["check_products"]


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
        patterns = [each for mode in Mode for each in list_patterns(mode).values()]
        spectra = [each for each in patterns if each.endswith(".fits")]
        raise SampleError(
            f"None of {len(files)} files is a level-3 spectrum of a sample program;"
            f" expected {', '.join(spectra)}."
        )
    return tuple(checks)


def _check_mode(mode: Mode, files: Sequence[Path], truth: Path) -> Iterator[Check]:
    from .comparison import compare_depth, compare_spectrum  # takes seconds

    for kind, path in find_products(mode, files).items():
        if path.suffix == ".ecsv":
            yield compare_depth(mode, path, truth, kind=kind)
        else:
            yield from compare_spectrum(mode, path, truth, kind=kind)
