"""Edits of the headers of exposures."""

import warnings
from collections.abc import Mapping
from typing import Any, Final

import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time

from config.edits import HeaderEdit, ProperMotion, SetKeyword

from ..errors import EditError

__all__ = ["list_cards"]

_FAR: Final = 5 * u.arcmin
"""No star has moved so far since the epoch of a catalogue that a proposal uses."""


def list_cards(header: Mapping[str, Any], edit: HeaderEdit) -> dict[str, str | float]:
    """List the cards that an edit sets in a primary header.

    Raises
    ------
    EditError
        The header lacks what is needed, or contradicts the edit.
    """
    match edit:
        case SetKeyword():
            return {edit.keyword: edit.value}
        case ProperMotion():
            return _move(header, edit)
    raise NotImplementedError(edit)


def _move(header: Mapping[str, Any], edit: ProperMotion) -> dict[str, str | float]:
    """Move the target to the middle of the exposure.

    The path is straight in space (astropy, ``apply_space_motion``). The parallax is
    left out: below 0.1 arcsec beyond 10 pc.
    """
    mjd = _find_middle(header)
    given = SkyCoord(
        ra=edit.ra_deg * u.deg,
        dec=edit.dec_deg * u.deg,
        pm_ra_cosdec=edit.pm_ra_mas_yr * u.mas / u.yr,
        pm_dec=edit.pm_dec_mas_yr * u.mas / u.yr,
        obstime=Time(edit.epoch, format="jyear", scale="tdb"),
        frame="icrs",
    )
    with warnings.catch_warnings():
        # Without a distance ERFA takes one that is far enough, and says so.
        warnings.filterwarnings("ignore", message=".*pmsafe.*distance")
        moved = given.apply_space_motion(Time(mjd, format="mjd", scale="utc"))
    there = SkyCoord(header["TARG_RA"] * u.deg, header["TARG_DEC"] * u.deg)
    apart = given.separation(there)
    if apart > _FAR:
        raise EditError(
            f"proper-motion: expected a position within {_FAR} of that of the header "
            f"(TARG_RA {header['TARG_RA']}, TARG_DEC {header['TARG_DEC']}), got one "
            f"{apart.to(u.arcmin):.3g} away; ra_deg and dec_deg are degrees"
        )
    return {"TARG_RA": float(moved.ra.deg), "TARG_DEC": float(moved.dec.deg)}


def _find_middle(header: Mapping[str, Any]) -> float:
    """Find the middle of the exposure, MJD in UTC, and that there is a target."""
    missing = [key for key in ("TARG_RA", "TARG_DEC") if key not in header]
    if "EXPMID" not in header and not {"EXPSTART", "EXPEND"} <= set(header):
        missing.append("EXPMID")
    if missing:
        raise EditError(f"proper-motion: the header has no {', '.join(missing)}")
    if "EXPMID" in header:
        return float(header["EXPMID"])
    return (float(header["EXPSTART"]) + float(header["EXPEND"])) / 2
