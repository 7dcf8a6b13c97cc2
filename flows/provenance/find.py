"""Finding products by what they were made from, and by what they are of."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice, product
from math import asin, cos, degrees, radians, sin
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Text,
    and_,
    false,
    func,
    or_,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from workers.contract import KNOWN_BEFORE, Product, ProductFacts, SourceFacts
from workers.sky import separate_deg, separate_from_region_deg

from ..errors import QueryError
from ..models.findings import ReferenceUsers
from ..models.products import (
    Cone,
    FoundProduct,
    Period,
    ProductPlace,
    ProductQuery,
    Span,
)
from .lineage import find_downstream
from .loading import load_facts
from .recording import to_target_key
from .rows import to_record
from .schema import (
    ReferenceKind,
    SQLAttempt,
    SQLCaveat,
    SQLJob,
    SQLJobInput,
    SQLProduct,
    SQLProductFacts,
    SQLProductSource,
    SQLReference,
    SQLReferenceUse,
    SQLRun,
    SQLRunJob,
    SQLVersion,
)
from .sessions import Tables, begins, is_among, reads

__all__ = ["Products", "keep_newest"]

_PIECE: Final = 200
"""Products of which the facts are loaded together."""

_UM: Final = 1e-6
"""In m."""

_PAD_DEG: Final = 1e-6
"""By which boxes are larger than they need be: the circle is exact, they are not."""

_PAD: Final = 1e-12
"""By which spans are longer than is asked for: um are not exact in m."""

_SUFFIXES: Final = (
    *("uncal", "rate", "rateints", "cal", "calints", "crf", "crfints", "x1d"),
    *("x1dints", "s2d", "s3d"),
)
"""Of the files of an exposure that jobs read."""

_SHA1_DIGITS: Final = 40


class Products(Tables):
    """Products in the store, as they are asked for."""

    @reads
    def find(self, session: Session, query: ProductQuery) -> tuple[FoundProduct, ...]:
        """Find products, newest first.

        Known issues are evaluated elsewhere: a query that asks for some gives all that
        fits the rest of it.

        Raises
        ------
        QueryError
            No job has taken one of the references; says which name is the nearest.
        """
        _refuse_unknown_references(session, query.references)
        found: Iterator[FoundProduct] = _iterate(session, query)
        if query.issues:
            return tuple(found)
        if query.is_newest:
            found = keep_newest(found)
        return tuple(islice(found, query.limit))

    @reads
    def count_users(
        self, session: Session, references: Iterable[str]
    ) -> dict[str, ReferenceUsers]:
        """Count the jobs that took references, by name or sha1 of each."""
        counts = select(func.count(), func.count(SQLJob.program.distinct()))
        found = {}
        for reference in dict.fromkeys(references):
            query = counts.where(_has_taken(session, [reference]))
            found[reference] = ReferenceUsers(*session.execute(query).tuples().one())
        return found


def keep_newest(found: Iterable[FoundProduct]) -> Iterator[FoundProduct]:
    """Keep the first of the products of each name."""
    seen: set[str] = set()
    for one in found:
        if one.product.name not in seen:
            seen.add(one.product.name)
            yield one


def _iterate(session: Session, query: ProductQuery) -> Iterator[FoundProduct]:
    """Find products in pieces, with what they are of."""
    rows = session.execute(_select(session, query).execution_options(yield_per=_PIECE))
    for piece in rows.partitions():
        found = [_to_found(row) for row in piece]
        keys = [one.fingerprint for one in found]
        facts = load_facts(session, keys)
        for one in found:
            fitting = _fit(one, facts.get((one.fingerprint, one.product.name)), query)
            if fitting is not None:
                yield fitting


def _select(session: Session, query: ProductQuery) -> Select[Any]:
    """Ask for the rows of products; what the sky is asked for a little more."""
    of_jwst = (
        SQLVersion.set_sha256 == SQLJob.versions_sha256,
        SQLVersion.name == "jwst",
    )
    statement = (
        select(
            *(SQLProduct, SQLJob.stage, SQLJob.name.label("job_name"), SQLJob.program),
            *(SQLJob.exp_type, SQLJob.context, SQLVersion.version.label("jwst")),
            *(SQLAttempt.id.label("attempt"), SQLAttempt.finished_at),
            SQLAttempt.folder,
        )
        .join(SQLJob, SQLJob.fingerprint == SQLProduct.fingerprint)
        .join(SQLAttempt, _begin_with(session, query) == SQLProduct.attempt_id)
        .outerjoin(SQLVersion, and_(*of_jwst))
        .order_by(
            SQLAttempt.finished_at.desc(), SQLProduct.fingerprint, SQLProduct.name
        )
    )
    statement = statement.where(*_list_conditions(session, query))
    if query.near or query.issues or query.is_newest:
        return statement  # not all that comes is wanted
    return statement.limit(query.limit)


def _begin_with(session: Session, query: ProductQuery) -> ColumnElement[str]:
    """Give the id of attempts, so that the newest are looked at first if few will do.

    Without statistics SQLite takes it that a join is best begun with products, sorts
    them all, and leaves out all but some. An expression is in no index, so attempts
    come first then, in the order of the index of their times.
    """
    narrow = (
        *(query.references, query.exposures, query.caveats, query.programs),
        *(query.targets, query.near, query.waves, query.periods, query.jobs),
        query.beginnings,
    )
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    if query.limit is None or any(narrow) or not is_sqlite:
        return SQLAttempt.id.expression
    return SQLAttempt.id + ""


def _list_conditions(
    session: Session, query: ProductQuery
) -> Iterator[ColumnElement[bool]]:
    """List what must hold of a product and of what it was made from."""
    own = SQLProduct.fingerprint
    if query.references:
        has_taken = _has_taken(session, query.references)
        if query.is_downstream:
            users = session.scalars(select(SQLJob.fingerprint).where(has_taken))
            yield is_among(session, own, find_downstream(session, users))
        else:
            yield has_taken
    if query.contexts:
        yield SQLJob.context.in_(query.contexts)
    if query.jwst:
        sets = select(SQLVersion.set_sha256).where(
            SQLVersion.name == "jwst", SQLVersion.version.in_(query.jwst)
        )
        yield SQLJob.versions_sha256.in_(sets)
    if query.recipes:
        runs = select(SQLRunJob.fingerprint).join(SQLRun, SQLRun.id == SQLRunJob.run_id)
        yield own.in_(runs.where(SQLRun.recipe_name.in_(query.recipes)))
    if query.exposures:
        yield own.in_(_select_readers(query.exposures))
    if query.caveats:
        yield _has_caveat(query)
    if query.after is not None:
        yield _comes_after(query.after)
    yield from _list_of_products(session, query)


def _comes_after(place: ProductPlace) -> ColumnElement[bool]:
    """Ask for the products that come after one, in the order of `_select`."""
    at, own = SQLAttempt.finished_at, (SQLProduct.fingerprint, SQLProduct.name)
    is_older = at < place.finished_at
    follows = and_(
        at == place.finished_at, tuple_(*own) > (place.fingerprint, place.name)
    )
    # Said apart, so that the index of the times is entered in its middle.
    return and_(at <= place.finished_at, or_(is_older, follows))


def _list_of_products(
    session: Session, query: ProductQuery
) -> Iterator[ColumnElement[bool]]:
    """List what must hold of a product, whatever it was made from."""
    if query.jobs:
        yield SQLProduct.fingerprint.in_(query.jobs)
    if query.beginnings:
        name = SQLProduct.name
        yield or_(*(begins(session, name, one) for one in query.beginnings))
    if query.programs:
        yield SQLJob.program.in_(query.programs)
    if query.stages:
        yield SQLJob.stage.in_(query.stages)
    if query.kinds:
        name = SQLProduct.name
        yield or_(
            *(name.contains(f"_{kind}.", autoescape=True) for kind in query.kinds)
        )
    if query.targets:
        key = tuple_(SQLProduct.fingerprint, SQLProduct.name)
        yield key.in_(_select_targets(query.targets))
    if query.periods:
        key = tuple_(SQLProduct.fingerprint, SQLProduct.name)
        yield key.in_(_select_observed(query.periods))
    if query.near or query.waves:
        key = tuple_(SQLProduct.fingerprint, SQLProduct.name)
        yield key.in_(_select_places(session, query))


def _has_taken(session: Session, references: Iterable[str]) -> ColumnElement[bool]:
    """Ask for the jobs that took a reference, by its name or its sha1.

    The sets that hold it are looked up before: a planner that does not know them
    expects as many jobs of each as of others, and jobs have few sets of mappings.
    """
    names, sha1s = _sort_references(references)
    use = SQLReferenceUse
    query = select(use.kind, use.set_sha256)
    query = query.where(or_(use.name.in_(names), use.sha1.in_(sha1s)))
    sets = defaultdict[InstrumentedAttribute[str], set[str]](set)
    for kind, key in session.execute(query).tuples():
        is_mapping = kind is ReferenceKind.MAPPING
        own = SQLJob.mappings_sha256 if is_mapping else SQLJob.references_sha256
        sets[own].add(key)
    return or_(false(), *(is_among(session, *each) for each in sets.items()))


def _select_readers(exposures: Iterable[str]) -> Select[tuple[str]]:
    """Ask for the jobs that read a file of an exposure."""
    files = product(exposures, _SUFFIXES)
    names = [f"{exposure}_{suffix}.fits" for exposure, suffix in files]
    return select(SQLJobInput.fingerprint).where(SQLJobInput.name.in_(names))


def _sort_references(references: Iterable[str]) -> tuple[list[str], list[str]]:
    """Tell names of references from sums."""
    names: list[str] = []
    sha1s: list[str] = []
    for reference in references:
        digits = reference.lower()
        is_sha1 = len(digits) == _SHA1_DIGITS and set(digits) <= {*"0123456789abcdef"}
        (sha1s if is_sha1 else names).append(digits if is_sha1 else reference)
    return names, sha1s


def _has_caveat(query: ProductQuery) -> ColumnElement[bool]:
    """Ask for what jobs found, or for what the plan of any run knew of them."""
    found = select(SQLCaveat.attempt_id).where(SQLCaveat.kind.in_(query.caveats))
    conditions = [SQLProduct.attempt_id.in_(found)]
    if known := KNOWN_BEFORE.intersection(query.caveats):
        said = type_coerce(SQLRunJob.caveats, Text)
        # Quotes within messages are escaped.
        is_known = or_(*(said.contains(f'["{k}", ', autoescape=True) for k in known))
        jobs = select(SQLRunJob.fingerprint).where(
            SQLRunJob.fingerprint.is_not(None), is_known
        )
        conditions.append(SQLProduct.fingerprint.in_(jobs))
    return or_(*conditions)


def _select_targets(targets: Iterable[str]) -> Select[tuple[str, str]]:
    row = SQLProductFacts
    column = type_coerce(row.target_key, Text)
    exact: list[str] = []
    patterns: list[str] = []
    for target in map(to_target_key, targets):
        (patterns if "*" in target else exact).append(target)
    escaped = (_escape(pattern).replace("*", "%") for pattern in patterns)
    fits = (column.like(pattern, escape="\\") for pattern in escaped)
    return select(row.fingerprint, row.product).where(or_(column.in_(exact), *fits))


def _select_observed(periods: Iterable[Period]) -> Select[tuple[str, str]]:
    """Ask for the products that were observed in one of some time spans."""
    row = SQLProductFacts
    fits = (
        and_(row.start_mjd <= period.last_mjd, row.end_mjd >= period.first_mjd)
        for period in periods
    )
    return select(row.fingerprint, row.product).where(or_(*fits))


def _escape(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return text


def _select_places(session: Session, query: ProductQuery) -> Select[tuple[str, str]]:
    """Ask for the products with a source in a box around a circle, or in a span."""
    row = SQLProductSource
    statement = select(row.fingerprint, row.product)
    if query.near:
        farthest = session.scalar(select(func.max(row.radius_deg))) or 0.0
        boxes = (_is_in_box(cone, margin_deg=farthest) for cone in query.near)
        statement = statement.where(or_(*boxes))
    if query.waves:
        statement = statement.where(or_(*map(_is_in_span, query.waves)))
    return statement


def _is_in_box(cone: Cone, *, margin_deg: float) -> ColumnElement[bool]:
    """Ask for a box that holds a circle, wherever on the sphere it is."""
    row = SQLProductSource
    radius = cone.radius_deg + margin_deg + _PAD_DEG
    low, high = cone.dec_deg - radius, cone.dec_deg + radius
    of_dec = row.dec_deg.between(low, high)
    if low <= -90 or high >= 90:
        return of_dec  # a pole is within, and so is every right ascension
    ratio = min(1.0, sin(radians(radius)) / cos(radians(cone.dec_deg)))
    half = degrees(asin(ratio)) + _PAD_DEG / cos(radians(cone.dec_deg))
    if half >= 180:
        return of_dec
    west, east = (cone.ra_deg - half) % 360, (cone.ra_deg + half) % 360
    is_after, is_before = row.ra_deg >= west, row.ra_deg <= east
    of_ra = and_(is_after, is_before) if west <= east else or_(is_after, is_before)
    return and_(of_dec, of_ra)


def _is_in_span(span: Span) -> ColumnElement[bool]:
    row, (first, last) = SQLProductSource, _to_m(span)
    return and_(row.wave_min_m <= last, row.wave_max_m >= first)


def _to_found(row: Row[Any]) -> FoundProduct:
    file: SQLProduct = row.SQLProduct
    return FoundProduct(
        product=to_record(Product, file),
        kind=file.name.partition(".")[0].rpartition("_")[2],
        fingerprint=file.fingerprint,
        jwst=row.jwst or "",
        stage=row.stage,
        job_name=row.job_name,
        program=row.program,
        exp_type=row.exp_type,
        context=row.context,
        folder=row.folder,
        attempt=row.attempt,
        finished_at=row.finished_at,
    )


def _fit(
    one: FoundProduct, facts: ProductFacts | None, query: ProductQuery
) -> FoundProduct | None:
    """Add what a product is of, unless it is not what is asked for after all."""
    if facts is None:
        return None if query.near or query.waves else one
    if not (query.near or query.waves):
        return replace(one, facts=facts, sources=facts.sources)
    places = [
        (source, apart)
        for source in facts.sources
        if not query.waves or any(_holds(span, source) for span in query.waves)
        for apart in [_separate(source, query.near)]
        if not query.near or apart is not None
    ]
    if not places:
        return None
    nearest = min((apart for _, apart in places if apart is not None), default=None)
    sources = tuple(source for source, _ in places)
    return replace(one, facts=facts, sources=sources, separation_deg=nearest)


def _holds(span: Span, source: SourceFacts) -> bool:
    low, high = source.wave_min_m, source.wave_max_m
    first, last = _to_m(span)
    return low is not None and high is not None and low <= last and high >= first


def _to_m(span: Span) -> tuple[float, float]:
    return span.first_um * _UM * (1 - _PAD), span.last_um * _UM * (1 + _PAD)


def _separate(source: SourceFacts, cones: Sequence[Cone]) -> float | None:
    """Return how far a source is from the centre of a circle that it is in, if any."""
    if source.ra_deg is None or source.dec_deg is None:
        return None
    place = (source.ra_deg, source.dec_deg)
    found: list[float] = []
    for cone in cones:
        centre = (cone.ra_deg, cone.dec_deg)
        apart = separate_deg(centre, place)
        of_region = separate_from_region_deg(centre, source.region)
        if min(apart, apart if of_region is None else of_region) <= cone.radius_deg:
            found.append(apart)
    return min(found, default=None)


def _refuse_unknown_references(session: Session, references: Iterable[str]) -> None:
    row = SQLReference
    for reference in references:
        names, sha1s = _sort_references([reference])
        is_it = or_(row.name.in_(names), row.sha1.in_(sha1s))
        if session.scalar(select(row.sha1).where(is_it).limit(1)) is not None:
            continue
        if not names:
            raise QueryError(f"No recorded job has used a file of sha1 {reference}.")
        known = session.scalars(select(row.name).distinct()).all()
        close = get_close_matches(reference, known, n=1)
        hint = f": did you mean {close[0]}?" if close else "."
        raise QueryError(f"No recorded job has used a reference {reference}{hint}")
