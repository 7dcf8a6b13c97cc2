"""A row of the pool: what the rules look at in an exposure.

Values are those of a DMS pool: text in lower case, and None for what the official
rules take as undefined (``_EMPTY`` of ``jwst/associations/lib/dms_base.py``, jwst
3.0.0).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["COLUMNS", "Candidate", "PoolRow", "defined", "make_row"]

_UNDEFINED: Final = frozenset({"", "null", "--", "n", "f", "false", "n/a"})
"""What counts as no value; ``none`` is a value."""


class Candidate(NamedTuple):
    """What the observing proposal says belongs together."""

    id: str
    """``o001``, ``c1000``, ..."""
    type: str
    """observation, background, group, mosaic, direct_image, ..."""


@dataclass(frozen=True, slots=True, eq=False)
class PoolRow:
    """One exposure as the rules see it; two rows are never equal."""

    name: str
    """File stem without suffix."""
    candidates: tuple[Candidate, ...]
    """What it belongs to."""
    kind: str
    """Its exptype: science, psf, background, imprint, target_acquisition, ..."""
    is_tso: bool
    """Whether it is processed by integrations."""
    program: str | None
    """As in the pool, so without zeros at the front."""
    obs_num: str | None
    """Number of its observation."""
    obs_id: str | None
    """Name of its activity."""
    targetid: str | None
    """Number of its target in the proposal."""
    exp_type: str | None
    """EXP_TYPE."""
    instrume: str | None
    """Instrument."""
    detector: str | None
    """Detector."""
    channel: str | None
    """MRS channel, or channel of NIRCam."""
    band: str | None
    """MRS band."""
    filter: str | None
    """Filter."""
    grating: str | None
    """NIRSpec grating."""
    pupil: str | None
    """Pupil wheel."""
    fxd_slit: str | None
    """Fixed slit."""
    subarray: str | None
    """Subarray."""
    patttype: str | None
    """Dither or nod pattern."""
    patt_num: str | None
    """Position in the pattern."""
    numdthpt: str | None
    """Positions of the pattern."""
    subpxpts: str | None
    """Sub-pixel positions at each."""
    subpxpns: str | None
    """The same by its older name."""
    dithptin: str | None
    """Dither point."""
    mostilno: str | None
    """Tile of the mosaic."""
    expspcin: str | None
    """Exposure specification."""
    msametfl: str | None
    """MSA configuration file."""
    bkgdtarg: str | None
    """``t`` in a dedicated background."""
    is_imprt: str | None
    """``t`` in a leakcal."""
    is_psf: str | None
    """``t`` in a PSF reference."""
    tsovisit: str | None
    """``t`` in a time-series visit."""
    pntgtype: str | None
    """science, or what else the pointing is for."""
    visitype: str | None
    """Kind of visit."""
    nints: str | None
    """Integrations."""
    exposerr: str | None
    """Known error of the exposure."""


COLUMNS: Final = tuple(PoolRow.__dataclass_fields__)[4:]
"""Columns of a pool that a row takes as they are."""

_ACQUISITIONS: Final = frozenset(
    [
        *("mir_tacq", "mir_taconfirm", "nis_taconfirm", "nis_tacq", "nrc_taconfirm"),
        *("nrc_tacq", "nrs_confirm", "nrs_msata", "nrs_taconfirm", "nrs_tacq"),
        *("nrs_taslit", "nrs_verify", "nrs_wata"),
    ]
)
"""``ACQ_EXP_TYPES``."""

_KINDS: Final = {
    **dict.fromkeys(_ACQUISITIONS - {"nrs_verify"}, "target_acquisition"),
    **dict.fromkeys(
        [
            *("mir_darkall", "mir_darkimg", "mir_darkmrs"),
            *("nis_dark", "nrc_dark", "nrs_dark"),
        ],
        "dark",
    ),
    **dict.fromkeys(
        [
            *("mir_flatimage", "mir_flatmrs", "mir_flatimage-ext", "mir_flatmrs-ext"),
            "nrc_flat",
        ],
        "flat",
    ),
    **dict.fromkeys(
        [
            *("nis_focus", "nis_lamp", "nrc_focus", "nrc_led"),
            *("nrs_focus", "nrs_image", "nrs_lamp"),
        ],
        "engineering",
    ),
    "nrs_autoflat": "autoflat",
    "nrs_autowave": "autowave",
}
"""``EXPTYPE_MAP``: exposures that are never science."""

_TIME_SERIES: Final = frozenset({"nrc_tsimage", "nrc_tsgrism", "nrs_brightobj"})
"""``TSO_EXP_TYPES``."""


def defined(value: str | None) -> str | None:
    """Bring a value into the case of the rules; None if it counts as no value."""
    if value is None:
        return None
    text = value.strip().lower()
    return None if text in _UNDEFINED else text


def make_row(
    name: str, candidates: tuple[Candidate, ...], values: Mapping[str, str | None]
) -> PoolRow:
    """Make a row of the columns of a pool; a column that is not there is undefined."""
    get = values.get
    kept = [defined(get(column)) for column in COLUMNS]
    by_column = dict(zip(COLUMNS, kept, strict=True))
    return PoolRow(name, candidates, _kind(by_column), _is_tso(by_column), *kept)


def _kind(row: Mapping[str, str | None]) -> str:
    """Tell what an exposure is (``get_exposure_type``)."""
    pointing = row["pntgtype"]
    if pointing is not None and pointing != "science":
        return pointing
    kind = _KINDS.get(row["exp_type"] or "", "science")
    if kind != "science":
        return kind
    if row["is_psf"]:
        return "psf"
    if row["is_imprt"]:
        return "imprint"
    return "background" if row["bkgdtarg"] else "science"


def _is_tso(row: Mapping[str, str | None]) -> bool:
    """Tell whether an exposure is a time series (``Constraint_TSO``)."""
    if row["pntgtype"] != "science" or row["exp_type"] in _ACQUISITIONS:
        return False
    return row["tsovisit"] == "t" or row["exp_type"] in _TIME_SERIES
