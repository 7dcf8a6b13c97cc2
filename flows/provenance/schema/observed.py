"""Tables of what was observed, and of what products show of it."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from ...models.exposures import Role
from ..column_types import FREE_TEXT, enum_text
from .row import SQLBase

__all__ = ["SQLExposure", "SQLProductFacts", "SQLProductSource", "SQLProgram"]


class SQLProgram(SQLBase):
    """A program of which exposures are known."""

    __tablename__ = "program"

    id: Mapped[str] = mapped_column(primary_key=True)
    """Five digits."""
    title: Mapped[str] = mapped_column(FREE_TEXT)
    """TITLE; what headers do not say is empty."""
    principal_investigator: Mapped[str] = mapped_column(FREE_TEXT)
    """PI_NAME."""
    category: Mapped[str] = mapped_column(FREE_TEXT)
    """CATEGORY: GO, GTO, ..."""


class SQLExposure(SQLBase):
    """An exposure of an archive, as its primary header had it when it was found last.

    What a header does not say is empty, or null.
    """

    __tablename__ = "exposure"
    __table_args__ = (Index(None, "program", "observation"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    """File stem without suffix."""
    program: Mapped[str] = mapped_column(ForeignKey("program.id"))
    """Five digits."""
    observation: Mapped[str]
    """Three digits."""
    visit: Mapped[str]
    """Three digits."""
    exp_type: Mapped[str] = mapped_column(index=True)
    """EXP_TYPE."""
    role: Mapped[Role] = mapped_column(enum_text(Role))
    """science, background, imprint or target_acquisition."""
    instrument: Mapped[str]
    """INSTRUME."""
    detector: Mapped[str]
    """DETECTOR."""
    grating: Mapped[str]
    """GRATING."""
    filter: Mapped[str]
    """FILTER."""
    pupil: Mapped[str]
    """PUPIL."""
    channel: Mapped[str]
    """CHANNEL."""
    band: Mapped[str]
    """BAND."""
    subarray: Mapped[str]
    """SUBARRAY."""
    aperture: Mapped[str]
    """APERNAME."""
    readout: Mapped[str]
    """READPATT."""
    target: Mapped[str] = mapped_column(FREE_TEXT, index=True)
    """TARGPROP: name of the target in the proposal."""
    ra_deg: Mapped[float | None]
    """TARG_RA (ICRS), in degrees."""
    dec_deg: Mapped[float | None]
    """TARG_DEC (ICRS), in degrees."""
    started_at: Mapped[datetime | None] = mapped_column(index=True)
    """DATE-BEG, UTC."""
    duration_s: Mapped[float | None]
    """DURATION, in s."""
    exposure_s: Mapped[float | None]
    """EFFEXPTM, in s."""
    metafile: Mapped[str]
    """MSAMETFL: the metafile of the MSA."""
    path: Mapped[str] = mapped_column(index=True)
    """Where its raw file is, or will be once it is fetched."""
    size_bytes: Mapped[int]
    """Size of that file."""
    mtime_ns: Mapped[int]
    """Its time of last modification, in ns since 1970."""
    sha256: Mapped[str] = mapped_column(index=True)
    """Hash of its bytes, equal to that of the job inputs that it is; empty while nobody
    has read all of it."""
    defect: Mapped[str | None] = mapped_column(FREE_TEXT)
    """What is wrong with the file, if anything."""


class SQLProductFacts(SQLBase):
    """What a product is of, in the terms of ObsCore.

    Products before revision 0012 have none, nor have files that are not FITS.
    """

    __tablename__ = "product_facts"

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    """The job that made it."""
    product: Mapped[str] = mapped_column(primary_key=True)
    """Name of the file."""
    dataproduct_type: Mapped[str]
    """spectrum, cube, image or timeseries."""
    calib_level: Mapped[int]
    """2 of an exposure, 3 of several that are combined."""
    target: Mapped[str] = mapped_column(FREE_TEXT)
    """Name of the target in the proposal."""
    target_key: Mapped[str] = mapped_column(FREE_TEXT, index=True)
    """The same in lower case, with one space between words."""
    instrument: Mapped[str]
    """INSTRUME."""
    detector: Mapped[str]
    """DETECTOR, of the first exposure."""
    grating: Mapped[str]
    """GRATING."""
    filter: Mapped[str]
    """FILTER."""
    channel: Mapped[str]
    """CHANNEL."""
    band: Mapped[str]
    """BAND."""
    ra_deg: Mapped[float | None]
    """Right ascension of its middle (ICRS), in degrees."""
    dec_deg: Mapped[float | None]
    """Declination, likewise."""
    region: Mapped[str]
    """Its footprint (STC-S), if it has one."""
    start_mjd: Mapped[float | None]
    """Begin of the first exposure (MJD, UTC)."""
    end_mjd: Mapped[float | None]
    """End of the last (MJD, UTC)."""
    exposure_s: Mapped[float | None]
    """Effective exposure time, in s."""
    wave_min_m: Mapped[float | None]
    """Shortest wavelength, in m."""
    wave_max_m: Mapped[float | None]
    """Longest wavelength, in m."""


class SQLProductSource(SQLBase):
    """A part of a product with a place of its own: a source, a slit, or its field.

    Places and wavelengths are searched in these.
    """

    __tablename__ = "product_source"
    __table_args__ = (
        Index(None, "dec_deg", "ra_deg"),
        Index(None, "wave_min_m", "wave_max_m"),
    )

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    """The job that made the product."""
    product: Mapped[str] = mapped_column(primary_key=True)
    """Name of the file."""
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Order, from 0."""
    name: Mapped[str] = mapped_column(FREE_TEXT, index=True)
    """Name of the source; empty of what is none."""
    slit: Mapped[str] = mapped_column(FREE_TEXT)
    """Its slit or slitlet, if it has one."""
    ra_deg: Mapped[float | None]
    """Right ascension (ICRS), in degrees."""
    dec_deg: Mapped[float | None]
    """Declination (ICRS), in degrees."""
    region: Mapped[str]
    """Its footprint (STC-S), if it has one."""
    radius_deg: Mapped[float] = mapped_column(index=True)
    """How far that goes from its place, in degrees; 0 without one."""
    wave_min_m: Mapped[float | None]
    """Shortest wavelength, in m."""
    wave_max_m: Mapped[float | None]
    """Longest wavelength, in m."""
    samples: Mapped[int | None]
    """Wavelengths of its spectrum, or planes of its cube."""
