"""The association generator of the installed `jwst`, as tests ask it.

``python tests/support/official_generator.py`` makes both files of kept answers in
``tests/data`` again (about eight minutes).
"""

import gzip
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from jwst.associations import (
    Association,
    AssociationPool,
    AssociationRegistry,
    Main,
    generate,
)
from jwst.associations.generator.generate_per_candidate import (
    ids_by_ctype,
    pool_from_candidate,
)
from jwst.associations.generator.generate_per_pool import CANDIDATE_RULESET
from jwst.associations.lib.dms_base import SPEC2_SCIENCE_EXP_TYPES
from jwst.associations.lib.utilities import constrain_on_candidates
from jwst.associations.tests import helpers
from pools import draw_pools

__all__ = [
    "ANSWERS",
    "DRAWN",
    "KEPT",
    "SHIPPED",
    "Summary",
    "ask_command",
    "ask_official",
    "expand_pool",
    "hash_pool",
    "load_answers",
    "load_kept",
    "make_pool",
    "summarize",
    "to_pool_text",
]

Summary = tuple[str, str, frozenset[tuple[str, str]]]
"""asn_type, product name, members with their exptype."""

ANSWERS: Final = Path(__file__).parents[1] / "data" / "official_associations.json"
"""What the generator makes of every shipped pool."""

KEPT: Final = ANSWERS.with_name("official_associations_of_drawn_pools.json.gz")
"""What the generator makes of pools that were drawn, by the hash of each."""

DRAWN: Final = 200
"""How many pools are drawn."""

TYPES: Final = frozenset({"spec2", "tso-spec2", "spec3", "tso3"})
"""Types of associations that are ours to make."""

SPECTRA: Final = frozenset(SPEC2_SCIENCE_EXP_TYPES)
"""EXP_TYPEs that are ours; a tso3 may also be of images."""

_POOLS: Final = Path(helpers.__file__).parent / "data"

SHIPPED: Final = tuple(
    sorted(
        path.stem
        for path in _POOLS.glob("*.csv")
        # An obsolete format, without candidates: the generator fails on it too.
        if not path.stem.startswith("jw93060")
    )
)
"""Names of the pools in the package."""


def expand_pool(name: str) -> list[dict[str, str]]:
    """Read a shipped pool, its templates filled in, as rows of lower-case text."""
    pool = helpers.combine_pools(str(_POOLS / f"{name}.csv"))
    rows = ({column: str(row[column]) for column in pool.colnames} for row in pool)
    # The others set counters of the templates.
    return [row for row in rows if row["filename"].endswith("_uncal.fits")]


def to_pool_text(rows: Sequence[Mapping[str, str]]) -> str:
    """Write rows as the text of a pool file."""
    columns = list(rows[0])
    lines = ["|".join(columns)]
    lines += ["|".join(row[column] for column in columns) for row in rows]
    return "\n".join(lines) + "\n"


def ask_official(rows: Sequence[Mapping[str, str]]) -> set[Summary]:
    """Ask the generator, candidate by candidate, as ``--all-candidates`` does.

    Loading the rules takes most of its time in a small pool; they are kept.
    """
    pool = make_pool(rows)
    with _quiet():
        associations = [
            association
            for kind, ids in ids_by_ctype(pool).items()
            for candidate in ids
            for association in _generate(pool, candidate, kind)
        ]
        made = _rules(None).callback.reduce("finalize", associations)
    return _select(made, rows)


def ask_command(rows: Sequence[Mapping[str, str]], *arguments: str) -> set[Summary]:
    """Ask as the command line does, with whatever arguments."""
    with _quiet():
        generator = Main(["--dry-run", *arguments], pool=make_pool(rows))
        generator.generate()
    return _select(generator.associations, rows)


def make_pool(rows: Sequence[Mapping[str, str]]) -> AssociationPool:
    """Make a pool in the case of the rules."""
    columns = list(rows[0])
    return AssociationPool(
        rows=[[row[column].lower() for column in columns] for row in rows],
        names=columns,
        dtype=[object] * len(columns),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the generator from logging whole associations."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@cache
def _rules(candidate: str | None) -> AssociationRegistry:
    """Load the rules of a candidate."""
    constraint = constrain_on_candidates([candidate] if candidate else None)
    return AssociationRegistry(global_constraints=constraint, name=CANDIDATE_RULESET)


def _generate(pool: AssociationPool, candidate: str, kind: str) -> list[Association]:
    """Make the associations of a candidate (``generate_on_candidate``)."""
    of_candidate = pool_from_candidate(pool, candidate)
    of_candidate["asn_candidate"] = [f"[('{candidate}', '{kind}')]"] * len(of_candidate)
    return generate(of_candidate, _rules(candidate), finalize=False)


def _select(
    associations: Iterable[Association], rows: Sequence[Mapping[str, str]]
) -> set[Summary]:
    """Keep what is of spectra."""
    exp_types = {_stem(row["filename"]): row["exp_type"].lower() for row in rows}
    made = (summarize(asn["asn_type"], asn["products"][0]) for asn in associations)
    return {summary for summary in made if _is_ours(summary, exp_types)}


def summarize(asn_type: str, product: Mapping[str, Any]) -> Summary:
    """Keep what decides the pixels."""
    pairs = frozenset((m["expname"], m["exptype"]) for m in product["members"])
    return asn_type, str(product["name"]), pairs


def _is_ours(summary: Summary, exp_types: Mapping[str, str]) -> bool:
    asn_type, _, members = summary
    science = {exp_types[_stem(name)] for name, kind in members if kind == "science"}
    return asn_type in TYPES and science <= SPECTRA


def _stem(file_name: str) -> str:
    return file_name.rpartition("_")[0]


def load_answers() -> dict[str, set[Summary]]:
    """Load what the generator made of the shipped pools."""
    return _read_answers(ANSWERS.read_text())


def load_kept() -> dict[str, set[Summary]]:
    """Load what the generator made of drawn pools."""
    return _read_answers(gzip.decompress(KEPT.read_bytes()).decode())


def hash_pool(rows: Sequence[Mapping[str, str]]) -> str:
    """Hash a pool and the version of the generator that is asked about it."""
    text = f"jwst {version('jwst')}\n{to_pool_text(rows)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_answers(text: str) -> dict[str, set[Summary]]:
    return {
        name: {
            (asn_type, product, frozenset((n, kind) for n, kind in members))
            for asn_type, product, members in found
        }
        for name, found in json.loads(text).items()
    }


def _write_answers(answers: Mapping[str, set[Summary]]) -> str:
    listed = {
        name: sorted([t, product, sorted(members)] for t, product, members in made)
        for name, made in answers.items()
    }
    return json.dumps(listed, indent=0) + "\n"


def main() -> None:
    """Ask for every shipped pool and for drawn ones, and keep the answers."""
    shipped = {
        name: ask_command(expand_pool(name), "--all-candidates") for name in SHIPPED
    }
    ANSWERS.write_text(_write_answers(shipped))
    drawn = {hash_pool(rows): ask_official(rows) for rows in draw_pools(DRAWN)}
    KEPT.write_bytes(gzip.compress(_write_answers(drawn).encode(), mtime=0))


if __name__ == "__main__":
    main()
