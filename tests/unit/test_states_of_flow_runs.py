"""The states in which flow runs end: automations go by their names."""

from collections.abc import Mapping

import pytest
from prefect.client.schemas.objects import StateType

from flows.models.runs import RunState
from flows.page import to_state
from flows.reports import RunSummary


def summarize(
    state: RunState, counts: Mapping[str, int], caveats: tuple[str, ...] = ()
) -> RunSummary:
    folder = "runs/02736/run-1"
    return RunSummary(
        run="run-1",
        program="02736",
        recipe="official",
        context="jwst_0001.pmap",
        state=state,
        folder=folder,
        counts=counts,
        jobs=(),
        caveats=caveats,
        notes=(),
        products=(),
        peak_bytes=0,
    )


@pytest.mark.parametrize(
    ("summary", "kind", "name"),
    [
        (summarize(RunState.SUCCEEDED, {"SUCCEEDED": 2}), "COMPLETED", "Completed"),
        (
            summarize(RunState.SUCCEEDED, {"REUSED": 2}, ("spec2:one: PARTIAL",)),
            "COMPLETED",
            "Caveats",
        ),
        (summarize(RunState.FAILED, {"BLOCKED": 1, "FAILED": 1}), "FAILED", "Failed"),
        (summarize(RunState.FAILED, {"BLOCKED": 1}), "FAILED", "Blocked"),
    ],
)
def test_the_name_of_a_state_tells_what_automations_ask(
    summary: RunSummary, kind: str, name: str
) -> None:
    state = to_state(summary)
    assert (state.type, state.name) == (StateType(kind), name)
    assert state.message is not None
    assert state.message.startswith("program 02736 in jwst_0001.pmap: ")
