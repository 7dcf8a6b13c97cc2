"""Schemas of data models, parsed once for all jobs of a fork server.

A small job spends a third of its time with them: asdf loads its extensions in each
process and parses a schema again each time another one refers to it (the one of arrays
484 times in a spec2 of a fixed slit), and CRDS walks through the whole core schema for
each of some hundred names, most of which are no keywords at all. None of it depends on
the job.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import asdf
from crds.jwst import locate
from stdatamodels.schema import walk_schema

__all__ = ["index_keywords", "prepare_schemas"]


def prepare_schemas() -> None:
    """Load extensions and schemas into this process, for its children."""
    load = cache(asdf.schema._make_schema_loader())  # noqa: SLF001  # nothing is public
    asdf.schema._make_schema_loader = lambda: load  # noqa: SLF001
    asdf.AsdfFile()  # loads all extensions
    locate.get_datamodels()  # makes MODEL
    paths = index_keywords(locate.MODEL.schema)
    locate.cached_dm_find_fits_keyword = lambda key: [*paths.get(key.upper(), ())]


def index_keywords(schema: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """Find the places of all FITS keywords of a schema in one walk.

    Returns
    -------
    Mapping
        What ``DataModel.find_fits_keyword`` gives, by keyword.
    """
    paths: dict[str, list[str]] = defaultdict(list)

    def note(
        part: Mapping[str, Any], path: Sequence[str], *_: object
    ) -> bool:  # whether to go no deeper
        if path and path[0] == "extra_fits":
            return True
        if keyword := part.get("fits_keyword"):
            paths[keyword].append(".".join(path))
        return False

    walk_schema(schema, note)
    return dict(paths)
