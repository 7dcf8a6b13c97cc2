"""The RO-Crate 1.1 description of a bundle: what is in it, and how it was used (pure).

https://www.researchobject.org/ro-crate/specification/1.1
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from workers.contract import Outcome

from .manifest import CRATE, INPUTS, JOBS, Member, RemoteInput

__all__ = ["describe_crate"]

_SPECIFICATION: Final = "https://w3id.org/ro/crate/1.1"

_FORMATS: Final = {
    "fits": "image/fits",
    "json": "application/json",
    "txt": "text/plain",
    "md": "text/markdown",
    "toml": "application/toml",
}
"""Media types, by the endings of names."""

_Entity = dict[str, Any]


def describe_crate(
    outcomes: Sequence[Outcome],
    members: Sequence[Member],
    remote: Sequence[RemoteInput],
    *,
    about: str,
    made_at: datetime,
) -> _Entity:
    """Describe a bundle in JSON-LD.

    Parameters
    ----------
    outcomes
        The records of its jobs, producers first.
    members
        Its files but the description itself and the manifest.
    """
    files = [*map(_describe_member, members), *map(_describe_remote, remote)]
    places = _place_inputs(members, remote)
    actions = [_describe_action(outcome, places) for outcome in outcomes]
    versions = sorted({outcome.job.versions.get("jwst", "") for outcome in outcomes})
    products = {
        product.sha256: _describe_product(product.name, product.sha256)
        for outcome in outcomes
        for product in outcome.products
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Rewebb bundle: {about}",
        "description": "All that it takes to make products of JWST spectroscopy again: "
        "inputs, references, parameters, associations and the versions of packages.",
        "datePublished": made_at.isoformat(timespec="seconds"),
        "license": {"@id": "#licence"},
        "hasPart": [{"@id": file["@id"]} for file in files],
        "mentions": [{"@id": action["@id"]} for action in actions],
    }
    return {
        "@context": f"{_SPECIFICATION}/context",
        "@graph": [
            {
                "@id": CRATE,
                "@type": "CreativeWork",
                "about": {"@id": "./"},
                "conformsTo": {"@id": _SPECIFICATION},
            },
            root,
            *files,
            *actions,
            *products.values(),
            *(_describe_software(version) for version in versions),
            {
                "@id": "#licence",
                "@type": "CreativeWork",
                "name": "Data of JWST",
                "description": "Data of the archive MAST, in the public domain unless "
                "their period of exclusive access is not over.",
            },
        ],
    }


def _describe_member(member: Member) -> _Entity:
    name = member.path.rpartition("/")[2]
    ending = name.rpartition(".")[2]
    return {
        "@id": member.path,
        "@type": "File",
        "name": name,
        "contentSize": str(member.size_bytes),
        "sha256": member.sha256,
        "encodingFormat": _FORMATS.get(ending, "application/octet-stream"),
    }


def _describe_remote(file: RemoteInput) -> _Entity:
    return {
        "@id": file.uri,
        "@type": "File",
        "name": file.name,
        "contentSize": str(file.size_bytes),
        "sha256": file.sha256,
        "encodingFormat": "image/fits",
    }


def _place_inputs(
    members: Iterable[Member], remote: Iterable[RemoteInput]
) -> dict[str, str]:
    """Map the sha256 of inputs to what they are called in the crate."""
    folder = f"{INPUTS}/"
    places = {m.sha256: m.path for m in members if m.path.startswith(folder)}
    return places | {file.sha256: file.uri for file in remote}


def _describe_action(outcome: Outcome, places: dict[str, str]) -> _Entity:
    """Describe a job: what it read, what made it, and what it made."""
    job = outcome.job
    read = [places.get(f.sha256, _name_product(f.sha256)) for f in job.inputs]
    return {
        "@id": f"#job-{job.fingerprint}",
        "@type": "CreateAction",
        "name": f"{job.stage} of {job.name}",
        "description": f"In the CRDS context {job.context}.",
        "startTime": outcome.started_at.isoformat(timespec="seconds"),
        "endTime": outcome.finished_at.isoformat(timespec="seconds"),
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "instrument": {"@id": _name_software(job.versions.get("jwst", ""))},
        "object": [
            {"@id": one}
            for one in (f"{JOBS}/{job.fingerprint}.json", *dict.fromkeys(read))
        ],
        "result": [{"@id": _name_product(p.sha256)} for p in outcome.products],
    }


def _describe_product(name: str, sha256: str) -> _Entity:
    """Describe a product, which is not in the crate."""
    return {
        "@id": _name_product(sha256),
        "@type": "CreativeWork",
        "name": name,
        "sha256": sha256,
    }


def _describe_software(version: str) -> _Entity:
    return {
        "@id": _name_software(version),
        "@type": "SoftwareApplication",
        "name": "jwst",
        "version": version,
        "url": "https://github.com/spacetelescope/jwst",
    }


def _name_product(sha256: str) -> str:
    return f"#product-{sha256}"


def _name_software(version: str) -> str:
    return f"#jwst-{version}"
