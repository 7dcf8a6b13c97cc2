"""Where the services are, whole addresses of products, and ObsCore tables of them."""

from io import BytesIO
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from ...models.products import FoundProduct
from ...reports import make_table, write_votable
from ..asked import Asked
from ..site import find_site
from .votable import VOTABLE

__all__ = ["find_base", "locate_product", "router", "send_obscore", "show_services"]

router = APIRouter(include_in_schema=False)


@router.get("/vo", response_class=HTMLResponse)
def show_services(request: Request) -> Response:
    """Say where the services are."""
    return find_site(request).render(request, "vo.html", base=find_base(request))


@router.get("/vo/obscore")
def send_obscore(request: Request, asked: Annotated[Asked, Query()]) -> Response:
    """Send what a search of products finds, as a table of ObsCore."""
    site = find_site(request)
    base = find_base(request)
    found, _ = asked.find(site)
    stream = BytesIO()
    table = make_table(found, lambda one: locate_product(base, one))
    write_votable(table, stream)
    named = {"Content-Disposition": 'inline; filename="products.vot"'}
    return Response(stream.getvalue(), media_type=VOTABLE, headers=named)


def find_base(request: Request) -> str:
    """Find how the addresses of this service begin, as who asks sees them.

    A proxy that has taken TLS off says so.
    """
    is_safe = request.headers.get("x-forwarded-proto", "") == "https"
    scheme = "https" if is_safe else request.url.scheme
    return f"{scheme}://{request.url.netloc}"


def locate_product(base: str, one: FoundProduct) -> str:
    """Give the address of the file of a product."""
    return f"{base}/files/{quote(one.fingerprint)}/{quote(one.product.name)}"
