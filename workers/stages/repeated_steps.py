"""What spec2 repeats for each science exposure of a set, done once for all of them.

Two steps of calwebb_spec2 (jwst 3.0.0) work on members, too: of N nods, each of which
is the background of the others, they make N times the same.

`clean_flicker_noise` cleans every background and leakcal as if it were alone; only
``data`` changes. The science exposure itself is cleaned anew: it has its world
coordinates and failed-open shutters by then, which members have not, so the pixels
that show the noise are others.

`badpix_selfcal` looks for bad pixels in the minimum of the science, the selfcal and
the background members. Which of them is the science makes no difference, so the pixels
are the same wherever these are the same exposures; then the selfcal members need not
even be opened. Backgrounds are flagged before they are cleaned.

What is kept are these numbers, in scratch, under a hash of all that they depend on.
The steps of jwst themselves do everything else.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from jwst.badpix_selfcal import badpix_selfcal as finding
from numpy.typing import NDArray
from stpipe import Pipeline, Step

from ..contract import METAFILE, Input, Job, ParsUse, ReferenceUse, Stage
from ..publishing import publish
from .nested_steps import CLEANS_MEMBERS

__all__ = ["do_once"]

_log = logging.getLogger(__name__)

_FINDS_PIXELS = "badpix_selfcal"
_COMPARED = frozenset({"science", "selfcal", "background"})
"""Exptypes of the exposures in whose minimum `badpix_selfcal` finds bad pixels."""


def do_once(pipeline: Pipeline, job: Job, shared: Path) -> None:
    """Let spec2 take what jobs of the same program have made of the same members.

    Parameters
    ----------
    shared
        Where it is kept; the folder may not be there yet.
    """
    if job.stage is not Stage.SPEC2:
        return
    finder = _Finder(pipeline.badpix_selfcal, job, shared)
    cleaner = _Cleaner(pipeline.clean_flicker_noise, job, shared, finder)
    pipeline.badpix_selfcal.process = finder.process
    pipeline.clean_flicker_noise.process = cleaner.process


class _Finder:
    """Stands for ``process`` of `badpix_selfcal`: finds the pixels of a set once."""

    def __init__(self, step: Step, job: Job, shared: Path) -> None:
        self._process = step.process
        self._job = job
        self._shared = shared
        self.found = ""
        """What the pixels depend on that backgrounds have lost; empty if none have."""

    def process(
        self,
        science: Any,
        selfcal: Sequence[Any] = (),
        backgrounds: Sequence[Any] = (),
    ) -> Any:
        """Find bad pixels and flag them, as the step does."""
        self.found = self._hash(science)
        path = self._shared / f"{self.found}.npy"
        with _locked(path), _remembering(path):
            listed = list(selfcal)
            if path.is_file():
                _log.info("Bad pixels of the same exposures were found by another job")
                del listed[1:]  # the step skips itself if there are none
            return self._process(science, listed, list(backgrounds))

    def _hash(self, science: Any) -> str:
        compared = [each for each in self._job.inputs if each.exptype in _COMPARED]
        return _hash(
            self._job,
            _FINDS_PIXELS,
            sorted(each.content_sha256 for each in compared),
            science.meta.instrument.detector,
            science.meta.wcsinfo.dispersion_direction,
        )


class _Cleaner:
    """Stands for ``process`` of `clean_flicker_noise`: cleans each member once."""

    def __init__(self, step: Step, job: Job, shared: Path, finder: _Finder) -> None:
        self._step = step
        self._process = step.process
        self._job = job
        self._shared = shared
        self._finder = finder
        self._members = {
            each.name: each
            for each in job.inputs
            if each.exptype in {"background", "imprint"}
        }

    def process(self, exposure: Any) -> Any:
        """Clean an exposure, as the step does."""
        member = self._members.get(_get_name(exposure))
        if member is None or self._saves():
            return self._process(exposure)
        path = self._shared / f"{self._hash(exposure, member)}.npy"
        with _locked(path):
            if not path.is_file():
                return _keep(self._process(exposure), path)
        _log.info("%s was cleaned by another job", member.name)
        cleaned = self._step.prepare_output(exposure)
        cleaned.data = np.load(path)
        cleaned.meta.cal_step.clean_flicker_noise = "COMPLETE"
        return cleaned

    def _saves(self) -> bool:
        """Return whether more is asked of the step than what is kept."""
        names = ("save_results", "save_mask", "save_background", "save_noise")
        return any(getattr(self._step, name) for name in names)

    def _hash(self, exposure: Any, member: Input) -> str:
        """Hash all that the step may read of a member, and what was flagged in it."""
        is_flagged = not isinstance(exposure, str) and member.exptype == "background"
        shutters = [each for each in self._job.inputs if each.exptype == METAFILE]
        names = {member.name, *(each.name for each in shutters)}
        return _hash(
            self._job,
            CLEANS_MEMBERS,
            member.content_sha256,
            self._finder.found if is_flagged else "",
            [each.content_sha256 for each in shutters],
            [(e.file, e.edit, e.values) for e in self._job.edits if e.file in names],
            sorted(_list_references(self._job, Path(member.name).stem)),
        )


def _keep(cleaned: Any, path: Path) -> Any:
    if cleaned.meta.cal_step.clean_flicker_noise == "COMPLETE":
        publish(path, lambda draft: np.save(draft, cleaned.data))
    return cleaned


def _get_name(exposure: Any) -> str:
    """Name the file of an exposure, which is given by its path or opened."""
    path = exposure if isinstance(exposure, str) else exposure.meta.filename
    return Path(path).name


def _list_references(job: Job, stem: str) -> Iterator[tuple[str, str]]:
    """List what a member may read, without what other members select."""
    exposure = stem.rpartition("_")[0]
    uses: tuple[ReferenceUse | ParsUse, ...] = (*job.references, *job.pars)
    for use in uses:
        _, _, whose = use.reftype.partition(" of ")
        if whose in {"", exposure}:
            yield use.reftype, use.file.sha1 if use.file else ""


def _hash(job: Job, step: str, *facts: object) -> str:
    """Hash what a step makes of facts with the parameters and the code of a job."""
    steps: Any = job.parameters.get("steps", {})
    text = json.dumps([step, steps.get(step), dict(job.versions), facts])
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one job at a time make a file; the others wait, and find it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        yield


@contextmanager
def _remembering(path: Path) -> Iterator[None]:
    """Let the search for bad pixels give what is kept, or keep what it finds."""
    find: Callable[..., tuple[NDArray[np.intp], ...]] = finding.badpix_selfcal

    def remember(*args: Any) -> tuple[NDArray[np.intp], ...]:
        if not path.is_file():
            publish(path, lambda draft: np.save(draft, np.stack(find(*args))))
        rows, columns = np.load(path)
        return rows, columns

    finding.badpix_selfcal = remember
    try:
        yield
    finally:
        finding.badpix_selfcal = find
