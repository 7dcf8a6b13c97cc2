"""What there is to decide on: what an archive holds, and what runs have done of it."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, product
from operator import attrgetter
from typing import Final

from config.costs import Costs, load_costs
from config.recipe import load_recipe
from config.settings import Settings
from config.subscriptions import Subscription, Subscriptions
from workers.contract import Stage
from workers.references.looking import name_context
from workers.versions import calibration_versions
from workers.workload import Workload

from ..archive import FileKind, Query, RemoteFile, Source
from ..archive.access import withhold
from ..factory import adapt_to_sample, find_crds_cache, make_source, open_database
from ..models.runs import Run, RunState
from ..planning import estimate
from ..provenance import Database
from ..upkeep.living import is_held
from .decide import Basis, Candidate, Cost

__all__ = ["dump_basis", "list_fruitless", "look"]

_ENDED: Final = frozenset({RunState.SUCCEEDED, RunState.FAILED})
"""States of runs that came to their end: the same again would end the same."""

_FRAME: Final = 2048 * 2048
"""Pixels of a full frame, which an exposure is taken for: costs are of the order."""

_SAMPLE_BYTES: Final = 2
"""A raw sample."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What counts for all programs of a night."""

    context: str
    """CRDS context, by its final name."""
    jwst: str
    """Version of the calibration code of this host, which that of workers is."""
    costs: Costs
    """What jobs take."""
    has_token: bool
    """Whether files of exclusive access can be had."""
    busy: frozenset[str]
    """Programs that are being run."""


def look(settings: Settings, wanted: Subscriptions) -> list[Candidate]:
    """Look at all that is subscribed to, in the order of the subscriptions.

    Raises
    ------
    ArchiveError
        The archive does not answer.
    CrdsCacheError
        Nothing tells which context is in use.
    DatabaseError
        The database cannot be read.
    RecipeError
        A recipe is gone.
    """
    fitted = adapt_to_sample(settings)
    cache, source = find_crds_cache(settings), make_source(settings)
    with open_database(settings, read_only=True) as database:
        leases = database.leases.list_leases()
        seen = _Seen(
            context=name_context(cache, fitted.crds_context, fitted.crds_server_url),
            jwst=calibration_versions()["jwst"],
            costs=load_costs(settings.costs_file),
            has_token=source.has_token,
            busy=frozenset(one.program for one in leases if is_held(one)),
        )
        found = [
            _to_candidate(one, program, files, seen=seen, database=database)
            for one in wanted.subscriptions
            for program, files in _list_programs(one, source).items()
        ]
    return [candidate for candidate in found if candidate is not None]


def list_fruitless(
    wanted: Subscriptions, candidates: Iterable[Candidate]
) -> tuple[str, ...]:
    """List the subscriptions for which nothing was found: their ids may be wrong."""
    found = {one.subscription for one in candidates}
    return tuple(one.name for one in wanted.subscriptions if one.name not in found)


def dump_basis(basis: Basis) -> str:
    """Turn a basis into what the record of a run keeps."""
    return json.dumps(asdict(basis), sort_keys=True)


def _list_programs(
    wanted: Subscription, source: Source
) -> Mapping[str, list[RemoteFile]]:
    """List what a source holds of each program, each file once."""
    found: dict[str, dict[str, RemoteFile]] = defaultdict(dict)
    programs, targets = wanted.programs or (None,), wanted.targets or (None,)
    for program, target in product(programs, targets):
        query = Query(
            program=program,
            target=target,
            exp_types=wanted.modes,
            cycles=wanted.cycles,
        )
        for file in source.search(query):
            found[file.program][file.name] = file
    return {
        program: [files[name] for name in sorted(files)]
        for program, files in sorted(found.items())
    }


def _to_candidate(
    wanted: Subscription,
    program: str,
    files: Sequence[RemoteFile],
    *,
    seen: _Seen,
    database: Database,
) -> Candidate | None:
    """Make a candidate of a program, if one of its raw files can be had."""
    allowed, withheld = withhold(files, has_token=seen.has_token)
    raw = [file for file in allowed if file.kind is FileKind.UNCAL]
    if not raw:
        return None
    recipe = load_recipe(wanted.recipe)
    is_whole = not wanted.targets and not wanted.modes
    observations = () if is_whole else tuple(sorted({file.observation for file in raw}))
    text = json.dumps([(f.name, f.size_bytes, f.entity) for f in allowed])
    basis = Basis(
        files=len(allowed),
        withheld=len(withheld),
        content=hashlib.sha256(text.encode()).hexdigest(),
        context=seen.context,
        jwst=seen.jwst,
        recipe=recipe.sha256,
    )
    return Candidate(
        subscription=wanted.name,
        program=program,
        observations=observations,
        recipe=wanted.recipe,
        policy=wanted.policy.list_changes(),
        newest=max((file.taken for file in raw if file.taken), default=None),
        basis=basis,
        done=_find_done(database.runs.list_runs(program, limit=None), wanted.recipe),
        is_under_way=program in seen.busy,
        cost=_estimate(raw, seen.costs),
    )


def _find_done(runs: Sequence[Run], recipe: str) -> Basis | None:
    """Find what the newest run with a recipe rested on that a watch has asked for.

    What another run was of nobody has written down: it is done again, and finds its
    jobs done.
    """
    for run in runs:
        told = run.request.get("basis")
        is_ours = isinstance(told, str) and run.request.get("recipe") == recipe
        if is_ours and run.state in _ENDED:
            return Basis(**json.loads(str(told)))
    return None


def _estimate(raw: Sequence[RemoteFile], costs: Costs) -> Cost:
    """Estimate what the jobs of raw files take, all of them due, by their sizes."""
    total = Cost()
    for file in raw:
        for stage in (Stage.DETECTOR1, Stage.SPEC2):
            total += _estimate_one(costs, stage, [file])
    key = attrgetter("observation", "exp_type")
    for _, files in groupby(sorted(raw, key=key), key=key):
        total += _estimate_one(costs, Stage.SPEC3, [*files])
    return total


def _estimate_one(costs: Costs, stage: Stage, files: Sequence[RemoteFile]) -> Cost:
    samples = max(file.size_bytes for file in files) // _SAMPLE_BYTES
    pixels = max(1, min(samples, _FRAME))
    workload = Workload(
        pixels=pixels,
        groups=max(1, samples // pixels),
        integrations=1,
        members=len(files),
    )
    taken = estimate(costs, stage, exp_type=files[0].exp_type, workload=workload)
    return Cost(1, taken.cpu_s, taken.disk_bytes)
