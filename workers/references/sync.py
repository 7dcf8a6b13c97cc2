"""Brings files of a CRDS cache to what a catalogue says of them.

Looking takes no lock. What is missing or bad is then looked at again, moved aside and
fetched, under one lock of the cache: of many processes one works, the others wait and
find it done. A file is at its final name only when it is whole and its sha1 is right.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import disk_usage
from typing import TypeVar

from filelock import FileLock, Timeout

from ..cache_contract import Account, DueFile, ReferenceProblem
from ..contract import ReferenceFile
from ..errors import (
    CrdsCacheError,
    ReferenceChangedError,
    TransientTransferError,
    WorkerError,
)
from ..transfer import Expected, Meter, Pacing, RetryPolicy, Tell, receive
from ..transfer.fits_checks import FitsError, verify_structure
from .catalogue import Catalogue
from .layout import get_lock_path, place, set_aside, write_subdir_mode
from .server import AT_ONCE
from .verdict import (
    FileFacts,
    Finding,
    Verdict,
    describe_bad,
    identify_file,
    inspect,
)

__all__ = ["ReferenceSync"]

_Named = TypeVar("_Named", ReferenceFile, DueFile, ReferenceProblem)


class ReferenceSync:
    """Provides files in one cache, and keeps account of it.

    Parameters
    ----------
    root
        The CRDS cache, to which this process is pinned.
    known
        Files whose sha1 holds while size and modification time stand.
    dry_run
        Whether only to list what would be fetched.
    """

    def __init__(
        self,
        root: Path,
        catalogue: Catalogue,
        *,
        known: Iterable[ReferenceFile] = (),
        tell: Tell,
        dry_run: bool = False,
        policy: RetryPolicy = RetryPolicy(),  # noqa: B008  # frozen
        pacing: Pacing = Pacing(),  # noqa: B008  # frozen
    ) -> None:
        self._root = root
        self._catalogue = catalogue
        self._known = {file.name: file for file in known}
        self._tell = tell
        self._dry_run = dry_run
        self._policy = policy
        self._pacing = pacing
        self._files: dict[str, ReferenceFile] = {}
        self._fetched: dict[str, ReferenceFile] = {}
        self._due: dict[str, DueFile] = {}
        self._repaired: dict[str, ReferenceProblem] = {}
        self._failed: dict[str, ReferenceProblem] = {}

    def get_account(self) -> Account:
        """Tell what was done so far."""
        return Account(
            files=_sorted(self._files),
            fetched=_sorted(self._fetched),
            due=_sorted(self._due),
            repaired=_sorted(self._repaired),
            failed=_sorted(self._failed),
        )

    def provide(self, names: Iterable[str], *, what: str, always: bool = False) -> None:
        """See that files are there and good; those that cannot be are in `failed`.

        A cache that cannot be written, or has no room, is an error.

        Parameters
        ----------
        what
            What they are, in a word.
        always
            Also in a dry run.
        """
        wanted = sorted(set(names) - set(self._files) - set(self._failed))
        facts = self._catalogue.describe(wanted)
        lacking = self._look({name: facts.get(name) for name in wanted}, what)
        if self._dry_run and not always:
            for each in lacking:
                self._due[each.name] = DueFile(each.name, _size_bytes(each))
        elif self._catalogue.absence is not None:
            for each in lacking:
                self._give_up(each, self._catalogue.absence)
        elif lacking:
            with self._locked():
                # Others may have fetched them while this process waited.
                again = self._look({each.name: each.facts for each in lacking}, what)
                self._mend(again, what)

    def _look(
        self, wanted: dict[str, FileFacts | None], what: str
    ) -> Sequence[Finding]:
        """Find what is lacking, and remember what is not."""
        sizes = {name: (f and f.size_bytes) or 0 for name, f in wanted.items()}
        lacking = []
        with (
            Meter(f"checking {what}", self._tell, sizes) as meter,
            ThreadPoolExecutor(AT_ONCE) as pool,
        ):
            findings = pool.map(self._inspect, wanted.items())
            for name, finding in zip(wanted, findings, strict=True):
                meter.finish(name)
                if finding is not None and finding.verdict.is_lacking:
                    lacking.append(finding)
                elif finding is not None and finding.found is not None:
                    self._files[finding.name] = finding.found
        return lacking

    def _inspect(self, wanted: tuple[str, FileFacts | None]) -> Finding | None:
        name, facts = wanted
        try:
            return inspect(place(name), facts, self._known.get(name))
        except WorkerError as error:
            self._fail(name, str(error))
            return None

    def _mend(self, lacking: Sequence[Finding], what: str) -> None:
        sizes = {each.name: _size_bytes(each) for each in lacking}
        wanted, free = sum(sizes.values()), disk_usage(self._root).free
        if wanted > free:
            raise CrdsCacheError(
                f"The CRDS cache {self._root} has no room for {len(lacking)} files of "
                f"{wanted} bytes, the first of them {lacking[0].name}: {free} bytes "
                "are free; none was fetched."
            )
        with (
            Meter(f"fetching {what}", self._tell, sizes) as meter,
            ThreadPoolExecutor(AT_ONCE) as pool,
        ):
            list(pool.map(lambda each: self._mend_one(each, meter), lacking))

    def _mend_one(self, finding: Finding, meter: Meter) -> None:
        name = finding.name
        try:
            found, problem = self._replace(finding, meter)
        except (WorkerError, OSError) as error:
            self._give_up(finding, str(error))
            return
        self._files[name] = self._fetched[name] = found
        if problem is not None:
            self._repaired[name] = problem
        meter.finish(name)

    def _give_up(self, finding: Finding, why: str) -> None:
        is_bad = finding.verdict is Verdict.BAD
        bad = f"{describe_bad(finding)}; " if is_bad else ""
        self._fail(finding.name, f"{bad}{why}")

    def _replace(
        self, finding: Finding, meter: Meter
    ) -> tuple[ReferenceFile, ReferenceProblem | None]:
        facts, opener = finding.facts, self._catalogue.make_opener(finding.name)
        problem = None
        if finding.verdict is Verdict.BAD:
            sha1 = finding.found.sha1 if finding.found else "unread"
            now = set_aside(self._root, finding.path, sha1)
            why = f"{describe_bad(finding)}; that one is now {now}."
            problem = ReferenceProblem(finding.name, why)
        finding.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            received = receive(
                opener,
                finding.path,
                expected=Expected(
                    uri=f"crds://{finding.name}",
                    size_bytes=facts.size_bytes if facts else None,
                    sha1=facts.sha1 if facts else None,
                    verify=None if facts and facts.sha1 else _verify_structure,
                ),
                policy=self._policy,
                pacing=self._pacing,
                on_bytes=partial(meter.add_bytes, finding.name),
            )
        except FileExistsError:  # by another hand than ours, which knows no lock
            return _take_theirs(finding), problem
        found = identify_file(finding.path, None, sha1=received.sha1)
        return found, problem

    def _fail(self, name: str, why: str) -> None:
        message = f"{name} cannot be had for {self._root}: {why.rstrip('.')}."
        self._failed[name] = ReferenceProblem(name, message)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(get_lock_path(self._root), mode=0o666)
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            self._wait_for(lock)
            write_subdir_mode(self._root)
        except OSError as error:
            raise CrdsCacheError(
                f"The CRDS cache {self._root} lacks files and cannot be written: "
                f"{error.strerror}."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _wait_for(self, lock: FileLock) -> None:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            with Meter("waiting for another process", self._tell, {}):
                lock.acquire()


def _sorted(by_name: dict[str, _Named]) -> tuple[_Named, ...]:
    return tuple(by_name[name] for name in sorted(by_name))


def _size_bytes(finding: Finding) -> int:
    return (finding.facts and finding.facts.size_bytes) or 0


def _verify_structure(part: Path) -> tuple[str, ...]:
    """Look at a FITS file of which the server has no sha1."""
    if ".fits" not in part.suffixes:
        return ()
    try:
        verify_structure(part)
    except (FitsError, OSError) as error:
        raise TransientTransferError(f"it is truncated: {error}") from error
    return ("structure",)


def _take_theirs(finding: Finding) -> ReferenceFile:
    again = inspect(finding.path, finding.facts, None)
    if again.found is None or again.verdict.is_lacking:
        raise ReferenceChangedError(f"{describe_bad(again)}; run again")
    return again.found
