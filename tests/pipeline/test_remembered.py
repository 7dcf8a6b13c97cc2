"""What workers resolved is remembered where it holds, and nowhere else."""

import hashlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from processed import Processed
from processing import make_request, make_settings, process

from config.recipe import load_recipe
from config.settings import Settings
from flows.errors import PlanError
from flows.execution import Cluster
from flows.factory import open_services
from flows.layout import DASK_SCRATCH
from flows.models.runs import JobState
from flows.planning import ResolvedSet
from flows.run import prepare, resolve
from workers.contract import ResolveRequest
from workers.sample import Mode, SampleSet

MODE = Mode.NIRSPEC_BOTS_PRISM


@dataclass
class Here:
    """A cluster that is this process, and knows what it was asked for."""

    asked: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def get_slots_to_come(self) -> int:
        """Count the slots."""
        return 1

    def get_largest_bytes(self) -> int:
        """Return the memory of a node."""
        return 1 << 40

    def map(
        self, work: Callable[[object], object], batches: Sequence[object], **_: object
    ) -> list[object]:
        """Do the work, each in a child."""
        for batch in batches:
            if isinstance(batch, ResolveRequest):
                self.asked += [item.key for item in batch.items]
        return [work(batch) for batch in batches]


@dataclass
class Site:
    """A data folder, and a CRDS cache whose files may be edited."""

    settings: Settings
    random: random.Random
    serial: int = 3
    """Of the next context."""
    context: str = "jwst_0001.pmap"

    @property
    def mappings(self) -> Path:
        """Where mappings are."""
        return Path(str(self.settings.crds_path)) / "mappings" / "jwst"

    def resolve(self) -> tuple[ResolvedSet, list[str]]:
        """Resolve the program; return which jobs workers were asked for."""
        settings = self.settings.model_copy(update={"crds_context": self.context})
        here = Here()
        opened: list[Here] = []

        def open_cluster() -> Cluster:
            opened.append(here)
            return here  # type: ignore[return-value]  # it has what is asked of it

        with open_services(settings) as services:
            drawn = prepare(
                make_request(MODE),
                load_recipe(MODE.recipe),
                services.archive,
                data_dir=services.data_dir,
                get_specs=pytest.fail,
            )
            resolved = resolve(drawn, services, open_cluster).resolved
        assert bool(opened) == bool(here.asked)
        return resolved, here.asked

    @contextmanager
    def forgetting(self) -> Iterator["Site"]:
        """Give the same without what was resolved; hashes of files stay known."""
        copy = self.settings.data_dir.with_name("forgetful")
        shutil.copytree(self.settings.data_dir, copy)
        with closing(sqlite3.connect(copy / "rewebb.db")) as database:
            for table in ("resolution", "resolution_answer", "known_header"):
                database.execute(f"DELETE FROM {table}")  # noqa: S608
            database.commit()
        settings = self.settings.model_copy(update={"data_dir": copy})
        yield Site(settings, self.random, self.serial, self.context)
        shutil.rmtree(copy)

    def find_rules(self) -> tuple[str, str]:
        """Choose rules of NIRSpec in the context, and return their text."""
        imap = self.read(self.find_imap())
        names = [word for word in imap.split("'") if word.endswith(".rmap")]
        kinds = ["photom", "dark", "saturation", "camera", "pars-spec2pipeline"]
        chosen = self.random.choice(kinds)
        [name] = [n for n in names if n.split("_")[2] == chosen]
        return name, self.read(name)

    def find_imap(self) -> str:
        """Find the mapping of NIRSpec in the context."""
        words = self.read(self.context).split("'")
        return next(word for word in words if word.startswith("jwst_nirspec"))

    def read(self, name: str) -> str:
        """Read a mapping."""
        return (self.mappings / name).read_text()

    def write(self, name: str, text: str) -> None:
        """Write a mapping, in the place of one with links elsewhere."""
        (self.mappings / name).unlink(missing_ok=True)
        (self.mappings / name).write_text(_sign(text))

    def publish(self, old: str, new: str) -> None:
        """Make a context in which a word of the mapping of NIRSpec is another."""
        imap, pmap = self.find_imap(), f"jwst_{self.serial:04d}.pmap"
        new_imap = f"jwst_nirspec_{self.serial:04d}.imap"
        text = self.read(imap).replace(imap, new_imap)
        self.write(new_imap, text.replace(old, new))
        pmap_text = self.read(self.context).replace(imap, new_imap)
        self.write(pmap, pmap_text.replace(self.context, pmap))
        self.context, self.serial = pmap, self.serial + 1


