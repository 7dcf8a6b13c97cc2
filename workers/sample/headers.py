"""Header cards of a raw exposure, those that MAST's files have."""

from collections.abc import Mapping

from astropy.time import Time, TimeDelta

from .exposures import RawExposure
from .frames import DETECTORS
from .nirspec_geometry import load_geometry
from .publishing import DATE

__all__ = ["EPOCH", "PARITY", "Card", "primary_cards", "sky_cards"]

Card = str | int | float | bool
"""What a header card can hold."""

EPOCH = Time("2024-03-01T00:00:00", scale="utc")
"""When the sample programs were observed."""
_ROLL_DEG = 30.0
"""Position angle of the telescope in all sample programs."""
PARITY = -1
"""Handedness of the ideal frames of all apertures."""
_MODES = {"NRS_IFU": "IFU", "NRS_MSASPEC": "MSASPEC"}
"""OPMODE by exposure type."""


def primary_cards(raw: RawExposure) -> dict[str, Card]:
    """Return the cards of the primary header."""
    return {
        **_file_cards(raw),
        **_program_cards(raw),
        **_visit_cards(raw),
        **_target_cards(raw),
        **_instrument_cards(raw),
        **_readout_cards(raw),
        **_segment_cards(raw),
        **_time_cards(raw),
    }


def _program_cards(raw: RawExposure) -> Mapping[str, Card]:
    return {
        "TITLE": "Rewebb sample program (simulated)",
        "PI_NAME": "Rewebb, Sample",
        "CATEGORY": "GO",
        "SUBCAT": raw.instrument,
        "SCICAT": "Galaxies and the IGM",
        "PROGRAM": raw.program,
        "OBSERVTN": raw.observation,
        "VISIT": "001",
        "VISITGRP": raw.activity[:2],
        "SEQ_ID": raw.activity[2],
        "ACT_ID": raw.activity[3:],
        "EXPOSURE": str(raw.number),
        "OBS_ID": f"V{raw.visit}P0000000{raw.activity}",
        "VISIT_ID": raw.visit,
        "TEMPLATE": raw.template,
        "OBSLABEL": raw.target.name,
        "OBSFOLDR": "Sample",
        "BKGDTARG": raw.is_background,
    }


def _visit_cards(raw: RawExposure) -> Mapping[str, Card]:
    return {
        "ENG_QUAL": "OK",
        "ENGQLPTG": "CALCULATED_TRACK_TR_202111",
        "VISITYPE": "PRIME_TARGETED_FIXED",
        "VSTSTART": f"{EPOCH.iso}0000",
        "VISITSTA": "SUCCESSFUL",
        "INTARGET": False,
        "TARGOOPP": False,
        "TSOVISIT": raw.is_time_series,
        "NEXPOSUR": 1,
        "EXP_ONLY": False,
        "CROWDFLD": False,
    }


def _target_cards(raw: RawExposure) -> Mapping[str, Card]:
    target = raw.target
    pattern, number, total = raw.dither
    x_offset, y_offset = raw.dither_arcsec or raw.offset_arcsec
    return {
        "TARGPROP": target.name,
        # The archive names no target of the shutters.
        "TARGNAME": "" if raw.metafile else target.name,
        "TARGTYPE": "FIXED",
        "TARG_RA": target.position.ra,
        "TARG_DEC": target.position.dec,
        "TARGURA": 0.1,
        "TARGUDEC": 0.1,
        "MU_RA": 0.0,
        "MU_DEC": 0.0,
        "PROP_RA": target.position.ra,
        "PROP_DEC": target.position.dec,
        "SRCTYAPT": target.source_type,
        "PATTTYPE": pattern,
        "PATT_NUM": number,
        "NUMDTHPT": total,
        "SUBPXPTS": 1,
        **({"NOD_TYPE": raw.nod} if raw.nod else {}),
        "XOFFSET": x_offset,
        "YOFFSET": y_offset,
        "APERNAME": raw.aperture.name,
        "PPS_APER": raw.aperture.name,
    }


def _instrument_cards(raw: RawExposure) -> Mapping[str, Card]:
    subarray, detector = raw.subarray, DETECTORS[raw.detector]
    return {
        "TELESCOP": "JWST",
        "INSTRUME": raw.instrument,
        "DETECTOR": raw.detector,
        "SUBARRAY": subarray.name,
        "SUBSTRT1": subarray.x,
        "SUBSTRT2": subarray.y,
        "SUBSIZE1": subarray.columns,
        "SUBSIZE2": subarray.rows,
        "FASTAXIS": detector.fast_axis,
        "SLOWAXIS": detector.slow_axis,
        "NOUTPUTS": subarray.outputs,
        "READPATT": detector.pattern,
        "SCA_NUM": detector.number,
        **(_miri_cards(raw) if raw.instrument == "MIRI" else _nirspec_cards(raw)),
    }


def _nirspec_cards(raw: RawExposure) -> Mapping[str, Card]:
    disperser = load_geometry().dispersers[raw.optics[1]]
    return {
        "FILTER": raw.optics[0],
        "GRATING": raw.optics[1],
        "FOCUSPOS": 3.0,
        "LAMP": "NONE",
        "GWA_XTIL": disperser.tilt_x_sensor.zero,
        "GWA_YTIL": disperser.tilt_y_sensor.zero,
        "GWA_TILT": 37.0,
        "GAINFACT": 1.0,
        **_aperture_cards(raw),
    }


