"""Compares products of the sample programs with what was put into them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.errors import SampleError

from .sample_set import Mode

__all__ = ["Check", "check_products"]

_SPECTRA: Mapping[Mode, Mapping[str, str]] = {
    Mode.NIRSPEC_IFU_PRISM: {"spectrum": "jw99001-o001_*_x1d.fits"},
    Mode.NIRSPEC_IFU_NOD: {"spectrum": "jw99011-o001_*_x1d.fits"},
    Mode.NIRSPEC_BOTS_PRISM: {"spectrum": "jw99002-*_x1dints.fits"},
    Mode.NIRSPEC_IFU_GRATINGS: {
        "g395h": "jw99006-o001_*_x1d.fits",
        "g395m": "jw99006-o002_*_x1d.fits",
    },
    Mode.NIRSPEC_BOTS_G395H: dict.fromkeys(("nrs1", "nrs2"), "jw99012-*_x1dints.fits"),
    Mode.NIRSPEC_MOS_PRISM: {
        source: f"jw99004-o001_{source}_*_x1d.fits"
        for source in ("s000000001", "s000000002", "s000000003")
    },
    Mode.NIRSPEC_FS_PRISM: {"spectrum": "jw99005-*_x1d.fits"},
    Mode.MIRI_MRS: {
        f"ch{channel}-short": f"jw99003-o001_*_ch{channel}-short_x1d.fits"
        for channel in (1, 2)
    },
    Mode.MIRI_MRS_BANDS: {
        "ch1-shortmediumlong": "jw99013-o001_*_ch1-shortmediumlong_x1d.fits"
    },
    Mode.MIRI_LRS_SLIT: {"spectrum": "jw99007-*_x1d.fits"},
    Mode.MIRI_LRS_SLITLESS: {"spectrum": "jw99008-*_x1dints.fits"},
}
"""Spectra of each mode, by the name of their truth."""
_EMPTY_SKY = "jw99001-o002_*"
_LIGHT_CURVES: Mapping[Mode, Mapping[str, str]] = {
    Mode.NIRSPEC_BOTS_PRISM: {"transit": "jw99002-*_whtlt.ecsv"},
    Mode.NIRSPEC_BOTS_G395H: dict.fromkeys(
        ("transit-nrs1", "transit-nrs2"), "jw99012-*_whtlt.ecsv"
    ),
    Mode.MIRI_LRS_SLITLESS: {"transit": "jw99008-*_whtlt.ecsv"},
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
        patterns = [name for kinds in _SPECTRA.values() for name in kinds.values()]
        raise SampleError(
            f"None of {len(files)} files is a level-3 spectrum of a sample program;"
            f" expected {', '.join(patterns)}."
        )
    return tuple(checks)


def _check_mode(mode: Mode, files: Sequence[Path], truth: Path) -> Iterator[Check]:
    from .comparison import compare_depth, compare_spectrum  # takes seconds

    patterns = {**_SPECTRA[mode], **_LIGHT_CURVES.get(mode, {})}
    found = {kind: _find(files, pattern) for kind, pattern in patterns.items()}
    there = {kind: path for kind, path in found.items() if path}
    if not there:
        return
    if len(there) < len(found):
        names = ", ".join(path.name for path in there.values())
        raise SampleError(
            f"Of {mode} there is {names} alone; expected all of"
            f" {', '.join(patterns.values())}."
        )
    for kind, path in there.items():
        if kind in _SPECTRA[mode]:
            yield from compare_spectrum(mode, path, truth, kind=kind)
        else:
            yield compare_depth(mode, path, truth, kind=kind)


def _find(files: Sequence[Path], pattern: str) -> Path | None:
    found = (path for path in files if path.match(pattern))
    return next((path for path in found if not path.match(_EMPTY_SKY)), None)