def _sign(text: str) -> str:
    """Correct the sum in the header of a mapping."""
    lines = [line for line in text.splitlines(keepends=True) if "sha1sum" not in line]
    digest = hashlib.sha1("".join(lines).encode(), usedforsecurity=False).hexdigest()
    head, _, rest = text.partition("'sha1sum': '")
    return f"{head}'sha1sum': '{digest}{rest[40:]}"


def rename_rules(site: Site) -> None:
    """Publish the same rules by another name."""
    name, text = site.find_rules()
    new = f"{name.rpartition('_')[0]}_{900 + site.serial:04d}.rmap"
    site.write(new, text.replace(name, new))
    site.publish(name, new)


def change_match(site: Site) -> None:
    """Publish rules that no exposure of the program matches any more."""
    name, text = site.find_rules()
    new = f"{name.rpartition('_')[0]}_{900 + site.serial:04d}.rmap"
    text = text.replace(name, new).replace("NRS_BRIGHTOBJ", "NRS_LAMP")
    site.write(new, text)
    site.publish(name, new)


def drop_type(site: Site) -> None:
    """Publish a context that has nothing for a type."""
    site.publish(site.find_rules()[0], "N/A")


def publish_nothing(site: Site) -> None:
    """Publish a context that is another by name alone."""
    site.publish("nothing", "nothing")


def touch(site: Site) -> None:
    """Give a file of the cache another time."""
    name = site.random.choice(sorted(p.name for p in site.mappings.iterdir()))
    content = (site.mappings / name).read_bytes()
    (site.mappings / name).unlink()
    (site.mappings / name).write_bytes(content)


def change_under_its_name(site: Site) -> None:
    """Change rules, and not their name."""
    name, text = site.find_rules()
    site.write(name, text.replace("made by Rewebb", "made by others"))


def remove_reference(site: Site) -> None:
    """Remove a file that rules select."""
    folder = Path(str(site.settings.crds_path)) / "references" / "jwst" / "nirspec"
    site.random.choice(sorted(folder.glob("*_photom_*.fits"))).unlink(missing_ok=True)


def call_bad(site: Site) -> None:
    """Let the server call a file bad."""
    config = Path(str(site.settings.crds_path)) / "config" / "jwst" / "server_config"
    text = config.read_text()
    config.unlink()
    name = "jwst_nirspec_photom_0003.fits"
    bad = f"'bad_files_list': ['{name}']"
    config.write_text(text.replace("'bad_files_list': []", bad))


@pytest.fixture
def site(sample: SampleSet, tmp_path: Path) -> Site:
    crds = shutil.copytree(sample.crds, tmp_path / "crds", copy_function=os.link)
    settings = make_settings(sample, tmp_path / "data")
    return Site(settings.model_copy(update={"crds_path": crds}), random.Random(15))  # noqa: S311


@pytest.mark.slow
def test_what_is_remembered_is_what_all_workers_would_say(site: Site) -> None:
    """Whatever is edited in the cache, and in whatever order (seed 15)."""
    first, asked = site.resolve()
    assert set(asked) == set(first.by_key)
    assert all(one.error is None for one in first.by_key.values())
    publish_nothing(site)
    renamed, asked_again = site.resolve()
    assert asked_again == []  # no rules of theirs have changed
    assert renamed.context == "jwst_0003.pmap"
    assert _list_files(renamed) == _list_files(first)
    site.context = first.context
    assert (site.resolve()[0].by_key, site.resolve()[1]) == (first.by_key, [])
    published = [rename_rules, change_match, drop_type, change_match]
    cached = [touch, call_bad, change_under_its_name, remove_reference]
    site.random.shuffle(published)
    site.random.shuffle(cached)
    for edit in (*published, *cached):
        site.context = first.context
        edit(site)
        with site.forgetting() as other:
            expected, everything = _resolve_or_refuse(other)
        found, some = _resolve_or_refuse(site)
        assert found == expected, edit.__name__
        assert set(some) <= set(everything)


def _list_files(resolved: ResolvedSet) -> dict[str, object]:
    """List what is resolved of each job, but for context and instrument."""
    return {
        key: replace(one, mappings=one.mappings[2:])
        for key, one in resolved.by_key.items()
    }


def _resolve_or_refuse(site: Site) -> tuple[ResolvedSet | str, list[str]]:
    try:
        return site.resolve()
    except PlanError as error:
        return str(error), []


def test_a_run_with_nothing_to_do_starts_no_worker(
    bots: Processed, tmp_path: Path
) -> None:
    data = shutil.copytree(bots.settings.data_dir, tmp_path / "data")
    shutil.rmtree(data / DASK_SCRATCH, ignore_errors=True)
    settings = bots.settings.model_copy(update={"data_dir": data})
    again = process(settings, make_request(MODE), is_alone=True)
    assert {job.state for job in again.jobs} == {JobState.REUSED}
    assert not (data / DASK_SCRATCH).exists()
