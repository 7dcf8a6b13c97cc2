"""The lineage of products as a graph for Graphviz."""

import json
from collections.abc import Iterator

from ..models.lineage import Lineage

__all__ = ["to_dot"]


def to_dot(lineage: Lineage) -> str:
    """Write jobs as boxes, files as ellipses, and what is read and made as arrows."""
    lines = [
        "digraph lineage {",
        "  rankdir=LR;",
        "  node [fontname=sans, fontsize=10];",
        *(f"  {line};" for line in _list_lines(lineage)),
        "}",
    ]
    return "\n".join(lines)


def _list_lines(lineage: Lineage) -> Iterator[str]:
    named: dict[str, str] = {}
    for fingerprint, making in lineage.makings.items():
        job = making.job
        label = f"{job.stage}\n{fingerprint[:12]}\n{job.context}"
        bold = ", style=bold" * (fingerprint in lineage.asked)
        yield f"{_quote(fingerprint)} [shape=box, label={_quote(label)}{bold}]"
        for file in job.inputs:
            named.setdefault(file.sha256, file.name)
            role = f"[label={_quote(file.exptype)}]"
            yield f"{_quote(file.sha256)} -> {_quote(fingerprint)} {role}"
        for product in making.done.products if making.done else ():
            named.setdefault(product.sha256, product.name)
            yield f"{_quote(fingerprint)} -> {_quote(product.sha256)}"
    for sha256, name in named.items():
        yield f"{_quote(sha256)} [label={_quote(name)}]"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
