"""Exposures that both samples of the MIRI LRS take."""

from .exposures import Aperture, RawExposure, Target
from .frames import Subarray

__all__ = ["plan_verification"]

_GROUPS = 5
"""Reads of an integration."""


def plan_verification(
    program: str,
    target: Target,
    aperture: Aperture,
    subarray: Subarray,
    *,
    start_s: float,
) -> RawExposure:
    """Give the verification image (F560W), which is taken before the spectra."""
    return RawExposure(
        program=program,
        observation="001",
        activity="02101",
        number=1,
        exp_type="MIR_TACONFIRM",
        template="MIRI Low Resolution Spectroscopy",
        target=target,
        aperture=aperture,
        subarray=subarray,
        groups=_GROUPS,
        integrations=1,
        start_s=start_s,
        dither_arcsec=(0.0, 0.0),
        detector="MIRIMAGE",
        filter="F560W",
    )
