"""Two sets of associations, member by member."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flows.errors import PoolError
from flows.models.associations import Association

__all__ = ["Difference", "compare_documents"]

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
        A document is no association.
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
        raise PoolError(f"{name} is no association: {error!r}") from error


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
