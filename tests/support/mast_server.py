"""MAST on loopback, as `astroquery.mast.MastMissions` and a browser of files see it.

Speaks what facts B1 records: column_list, search, post_list_products, retrieve_product
and whoami, over the files of a folder.
"""

import gzip
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from loopback import Answer, Fault, Faults, Loopback, Request, serve_file, serving
from mast_catalog import COLUMNS, DEFAULT_COLUMNS, Catalog, FileSet, access_of

__all__ = ["MOST_IDS", "MastServer", "mast_server"]

MOST_IDS = 1000
"""Dataset ids in one request for products."""

Row = dict[str, Any]

_JSON = "application/json"


@dataclass
class MastServer:
    """A MAST that runs; all may be changed while it does."""

    loopback: Loopback
    """Requests, bytes and faults."""
    exclusive: dict[str, datetime]
    """When file sets whose names begin like this become public: ``99001``,
    ``99001002``."""
    tokens: dict[str, Collection[str]]
    """Programs that each valid token gives access to."""
    extra_products: dict[str, list[str]] = field(default_factory=dict)
    """Names, hostile ones too, that are listed for a file set beside its own."""
    lost_products: dict[str, int] = field(default_factory=dict)
    """How many times more the products of a file set are left out."""

    @property
    def url(self) -> str:
        """What clients are configured with."""
        return self.loopback.url

    def asked(self, endpoint: str) -> list[Request]:
        """Return the requests for an endpoint: ``search``, ``retrieve_product``."""
        ending = f"/{endpoint}"
        return [one for one in self.loopback.requests if one.path.endswith(ending)]


@contextmanager
def mast_server(
    folder: Path,
    *,
    faults: Faults | None = None,
    exclusive: Mapping[str, datetime] | None = None,
    tokens: Mapping[str, Collection[str]] | None = None,
) -> Iterator[MastServer]:
    """Serve a folder of files until the block is left.

    Parameters
    ----------
    folder
        Raw files (``_uncal.fits``), rates, MSA metafiles, pools and associations, of
        any nesting and any programs.
    exclusive
        When the file sets whose names begin like this become public.
    tokens
        Programs that each valid token gives access to.
    """
    mast = _Mast(Catalog(folder))
    with serving(mast.answer, faults=faults) as loopback:
        mast.server = MastServer(loopback, dict(exclusive or {}), dict(tokens or {}))
        yield mast.server


