"""Edits: what a recipe changes in copies of the files that jobs read.

Metafiles of the MSA, headers of exposures, apertures of the extraction and pixels of
calibrated slits, by the workarounds of the pages of known issues (NIRSpec MOS, NIRSpec
BOTS, NIRSpec IFU, MIRI MRS). The originals stay as they are.
"""

from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from .match import Match

__all__ = [
    "CUBE_EXP_TYPES",
    "EDITS",
    "KEYWORDS",
    "MSA_COLUMNS",
    "MSA_ROWS",
    "OF_RECIPE",
    "SLIT_EXP_TYPES",
    "AddBackground",
    "ApertureEdit",
    "CalibratedEdit",
    "DropBackground",
    "ExplodeLongSlit",
    "ExtendSlitlets",
    "HeaderEdit",
    "Keyword",
    "MakeBackground",
    "MaskWavelengths",
    "MetafileEdit",
    "PlaceSource",
    "ProperMotion",
    "RecipeEdit",
    "RecomputeErrors",
    "SelectSources",
    "SetCubeAperture",
    "SetKeyword",
    "SetSlitAperture",
    "SetStellarity",
    "ShutterRange",
    "SplitSlitlets",
    "parse_edit",
]

MSA_ROWS: Final = 365
"""Shutters of a quadrant along dispersion (JDox, NIRSpec Micro-Shutter Assembly)."""
MSA_COLUMNS: Final = 171
"""Shutters of a quadrant across dispersion, likewise."""

_Source = StrictInt | Annotated[str, StringConstraints(min_length=1)]
"""SOURCE_ID, or SOURCE_NAME or ALIAS."""
_Quadrant = Annotated[int, Field(ge=1, le=4)]
_Row = Annotated[int, Field(ge=1, le=MSA_ROWS)]
_Column = Annotated[int, Field(ge=1, le=MSA_COLUMNS)]
_Slitlet = Annotated[int, Field(ge=1)]
_Position = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Wavelength = Annotated[float, Field(ge=0.5, le=30, allow_inf_nan=False)]
"""In um: what the spectrographs see."""
_Rate = Annotated[float, Field(ge=-20_000, le=20_000, allow_inf_nan=False)]
"""No star moves faster than Barnard's, at 10 400 mas a year."""


OF_RECIPE: Final = frozenset({"match", "optional", "why"})
"""What a recipe says of an edit, which does not change what it does."""


class _Edit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    match: Match = Match()
    """Exposures whose copies are edited."""
    optional: bool = False
    """Whether a program may have no such exposure; otherwise that is an error."""
    why: str = ""
    """Which known issue, notebook or page advises it; nothing follows from it."""

    @property
    def name(self) -> str:
        """Its name in recipes."""
        return str(type(self).model_fields["edit"].default)


class MetafileEdit(_Edit):
    """An edit of the metafile of the MSA, for spec2 of the exposures that match."""


class SplitSlitlets(MetafileEdit):
    """Break up slitlets that are too long for the path loss correction (NS-MOS03).

    The shutters around the source stay its slitlet; the others become background.
    """

    edit: Literal["split-slitlets"] = "split-slitlets"
    """Which edit it is."""
    max_shutters: int = Field(default=3, ge=1, le=MSA_COLUMNS)
    """Shutters that a slitlet may have, closed ones between open ones included."""
    sources: tuple[_Source, ...] = ()
    """Sources whose slitlets are split; none means all slitlets."""
    rest: Literal["background", "drop"] = "background"
    """What becomes of shutters that are cut off a slitlet with a source."""


class ExtendSlitlets(MetafileEdit):
    """Pretend that a shutter above and one below a slitlet are open (NS-MOS06)."""

    edit: Literal["extend-slitlets"] = "extend-slitlets"
    """Which edit it is."""
    sources: tuple[_Source, ...] = ()
    """Sources whose slitlets are extended; none means all that have a source."""


class SetStellarity(MetafileEdit):
    """Decide on the source type, which the pipeline takes from the stellarity."""

    edit: Literal["set-stellarity"] = "set-stellarity"
    """Which edit it is."""
    sources: tuple[_Source, ...] = Field(min_length=1)
    """Sources."""
    stellarity: float | None = Field(default=None, ge=0, le=1)
    """POINT above 0.75, else EXTENDED."""
    source_type: Literal["POINT", "EXTENDED"] | None = None
    """The same in words: a stellarity of 1 or 0."""

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.stellarity is None) == (self.source_type is None):
            raise ValueError("give one of stellarity and source_type")
        return self