def _aperture_cards(raw: RawExposure) -> Mapping[str, Card]:
    """Return the cards of what light comes through."""
    cards: dict[str, Card] = {
        "OPMODE": _MODES.get(raw.exp_type, "FIXEDSLIT"),
        "MSASTATE": "PRIMARYPARK_ALLCLOSED",
    }
    if raw.slit:
        cards["FXD_SLIT"] = raw.slit
    if raw.metafile:
        shutters: Mapping[str, Card] = {"MSAMETFL": raw.metafile, "MSAMETID": 1}
        cards |= {"MSASTATE": "PRIMARYPARK_CONFIG", **shutters, "MSACONID": 1}
    return cards


def _miri_cards(raw: RawExposure) -> Mapping[str, Card]:
    wheels = {"FILTER": raw.filter} if raw.filter else _mrs_cards(raw)
    return {**wheels, "CCCSTATE": "OPEN", "MIRNGRPS": raw.groups, "MIRNFRMS": 1}


def _mrs_cards(raw: RawExposure) -> Mapping[str, Card]:
    assert raw.band
    return {
        "CHANNEL": "12",
        "BAND": raw.band,
        "DITHDIRC": "NEGATIVE",
        "MRSPRCHN": "ALL",
        "DITHOPFR": "POINT-SOURCE",
    }


def _readout_cards(raw: RawExposure) -> Mapping[str, Card]:
    effective_s = raw.total_integrations * raw.integration_s
    return {
        "EXPCOUNT": 1,
        "EXPRIPAR": "PRIME",
        "EXP_TYPE": raw.exp_type,
        "NINTS": raw.total_integrations,
        "NGROUPS": raw.groups,
        "NFRAMES": 1,
        "FRMDIVSR": 1,
        "GROUPGAP": 0,
        "DRPFRMS1": 0,
        "DRPFRMS3": 0,
        "NSAMPLES": 1,
        "TSAMPLE": 10.0,
        "TFRAME": raw.subarray.frame_s,
        "TGROUP": raw.subarray.frame_s,
        "EFFINTTM": raw.integration_s,
        "EFFEXPTM": effective_s,
        "DURATION": raw.duration_s,
        "NRSTSTRT": 1,
        "NRESETS": 1,
        "ZEROFRAM": False,
        "DATAPROB": False,
        "IS_IMPRT": raw.is_imprint,
    }


def _segment_cards(raw: RawExposure) -> Mapping[str, Card]:
    integrations: Mapping[str, Card] = {
        "INTSTART": raw.first_integration,
        "INTEND": raw.first_integration + raw.integrations - 1,
    }
    if raw.segment is None:
        return integrations
    numbers = {"EXSEGNUM": raw.segment.number, "EXSEGTOT": raw.segment.total}
    return {**integrations, **numbers}


def _time_cards(raw: RawExposure) -> Mapping[str, Card]:
    start = EPOCH + TimeDelta(raw.start_s, format="sec")
    end = start + TimeDelta(raw.duration_s, format="sec")
    middle = (start.mjd + end.mjd) / 2
    date, time = start.isot.split("T")
    return {
        "TIMESYS": "UTC",
        "TIMEUNIT": "s",
        "DATE-OBS": date,
        "TIME-OBS": time,
        "DATE-BEG": start.isot,
        "DATE-END": end.isot,
        "EXPSTART": start.mjd,
        "EXPMID": middle,
        "EXPEND": end.mjd,
        "BARTDELT": 0.0,
        "BSTRTIME": start.mjd,
        "BMIDTIME": middle,
        "BENDTIME": end.mjd,
        "HELIDELT": 0.0,
        "HSTRTIME": start.mjd,
        "HMIDTIME": middle,
        "HENDTIME": end.mjd,
    }


def _file_cards(raw: RawExposure) -> Mapping[str, Card]:
    return {
        "DATE": DATE,
        "ORIGIN": "REWEBB",
        "FILENAME": f"{raw.stem}_uncal.fits",
        "SDP_VER": "2026_2a",
        "PRD_VER": "PRDOPSSOC-075",
        "OSS_VER": "8.5",
        "GSC_VER": "GSC31",
        "CAL_VER": "3.0.0",
        "CAL_VCS": "RELEASE",
        "COMPRESS": False,
        "HGA_MOVE": False,
        "PCS_MODE": "FINEGUIDE",
    }


def sky_cards(raw: RawExposure) -> Mapping[str, Card]:
    """Return the cards of the SCI extension: where the aperture looks."""
    pointing, aperture = raw.pointing, raw.aperture
    return {
        "RA_REF": pointing.ra,
        "DEC_REF": pointing.dec,
        "ROLL_REF": _ROLL_DEG,
        "V2_REF": aperture.v2,
        "V3_REF": aperture.v3,
        "V3I_YANG": aperture.angle_deg,
        "VPARITY": PARITY,
        "VELOSYS": 0.0,
        "RA_V1": pointing.ra,
        "DEC_V1": pointing.dec,
        "PA_V3": _ROLL_DEG,
        "PA_APER": (_ROLL_DEG + aperture.angle_deg) % 360,
        "VA_SCALE": 1.0,
        "RADESYS": "ICRS",
        "REFFRAME": "EME2000",
    }