class _Mast:
    server: MastServer

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._answers = {
            ("GET", "/whoami"): self._whoami,
            ("GET", "/search/util/api/v0.1/column_list"): self._columns,
            ("POST", "/search/jwst/api/v0.1/search"): self._search,
            ("POST", "/search/jwst/api/v0.1/post_list_products"): self._list_products,
            ("GET", "/search/jwst/api/v0.1/retrieve_product"): self._retrieve,
        }

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        answer = self._answers.get((request.method, request.path))
        if answer is None:
            return _refuse(404, f"no {request.method} {request.path}")
        try:
            return _compress(request, answer(request))
        except (KeyError, TypeError, ValueError) as error:
            return _refuse(400, f"bad request: {error}")

    def _whoami(self, request: Request) -> Answer:
        token = _token(request)
        known = token in self.server.tokens
        name = "A. Stronomer" if known else "Anonymous User"
        attrib = {"display_name": name, "email": "a@example.org"} if known else {}
        return _json({"anon": not known, "attrib": attrib, "ezid": "", "scopes": []})

    def _columns(self, request: Request) -> Answer:
        if request.query["mission"] != "jwst":
            raise ValueError("no such mission")
        return _json([_describe(name, kind) for name, kind in COLUMNS.items()])

    def _search(self, request: Request) -> Answer:
        asked = json.loads(request.body)
        rows = [one.row for one in self._catalog.file_sets(self.server.exclusive)]
        found = [row for row in rows if _fits_all(row, asked["conditions"])]
        found = _in_cone(found, asked)
        for key in reversed(asked.get("sort_by") or ["fileSetName"]):
            _known(key)
            found.sort(key=lambda row, key=key: (row.get(key) is None, row.get(key)))
        offset = int(asked.get("offset") or 0)
        page = found[offset : offset + int(asked["limit"])]
        if self._is_struck(request, Fault.PAGE_LOST):
            page = page[:-1]
        columns = _columns_of(asked)
        return _json(
            {
                "messages": [],
                "info": [{"name": name, "type": COLUMNS[name]} for name in columns],
                "search_params": _params_of(asked, columns),
                "totalResults": len(found),
                "results": [_row_of(row, columns, asked) for row in page],
            }
        )

    def _list_products(self, request: Request) -> Answer:
        names = json.loads(request.body)["dataset_ids"]
        if len(names) > MOST_IDS:
            raise ValueError(f"at most {MOST_IDS} dataset_ids")
        if self._is_struck(request, Fault.PAGE_LOST):
            names = names[:-1]
        there = self._catalog.file_sets(self.server.exclusive)
        sets = [one for one in there if one.name in set(names)]
        rows = [row for one in sets for row in self._product_rows(one)]
        return _json({"products": rows})

    def _product_rows(self, file_set: FileSet) -> list[Row]:
        if (left := self.server.lost_products.get(file_set.name, 0)) > 0:
            self.server.lost_products[file_set.name] = left - 1
            return []
        extra = self.server.extra_products.get(file_set.name, [])
        sizes = {**file_set.products, **dict.fromkeys(extra, 2880)}
        locks = self.server.exclusive
        return [
            _product(file_set, name, size) | {"access": access_of(name, locks)}
            for name, size in sizes.items()
        ]

    def _retrieve(self, request: Request) -> Answer:
        name = request.query["product_name"].rpartition("/")[2]
        path = self._catalog.find(name)
        if path is None:
            return _refuse(404, f"no product {name}")
        if access_of(name, self.server.exclusive) != "PUBLIC":
            programs = self.server.tokens.get(_token(request))
            if programs is None:
                return _refuse(401, "a token is needed")
            if name[2:7] not in programs:
                return _refuse(403, "this token gives no access")
        return serve_file(request, path)

    def _is_struck(self, request: Request, fault: Fault) -> bool:
        struck = self.server.loopback.struck
        return any(one is request and what is fault for one, what in struck)


