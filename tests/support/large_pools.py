"""Large pools for benchmarks: one observation, many times."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from pools import COLUMNS, Row

__all__ = ["LARGE_POOLS", "to_rows"]

_MRS: Final = {
    "exp_type": "mir_mrs",
    "instrume": "miri",
    "subarray": "full",
    "patttype": "4-point",
}
_IFU: Final = {
    "exp_type": "nrs_ifu",
    "instrume": "nirspec",
    "subarray": "full",
    "patttype": "4-point-nod",
    "grating": "g395h",
    "filter": "f290lp",
}
_MOS: Final = _IFU | {"exp_type": "nrs_msaspec", "patttype": "3-shutter-slitlet"}
_SLIT: Final = _IFU | {
    "exp_type": "nrs_fixedslit",
    "patttype": "5-point-nod",
    "fxd_slit": "s200a1",
    "subarray": "subs200a1",
}


def _row(observation: int, place: int, **values: str) -> Row:
    number = f"{observation:05d}"
    activity = values.get("expspcin", "1")
    name = f"jw99001{number}001_0310{activity}_{place:05d}_{values['detector']}"
    return dict.fromkeys(COLUMNS, "null") | {
        "filename": f"{name}_uncal.fits",
        "program": "99001",
        "obs_num": str(observation),
        "obs_id": f"v{name[2:20]}",
        "targetid": str(observation),
        "pntgtype": "science",
        "mostilno": "1",
        "expspcin": "1",
        "bkgdtarg": "f",
        "is_imprt": "f",
        "tsovisit": "f",
        "asn_candidate": f"[('o{observation:03d}', 'observation')]",
        **values,
    }


def _mrs(observation: int) -> Iterator[Row]:
    """Make 24 exposures: four dithers, three bands, two detectors; and one TA."""
    place = 0
    for band in ("short", "medium", "long"):
        for channel, detector in (("12", "mirifushort"), ("34", "mirifulong")):
            for dither in "1234":
                place += 1
                yield _row(
                    observation,
                    place,
                    **_MRS,
                    band=band,
                    channel=channel,
                    detector=detector,
                    patt_num=dither,
                    dithptin=dither,
                )
    yield _row(
        observation,
        25,
        exp_type="mir_taconfirm",
        instrume="miri",
        detector="mirimage",
        filter="f560w",
        subarray="full",
    ) | {"pntgtype": "target_acquisition"}


def _ifu(observation: int) -> Iterator[Row]:
    """Make 16 exposures: four nods and four leakcals on two detectors."""
    for place in range(16):
        point = str(place % 4 + 1)
        yield _row(
            observation,
            place,
            **_IFU,
            detector=("nrs1", "nrs2")[place // 4 % 2],
            patt_num=point,
            dithptin=point,
        ) | {"is_imprt": "t" if place >= 8 else "f"}


def _mos(observation: int) -> Iterator[Row]:
    """Make 18 exposures: three nods, three specifications, two detectors."""
    for place in range(18):
        yield _row(
            observation,
            place,
            **_MOS,
            detector=("nrs1", "nrs2")[place % 2],
            patt_num=str(place // 2 % 3 + 1),
            numdthpt="3",
            subpxpts="1",
            expspcin=str(place // 6 + 1),
            msametfl=f"m{observation}_msa.fits",
        )


def _slit(observation: int) -> Iterator[Row]:
    """Make 40 exposures: five nods of four sub-pixel positions, two detectors."""
    for place in range(40):
        yield _row(
            observation,
            place,
            **_SLIT,
            detector=("nrs1", "nrs2")[place % 2],
            patt_num=str(place // 2 + 1),
            numdthpt="20",
            subpxpts="4",
        )


def _lrs(observation: int) -> Iterator[Row]:
    """Make an acquisition and nine pairs of nods along the slit."""
    for place in range(19):
        is_science = place > 0
        row = _row(
            observation,
            place,
            exp_type="mir_lrs-fixedslit" if is_science else "mir_taconfirm",
            instrume="miri",
            detector="mirimage",
            filter="p750l" if is_science else "f560w",
            subarray="full",
            patttype="along-slit-nod" if is_science else "null",
            patt_num=str(place % 2 + 1),
        )
        yield row | ({} if is_science else {"pntgtype": "target_acquisition"})


def _wfss(observation: int) -> Iterator[Row]:
    """Make four times a direct image and four grism exposures."""
    for place in range(20):
        is_image = place % 5 == 0
        yield _row(
            observation,
            place,
            exp_type="nis_image" if is_image else "nis_wfss",
            instrume="niriss",
            detector="nis",
            filter="clear" if is_image else "gr150r",
            pupil="f115w",
            subarray="full",
            expspcin=str(place // 5 * 2 + 1 + (not is_image)),
        )


def _repeat(
    make: Callable[[int], Iterator[Row]], size: int, edit: Callable[[Row], Row]
) -> str:
    """Repeat an observation up to a number of rows, and write the pool."""
    lines = ["|".join(COLUMNS)]
    observation = 0
    while len(lines) <= size:
        observation += 1
        rows = (edit(row) for row in make(observation))
        lines += ["|".join(row[column] for column in COLUMNS) for row in rows]
    return "\n".join(lines[: size + 1]) + "\n"


def _as_is(row: Row) -> Row:
    return row


def _linked(row: Row) -> Row:
    """Put everything into one background candidate; every other is a background."""
    own = row["asn_candidate"].removesuffix("]")
    is_sky = int(row["obs_num"]) % 2 == 0
    return row | {
        "asn_candidate": f"{own}, ('c1000', 'background')]",
        "bkgdtarg": "t" if is_sky else "f",
    }


LARGE_POOLS: Final[Mapping[str, Callable[[int], str]]] = {
    "MRS": lambda size: _repeat(_mrs, size, _as_is),
    "IFU nods and leakcals": lambda size: _repeat(_ifu, size, _as_is),
    "MOS nods": lambda size: _repeat(_mos, size, _as_is),
    "LRS nods": lambda size: _repeat(_lrs, size, _as_is),
    "WFSS": lambda size: _repeat(_wfss, size, _as_is),
    "LRS nods, one background": lambda size: _repeat(_lrs, size, _linked),
    "WFSS, one background": lambda size: _repeat(_wfss, size, _linked),
    "MOS nods, one background": lambda size: _repeat(_mos, size, _linked),
    "slit nods": lambda size: _repeat(_slit, size, _as_is),
    "MRS, one background": lambda size: _repeat(_mrs, size, _linked),
    "IFU nods, one background": lambda size: _repeat(_ifu, size, _linked),
    "slit nods, one background": lambda size: _repeat(_slit, size, _linked),
}
"""Pools by name, of any number of rows."""


def to_rows(text: str) -> list[Row]:
    """Take the text of a pool apart."""
    columns, *lines = [line.split("|") for line in text.splitlines()]
    return [dict(zip(columns, cells, strict=True)) for cells in lines]
