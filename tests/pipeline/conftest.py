"""Each sample program processed once, by Rewebb and by a plain script beside it."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import plain_script
import pytest
from processing import make_request, make_settings, process, write_calls

from config.settings import Settings
from flows.phases import Preparation
from flows.reports import RunSummary
from workers.sample import Mode, SampleSet


@dataclass(frozen=True, slots=True)
class Processed:
    """A sample program that was processed from empty."""

    settings: Settings
    summary: RunSummary
    plain: subprocess.Popen[bytes]
    plain_folder: Path

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.settings.data_dir / self.summary.folder

    def wait_for_plain(self) -> Path:
        """Give the folder of the plain script, when it is through."""
        code = self.plain.wait()
        assert code == 0, (self.plain_folder / "script.log").read_text()[-2000:]
        return self.plain_folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the plain scripts work while the other tests of this folder run."""
    items.sort(key=lambda item: "wait_for_plain" in getattr(item, "keywords", ()))


def _process(
    sample: SampleSet, mode: Mode, folder: Path, stack: ExitStack
) -> Processed:
    started: list[subprocess.Popen[bytes]] = []

    def start_plain(preparation: Preparation) -> None:
        calls = write_calls(preparation, folder / "plain")
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
    return Processed(settings, summary, started[0], folder / "plain")


@pytest.fixture(scope="session")
def ifu(
    sample: SampleSet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Processed]:
    """Give the IFU program, processed with the recipe selfcal."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("ifu")
        yield _process(sample, Mode.NIRSPEC_IFU_PRISM, folder, stack)


@pytest.fixture(scope="session")
def bots(
    sample: SampleSet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Processed]:
    """Give the time series, processed with the official recipe."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("bots")
        yield _process(sample, Mode.NIRSPEC_BOTS_PRISM, folder, stack)
