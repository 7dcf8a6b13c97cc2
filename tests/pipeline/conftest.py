"""Each sample program processed once, by Rewebb and by a plain script beside it."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import plain_script
import pytest
from loopback import Fault, ScriptedFaults, Validator
from mast_server import mast_server
from processed import FromMast, Processed
from processing import make_request, make_settings, process, sharing, write_calls

from config.settings import load_settings
from flows.execution import Cluster
from flows.run import Planned, Shared
from workers.sample import Mode, SampleSet

_HERE = Path(__file__).parent

_LONG = frozenset(
    {
        *("ifu", "gratings", "bots_pair", "mos", "mrs", "lrs_slit"),
        *("ifu_nod", "mrs_bands", "nods"),
    }
)
"""Fixtures that take minutes: whatever asks for one of them is left to SLOW."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a long program, as a fixture or as the parameter `program`."""
    for item in items:
        if isinstance(item, pytest.Function) and item.path.parent == _HERE:
            spec = getattr(item, "callspec", None)
            program = spec.params.get("program") if spec else None
            if not _LONG.isdisjoint([*item.fixturenames, program]):
                item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Keep one cluster for all runs and plans; it starts with the first of them."""
    settings = load_settings(data_dir=tmp_path_factory.mktemp("cluster"), slots=2)
    with Shared(settings) as shared, sharing(shared):
        yield shared


@pytest.fixture(scope="session")
def cluster(shared: Shared) -> Iterator[Cluster]:
    """Open the cluster for tests that only plan."""
    with shared.open_cluster() as opened:
        yield opened


def _process(
    sample: SampleSet, mode: Mode, folder: Path, stack: ExitStack, *, is_compared: bool
) -> Processed:
    started: list[subprocess.Popen[bytes]] = []

    def start_plain(planned: Planned) -> None:
        if not is_compared:
            return
        calls = write_calls(planned, mode.recipe, folder / "plain")
        script = plain_script.start(
            calls,
            folder / "plain",
            crds_path=sample.crds,
            context=sample.contexts[0],
        )
        stack.callback(script.wait)
        stack.callback(script.kill)
        started.append(script)

    settings = make_settings(sample, folder / "data")
    summary = process(settings, make_request(mode), on_planned=start_plain)
    plain = started[0] if started else None
    return Processed(settings, summary, plain, folder / "plain")


def _processed(mode: Mode) -> Any:
    """Make the fixture of a program, processed with the recipe that suits it.

    The plain script runs beside it if a test that compares them was selected.
    """
    name = _NAMES[mode]

    @pytest.fixture(scope="session", name=name)
    def give(
        request: pytest.FixtureRequest,
        sample: SampleSet,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> Iterator[Processed]:
        ids = (item.nodeid for item in request.session.items)
        is_compared = any(f"plain_script[{name}]" in each for each in ids)
        with ExitStack() as stack:
            folder = tmp_path_factory.mktemp(name)
            yield _process(sample, mode, folder, stack, is_compared=is_compared)

    return give


_NAMES = {
    Mode.NIRSPEC_IFU_PRISM: "ifu",
    Mode.NIRSPEC_IFU_GRATINGS: "gratings",
    Mode.NIRSPEC_BOTS_PRISM: "bots",
    Mode.NIRSPEC_BOTS_G395H: "bots_pair",
    Mode.NIRSPEC_MOS_PRISM: "mos",
    Mode.NIRSPEC_FS_PRISM: "fixed_slit",
    Mode.MIRI_MRS: "mrs",
    Mode.MIRI_LRS_SLIT: "lrs_slit",
    Mode.MIRI_LRS_SLITLESS: "lrs_slitless",
}
"""How tests call the programs."""

ifu, gratings, bots, bots_pair, mos, fixed_slit, mrs, lrs_slit, lrs_slitless = map(
    _processed, _NAMES
)


def _processed_alone(mode: Mode) -> Any:
    """Make the fixture of the folder of a program, without a plain script beside it.

    Of its exposures only some are in the archive.
    """
    name, kept = _ALONE[mode]

    @pytest.fixture(scope="session", name=name)
    def give(sample: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp(name)
        archive = folder / "archive"
        archive.mkdir()
        for path in sample.list_raw(mode):
            if path.name.startswith(kept):
                (archive / path.name).symlink_to(path)
        settings = make_settings(sample, folder / "data")
        settings = settings.model_copy(update={"archive": archive})
        summary = process(settings, make_request(mode))
        return settings.data_dir / summary.folder

    return give


_ALONE = {
    Mode.NIRSPEC_IFU_NOD: (
        "ifu_nod",
        tuple(f"jw99011001001_02101_0000{number}" for number in (1, 2)),
    ),
    Mode.MIRI_MRS_BANDS: (
        "mrs_bands",
        tuple(f"jw99013001001_{band}_00001" for band in ("02101", "02103", "02105")),
    ),
}
"""The same of variants that a plain script of theirs would add nothing to, with the
exposures that show what is special: two nods, and each band once."""

ifu_nod, mrs_bands = map(_processed_alone, _ALONE)


@pytest.fixture(scope="session")
def bots_from_mast(
    sample: SampleSet, tmp_path_factory: pytest.TempPathFactory
) -> FromMast:
    """Run the time series again, from empty, and from a MAST that fails."""
    data = tmp_path_factory.mktemp("again") / "data"
    script = {"uncal": [None, Fault.CUT, Fault.UNAVAILABLE, Fault.SHORT]}
    with mast_server(sample.archive, faults=ScriptedFaults(script)) as mast:
        mast.loopback.validator = Validator.DATE
        settings = make_settings(sample, data, mast_url=mast.url)
        summary = process(settings, make_request(Mode.NIRSPEC_BOTS_PRISM))
        struck = tuple(fault for _, fault in mast.loopback.struck)
    return FromMast(settings, summary, struck)


@pytest.fixture(scope="session")
def bots_again(bots_from_mast: FromMast) -> Path:
    """Return the folder of a second run of the time series from empty."""
    return bots_from_mast.folder
