"""What may lie beside the repository, and what tests do without it."""

import os
from pathlib import Path

import pytest

__all__ = ["FACTS", "ISSUE_PAGES", "MRS_MODEL", "NIRSPEC_MODEL", "REAL_DATA", "needs"]

_SHARED = Path(__file__).resolve().parents[3] / "shared"

REAL_DATA = _SHARED / "real-data"
"""Spectra of NIRSpec that MAST has calibrated."""

NIRSPEC_MODEL = _SHARED / "instrument" / "nirspec"
"""The full model of ESA."""

MRS_MODEL = _SHARED / "instrument" / "miri-mrs"
"""The in-flight references of the MRS and the imager."""

ISSUE_PAGES = _SHARED / "known-issues"
"""The published pages of known issues, as text."""

FACTS = _SHARED / "facts"
"""What was found out about the libraries; the steps of `jwst` with their parameters."""

_VARIABLE = "TESTS_NEED_SHARED"
"""Set by `.ci/run` if there is a folder ``../shared``: nothing of it may be missing."""


def needs(folder: Path) -> pytest.MarkDecorator:
    """Mark tests that read a folder beside the repository.

    They are skipped without it, unless they must not be: then there are no tests.
    """
    is_missing = not (folder.is_dir() and any(folder.iterdir()))
    if is_missing and os.environ.get(_VARIABLE):
        raise pytest.UsageError(
            f"{folder} is not there or empty, and {_VARIABLE} is set: tests that read "
            "it would be skipped."
        )
    return pytest.mark.skipif(is_missing, reason=f"{folder} is not there")
