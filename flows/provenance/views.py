"""Views: questions that people ask with sqlite3 or psql, as tables.

Each upgrade makes them anew, so no revision holds their text; one that changes takes a
revision, be it empty. Both backends read the same text.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

__all__ = ["VIEWS", "View", "create_views", "drop_views"]


@dataclass(frozen=True, slots=True)
class View:
    """A view."""

    meaning: str
    """What a row says."""
    columns: Mapping[str, str]
    """What each column means, in their order."""
    query: str
    """Its rows."""


_OF_PRODUCT = {
    "fingerprint": "The job that made the product.",
    "product": "Name of the product.",
}

_OF_JOB = {
    "stage": "Stage of the job.",
    "job": "Product name of the job.",
    "program": "Five digits.",
    "context": "CRDS context that it was made in.",
}

_JOB = "job.stage, job.name AS job, job.program, job.context"

_FILES = f"""
SELECT product.fingerprint, product.name AS product, {_JOB},
    used.kind, used.reftype, used.name AS reference, used.sha1
FROM product
JOIN job ON job.fingerprint = product.fingerprint
JOIN reference_use AS used ON used.set_sha256 = job.{{column}}
WHERE used.sha1 IS NOT NULL
"""  # noqa: S608  # of this module

VIEWS: Mapping[str, View] = {
    "product_reference": View(
        "A CRDS file that a product was made with: reference, parameter reference, or "
        "mapping that selected them.",
        {
            **_OF_PRODUCT,
            **_OF_JOB,
            "kind": "reference, pars or mapping.",
            "reftype": "Type of the reference; empty of mappings.",
            "reference": "Name of the file.",
            "sha1": "SHA-1 of its bytes.",
        },
        _FILES.format(column="references_sha256")
        + "UNION ALL"
        + _FILES.format(column="mappings_sha256"),
    ),
    "product_upstream": View(
        "A file that a product was made from, directly or not.",
        {
            **_OF_PRODUCT,
            "read_by": "The job that read the file.",
            "upstream": "Name of the file.",
            "exptype": "Its role.",
            "sha256": "Hash of its bytes.",
            "made_by": "The job that made the file; null of raw files.",
        },
        """
WITH RECURSIVE source (fingerprint, read_by) AS (
    SELECT fingerprint, fingerprint FROM job
    UNION
    SELECT source.fingerprint, product.fingerprint
    FROM source
    JOIN job_input ON job_input.fingerprint = source.read_by
    JOIN product ON product.sha256 = job_input.sha256
)
SELECT product.fingerprint, product.name AS product, source.read_by,
    job_input.name AS upstream, job_input.exptype, job_input.sha256,
    made.fingerprint AS made_by
FROM source
JOIN product ON product.fingerprint = source.fingerprint
JOIN job_input ON job_input.fingerprint = source.read_by
LEFT JOIN product AS made ON made.sha256 = job_input.sha256
""",
    ),
    "product_parameters": View(
        "An effective parameter of the job that made a product, and what set it.",
        {
            **_OF_PRODUCT,
            **_OF_JOB,
            "parameter": "`step.parameter`, or `parameter` of the pipeline itself.",
            "value": "Its value, as JSON.",
            "origin": "`default`, `pars FILE` or `recipe NAME`; null if not known.",
        },
        f"""
SELECT product.fingerprint, product.name AS product, {_JOB},
    parameter.name AS parameter, parameter.value, parameter.origin
FROM product
JOIN job ON job.fingerprint = product.fingerprint
JOIN parameter ON parameter.set_sha256 = job.parameters_sha256
""",  # noqa: S608  # of this module
    ),
    "newest_products": View(
        "Of the products of one name the one that was made last.",
        {
            **_OF_PRODUCT,
            **_OF_JOB,
            "finished_at": "When it was made.",
            "folder": "Where it is, relative to the data folder.",
            "sha256": "Hash of its bytes.",
        },
        f"""
SELECT product.fingerprint, product.name AS product, {_JOB},
    attempt.finished_at, attempt.folder, product.sha256
FROM product
JOIN job ON job.fingerprint = product.fingerprint
JOIN attempt ON attempt.id = product.attempt_id
WHERE NOT EXISTS (
    SELECT 1
    FROM product AS other
    JOIN attempt AS later ON later.id = other.attempt_id
    WHERE other.name = product.name
    AND (later.finished_at, later.id) > (attempt.finished_at, attempt.id)
)
""",  # noqa: S608  # of this module
    ),
    "superseded_products": View(
        "A product of which a newer one was made.",
        {
            **_OF_PRODUCT,
            "superseded_by": "The job that made the newest product of this name.",
        },
        """
SELECT product.fingerprint, product.name AS product,
    newest_products.fingerprint AS superseded_by
FROM product
JOIN newest_products ON newest_products.product = product.name
WHERE newest_products.fingerprint <> product.fingerprint
""",
    ),
}
"""By name; one may use those before it."""


def drop_views(connection: Connection) -> None:
    """Drop the views: tables cannot be changed under them."""
    for name in reversed([*VIEWS]):
        connection.execute(text(f"DROP VIEW IF EXISTS {name}"))


def create_views(connection: Connection) -> None:
    """Create the views."""
    for name, view in VIEWS.items():
        connection.execute(text(f"CREATE VIEW {name} AS {view.query.strip()}"))
