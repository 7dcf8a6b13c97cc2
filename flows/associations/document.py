"""The text of an association, as `jwst` reads it."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Final

from flows.models.associations import Association, Member

__all__ = ["RULES_VERSION", "document_name", "name_documents", "to_json_text"]

RULES_VERSION: Final = "rewebb-rules-2"
"""Version of our rules, in place of that of the official generator; raise it when a
rule changes what it selects."""

_UNDEGRADED: Final = "No known degraded exposures in association."
"""What the official generator says of exposures without a known error."""


def document_name(association: Association) -> str:
    """Name the file of an association; without a date, so that it stays the same.

    Placeholders of a product name (``{source_id}``) lose their braces.
    """
    plain = association.product_name.translate(_WITHOUT_BRACES)
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


_WITHOUT_BRACES: Final = str.maketrans("", "", "{}")


def to_json_text(association: Association, *, pool_name: str = "none") -> str:
    """Write an association as the official generator does, always the same.

    Parameters
    ----------
    association
        The association.
    pool_name
        What the products will say in ASNPOOL.
    """
    document = {
        "asn_type": association.asn_type,
        "asn_rule": association.asn_rule,
        "version_id": None,
        "code_version": RULES_VERSION,
        "degraded_status": _UNDEGRADED,
        "program": association.program,
        "constraints": "No constraints",
        "asn_id": association.asn_id,
        "asn_pool": pool_name,
        "target": association.target,
        "products": [_product(association)],
    }
    return json.dumps(document, indent=4) + "\n"


def _product(association: Association) -> dict[str, object]:
    """Write the only product."""
    members = [_member(member) for member in association.members]
    return {"name": association.product_name, "members": members}


def _member(member: Member) -> dict[str, str | None]:
    """Write a member, with the reason that the official generator does not give."""
    return {
        "expname": member.expname,
        "exptype": member.exptype,
        "exposerr": None,
        "reason": member.reason,
    }