class PlaceSource(MetafileEdit):
    """Set where a source is within its shutter, as measured."""

    edit: Literal["place-source"] = "place-source"
    """Which edit it is."""
    source: _Source
    """The source."""
    x: _Position
    """ESTIMATED_SOURCE_IN_SHUTTER_X: 0 to 1 along dispersion, 0.5 in the middle."""
    y: _Position
    """ESTIMATED_SOURCE_IN_SHUTTER_Y: 0 to 1 across it, 0.5 in the middle."""
    nod: int | None = Field(default=None, ge=1)
    """DITHER_POINT_INDEX (PATT_NUM of the exposure); none means all."""


class SelectSources(MetafileEdit):
    """Keep only some sources: the slitlets of the others go."""

    edit: Literal["select-sources"] = "select-sources"
    """Which edit it is."""
    sources: tuple[_Source, ...] = Field(min_length=1)
    """Sources to keep."""
    keep_backgrounds: bool = True
    """Whether slitlets without a source stay, for the master background."""


class ShutterRange(BaseModel):
    """Shutters of a quadrant beside each other, across dispersion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quadrant: _Quadrant
    """Quadrant of the MSA."""
    first: _Column
    """First SHUTTER_COLUMN."""
    last: _Column
    """Last one."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.first > self.last:
            raise ValueError(f"first {self.first} is after last {self.last}")
        return self


class AddBackground(MetafileEdit):
    """Add a background slitlet of shutters that no other slitlet has."""

    edit: Literal["add-background"] = "add-background"
    """Which edit it is."""
    row: _Row
    """SHUTTER_ROW, along dispersion."""
    shutters: ShutterRange
    """Its shutters in this row."""


class MakeBackground(MetafileEdit):
    """Take the slitlets of sources, which saw none, for background."""

    edit: Literal["make-background"] = "make-background"
    """Which edit it is."""
    sources: tuple[_Source, ...] = Field(min_length=1)
    """Sources."""


class DropBackground(MetafileEdit):
    """Drop background slitlets, or shutters of one, that something contaminates."""

    edit: Literal["drop-background"] = "drop-background"
    """Which edit it is."""
    slitlets: tuple[_Slitlet, ...] = Field(min_length=1)
    """SLITLET_IDs."""
    columns: tuple[_Column, ...] = ()
    """SHUTTER_COLUMNs to drop of a single slitlet; none means all."""

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        if self.columns and len(self.slitlets) > 1:
            raise ValueError("columns are of one slitlet: give one edit for each")
        return self


class ExplodeLongSlit(MetafileEdit):
    """Make a slitlet of each shutter of a long slit, so that each is extracted."""

    edit: Literal["explode-long-slit"] = "explode-long-slit"
    """Which edit it is."""
    slitlets: tuple[_Slitlet, ...] = Field(min_length=1)
    """SLITLET_IDs of the long slit; each quadrant may have its own."""
    sources_in: tuple[ShutterRange, ...] = ()
    """Shutters with light of the target, which get a placeholder source each; the
    others become background. None means all: there is no background then."""
    first_source: int | None = Field(default=None, ge=1)
    """SOURCE_ID of the first placeholder; none means the next that is free. Give it
    where spec3 would join placeholders of several long slits by their numbers."""


class HeaderEdit(_Edit):
    """An edit of the header of science exposures, for spec2 and all that follows."""

    @property
    @abstractmethod
    def exp_types(self) -> frozenset[str]:
        """EXP_TYPEs of which the pipeline reads what is edited."""


