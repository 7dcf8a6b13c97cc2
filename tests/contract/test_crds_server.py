"""The loopback server of CRDS, against the unmodified client; and that client itself.

The first half shows that the emulation is true. The second half records why Rewebb
fetches references itself: what `crds` 14.0.3 makes of transfers that fail.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from crds_server import CrdsServer, crds_serving
from loopback import Fault, ScriptedFaults
from plain_crds import PlainCrds

from workers.sample import Mode, SampleSet

PHOTOM = "jwst_nirspec_photom_0001.fits"
REFERENCES = "crds.getreferences(header, reftypes)"
RECOMMENDATIONS = "crds.getrecommendations(header, reftypes)"


@pytest.fixture
def server(sample: SampleSet) -> Iterator[CrdsServer]:
    with crds_serving(sample.crds) as server:
        yield server


@pytest.fixture
def plain(server: CrdsServer, sample: SampleSet, tmp_path: Path) -> PlainCrds:
    """Return the client, with an empty cache."""
    raw = sample.list_raw(Mode.NIRSPEC_IFU_PRISM)[0]
    return PlainCrds(tmp_path / "crds", server.url, raw)


def list_files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def find(cache: Path, name: str) -> Path:
    [path] = cache.rglob(name)
    return path


def test_the_client_is_told_each_kind_of_context(plain: PlainCrds) -> None:
    ask = "crds.get_default_context('jwst', state={!r})"
    asked = ", ".join(ask.format(state) for state in ("latest", "build", "edit"))
    assert plain.ask(f"[{asked}]") == ["jwst_0001.pmap"] * 3


def test_the_client_learns_of_a_new_operational_context(
    plain: PlainCrds, server: CrdsServer
) -> None:
    server.latest = server.build = "jwst_0002.pmap"
    assert plain.ask("crds.get_context_name('jwst')") == "jwst_0002.pmap"


def test_the_client_may_name_a_context_by_date(plain: PlainCrds) -> None:
    name = "jwst-2024-01-01T00:00:00"
    answer = plain.ask("crds.get_context_name('jwst')", CRDS_CONTEXT=name)
    assert answer == "jwst_0001.pmap"


@pytest.mark.parametrize("sends_metadata", [True, False])
def test_an_empty_cache_gives_the_recommendations_of_a_whole_one(
    plain: PlainCrds, server: CrdsServer, sample: SampleSet, *, sends_metadata: bool
) -> None:
    server.sends_metadata = sends_metadata
    whole = PlainCrds(sample.crds, None, plain.exposure)
    wanted = whole.ask(RECOMMENDATIONS, CRDS_READONLY_CACHE="1")
    assert plain.ask(RECOMMENDATIONS) == wanted
    assert wanted["photom"] == PHOTOM


def test_the_client_fetches_references_whole(
    plain: PlainCrds, sample: SampleSet
) -> None:
    paths = plain.ask(REFERENCES)
    assert Path(paths["photom"]) == find(plain.cache, PHOTOM)
    truth = find(sample.crds, PHOTOM)
    assert find(plain.cache, PHOTOM).read_bytes() == truth.read_bytes()


def test_the_client_keeps_what_the_server_says_for_later(plain: PlainCrds) -> None:
    plain.ask(RECOMMENDATIONS)
    text = (plain.cache / "config" / "jwst" / "server_config").read_text()
    assert ast.literal_eval(text)["latest_context"] == "jwst_0001.pmap"


def test_crds_sync_brings_the_mappings_of_a_context(
    plain: PlainCrds, server: CrdsServer
) -> None:
    ended = plain.sync("--contexts", "jwst_0002.pmap")
    assert ended.returncode == 0, ended.stderr
    mappings = list_files(plain.cache / "mappings")
    assert mappings == set(server.list_fetched())
    assert "jwst_0002.pmap" in mappings


def test_crds_sync_brings_and_checks_the_references_of_a_context(
    plain: PlainCrds,
) -> None:
    ended = plain.sync(
        "--contexts", "jwst_0001.pmap", "--fetch-references",
        "--check-files", "--check-sha1sum",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "0 errors" in ended.stderr
    assert PHOTOM in list_files(plain.cache / "references")


def test_crds_itself_keeps_and_gives_out_a_reference_that_came_broken(
    plain: PlainCrds, server: CrdsServer, sample: SampleSet
) -> None:
    """Why we do not use its byte path: it checks after publishing, and only logs."""
    server.loopback.faults = ScriptedFaults({PHOTOM: [Fault.SHORT]})
    broken = Path(plain.ask(REFERENCES)["photom"])
    assert broken.read_bytes() != find(sample.crds, PHOTOM).read_bytes()
    fetched = server.list_fetched().count(PHOTOM)
    assert Path(plain.ask(REFERENCES)["photom"]) == broken
    assert server.list_fetched().count(PHOTOM) == fetched
    assert broken.read_bytes() != find(sample.crds, PHOTOM).read_bytes()


def test_crds_itself_gives_out_a_path_where_there_is_nothing(
    plain: PlainCrds, server: CrdsServer
) -> None:
    """Likewise: one answer of 503, and the path that is returned does not exist."""
    server.loopback.faults = ScriptedFaults({PHOTOM: [Fault.UNAVAILABLE]})
    assert not Path(plain.ask(REFERENCES)["photom"]).exists()


def test_crds_itself_calls_it_a_success_to_sync_what_there_is_not(
    plain: PlainCrds,
) -> None:
    """Likewise: the context is unknown to the server, and the exit code is 0."""
    ended = plain.sync("--contexts", "jwst_9999.pmap")
    assert ended.returncode == 0
    assert "0 errors" in ended.stderr
    assert list_files(plain.cache / "mappings") == set()
