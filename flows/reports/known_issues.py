"""Known issues of what was made, from the database alone, evaluated when read.

An issue that was published after a product was made is said of it all the same.
"""

import ast
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from config.known_issues import KnownIssue
from config.match import FACTS, read_facts
from config.recipe import AssociationChoice, count_exposures
from workers.contract import BROUGHT, Stage

from ..advice import Advice, Situation, StageUse, advise
from ..models.exposures import Role
from ..models.jobs import JobUse
from ..models.runs import Run
from ..names import stem_of
from ..provenance import Database

__all__ = ["advise_recorded"]


def advise_recorded(
    issues: Iterable[KnownIssue],
    database: Database,
    fingerprints: Iterable[str],
    *,
    context: str,
    run: Run | None,
) -> tuple[Advice, ...] | None:
    """Advise on the exposures that jobs have made something of.

    What they read, and what that was made from, is followed to the raw files, whose
    headers are recorded. None if the headers of none are: an older version did not.

    Parameters
    ----------
    issues
        What is published today.
    fingerprints
        The jobs: those of a run, or the one that made a product.
    context
        CRDS context of the run, or of the product.
    run
        The run, or the one that used the product last; None if none is recorded.
    """
    jobs = database.jobs.find_lineage(fingerprints)
    exposures = _read_exposures(database, jobs) if jobs else {}
    if not exposures:
        return None
    uses = {
        (job.stage, name): use
        for job in jobs
        for use in [_to_use(job)]
        for name in _list_science(job)
    }
    situation = Situation(
        exposures=exposures,
        stages=frozenset(job.stage for job in jobs),
        find_use=lambda stage, name: uses.get((stage, name)),
        jwst=jobs[0].versions.get("jwst"),
        context=context,
        associations=_find_choice(run),
    )
    return advise(issues, situation)


def _read_exposures(
    database: Database, jobs: Sequence[JobUse]
) -> Mapping[str, Mapping[str, str]]:
    """Read the facts of the files that the jobs began with, by exposure."""
    first = min((job.stage for job in jobs), key=[*Stage].index)
    files = [
        file
        for job in jobs
        if job.stage is first
        for file in job.inputs
        if file.exptype not in BROUGHT
    ]
    cards = database.jobs.find_cards(file.content_sha256 for file in files)
    return {
        (name := stem_of(file.name)): read_facts(name, _parse(cards[key]))
        for file in files
        if (key := file.content_sha256) in cards
    }


def _parse(cards: Mapping[str, str]) -> Mapping[str, object]:
    """Read cards as they are recorded, each as Python writes its value."""
    values: dict[str, object] = {}
    for keyword in FACTS.values():
        with suppress(ValueError, SyntaxError):  # undefined ones are not literals
            values[keyword] = ast.literal_eval(cards.get(keyword, "''"))
    return values


def _list_science(job: JobUse) -> list[str]:
    """List the exposures that a job processes as science."""
    return [stem_of(file.name) for file in job.inputs if file.exptype == Role.SCIENCE]


def _to_use(job: JobUse) -> StageUse:
    count = count_exposures(_list_science(job))
    skies = sum(file.exptype == Role.BACKGROUND for file in job.inputs)
    return StageUse(job.parameters, job.references, count, job.changes, skies)


def _find_choice(run: Run | None) -> AssociationChoice | None:
    """Find what the recipe of a run asked of the associations, if its text is kept."""
    if run is None or not run.recipe_text:
        return None
    tree = tomllib.loads(run.recipe_text)
    return AssociationChoice.model_validate(tree.get("associations", {}))