def _token(request: Request) -> str:
    """Find the token, in the header or in astroquery's cookie."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind == "token":
        return token
    cookie = re.search(r"mast_token=([^;]+)", request.headers.get("cookie", ""))
    return cookie[1] if cookie else ""


def _compress(request: Request, answer: Answer) -> Answer:
    """Compress JSON for clients that take it."""
    is_taken = "gzip" in request.headers.get("accept-encoding", "")
    if is_taken and answer.headers.get("Content-Type") == _JSON:
        assert isinstance(answer.body, bytes)
        answer.body = gzip.compress(answer.body)
        answer.headers["Content-Encoding"] = "gzip"
    return answer


def _json(value: Any) -> Answer:
    return Answer(200, json.dumps(value).encode(), {"Content-Type": _JSON})


def _refuse(status: int, why: str) -> Answer:
    return Answer(status, json.dumps({"msg": why}).encode())


def _describe(name: str, kind: str) -> dict[str, str]:
    qualified = {"VARCHAR": "string", "FLOAT": "float", "DATETIME": "datetime"}
    return {
        "field_name": name,
        "description": f"{name} of the exposure",
        "column_name": name,
        "queryable": "no" if name == "search_pos" else "yes",
        "qual_type": qualified.get(kind, "integer"),
        "default_output": "yes" if name in DEFAULT_COLUMNS else "no",
        "indexed": "no",
        "datatype": kind.lower(),
    }


def _known(name: str) -> str:
    if name not in COLUMNS:
        raise ValueError(f"no column {name}")
    return name


def _columns_of(asked: Row) -> list[str]:
    chosen = asked.get("select_cols") or DEFAULT_COLUMNS
    return list(dict.fromkeys(["ArchiveFileID", *map(_known, chosen)]))


def _params_of(asked: Row, columns: list[str]) -> Row:
    sort_by = asked.get("sort_by") or ["fileSetName"]
    defaults = {"offset": 0, "sort_desc": [False] * len(sort_by), "skip_count": False}
    lists: Row = {"search_key": [], "user_fields": []}
    return {**defaults, **lists, **asked, "sort_by": sort_by, "select_cols": columns}


def _row_of(row: Row, columns: list[str], asked: Row) -> Row:
    position = (asked.get("target") or [""])[0]
    keys = {"search_key": position + row["fileSetName"], "search_pos": position}
    given = {name: row.get(name) for name in columns}
    return given | (keys if position else {})


def _product(file_set: FileSet, name: str, size: int) -> Row:
    suffix = f"_{name.rpartition('_')[2].partition('.')[0]}"
    level = {"_uncal": "1b", "_rate": "2a", "_pool": "AUX", "_asn": "AUX"}
    guide = "_gs-" in name
    return {
        "product_key": f"{file_set.name}_{name}",
        "access": "PUBLIC",
        "dataset": file_set.name,
        "instrument_name": file_set.row["instrume"],
        "filters": file_set.row["opticalElements"],
        "filename": name,
        "uri": name,
        "authz_primary_identifier": file_set.name,
        "authz_secondary_identifier": suffix.upper(),
        "file_suffix": suffix,
        "category": level.get(suffix, "2b"),
        "size": size,
        "type": "guide_star" if guide else "science",
    }


def _fits_all(row: Row, conditions: list[Row]) -> bool:
    pairs = [(name, value) for one in conditions for name, value in one.items()]
    return all(_fits(row.get(_known(name)), str(value)) for name, value in pairs)


def _fits(value: Any, condition: str) -> bool:
    parts = [part.strip() for part in condition.split(",")]
    unwanted = [part[1:] for part in parts if part.startswith("!")]
    wanted = [part for part in parts if not part.startswith("!")]
    if any(_fits_one(value, part) for part in unwanted):
        return False
    return not wanted or any(_fits_one(value, part) for part in wanted)


def _fits_one(value: Any, part: str) -> bool:
    if value is None:
        return False
    if ".." in part:
        low, _, high = part.partition("..")
        return bool(_as(value, low) <= value <= _as(value, high))
    for sign, holds in _COMPARISONS.items():
        if part.startswith(sign):
            return bool(holds(value, _as(value, part.removeprefix(sign))))
    if isinstance(value, str):
        pattern = ".*".join(re.escape(piece) for piece in part.split("*"))
        return re.fullmatch(pattern, value, re.IGNORECASE) is not None
    return bool(value == _as(value, part))


def _as(value: Any, text: str) -> Any:
    return text.strip() if isinstance(value, str) else float(text)


_COMPARISONS = {
    "<=": lambda one, other: one <= other,
    ">=": lambda one, other: one >= other,
    "<": lambda one, other: one < other,
    ">": lambda one, other: one > other,
}


def _in_cone(rows: list[Row], asked: Row) -> list[Row]:
    if not asked.get("target"):
        return rows
    ra, dec = map(float, asked["target"][0].split())
    unit = {"arcseconds": 3600.0, "arcminutes": 60.0, "degrees": 1.0}
    radius = float(asked["radius"]) / unit[asked["radius_units"]]
    placed = [row for row in rows if row.get("targ_ra") is not None]
    near = [
        row | {"ang_sep": 60 * _separation(ra, dec, row["targ_ra"], row["targ_dec"])}
        for row in placed
    ]
    return [row for row in near if row["ang_sep"] <= 60 * radius]


def _separation(ra: float, dec: float, ra2: float, dec2: float) -> float:
    one, other = math.radians(dec), math.radians(dec2)
    turn = math.sin(math.radians(ra2 - ra) / 2) ** 2
    half = math.sin((other - one) / 2) ** 2 + math.cos(one) * math.cos(other) * turn
    return math.degrees(2 * math.asin(math.sqrt(half)))
