"""Edits of the slits of calibrated exposures, before spec3 combines them."""

from collections.abc import Iterator
from typing import Any, assert_never

import numpy as np
from astropy.io import fits

from config.edits import CalibratedEdit, MaskWavelengths, RecomputeErrors

from ..contract import Caveat, CaveatKind

__all__ = ["edit_slits"]

_DO_NOT_USE = 1
"""Bit of DQ (jwst data quality flags)."""


class _Slit:
    """The extensions of a slit."""

    def __init__(self, hdus: fits.HDUList, version: int) -> None:
        self._hdus = hdus
        self._version = version
        self.header = self._find("SCI").header
        self.name = str(self.header.get("SLTNAME", "")).strip()

    def get(self, name: str) -> Any:
        """Return an array, which may be changed in place; None if there is none."""
        hdu = self._find(name)
        return None if hdu is None else hdu.data

    def _find(self, name: str) -> Any:
        try:
            return self._hdus[name, self._version]
        except KeyError:
            return None


def edit_slits(hdus: fits.HDUList, edit: CalibratedEdit) -> Iterator[Caveat]:
    """Edit the slits of a calibrated exposure in place, and tell what was done."""
    for version in [hdu.ver for hdu in hdus if hdu.name == "SCI"]:
        slit = _Slit(hdus, version)
        match edit:
            case RecomputeErrors():
                yield from _recompute_errors(slit)
            case MaskWavelengths():
                yield from _mask(slit, edit)
            case _:
                raise NotImplementedError(edit)


def _recompute_errors(slit: _Slit) -> Iterator[Caveat]:
    """Compute errors where none is finite, though there are good data."""
    data, errors, quality = (slit.get(name) for name in ("SCI", "ERR", "DQ"))
    good = np.isfinite(data) & (quality & _DO_NOT_USE == 0)
    if not good.any() or np.isfinite(errors[good]).any():
        return
    noise, poisson = slit.get("VAR_RNOISE"), slit.get("VAR_POISSON")
    variance = None if noise is None or poisson is None else noise + poisson
    if variance is None or not np.isfinite(variance[good]).any():
        why = "VAR_RNOISE and VAR_POISSON hold no finite sum"
        message = f"slit {slit.name} has no errors, and they cannot be computed: {why}"
        yield Caveat(CaveatKind.EDIT_INCOMPLETE, message)
        return
    errors[good] = np.sqrt(variance[good])
    flat = slit.get("VAR_FLAT")
    if flat is not None:
        flat[good & np.isnan(flat)] = 0
    yield Caveat(
        CaveatKind.EDITED,
        f"slit {slit.name} had no errors: they are those of read noise and Poisson "
        "noise alone, without the flat field (recompute-errors, NS-MOS02)",
    )


def _mask(slit: _Slit, edit: MaskWavelengths) -> Iterator[Caveat]:
    """Mask wavelengths of a slit whose source is in the half that is asked for."""
    if slit.name != edit.slit or not _is_in_half(slit, edit):
        return
    wavelengths = slit.get("WAVELENGTH")
    if wavelengths is None:
        message = f"slit {slit.name} has no WAVELENGTH, so none could be masked"
        yield Caveat(CaveatKind.EDIT_INCOMPLETE, message)
        return
    masked = (wavelengths >= edit.from_um) & (wavelengths <= edit.to_um)
    slit.get("DQ")[masked] |= _DO_NOT_USE
    for name in ("SCI", "ERR", "VAR_RNOISE", "VAR_POISSON", "VAR_FLAT"):
        if (values := slit.get(name)) is not None:
            values[masked] = np.nan
    yield Caveat(
        CaveatKind.EDITED,
        f"slit {slit.name} is masked from {edit.from_um:g} to {edit.to_um:g} um, "
        f"{int(masked.sum())} pixels (mask-wavelengths)",
    )


def _is_in_half(slit: _Slit, edit: MaskWavelengths) -> bool:
    """Return whether the source is in a half of its slit.

    SRCYPOS goes from -0.5 to 0.5 along the slit, downward in the 2-D spectrum: against
    the rows of the detector. It is 0 where spec2 does not know it.
    """
    position = float(slit.header.get("SRCYPOS", 0.0))
    match edit.source:
        case "anywhere":
            return True
        case "lower":
            return position > 0
        case "upper":
            return position < 0
    assert_never(edit.source)
