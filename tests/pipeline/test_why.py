"""What a plan says of what was changed since the products were made."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from astropy.io import fits
from processed import Processed
from processing import make_request, plan
from spoiling import Files, change_bytes, copy_files

from flows.execution import Cluster
from flows.reports import RunSummary
from workers.contract import ReferenceFile, Stage
from workers.sample import Mode, SampleSet


@dataclass(frozen=True)
class Changed:
    """A plan over a copy in which a pixel, a card and a reference were changed."""

    files: Files
    reference: ReferenceFile
    """As it was used."""
    plan: RunSummary

    def explain(self, raw: Path) -> str:
        """Say why detector1 of a raw file is due."""
        key = f"detector1:{raw.name.removesuffix('_uncal.fits')}"
        return next(job.why for job in self.plan.jobs if job.key == key)

    def list_raw(self) -> list[Path]:
        """List the raw files."""
        return sorted(self.files.archive.rglob("*_uncal.fits"))


@pytest.fixture(scope="module")
def changed(
    bots: Processed,
    sample: SampleSet,
    cluster: Cluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Changed:
    files = copy_files(sample, tmp_path_factory.mktemp("changed"))
    first, second = sorted(files.archive.rglob("*_uncal.fits"))
    edit(first, pixel=1)
    edit(second, TARGPROP="ANOTHER")
    reference = find_reference(bots)
    change_bytes(reference.name)(files)
    settings = bots.settings.model_copy(
        update={"archive": str(files.archive), "crds_path": files.crds}
    )
    planned = plan(settings, make_request(Mode.NIRSPEC_BOTS_PRISM), cluster)
    return Changed(files, reference, planned)


def edit(path: Path, *, pixel: int = 0, **cards: str) -> None:
    """Edit a raw file that others share, for us alone."""
    with fits.open(path) as hdus:
        hdus["SCI"].data[0, 0, 0, 0] += pixel
        hdus[0].header.update(cards)
        hdus.writeto(path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def find_reference(done: Processed) -> ReferenceFile:
    """Find a reference that spec2 alone used."""
    used = {stage: dict[str, ReferenceFile]() for stage in Stage}
    for outcome in done.list_outcomes().values():
        files = [use.file for use in outcome.job.references]
        used[outcome.job.stage] |= {file.name: file for file in files if file}
    others = used[Stage.DETECTOR1] | used[Stage.TSO3]
    return next(f for name, f in used[Stage.SPEC2].items() if name not in others)


def test_an_edited_pixel_and_an_edited_card_are_told_apart(changed: Changed) -> None:
    first, second = changed.list_raw()
    said = f"science input {first.name} has changed: pixels"
    assert changed.explain(first) == said
    card = "header cards TARGPROP '.*' -> 'ANOTHER'"
    said = f"science input {second.name} has changed: {card}"
    assert re.fullmatch(said, changed.explain(second))


def test_a_file_of_another_cache_with_other_bytes_is_noted(
    changed: Changed, bots: Processed
) -> None:
    [note] = [note for note in changed.plan.notes if "is not what CRDS" in note]
    used, caches = changed.reference, (changed.files.crds, bots.settings.crds_path)
    for said in (used.name, used.sha1, *map(str, caches)):
        assert said in note