class Keyword(BaseModel):
    """What may be set of a keyword."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exp_types: frozenset[str]
    """EXP_TYPEs in which the pipeline (jwst 3.0.0) reads it."""
    values: tuple[str, ...] = ()
    """Texts that it may have."""
    span: tuple[float, float] = (0, 0)
    """Smallest and largest number, where it has no text."""


_POINTED: Final = frozenset({"NRS_IFU", "MIR_MRS", "MIR_LRS-FIXEDSLIT"})
"""Where the pipeline looks for the target by TARG_RA and TARG_DEC (jwst 3.0.0):
``extract_1d/ifu.py`` and, for the path loss of the LRS, ``pathloss/pathloss.py``."""

KEYWORDS: Final[Mapping[str, Keyword]] = MappingProxyType(
    {
        # srctype/srctype.py; time series are POINT whatever it says.
        "SRCTYAPT": Keyword(
            exp_types=_POINTED | {"NRS_FIXEDSLIT"},
            values=("POINT", "EXTENDED", "UNKNOWN"),
        ),
        "TARG_RA": Keyword(exp_types=_POINTED, span=(0, 360)),
        "TARG_DEC": Keyword(exp_types=_POINTED, span=(-90, 90)),
    }
)
"""Keywords that may be set. None of them selects references."""

_INSTEAD: Final = {
    "SRCTYPE": "spec2 writes it from SRCTYAPT, or for the MSA from the stellarity; for "
    "the extraction alone set steps.extract_1d.ifu_set_srctype",
    "STLARITY": "use the edit set-stellarity",
}
"""What to do in place of setting a keyword that is not in the list."""


class SetKeyword(HeaderEdit):
    """Set a keyword of the primary header, from a closed list."""

    edit: Literal["set-keyword"] = "set-keyword"
    """Which edit it is."""
    keyword: str
    """One of `KEYWORDS`."""
    value: float | str
    """Its value."""

    @property
    def exp_types(self) -> frozenset[str]:
        """EXP_TYPEs of which the pipeline reads what is edited."""
        return KEYWORDS[self.keyword].exp_types

    @model_validator(mode="after")
    def _check_value(self) -> Self:
        known = KEYWORDS.get(self.keyword)
        if known is None:
            hint = _INSTEAD.get(self.keyword, "")
            raise ValueError(
                f"the keyword {self.keyword} cannot be set, only "
                f"{', '.join(KEYWORDS)}{hint and ': ' + hint}"
            )
        low, high = known.span
        if known.values and self.value not in known.values:
            raise ValueError(
                f"{self.keyword} is one of {', '.join(known.values)}, got "
                f"{self.value!r}"
            )
        if not known.values and not (
            isinstance(self.value, float) and low <= self.value <= high
        ):
            raise ValueError(
                f"{self.keyword} is a number of degrees from {low:g} to {high:g}, got "
                f"{self.value!r}"
            )
        return self


class ProperMotion(HeaderEdit):
    """Move the target of the header to where it was when it was observed.

    TARG_RA and TARG_DEC are those of the epoch that the proposal gives, so spectra of
    stars that move are extracted beside them (MIRI MRS, Spectral extraction).
    """

    edit: Literal["proper-motion"] = "proper-motion"
    """Which edit it is."""
    ra_deg: float = Field(ge=0, lt=360)
    """Right ascension (ICRS) at the epoch, in degrees."""
    dec_deg: float = Field(ge=-90, le=90)
    """Declination (ICRS) at the epoch, in degrees."""
    pm_ra_mas_yr: _Rate
    """Proper motion in right ascension times cos(dec), as Gaia has it, in mas a
    year."""
    pm_dec_mas_yr: _Rate
    """Proper motion in declination, in mas a year."""
    epoch: float = Field(ge=1900, le=2100)
    """Julian year of the position: 2016.0 in Gaia DR3."""

    @property
    def exp_types(self) -> frozenset[str]:
        """EXP_TYPEs of which the pipeline reads what is edited."""
        return _POINTED


class CalibratedEdit(_Edit):
    """An edit of the slits of calibrated exposures, where spec3 combines them."""

    @property
    def exp_types(self) -> frozenset[str]:
        """EXP_TYPEs whose calibrated exposures are slits."""
        return frozenset({"NRS_FIXEDSLIT", "NRS_MSASPEC"})


class RecomputeErrors(CalibratedEdit):
    """Compute the errors of slits that have none though their data are good (NS-MOS02).

    ERR becomes the root of VAR_RNOISE + VAR_POISSON, and VAR_FLAT zero where it is NaN.
    jwst 3.0.0 takes a pixel for bad if its error or any of its variances is NaN
    (``match_nans_and_flags`` in ``lib/pipe_utils.py``).
    """

    edit: Literal["recompute-errors"] = "recompute-errors"
    """Which edit it is."""


class MaskWavelengths(CalibratedEdit):
    """Leave wavelengths of a slit out of what is combined (NS-BOTS05)."""

    edit: Literal["mask-wavelengths"] = "mask-wavelengths"
    """Which edit it is."""
    from_um: _Wavelength
    """First wavelength, in um."""
    to_um: _Wavelength
    """Last wavelength, in um."""
    slit: Annotated[str, StringConstraints(min_length=1)]
    """Name of the slit: ``S1600A1``."""
    source: Literal["lower", "upper", "anywhere"] = "anywhere"
    """In which half of the slit the source must be, as its 2-D spectrum shows it: the
    lower dither positions, or the upper ones."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.from_um >= self.to_um:
            raise ValueError(f"from_um {self.from_um} is not below to_um {self.to_um}")
        return self


CUBE_EXP_TYPES: Final = frozenset({"NRS_IFU", "MIR_MRS"})
"""EXP_TYPEs of spectra of cubes (jwst 3.0.0, ``extract_1d/ifu.py``)."""

