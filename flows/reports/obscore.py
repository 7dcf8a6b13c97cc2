"""Products as a table of ObsCore 1.1 of the IVOA, with a few columns of our own.

https://www.ivoa.net/documents/ObsCore/20170509/ says what each column means; all that
it requires are there, empty where nothing is known.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from workers.contract import ProductFacts
from workers.sky import find_radius_deg

from ..models.products import FoundProduct

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["count_samples", "make_table", "name_product", "write_votable"]

_Kind = type[str] | type[int] | type[float]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the table."""

    name: str
    kind: _Kind
    unit: str = ""
    utype: str = ""
    """Without the prefix; empty of columns that are not of ObsCore."""
    ucd: str = ""
    description: str = ""

    @property
    def meta(self) -> Mapping[str, str]:
        """What astropy writes into a VOTable beside name and unit."""
        given = {"ucd": self.ucd}
        if self.utype:
            given["utype"] = f"obscore:{self.utype}"
        if self.name == "s_region":
            given["xtype"] = "adql:REGION"
        return {name: value for name, value in given.items() if value}


_SKY: Final = "Char.SpatialAxis"
_TIME: Final = "Char.TimeAxis"
_WAVE: Final = "Char.SpectralAxis"
_AT: Final = "Coverage.Location.Coord.Position2D.Value2"
_LIMITS: Final = "Coverage.Bounds.Limits"

_COLUMNS: Final = (
    _Column(
        "dataproduct_type", str, "", "ObsDataset.dataProductType", "meta.code.class"
    ),
    _Column("calib_level", int, "", "ObsDataset.calibLevel", "meta.code;obs.calib"),
    _Column("obs_collection", str, "", "DataID.collection", "meta.id"),
    _Column("obs_id", str, "", "DataID.observationID", "meta.id"),
    _Column("obs_publisher_did", str, "", "Curation.publisherDID", "meta.ref.ivoid"),
    _Column("access_url", str, "", "Access.reference", "meta.ref.url"),
    _Column("access_format", str, "", "Access.format", "meta.code.mime"),
    _Column("access_estsize", int, "kbyte", "Access.size", "phys.size;meta.file"),
    _Column("target_name", str, "", "Target.name", "meta.id;src"),
    _Column("s_ra", float, "deg", f"{_SKY}.{_AT}.C1", "pos.eq.ra"),
    _Column("s_dec", float, "deg", f"{_SKY}.{_AT}.C2", "pos.eq.dec"),
    _Column(
        *("s_fov", float, "deg", f"{_SKY}.Coverage.Bounds.Extent.diameter"),
        "phys.angSize;instr.fov",
    ),
    _Column(
        *("s_region", str, "", f"{_SKY}.Coverage.Support.Area"),
        "pos.outline;obs.field",
    ),
    _Column(
        *("s_resolution", float, "arcsec", f"{_SKY}.Resolution.Refval.value"),
        "pos.angResolution",
    ),
    _Column("s_xel1", int, "", f"{_SKY}.numBins1", "meta.number"),
    _Column("s_xel2", int, "", f"{_SKY}.numBins2", "meta.number"),
    _Column(
        *("t_min", float, "d", f"{_TIME}.{_LIMITS}.StartTime"),
        "time.start;obs.exposure",
    ),
    _Column(
        *("t_max", float, "d", f"{_TIME}.{_LIMITS}.StopTime"), "time.end;obs.exposure"
    ),
    _Column(
        *("t_exptime", float, "s", f"{_TIME}.Coverage.Support.Extent"),
        "time.duration;obs.exposure",
    ),
    _Column(
        *("t_resolution", float, "s", f"{_TIME}.Resolution.Refval.value"),
        "time.resolution",
    ),
    _Column("t_xel", int, "", f"{_TIME}.numBins", "meta.number"),
    _Column("em_min", float, "m", f"{_WAVE}.{_LIMITS}.LoLimit", "em.wl;stat.min"),
    _Column("em_max", float, "m", f"{_WAVE}.{_LIMITS}.HiLimit", "em.wl;stat.max"),
    _Column(
        *("em_res_power", float, "", f"{_WAVE}.Resolution.ResolPower.refVal"),
        "spect.resolution",
    ),
    _Column("em_xel", int, "", f"{_WAVE}.numBins", "meta.number"),
    _Column("o_ucd", str, "", "Char.ObservableAxis.ucd", "meta.ucd"),
    _Column(
        *("pol_states", str, "", "Char.PolarizationAxis.stateList"),
        "meta.code;phys.polarization",
    ),
    _Column("pol_xel", int, "", "Char.PolarizationAxis.numBins", "meta.number"),
    _Column(
        *("facility_name", str, "", "Provenance.ObsConfig.Facility.name"),
        "meta.id;instr.tel",
    ),
    _Column(
        *("instrument_name", str, "", "Provenance.ObsConfig.Instrument.name"),
        "meta.id;instr",
    ),
    _Column("product", str, description="Name of the file"),
    _Column("program", str, description="Program id, five digits"),
    _Column("stage", str, description="Stage of the pipeline that made it"),
    _Column("kind", str, description="Suffix of its name"),
    _Column("exp_type", str, description="EXP_TYPE of its science exposures"),
    _Column("detector", str, description="DETECTOR"),
    _Column("grating", str, description="GRATING"),
    _Column("filter", str, description="FILTER"),
    _Column("channel", str, description="CHANNEL of the MRS"),
    _Column("band", str, description="BAND of the MRS"),
    _Column("jwst", str, description="Version of jwst that made it"),
    _Column("context", str, description="CRDS context that it was made in"),
    _Column("n_sources", int, description="Number of its sources or slits"),
    _Column(
        *("separation", float, "deg", "", "pos.angDistance"),
        description="Of its nearest source from what was asked for",
    ),
    _Column("issues", str, description="Known issues that were asked for, and states"),
    _Column("made", str, description="When it was made, ISO 8601, UTC"),
    _Column("fingerprint", str, description="The job that made it"),
    _Column("sha256", str, description="Hash of its bytes"),
)
"""All that ObsCore requires, and ours."""

