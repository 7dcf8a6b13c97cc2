"""What was put into a sample, to compare products with: small ECSV tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from math import erf, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.table import Table
from numpy.typing import NDArray

from ..publishing import publish
from .scene import Line, Spectrum

__all__ = [
    "Values",
    "kept_share",
    "measure_resolutions",
    "publish_table",
    "spectrum_table",
]

Values = NDArray[np.float64]
"""One value for each pixel or wavelength."""

_NEAR_UM = 0.05


def measure_resolutions(
    lines: Iterable[Line], wavelength_um: Values, steps_um: Values
) -> dict[Line, float]:
    """Return the size of a resolution element at lines: two pixels along dispersion.

    Parameters
    ----------
    wavelength_um
        Wavelength of lit pixels.
    steps_um
        Change of wavelength to the next pixel along dispersion.
    """
    sizes = {}
    for line in lines:
        near = np.abs(wavelength_um - line.wavelength_um) < _NEAR_UM
        sizes[line] = float(2 * np.median(np.abs(steps_um[near])))
    return sizes


def kept_share(
    sigma_arcsec: float, half_height_arcsec: float, nods_arcsec: Sequence[float]
) -> float:
    """Return the part of the light of a source that nods leave in the aperture.

    Nods are each other's background, so wings of a source are subtracted from it.

    Parameters
    ----------
    sigma_arcsec
        Width of the source along the slit.
    half_height_arcsec
        Half the height of the aperture.
    nods_arcsec
        Where the source is in each exposure; nothing is subtracted from a single one.
    """

    def share(off: float) -> float:
        upper = erf((off + half_height_arcsec) / sigma_arcsec / sqrt(2))
        return (upper - erf((off - half_height_arcsec) / sigma_arcsec / sqrt(2))) / 2

    pairs = [(one, other) for one in nods_arcsec for other in nods_arcsec]
    lost = [share(one - other) for one, other in pairs if one != other]
    return share(0.0) - sum(lost) / max(len(lost), 1)


def spectrum_table(
    spectrum: Spectrum,
    wavelengths_um: tuple[float, float],
    resolutions_um: Mapping[Line, float],
    meta: Mapping[str, Any],
    *,
    step_um: float = 0.005,
) -> Table:
    """Tabulate a spectrum, with its lines in the metadata.

    Parameters
    ----------
    resolutions_um
        Size of a resolution element at each line that can be compared.
    """
    wavelength = np.arange(*wavelengths_um, step_um)
    lines = [
        {
            **asdict(line),
            "flux_jy_um": line.flux_jy_um,
            "resolution_um": resolutions_um[line],
        }
        for line in spectrum.lines
        if line in resolutions_um
    ]
    return Table(
        {
            "wavelength": wavelength * units.um,
            "flux": spectrum.flux(wavelength) * units.Jy,
            "continuum": spectrum.continuum(wavelength) * units.Jy,
        },
        meta={**meta, "lines": lines},
    )


def publish_table(path: Path, table: Table) -> Path:
    """Publish a table as ECSV."""
    return publish(
        path, lambda draft: table.write(draft, format="ascii.ecsv", overwrite=True)
    )