SLIT_EXP_TYPES: Final = frozenset(
    {
        *("NRS_FIXEDSLIT", "NRS_MSASPEC", "NRS_BRIGHTOBJ"),
        *("MIR_LRS-FIXEDSLIT", "MIR_LRS-SLITLESS"),
    }
)
"""EXP_TYPEs of spectra of 2-D images (``extract_1d/extract.py``)."""

_Length = Annotated[float, Field(gt=0, le=2048, allow_inf_nan=False)]
_Pixel = Annotated[float, Field(ge=0, le=2048, allow_inf_nan=False)]


class ApertureEdit(_Edit):
    """An edit of the ``extract1d`` reference that the context gives to a job."""

    stage: Literal["spec2", "spec3", "tso3"] | None = None
    """Stage whose spectra are extracted so; none means all."""

    @property
    @abstractmethod
    def exp_types(self) -> frozenset[str]:
        """EXP_TYPEs whose apertures are of this kind."""


class SetCubeAperture(ApertureEdit):
    """Change the circle and the annulus in which point sources of cubes are summed.

    Extended sources are summed over the whole field, whatever the reference says.
    """

    edit: Literal["set-cube-aperture"] = "set-cube-aperture"
    """Which edit it is."""
    radius_arcsec: _Length | None = None
    """Radius, the same at all wavelengths."""
    radius_factor: _Length | None = None
    """By what the radius of the reference, which grows with the PSF, is multiplied."""
    inner_background_arcsec: _Length | None = None
    """Inner radius of the annulus, at all wavelengths."""
    outer_background_arcsec: _Length | None = None
    """Outer radius of the annulus, at all wavelengths."""

    @property
    def exp_types(self) -> frozenset[str]:
        """EXP_TYPEs whose apertures are of this kind."""
        return CUBE_EXP_TYPES

    @model_validator(mode="after")
    def _check_radii(self) -> Self:
        radii = (self.radius_arcsec, self.radius_factor)
        inner, outer = self.inner_background_arcsec, self.outer_background_arcsec
        if None not in radii:
            raise ValueError("give one of radius_arcsec and radius_factor")
        if {*radii, inner, outer} == {None}:
            raise ValueError("give a radius, or one of the annulus")
        if inner is not None and outer is not None and inner >= outer:
            raise ValueError(
                f"inner_background_arcsec {inner:g} is not below "
                f"outer_background_arcsec {outer:g}"
            )
        return self


class SetSlitAperture(ApertureEdit):
    """Change the rows (columns, of the LRS) over which spectra of slits are summed."""

    edit: Literal["set-slit-aperture"] = "set-slit-aperture"
    """Which edit it is."""
    slits: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    """Ids of apertures of the reference, names of slits; none means all of them."""
    width_pixels: _Length | None = None
    """Width across dispersion, about the source or the middle of the limits."""
    limits_pixels: tuple[_Pixel, _Pixel] | None = None
    """First and last pixel across dispersion, from 0, in the cut-out of the slit; the
    position of the source is not used then."""

    @property
    def exp_types(self) -> frozenset[str]:
        """EXP_TYPEs whose apertures are of this kind."""
        return SLIT_EXP_TYPES

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        if self.width_pixels is None and self.limits_pixels is None:
            raise ValueError("give width_pixels or limits_pixels")
        if self.limits_pixels and self.limits_pixels[0] > self.limits_pixels[1]:
            first, last = self.limits_pixels
            raise ValueError(f"limits_pixels: first {first:g} is after last {last:g}")
        return self


RecipeEdit = Annotated[
    SplitSlitlets
    | ExtendSlitlets
    | SetStellarity
    | PlaceSource
    | SelectSources
    | AddBackground
    | MakeBackground
    | DropBackground
    | ExplodeLongSlit
    | SetKeyword
    | ProperMotion
    | RecomputeErrors
    | MaskWavelengths
    | SetCubeAperture
    | SetSlitAperture,
    Field(discriminator="edit"),
]
"""An edit, as a recipe has it."""

EDITS: Final[tuple[type[BaseModel], ...]] = get_args(get_args(RecipeEdit)[0])
"""The models of edits."""

_ADAPTER: Final[TypeAdapter[Any]] = TypeAdapter(RecipeEdit)


def parse_edit(edit: str, values: Mapping[str, object]) -> RecipeEdit:
    """Make an edit of its name and its values again.

    Raises
    ------
    pydantic.ValidationError
        There is no such edit, or it has no such values.
    """
    made: RecipeEdit = _ADAPTER.validate_python({**values, "edit": edit})
    return made
