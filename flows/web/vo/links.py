"""DataLink 1.1: from a product to its file, preview, sources and provenance.

https://www.ivoa.net/documents/DataLink/ says what a table of links holds; the words for
what a link is are those of http://www.ivoa.net/rdf/datalink/core.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from ...errors import RewebbError
from ...models.lineage import Lineage
from ...models.products import FoundProduct
from ...provenance import make_prov_document, write_prov
from ...reports import find_pictures
from ..files import find_product
from ..site import Site, find_site
from .addresses import find_base, locate_product
from .votable import Cell, Field, Info, write_votable

__all__ = ["router", "send_association", "send_links", "send_provenance"]

router = APIRouter(include_in_schema=False)

_LINKS: Final = "application/x-votable+xml;content=datalink"
"""Type of media of tables of links."""

_BEGIN: Final = "ivo://rewebb/products?"
"""How the names of products begin."""

_MOST: Final = 50
"""Products of which links are asked for at once."""

_TYPES: Final = {
    "x1d": "#spectrum",
    "c1d": "#spectrum",
    "x1dints": "#time-series",
    "whtlt": "#time-series",
    "s3d": "#cube",
    "s2d": "#image",
    "rate": "#image",
    "cal": "#image",
}
"""Words of http://www.ivoa.net/rdf/product-type for kinds of products."""

_FIELDS: Final = (
    Field("ID", ucd="meta.id;meta.main"),
    Field("access_url", ucd="meta.ref.url"),
    Field("service_def", ucd="meta.ref"),
    Field("error_message", ucd="meta.code.error"),
    Field("semantics", ucd="meta.code"),
    Field("description", ucd="meta.note"),
    Field("content_type", ucd="meta.code.mime"),
    Field("content_length", "long", "byte", "phys.size;meta.file"),
    Field("content_qualifier", ucd="meta.code"),
    Field("local_semantics", ucd="meta.code"),
)

_INFOS: Final = (
    Info("QUERY_STATUS", "OK"),
    Info("standardID", "ivo://ivoa.net/std/DataLink#links-1.1"),
)

_Row = Mapping[str, Cell]


@router.get("/vo/datalink")
def send_links(
    request: Request,
    ids: Annotated[list[str] | None, Query(alias="ID", max_length=_MOST)] = None,
) -> Response:
    """Send the links of products."""
    rows = [row for one in ids or () for row in _list_links(request, one)]
    return write_votable(_FIELDS, rows, infos=_INFOS, kind=_LINKS)


@router.get("/vo/prov/{fingerprint}")
def send_provenance(request: Request, fingerprint: str) -> Response:
    """Send the provenance of what a job made, up to raw files, as W3C PROV in JSON."""
    site = find_site(request)
    lineage = site.database.lineages.trace([fingerprint])
    if not lineage.makings:
        raise HTTPException(404, f"No job {fingerprint} is recorded.")
    ids = {one.run_id for one in lineage.makings.values() if one.run_id}
    runs = [site.database.runs.get_run(one) for one in sorted(ids)]
    document = write_prov(make_prov_document(lineage, runs), "json")
    return Response(document, media_type="application/json")


@router.get("/vo/associations/{fingerprint}")
def send_association(request: Request, fingerprint: str) -> Response:
    """Send the association that a job ran on, as it was."""
    job = find_site(request).database.jobs.find_job(fingerprint)
    if job is None or job.association is None:
        raise HTTPException(404, f"No association of the job {fingerprint} is known.")
    return Response(job.association, media_type="application/json")


def _list_links(request: Request, named: str) -> Iterator[_Row]:
    """List the links of a product, or what is wrong with its name."""
    site = find_site(request)
    fingerprint, _, name = named.removeprefix(_BEGIN).partition("/")
    try:
        found = find_product(site, fingerprint, name)
    except (HTTPException, RewebbError):
        yield {
            "ID": named[:500],
            "error_message": f"NotFoundFault: there is no product {named[:200]}",
            "semantics": "#this",
        }
        return
    base = find_base(request)
    rows = [
        *_list_own(found, base),
        *_list_previews(site, found, base),
        *_list_relatives(site, found, base),
    ]
    for row in rows:
        yield {"ID": named[:500], **row}


def _list_own(found: FoundProduct, base: str) -> Iterator[_Row]:
    """List what is of the product itself."""
    key = quote(found.fingerprint)
    place = f"{key}/{quote(found.product.name)}"
    is_fits = found.product.name.endswith(".fits")
    yield {
        "access_url": locate_product(base, found),
        "semantics": "#this",
        "description": f"{found.product.name}, in {found.context}",
        "content_type": "application/fits" if is_fits else "text/plain",
        "content_length": found.product.size_bytes,
        "content_qualifier": _TYPES.get(found.kind),
    }
    yield {
        "access_url": f"{base}/products/{place}",
        "semantics": "#documentation",
        "description": "All that is recorded of it",
        "content_type": "text/html",
        "local_semantics": "page",
    }
    yield {
        "access_url": f"{base}/vo/prov/{key}",
        "semantics": "#documentation",
        "description": "Its provenance, up to the raw exposures (W3C PROV, JSON)",
        "content_type": "application/json",
        "local_semantics": "provenance",
    }


def _list_previews(site: Site, found: FoundProduct, base: str) -> Iterator[_Row]:
    """List the pictures of a product; of a cube without some, its first wavelength."""
    place = f"{quote(found.fingerprint)}/{quote(found.product.name)}"
    drawn = find_pictures(site.data_dir, found.fingerprint, found.product)
    pictures = {
        f"{base}/pictures/{place}/{quote(one.file)}": one.title
        for one in (drawn.pictures if drawn else ())
    }
    if found.kind == "s3d" and not pictures:
        pictures = {f"{base}/slices/{place}/0.png": "Its first wavelength"}
    for url, title in pictures.items():
        yield {
            "access_url": url,
            "semantics": "#preview",
            "description": title,
            "content_type": "image/png",
        }


def _list_relatives(site: Site, found: FoundProduct, base: str) -> Iterator[_Row]:
    """List what a product was made from, what of it, and what together with it."""
    lineage = site.database.lineages.trace([found.fingerprint], up=False, down=True)
    job = lineage.makings[found.fingerprint].job
    if job.association is not None:
        yield {
            "access_url": f"{base}/vo/associations/{quote(job.fingerprint)}",
            "semantics": "#documentation",
            "description": f"The association {job.association_name}",
            "content_type": "application/json",
            "local_semantics": "association",
        }
    makers = site.database.listings.find_sources(file.sha256 for file in job.inputs)
    for file in job.inputs:
        if file.sha256 in makers:
            yield _to_link(base, makers[file.sha256], file.name, "#progenitor")
    for key, making in lineage.makings.items():
        is_own = key == found.fingerprint
        if is_own or _reads(lineage, key, found.product.sha256):
            for one in making.done.products if making.done else ():
                if not (is_own and one.name == found.product.name):
                    kind = "#coderived" if is_own else "#derivation"
                    yield _to_link(base, key, one.name, kind)


def _reads(lineage: Lineage, key: str, sha256: str) -> bool:
    return any(file.sha256 == sha256 for file in lineage.makings[key].job.inputs)


def _to_link(base: str, fingerprint: str, name: str, semantics: str) -> _Row:
    is_fits = name.endswith(".fits")
    return {
        "access_url": f"{base}/files/{quote(fingerprint)}/{quote(name)}",
        "semantics": semantics,
        "description": name,
        "content_type": "application/fits" if is_fits else "text/plain",
        "content_qualifier": _TYPES.get(name.partition(".")[0].rpartition("_")[2]),
    }
