"""Batches are resolved by different workers, which must agree."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from exposures import ifu_program, with_calibrated
from plans import make_graph

from config.brought import BroughtFile
from config.recipe import load_recipe
from config.settings import load_settings
from flows.errors import PlanError
from flows.factory import Services, open_services
from flows.models.brought import PutFile
from flows.planning import plan_files
from flows.run import Drawn, list_items
from flows.run import resolve as resolve_graph
from workers.contract import (
    ErrorInfo,
    FileHash,
    Resolution,
    Resolved,
    ResolveRequest,
    Stage,
)

ALIKE = Resolution("jwst_0001.pmap", {"jwst": "3.0.0"}, (), "node1")


@dataclass
class TwoHosts:
    """A cluster whose second half of jobs is resolved on another host."""

    second: Resolution
    refused: str = ""
    """What is wrong with the edits of every exposure."""
    skipped: str = ""
    """A step that the parameters of every job skip."""
    notes: tuple[str, ...] = ()

    def get_slots_to_come(self) -> int:
        """Count the slots: one a host."""
        return 2

    def get_largest_bytes(self) -> int:
        """Return the memory of a node."""
        return 1 << 40

    def map(
        self, work: Callable[..., object], batches: Sequence[object], **_: object
    ) -> list[object]:
        """Answer as the hosts would."""
        if work.__name__ == "hash_files":
            return [tuple(FileHash(p, 1, 1, "s", "c") for p in b) for b in batches]
        hosts = (ALIKE, self.second)
        return [
            _fill(host, b, self.refused, self.skipped)
            for host, b in zip(hosts, batches, strict=True)
        ]


def _fill(
    answer: Resolution, request: object, refused: str, skipped: str
) -> Resolution | ErrorInfo:
    parameters = {"steps": {skipped: {"skip": True}}} if skipped else {}
    assert isinstance(request, ResolveRequest)
    resolved = tuple(
        Resolved(
            *(item.key, parameters, (), (), ()),
            error=ErrorInfo("EditError", f"{Path(item.exposure).name}: {refused}", "")
            if refused
            else None,
        )
        for item in request.items
    )
    return Resolution(answer.context, answer.versions, resolved, answer.host)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = load_settings(
        archive=tmp_path, crds_path=tmp_path, data_dir=tmp_path / "data"
    )
    with open_services(settings) as services:
        yield services


def resolve(
    services: Services,
    second: Resolution,
    *,
    refused: str = "",
    skipped: str = "",
    files: Sequence[tuple[BroughtFile, PutFile]] = (),
) -> str:
    drawn = Drawn(
        program="99001",
        recipe=load_recipe("official"),
        context=None,
        allow_partial=False,
        graph=plan_files(make_graph(ifu_program()), files),
        remote=(),
        notes=(),
        unused=(),
    )
    hosts = TwoHosts(second, refused, skipped)
    return resolve_graph(drawn, services, lambda: hosts).resolved.context


@pytest.mark.parametrize("start_at", [Stage.DETECTOR1, Stage.SPEC2])
def test_backgrounds_and_leakcals_are_resolved_wherever_a_run_starts(
    start_at: Stage,
) -> None:
    program = [with_calibrated(exposure, "rate") for exposure in ifu_program()]
    graph = make_graph(program, start_at=start_at)
    items = list_items(graph, load_recipe("official"))
    found = {item.key: {m.exptype for m in item.members} for item in items}
    science = "spec2:jw99001001001_03101_00001_nrs1"
    assert found[science] == {"background", "imprint"}
    assert all(not found[p.key] for p in graph if p.stage is not Stage.SPEC2)
    here = {file.path for p in graph for file in p.inputs if file.producer is None}
    assert {m.exposure for item in items for m in item.members} <= here


def test_an_edit_that_does_not_fit_a_file_ends_the_run_and_is_said_once(
    services: Services,
) -> None:
    why = "the edits of m_msa.fits: no source is 7"
    with pytest.raises(PlanError) as error:
        resolve(services, ALIKE, refused=why)
    assert str(error.value) == (
        "The recipe cannot be followed: the edits of m_msa.fits: no source is 7."
    )


def test_a_file_that_no_step_reads_ends_the_run(services: Services) -> None:
    sha256, kind = "a" * 64, "background-spectrum"
    name = f"{kind}-{'a' * 16}.fits"
    asked = BroughtFile(kind=kind, sha256=sha256)
    now = datetime(2026, 11, 22, tzinfo=UTC)
    file = PutFile(sha256, kind, name, "mine", "", 9, now, (0.5, 5.4), path=Path(name))
    given = [(asked, file)]
    second = Resolution(ALIKE.context, ALIKE.versions, (), "node2")
    assert resolve(services, second, skipped="extract_1d", files=given)
    with pytest.raises(PlanError) as error:
        resolve(services, second, skipped="master_background", files=given)
    assert str(error.value) == (
        f"The recipe cannot be followed: no job reads {name}, since master_background "
        "of spec3 is skipped: set its `skip = false`, or leave the file out."
    )


def test_hosts_that_agree_resolve_together(services: Services) -> None:
    second = Resolution(ALIKE.context, ALIKE.versions, (), "node2")
    assert resolve(services, second) == "jwst_0001.pmap"


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (
            Resolution("jwst_0001.pmap", {"jwst": "3.0.1"}, (), "node2"),
            "jwst 3.0.0 on node1; jwst 3.0.1 on node2",
        ),
        (
            Resolution("jwst_0002.pmap", {"jwst": "3.0.0"}, (), "node2"),
            "context jwst_0001.pmap on node1; context jwst_0002.pmap on node2",
        ),
        (
            Resolution("jwst_0001.pmap", {}, (), "node2"),
            "jwst 3.0.0 on node1; jwst none on node2",
        ),
    ],
)
def test_hosts_that_disagree_are_named(
    services: Services, second: Resolution, said: str
) -> None:
    with pytest.raises(PlanError, match=said):
        resolve(services, second)
