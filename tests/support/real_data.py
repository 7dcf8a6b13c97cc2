"""Real spectra beside the repository, where they are."""

from pathlib import Path

import pytest

__all__ = ["REAL_SLITS", "needs_real_data"]

_FOLDER = Path(__file__).parents[3] / "shared" / "real-data"

REAL_SLITS = sorted(_FOLDER.glob("jw01345062001_*_phot.*.fits"))
"""Three nods of a source of program 01345 (CEERS, NIRSpec MOS PRISM), a slit each."""

needs_real_data = pytest.mark.skipif(
    not REAL_SLITS, reason="the real spectra are not beside the repository"
)
"""Marks tests that read them; the project has none of these files."""
