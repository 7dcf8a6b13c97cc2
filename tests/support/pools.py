"""Pools made up for tests: observations of every mode, as DMS would list them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

__all__ = ["COLUMNS", "Row", "draw_pools", "pools"]

Row = dict[str, str]
"""A row of a pool, by column."""

COLUMNS: Final = (
    *("filename", "obs_id", "program", "obs_num", "visit", "visitype", "act_id"),
    *("exp_type", "instrume", "detector", "channel", "band", "targetid", "pntgtype"),
    *("expspcin", "dithptin", "mostilno", "filter", "pupil", "grating", "fxd_slit"),
    *("subarray", "patttype", "patt_num", "numdthpt", "subpxpts", "nints"),
    *("asn_candidate", "exposerr", "is_psf", "is_imprt", "bkgdtarg", "tsovisit"),
    *("msastate", "msametfl", "opmode", "lamp", "dms_note"),
)
"""Columns of the pools, all that any rule looks at."""

_NULL: Final = dict.fromkeys(COLUMNS, "null")

_NIRSPEC: Final = {"instrume": "nirspec", "subarray": "full"}
_GRATINGS: Final = (
    ("prism", "clear"),
    ("g395h", "f290lp"),
    ("g140m", "f100lp"),
    ("g140h", "f070lp"),
)

_MODES: Final[dict[str, Row]] = {
    "ifu": {**_NIRSPEC, "exp_type": "nrs_ifu", "patttype": "cycling"},
    "ifu nod": {**_NIRSPEC, "exp_type": "nrs_ifu", "patttype": "4-point-nod"},
    "mos": {**_NIRSPEC, "exp_type": "nrs_msaspec", "patttype": "3-shutter-slitlet"},
    "slit": {**_NIRSPEC, "exp_type": "nrs_fixedslit", "patttype": "3-point-nod"},
    "bots": {
        **_NIRSPEC,
        "exp_type": "nrs_brightobj",
        "subarray": "sub512",
        "fxd_slit": "s1600a1",
        "tsovisit": "t",
    },
    "mrs": {
        "exp_type": "mir_mrs",
        "instrume": "miri",
        "subarray": "full",
        "patttype": "4-point",
    },
    "lrs slit": {
        "exp_type": "mir_lrs-fixedslit",
        "instrume": "miri",
        "filter": "p750l",
        "subarray": "full",
        "patttype": "along-slit-nod",
    },
    "lrs slitless": {
        "exp_type": "mir_lrs-slitless",
        "instrume": "miri",
        "filter": "p750l",
        "subarray": "slitlessprism",
    },
    "soss": {
        "exp_type": "nis_soss",
        "instrume": "niriss",
        "filter": "clear",
        "pupil": "gr700xd",
        "subarray": "substrip256",
    },
    "nis wfss": {
        "exp_type": "nis_wfss",
        "instrume": "niriss",
        "filter": "gr150r",
        "pupil": "f115w",
        "subarray": "full",
    },
    "nrc wfss": {
        "exp_type": "nrc_wfss",
        "instrume": "nircam",
        "filter": "f444w",
        "pupil": "grismr",
        "subarray": "full",
        "channel": "long",
    },
    "mir wfss": {
        "exp_type": "mir_wfss",
        "instrume": "miri",
        "filter": "p750l",
        "subarray": "full",
    },
}
"""What the exposures of a mode have in common."""

_DETECTORS: Final = {
    "nirspec": ("nrs1", "nrs2"),
    "miri": ("mirimage",),
    "niriss": ("nis",),
    "nircam": ("nrcalong", "nrcblong"),
}

_CONFIRMATIONS: Final = {
    "nirspec": "nrs_wata",
    "miri": "mir_taconfirm",
    "niriss": "nis_tacq",
    "nircam": "nrc_tacq",
}

_MAY_MISS: Final = (
    "filter",
    *("msametfl", "expspcin", "numdthpt", "subpxpts", "patt_num", "targetid"),
    *("mostilno", "dithptin", "patttype", "obs_num", "grating"),
    *("detector", "subarray", "bkgdtarg", "nints"),
)
"""Columns that may miss a value in one row."""


@dataclass(slots=True)
class _Observation:
    """An observation that is being made up."""

    number: int
    mode: str
    target: str
    is_sky: bool = False
    setups: list[Row] = field(default_factory=list)
    exposures: int = 2
    tiles: int = 1
    imprints: int = 0
    acquisitions: int = 0
    candidates: str = ""
    extra: Row = field(default_factory=dict)
    subpixels: int = 1
    is_interleaved: bool = False

    def rows(self) -> Iterator[Row]:
        """List its exposures in the order of their names."""
        for number in range(self.acquisitions):
            yield self._acquisition(number)
        place = 0
        for tile in range(1, self.tiles + 1):
            for point in range(1, self.exposures + 1):
                for spec in range(1, len(self.setups) + 1):
                    place += 1
                    yield self._row(place, 3, spec, point=point, tile=tile)
                    if self.is_interleaved and point <= self.imprints:
                        place += 1
                        yield self._imprint(place, 3, spec, point=point, tile=tile)
            for point in range(1, self.imprints + 1):
                if not self.is_interleaved:
                    for spec in range(1, len(self.setups) + 1):
                        place += 1
                        yield self._imprint(place, 5, spec, point=point, tile=tile)

    def _acquisition(self, number: int) -> Row:
        instrument = _MODES[self.mode]["instrume"]
        return self._named(number + 1, 2, number + 1) | {
            "exp_type": _CONFIRMATIONS[instrument],
            "instrume": instrument,
            "detector": self.setups[0]["detector"],
            "filter": "f560w",
            "subarray": "full",
            "pntgtype": "target_acquisition",
        }

    def _imprint(
        self, place: int, group: int, spec: int, *, point: int, tile: int
    ) -> Row:
        row = self._row(place, group, spec, point=point, tile=tile)
        return row | {"is_imprt": "t", "is_psf": "f"}

    def _row(self, place: int, group: int, spec: int, *, point: int, tile: int) -> Row:
        setup = self.setups[spec - 1]
        base = _MODES[self.mode]
        pattern = {
            "expspcin": str(spec),
            "dithptin": str(point),
            "mostilno": str(tile),
            "patt_num": str(point),
            "numdthpt": str(self.exposures),
            "subpxpts": str(self.subpixels),
            "nints": "2",
        }
        return self._named(place, group, spec) | base | pattern | setup | self.extra

    def _named(self, place: int, group: int, activity: int) -> Row:
        number = f"{self.number:03d}"
        stem = f"jw99001{number}001_0{group}10{activity}_{place:05d}"
        return _NULL | {
            "filename": stem,
            "obs_id": f"v99001{number}001p000000000{group}10{activity}",
            "program": "99001",
            "obs_num": str(self.number),
            "visit": "1",
            "visitype": "prime_targeted_fixed",
            "act_id": f"0{activity}",
            "targetid": self.target,
            "pntgtype": "science",
            "asn_candidate": self.candidates,
            "is_psf": "f",
            "is_imprt": "f",
            "bkgdtarg": "t" if self.is_sky else "f",
            "tsovisit": "f",
        }


@st.composite
def pools(draw: st.DrawFn) -> list[Row]:
    """Make a pool of one to three observations, linked or not."""
    mode = draw(st.sampled_from(sorted(_MODES)))
    other = draw(st.sampled_from([mode, mode, *sorted(_MODES)]))
    setups = draw(_setups(mode))
    observations = [draw(_observation(1, mode, setups))]
    if draw(st.booleans()):
        sky = setups if other == mode else draw(_setups(other))
        observations.append(draw(_observation(2, other, sky, may_be_sky=True)))
    if draw(st.integers(0, 3)) == 0:
        observations.append(draw(_observation(3, mode, setups)))
    _link(draw, observations)
    rows = [row for one in observations for row in one.rows()]
    for row in rows:
        row["filename"] += f"_{row['detector']}_uncal.fits"
    return _spoil(draw, rows)


@st.composite
def _setups(draw: st.DrawFn, mode: str) -> list[Row]:
    """Choose detectors and optics of a mode, one or two."""
    base = _MODES[mode]
    detectors = draw(
        st.lists(st.sampled_from(_DETECTORS[base["instrume"]]), min_size=1, unique=True)
    )
    count = draw(st.integers(1, 2)) if len(detectors) == 1 else 1
    setups = []
    for _ in range(count):
        optics = draw(_optics(mode))
        setups += [{**optics, "detector": optics.get("detector", d)} for d in detectors]
    return setups


def _optics(mode: str) -> st.SearchStrategy[Row]:
    """Choose the optics of a mode."""
    gratings = st.sampled_from(_GRATINGS).map(
        lambda pair: {"grating": pair[0], "filter": pair[1]}
    )
    match mode:
        case "ifu" | "ifu nod" | "bots":
            return gratings
        case "mos":
            masks = st.sampled_from(["m1_msa.fits", "m2_msa.fits"])
            return st.builds(lambda g, m: {**g, "msametfl": m}, gratings, masks)
        case "slit":
            slits = st.sampled_from(["s200a1", "s200a2", "s400a1", "s1600a1", "s200b1"])
            return st.builds(lambda g, s: {**g, "fxd_slit": s}, gratings, slits)
        case "mrs":
            return st.builds(
                lambda band, half: {"band": band, **half},
                st.sampled_from(["short", "medium"]),
                st.sampled_from(
                    [
                        {"channel": "12", "detector": "mirifushort"},
                        {"channel": "34", "detector": "mirifulong"},
                    ]
                ),
            )
        case "soss":
            return st.sampled_from([{"filter": "clear"}, {"filter": "f277w"}])
    return st.just({})


_IMAGES: Final = {
    "nis wfss": {"exp_type": "nis_image", "filter": "clear"},
    "nrc wfss": {"exp_type": "nrc_image", "pupil": "clear"},
    "mir wfss": {"exp_type": "mir_image", "filter": "f560w"},
}
"""What is different in the direct images of a grism mode."""


@st.composite
def _observation(
    draw: st.DrawFn,
    number: int,
    mode: str,
    setups: list[Row],
    *,
    may_be_sky: bool = False,
) -> _Observation:
    """Make up an observation of a mode."""
    few = st.integers(0, 2)
    is_sky = may_be_sky and draw(st.booleans())
    spectra = list(setups)
    if mode in _IMAGES and draw(st.integers(0, 4)):
        image = {**setups[0], **_IMAGES[mode]}
        after = draw(st.booleans())
        spectra = [*spectra, image] if after else [image, *spectra]
    return _Observation(
        number,
        mode,
        target=draw(st.sampled_from(["1", "1", "2"])) if not is_sky else "3",
        is_sky=is_sky,
        setups=spectra,
        exposures=draw(st.integers(1, 5 if mode == "slit" else 4)),
        tiles=draw(st.sampled_from([1, 1, 1, 2])),
        imprints=draw(few) if mode.startswith("ifu") else 0,
        acquisitions=draw(few) if mode != "mrs" else 0,
        extra=draw(_extra(mode, is_sky=is_sky)),
        subpixels=draw(st.sampled_from([1, 1, 2])),
        is_interleaved=draw(st.booleans()),
    )


def _extra(mode: str, *, is_sky: bool) -> st.SearchStrategy[Row]:
    """Choose what may be different in all exposures of an observation.

    No background is a PSF reference too: there the official rules make associations
    of several science exposures, and ours do not.
    """
    usual: list[Row] = [{}, {}, {}]
    if not is_sky:
        usual.append({"is_psf": "t"})
    match mode:
        case "lrs slitless" | "soss":
            usual += [{"tsovisit": "t"}, {"tsovisit": "t"}, {"nints": "1"}]
            usual += [{"patttype": "2-point-nod"}]
        case "ifu" | "mrs" | "lrs slit":
            usual += [{"tsovisit": "t"}, {"patttype": "2-point-nod"}]
    return st.sampled_from(usual)


def _link(draw: st.DrawFn, observations: list[_Observation]) -> None:
    """Give observations their candidates."""
    usual = ["", "background", "background", "group", "mosaic"]
    is_grism = observations[0].mode in _IMAGES
    kinds = st.sampled_from([*usual, *(["direct_image"] * 3 if is_grism else [])])
    kind = draw(kinds) if is_grism or len(observations) > 1 else ""
    for one in observations:
        entries = [(f"o{one.number:03d}", "observation")]
        if kind and (one.number < 3 or draw(st.booleans())):
            entries.append(("c1000", kind))
        one.candidates = str(entries)


def _spoil(draw: st.DrawFn, rows: list[Row]) -> list[Row]:
    """Let values miss, and rows come twice."""
    if draw(st.integers(0, 2)) == 0:
        # Without the filter of an image the official generator fails.
        has_image = any(row["exp_type"].endswith("_image") for row in rows)
        column = draw(st.sampled_from(_MAY_MISS[has_image:]))
        everywhere = draw(st.booleans())
        spared = draw(st.integers(0, len(rows) - 1))
        for place, row in enumerate(rows):
            if everywhere or place == spared:
                row[column] = "null"
    if draw(st.integers(0, 3)) == 0:
        rows = [*rows, dict(draw(st.sampled_from(rows)))]
    return sorted(rows, key=lambda row: row["filename"])


def draw_pools(number: int) -> list[list[Row]]:
    """Draw pools, the same ones each time."""
    drawn = []

    @settings(
        max_examples=number,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(pools())
    def keep(rows: list[Row]) -> None:
        drawn.append(rows)

    keep()
    return drawn