_FORMATS: Final[Mapping[str, str]] = {".fits": "application/fits"}
"""By ending; whatever else is text."""

_COUNTS: Final = frozenset({"rate", "rateints"})
"""Kinds that are not calibrated in flux."""

_EMPTY: Final[Mapping[_Kind, str | int | float]] = {str: "", int: 0, float: 0.0}
"""What stands below the mask."""


def make_table(
    products: Iterable[FoundProduct], locate: Callable[[FoundProduct], str]
) -> "Table":
    """Make an astropy Table of products: a row each, masked where nothing is known.

    Parameters
    ----------
    locate
        Gives the URL of a product.
    """
    from astropy.table import MaskedColumn, Table  # a second: only when needed

    rows = [_to_row(one, locate(one)) for one in products]
    return Table(
        [
            MaskedColumn(
                data=[_EMPTY[c.kind] if v is None else v for v in values],
                mask=[v is None for v in values],
                name=c.name,
                dtype=c.kind,
                unit=c.unit or None,
                description=c.description or None,
                meta=dict(c.meta),
            )
            for c in _COLUMNS
            for values in [[row.get(c.name) for row in rows]]
        ],
        meta={"description": "Products of Rewebb"},
    )


def write_votable(table: "Table", stream: BinaryIO) -> None:
    """Write a table of `make_table` as a VOTable."""
    from astropy.io.votable import from_table  # likewise

    votable = from_table(table, table_id="products")
    votable.description = "Products of Rewebb, as in ObsCore 1.1"
    votable.to_xml(stream)


def name_product(one: FoundProduct) -> str:
    """Name a product as the Virtual Observatory does."""
    return f"ivo://rewebb/products?{one.fingerprint}/{one.product.name}"


def _to_row(one: FoundProduct, url: str) -> Mapping[str, object]:
    name = one.product.name
    return {
        **_to_facts(one),
        "obs_collection": "JWST",
        "obs_id": one.job_name,
        "obs_publisher_did": name_product(one),
        "access_url": url,
        "access_format": _FORMATS.get(Path(name).suffix, "text/plain"),
        "access_estsize": -(-one.product.size_bytes // 1000),
        "o_ucd": "phot.count" if one.kind in _COUNTS else "phot.flux.density",
        "facility_name": "JWST",
        "product": name,
        "program": one.program,
        "stage": str(one.stage),
        "kind": one.kind,
        "exp_type": one.exp_type,
        "jwst": one.jwst,
        "context": one.context,
        "separation": one.separation_deg,
        "issues": " ".join(f"{name}:{state}" for name, state in one.issues.items()),
        "made": one.finished_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "fingerprint": one.fingerprint,
        "sha256": one.product.sha256,
    }


def _to_facts(one: FoundProduct) -> Mapping[str, object]:
    facts = one.facts
    if facts is None:
        return {}
    fov_deg = None
    if facts.region and facts.ra_deg is not None and facts.dec_deg is not None:
        place = (facts.ra_deg, facts.dec_deg)
        fov_deg = 2 * find_radius_deg(place, facts.region)
    return {
        "dataproduct_type": facts.dataproduct_type,
        "calib_level": facts.calib_level,
        "target_name": facts.target,
        "s_ra": facts.ra_deg,
        "s_dec": facts.dec_deg,
        "s_fov": fov_deg,
        "s_region": facts.region,
        "t_min": facts.start_mjd,
        "t_max": facts.end_mjd,
        "t_exptime": facts.exposure_s,
        "em_min": facts.wave_min_m,
        "em_max": facts.wave_max_m,
        "em_xel": count_samples(facts),
        "instrument_name": facts.instrument,
        "detector": facts.detector,
        "grating": facts.grating,
        "filter": facts.filter,
        "channel": facts.channel,
        "band": facts.band,
        "n_sources": _count_sources(facts.sources),
    }


def count_samples(facts: ProductFacts) -> int | None:
    """Count the wavelengths of a product: those of its longest spectrum."""
    return max((s.samples for s in facts.sources if s.samples), default=None)


def _count_sources(sources: Sequence[Any]) -> int:
    """Count sources and slits; a field is neither."""
    return sum(bool(source.name or source.slit) for source in sources)
