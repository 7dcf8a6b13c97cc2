"""Real spectra beside the repository, where they are."""

from beside import REAL_DATA, needs

__all__ = ["REAL_SLITS", "needs_real_data"]

REAL_SLITS = sorted(REAL_DATA.glob("jw01345062001_*_phot.*.fits"))
"""Three nods of a source of program 01345 (CEERS, NIRSpec MOS PRISM), a slit each."""

needs_real_data = needs(REAL_DATA)
"""Marks tests that read them; the project has none of these files."""
