"""Association documents: their text, as `jwst` reads it, and how two sets differ."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import PoolError
from ..models.associations import Association

__all__ = [
    "Difference",
    "compare_documents",
    "document_name",
    "name_documents",
    "to_json_text",
]

_RULES_VERSION: Final = "rewebb-rules-2"
"""Version of our rules, in place of that of the official generator; raise it when a
rule changes what it selects."""

_UNDEGRADED: Final = "No known degraded exposures in association."
"""What the official generator says of exposures without a known error."""


def document_name(association: Association) -> str:
    """Name the file of an association; without a date, so that it stays the same.

    Placeholders of a product name (``{source_id}``) lose their braces.
    """
    plain = association.product_name.translate(str.maketrans("", "", "{}"))
    return f"{plain}_{association.asn_type}_asn.json"


def name_documents(associations: Iterable[Association]) -> dict[str, Association]:
    """Name the files of a set of associations.

    The official rules make several of one type and product
    (https://github.com/spacetelescope/jwst/issues/8939); the later are numbered.
    """
    named: dict[str, Association] = {}
    counts: Counter[str] = Counter()
    for association in associations:
        name = document_name(association)
        counts[name] += 1
        if counts[name] > 1:
            stem = name.removesuffix("_asn.json")
            name = f"{stem}_{counts[name]:05d}_asn.json"
        named[name] = association
    return named


def to_json_text(association: Association, *, pool_name: str = "none") -> str:
    """Write an association as the official generator does, always the same.

    Parameters
    ----------
    pool_name
        What the products will have in ASNPOOL.
    """
    document = {
        "asn_type": association.asn_type,
        "asn_rule": association.asn_rule,
        "version_id": None,
        "code_version": _RULES_VERSION,
        "degraded_status": _UNDEGRADED,
        "program": association.program,
        "constraints": "No constraints",
        "asn_id": association.asn_id,
        "asn_pool": pool_name,
        "target": association.target,
        "products": [
            {
                "name": association.product_name,
                "members": [
                    {
                        "expname": member.expname,
                        "exptype": member.exptype,
                        "exposerr": None,
                        "reason": member.reason,  # not of the official generator
                    }
                    for member in association.members
                ],
            }
        ],
    }
    return json.dumps(document, indent=4) + "\n"


_Key = tuple[str, str]
_Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two sets differ."""

    asn_type: str
    """Type of the association."""
    product: str
    """Its product."""
    what: str
    """``only here``, ``only there``, ``member only here``, ``member only there``."""
    member: str = ""
    """File name of the member; none if the whole association is meant."""
    exptype: str = ""
    """As what."""


def compare_documents(
    associations: Iterable[Association], documents: Mapping[str, str]
) -> tuple[Difference, ...]:
    """Compare associations with the documents of others.

    Parameters
    ----------
    documents
        Texts of association files, by file name.

    Raises
    ------
    PoolError
        A document is not an association.
    """
    here: dict[_Key, list[frozenset[_Pair]]] = defaultdict(list)
    for association in associations:
        pairs = frozenset((m.expname, m.exptype) for m in association.members)
        here[association.asn_type, association.product_name].append(pairs)
    there: dict[_Key, list[frozenset[_Pair]]] = defaultdict(list)
    for name, text in sorted(documents.items()):
        for key, pairs in _read(name, text):
            there[key].append(pairs)
    return tuple(_compare(here, there))


def _read(name: str, text: str) -> Iterator[tuple[_Key, frozenset[_Pair]]]:
    """Read the products of a document."""
    try:
        document: Any = json.loads(text)
        asn_type = str(document["asn_type"])
        for product in document["products"]:
            members = frozenset(
                (str(m["expname"]), str(m["exptype"])) for m in product["members"]
            )
            yield (asn_type, str(product["name"])), members
    except (ValueError, KeyError, TypeError) as error:
        raise PoolError(f"{name} is not an association: {error!r}") from error


def _compare(
    here: Mapping[_Key, list[frozenset[_Pair]]],
    there: Mapping[_Key, list[frozenset[_Pair]]],
) -> Iterator[Difference]:
    """Compare all products."""
    for key in sorted({*here, *there}):
        ours, theirs = list(here.get(key, ())), list(there.get(key, ()))
        for same in [pairs for pairs in ours if pairs in theirs]:
            ours.remove(same)
            theirs.remove(same)
        for mine, other in zip(ours, theirs, strict=False):
            yield from _compare_members(key, mine, other)
        count = min(len(ours), len(theirs))
        yield from (Difference(*key, "only here") for _ in ours[count:])
        yield from (Difference(*key, "only there") for _ in theirs[count:])


def _compare_members(
    key: _Key, ours: frozenset[_Pair], theirs: frozenset[_Pair]
) -> Iterator[Difference]:
    """Compare the members of one product."""
    for what, pairs in (
        ("member only here", ours - theirs),
        ("member only there", theirs - ours),
    ):
        for name, exptype in sorted(pairs):
            yield Difference(*key, what, name, exptype)
