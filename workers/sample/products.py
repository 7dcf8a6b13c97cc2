"""Products of the sample programs that are compared with what was put in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import SampleError
from .sample_set import Mode

__all__ = ["Check", "find_products", "list_patterns"]

_TIME_SERIES = {"spectrum": "*_x1dints.fits", "transit": "*_whtlt.ecsv"}
_PRODUCTS: Mapping[Mode, Mapping[str, str]] = {
    Mode.NIRSPEC_IFU_PRISM: {"spectrum": "o001_*_x1d.fits"},
    Mode.NIRSPEC_IFU_NOD: {"spectrum": "o001_*_x1d.fits"},
    Mode.NIRSPEC_BOTS_PRISM: _TIME_SERIES,
    Mode.NIRSPEC_IFU_GRATINGS: {"g395h": "o001_*_x1d.fits", "g395m": "o002_*_x1d.fits"},
    Mode.NIRSPEC_BOTS_G395H: {
        **dict.fromkeys(("nrs1", "nrs2"), "*_x1dints.fits"),
        **dict.fromkeys(("transit-nrs1", "transit-nrs2"), "*_whtlt.ecsv"),
    },
    Mode.NIRSPEC_MOS_PRISM: {
        source: f"o001_{source}_*_x1d.fits"
        for source in ("s000000001", "s000000002", "s000000003")
    },
    Mode.NIRSPEC_FS_PRISM: {"spectrum": "*_x1d.fits"},
    Mode.MIRI_MRS: {
        kind: f"o001_*_{kind}_x1d.fits" for kind in ("ch1-short", "ch2-short")
    },
    Mode.MIRI_MRS_BANDS: {"ch1-shortmediumlong": "o001_*_ch1-shortmediumlong_x1d.fits"},
    Mode.MIRI_LRS_SLIT: {"spectrum": "*_x1d.fits"},
    Mode.MIRI_LRS_SLITLESS: _TIME_SERIES,
}
"""Names after the program of what each mode ends with, by the name of its truth; none
of programs that show defects, which spoil it."""
_EMPTY_SKY = "jw99001-o002_*"


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


def list_patterns(mode: Mode) -> Mapping[str, str]:
    """List the products of a mode: a glob by the name of the truth."""
    return {
        kind: f"jw{mode.program}-{name}"
        for kind, name in _PRODUCTS.get(mode, {}).items()
    }


def find_products(mode: Mode, files: Sequence[Path]) -> Mapping[str, Path]:
    """Find the products of a mode by the name of their truth: all or none.

    Raises
    ------
    SampleError
        Some are there and some are not.
    """
    patterns = list_patterns(mode)
    found = {
        kind: path
        for kind, pattern in patterns.items()
        for path in [path for path in files if _is_product(path, pattern)][:1]
    }
    if found and len(found) < len(patterns):
        names = ", ".join(path.name for path in found.values())
        raise SampleError(
            f"Of {mode} there is {names} alone; expected all of"
            f" {', '.join(patterns.values())}."
        )
    return found


def _is_product(path: Path, pattern: str) -> bool:
    return path.match(pattern) and not path.match(_EMPTY_SKY)
