"""The Prefect flow `watch-archive`: what is new or has changed is run again.

A flow run of it looks at the archive, decides, and starts a flow run of
`reprocess-program` for each program; it waits for none of them. What was done is in
the records of the runs, and what is waiting to begin in Prefect, under the tags that
the watch gave it. So a watch that is killed forgets nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from prefect import flow, get_client
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import (
    TERMINAL_STATES,
    FlowRun,
    State,
    StateType,
)
from prefect.deployments import run_deployment
from prefect.states import Completed, Failed

from config.errors import ConfigError
from config.settings import load_settings
from config.subscriptions import load_subscriptions
from workers.errors import WorkerError

from .errors import RewebbError
from .page import prepare_logs
from .run import Shared
from .turns import take_turn
from .watching import (
    Candidate,
    Cost,
    Decision,
    Due,
    decide,
    dump_basis,
    judge,
    list_fruitless,
    look,
)

__all__ = ["Asked", "is_waiting", "settle", "to_parameters", "watch_archive"]

_DEPLOYMENT: Final = "reprocess-program/rewebb"

_OURS: Final = "watch-archive"
"""Tag of all flow runs that a watch has started."""


_UNFINISHED: Final = FlowRunFilterState(
    type=FlowRunFilterStateType(
        any_=[one for one in StateType if one not in TERMINAL_STATES]
    )
)
"""Flow runs that have not come to their end, as far as Prefect knows."""

_DEAD: Final = timedelta(hours=1)
"""After so long a run that began has the lease of its program, or has died: nobody
tells Prefect of the runs of a host that is gone."""

_PAGE: Final = 200
"""Flow runs that the server is asked for at a time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A flow run that a watch has started."""

    program: str
    """Five digits."""
    is_of_tonight: bool
    """Whether it was started tonight; else it has not come to its end."""


@flow(name="watch-archive")
def watch_archive(
    subscriptions: Path,
    *,
    archive: str | None = None,
    data_dir: Path | None = None,
    cluster: str | None = None,
    deployment: str = _DEPLOYMENT,
) -> State[dict[str, Any]]:
    """Run again what is new or has changed of what is subscribed to, in a budget.

    Parameters
    ----------
    subscriptions
        The TOML file that says what is watched, and what a night may cost.
    archive, data_dir, cluster
        Instead of those of the settings; the runs are given the same.
    deployment
        What each program is run by.

    Returns
    -------
    State
        Completed with what was decided, by the name of ``Stale`` if recorded jobs are
        out of date; Failed with a sentence if nothing could be decided.
    """
    prepare_logs()
    given = {"archive": archive, "data_dir": data_dir, "cluster": cluster}
    night = f"{datetime.now(UTC):%Y-%m-%d}"
    try:
        wanted = load_subscriptions(subscriptions)
        settings = load_settings(**given)
        with Shared(settings, read_only=True) as shared:
            with take_turn(settings):
                seen = look(settings, wanted)
            candidates = judge(settings, seen, shared=shared)
    except (RewebbError, ConfigError, WorkerError) as error:
        return Failed(message=str(error))
    spent, left = settle(candidates, _find_asked(night))
    decision = decide(left, wanted.budget, spent)
    for due in decision.start:
        run_deployment(
            deployment,
            parameters=to_parameters(due.candidate, given),
            tags=_tag(due, night),
            idempotency_key=_identify(due.candidate, night),
            timeout=0,
            as_subflow=False,
        )
    _show(decision)
    is_stale = any(due.candidate.stale for due in (*decision.start, *decision.later))
    said = (
        f"{len(decision.start)} programs started, {len(decision.later)} carried over, "
        f"{len(decision.idle)} unchanged"
    )
    if fruitless := list_fruitless(wanted, candidates):
        said += f"; nothing was found for {', '.join(fruitless)}"
    name = "Stale" if is_stale else None
    return Completed(name=name, message=said, data=asdict(decision))


def settle(
    candidates: Sequence[Candidate], asked: Sequence[Asked]
) -> tuple[Cost, list[Candidate]]:
    """Tell what a night has spent, and leave alone what was started already.

    Parameters
    ----------
    asked
        What was started tonight, or has not come to its end.
    """
    started = {one.program for one in asked}
    costs = {one.program: one.cost for one in reversed(candidates)}
    spent = Cost()
    for program in {one.program for one in asked if one.is_of_tonight}:
        spent += costs.get(program, Cost())
    left = [
        replace(one, is_under_way=one.is_under_way or one.program in started)
        for one in candidates
    ]
    return spent, left


def to_parameters(
    candidate: Candidate, given: Mapping[str, str | Path | None]
) -> dict[str, Any]:
    """Make the parameters of the flow run of a program.

    Parameters
    ----------
    given
        What was given to the watch instead of settings.
    """
    passed = {name: str(value) for name, value in given.items() if value is not None}
    return {
        "program": candidate.program,
        "observations": [*candidate.observations],
        "recipe": candidate.recipe,
        "basis": dump_basis(candidate.basis),
        **({"policy": {**candidate.policy}} if candidate.policy else {}),
        **passed,
    }


def _identify(candidate: Candidate, night: str) -> str:
    """Identify the one run of a program in a night, whoever asks for it again."""
    return f"{_OURS}-{night}-{candidate.program}"


def _tag(due: Due, night: str) -> list[str]:
    one = due.candidate
    told = {"night": night, "program": one.program, "subscription": one.subscription}
    return [_OURS, *(f"{name}:{value}" for name, value in told.items())]


def _find_asked(night: str) -> list[Asked]:
    """Find what watches have started tonight, or what has not come to its end."""
    tonight = [_OURS, f"night:{night}"]
    ours = FlowRunFilterTags(all_=[_OURS])
    begun = [*_list_flow_runs(tags=FlowRunFilterTags(all_=tonight))]
    now = datetime.now(UTC)
    waiting = [
        run
        for run in _list_flow_runs(tags=ours, state=_UNFINISHED)
        if is_waiting(run, now)
    ]
    found = {run.id: run for run in (*begun, *waiting)}
    return [
        Asked(str(run.parameters["program"]), is_of_tonight=tonight[1] in run.tags)
        for run in found.values()
        if "program" in run.parameters
    ]


def is_waiting(run: FlowRun, now: datetime) -> bool:
    """Return whether a flow run that is not over will still begin, or has just begun.

    One that is at work holds the lease of its program, which `look` sees.
    """
    if run.state is None or run.state.type is StateType.SCHEDULED:
        return True
    return now - run.state.timestamp < _DEAD


def _list_flow_runs(**wanted: Any) -> Iterator[FlowRun]:
    """List flow runs, page by page."""
    with get_client(sync_client=True) as client:
        offset = 0
        while found := client.read_flow_runs(
            flow_run_filter=FlowRunFilter(**wanted), limit=_PAGE, offset=offset
        ):
            yield from found
            offset += len(found)


def _show(decision: Decision) -> None:
    """Show what was decided on the page of the flow run."""
    parts = {"started": decision.start, "carried over": decision.later}
    create_table_artifact(
        table=[
            {
                "program": due.candidate.program,
                "subscription": due.candidate.subscription,
                "decision": said,
                "why": "; ".join(due.reasons),
                "CPU-hours": round(due.candidate.cost.cpu_s / 3600, 2),
            }
            for said, dues in parts.items()
            for due in dues
        ],
        key=_OURS,
        description="What the archive asked for, newest science first.",
    )
