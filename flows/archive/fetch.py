"""Files of a source become local copies: decided first, then done in parallel."""

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from rich.filesize import decimal

from workers.errors import AccessDeniedError, NotHeldError, TransferError
from workers.transfer import (
    Expected,
    Meter,
    Pacing,
    RetryPolicy,
    first_bytes,
    receive,
    retry,
)
from workers.transfer.fits_checks import verify_fits

from ..errors import ArchiveError
from ..models.exposures import FetchedFile
from ..notifier import Notifier
from .source import FetchListener, RemoteFile, Source
from .vault import Vault

__all__ = ["Copy", "FetchReport", "Fetcher", "StoppablePool", "ToFetch"]

_BEGIN_BYTES: Final = 1 << 16
"""How much of a file is compared of which its archive says no version: raw files of
JWST say in their first 30 000 bytes when they were made."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A local copy, whole as it was verified when it came."""

    record: FetchedFile
    """What is known of it."""
    unchecked: str = ""
    """Why the archive did not tell whether it still has the same; empty if it did."""


@dataclass(frozen=True, slots=True)
class ToFetch:
    """What a fetch would do."""

    have: Mapping[str, FetchedFile]
    """Copies that are as the archive has them, by name."""
    missing: Mapping[Path, RemoteFile]
    """What is not here in its newest version, by the place that it goes to."""
    unknown: Mapping[str, str]
    """Files of which one cannot tell whether they are here, each with why."""
    unchecked: Mapping[str, str] = field(default_factory=dict)
    """Why the archive did not tell of copies whether it still has the same, by name."""

    @property
    def missing_bytes(self) -> int:
        """How much is to be fetched."""
        return sum(file.size_bytes for file in self.missing.values())


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What a fetch came to."""

    files: Mapping[str, FetchedFile]
    """Every file that is here, by name."""
    fetched: tuple[str, ...] = ()
    """Names of those that were not here before."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Why the others are not here, by name."""


class _StoppedError(Exception):
    """Nobody waits any more; what is here already is kept."""


class StoppablePool(ThreadPoolExecutor):
    """Threads that stop when its block is left, be it by Ctrl-C and be they asleep."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._over = threading.Event()
        self.pacing = Pacing(sleep=self._sleep)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.shutdown(wait=True, cancel_futures=True)

    def check(self) -> None:
        """Raise `_StoppedError` if nobody waits any more."""
        if self._over.is_set():
            raise _StoppedError

    def _sleep(self, seconds: float) -> None:
        if self._over.wait(seconds):
            raise _StoppedError


class Fetcher:
    """Brings files of a source to the vault.

    With so many requests at a time as `parallel` says.
    """

    def __init__(
        self,
        source: Source,
        vault: Vault,
        *,
        parallel: int,
        policy: RetryPolicy | None = None,
    ) -> None:
        self._source = source
        self._vault = vault
        self._parallel = parallel
        self._policy = policy or RetryPolicy()
        self._is_away = threading.Event()

    def decide(self, files: Iterable[RemoteFile], *, ask: bool = True) -> ToFetch:
        """Find out what is not here, or has changed in the archive.

        Unless it is not to be asked of copies that are here.
        """
        listed = list(files)
        # The place first: who is faster than we are must not make it that of a v2.
        places = [self._vault.path_of_next(file) for file in listed]
        with StoppablePool(self._parallel) as pool:
            look = partial(self._look, pacing=pool.pacing, ask=ask)
            seen = list(pool.map(look, listed))
        found = list(zip(places, listed, seen, strict=True))
        return ToFetch(
            have={f.name: c.record for _, f, c in found if isinstance(c, Copy)},
            missing={place: f for place, f, r in found if r is None},
            unknown={f.name: why for _, f, why in found if isinstance(why, str)},
            unchecked={
                f.name: c.unchecked
                for _, f, c in found
                if isinstance(c, Copy) and c.unchecked
            },
        )

    def fetch(
        self, decided: ToFetch, *, listener: FetchListener = lambda _: None
    ) -> FetchReport:
        """Fetch what is missing; whatever fails, the rest is completed.

        That there is no room for it is an error.
        """
        self._check_room(decided)
        come: dict[str, FetchedFile] = {}
        failed = dict(decided.unknown)
        sizes = {file.name: file.size_bytes for file in decided.missing.values()}
        with (
            Notifier(listener, to="whoever watches the fetch", interval_s=0.1) as tell,
            Meter("fetching files", tell, sizes) as meter,
            StoppablePool(self._parallel) as pool,
        ):
            futures = {
                pool.submit(self._fetch_one, file, target, meter, pool): file
                for target, file in decided.missing.items()
            }
            for future in as_completed(futures):
                name, result = futures[future].name, future.result()
                if isinstance(result, str):
                    failed[name] = result
                else:
                    come[name] = result
        return FetchReport(
            files={**decided.have, **come},
            fetched=tuple(sorted(come)),
            failed=dict(sorted(failed.items())),
        )

    def find_copy(
        self, file: RemoteFile, pacing: Pacing, *, ask: bool = True
    ) -> Copy | None:
        """Return the local copy of a file, unless the archive says that it has another.

        Its listing has told the size; it is asked for more only if it is to be.

        Raises
        ------
        ArchiveError
            Somebody changed the local copy.
        """
        record = self._vault.find(file)
        if record is None or record.size_bytes != file.size_bytes:
            return None
        if not ask:
            return Copy(record, "it was not asked")
        try:
            return Copy(record) if self._is_unchanged(file, record, pacing) else None
        except TransferError as error:
            return Copy(record, str(error))

    def _look(
        self, file: RemoteFile, pacing: Pacing, *, ask: bool
    ) -> Copy | str | None:
        try:
            return self.find_copy(file, pacing, ask=ask)
        except ArchiveError as error:
            return str(error)

    def _is_unchanged(
        self, file: RemoteFile, record: FetchedFile, pacing: Pacing
    ) -> bool:
        """Ask the archive for a byte, and with it for its version of the file.

        Of a file of which it says none, more is asked for and compared.
        """
        is_said = record.entity is not None or record.modified is not None
        end_byte = 1 if is_said else min(_BEGIN_BYTES, record.size_bytes)

        def compare() -> bool:
            with self._source.opener(file)(end_byte=end_byte) as body:
                if body.entity is not None and record.entity is not None:
                    return body.entity == record.entity
                if body.total_bytes not in {None, record.size_bytes}:
                    return False
                if record.modified is not None:
                    return body.modified == record.modified
                begin = first_bytes(body, end_byte)
            return begin == self._vault.read_begin(record, end_byte)

        return self._ask(file, compare, pacing)

    def _ask(
        self, file: RemoteFile, question: Callable[[], bool], pacing: Pacing
    ) -> bool:
        """Ask; after an answer that never came, only once until there is one again."""
        once = replace(self._policy, fruitless_tries=1)
        policy = once if self._is_away.is_set() else self._policy
        try:
            answer = retry(file.uri, question, policy=policy, pacing=pacing)
        except (AccessDeniedError, NotHeldError):
            raise
        except TransferError:
            self._is_away.set()
            raise
        self._is_away.clear()
        return answer

    def _settle_entity(
        self, file: RemoteFile, record: FetchedFile, pacing: Pacing
    ) -> FetchedFile:
        """See whether the ETag of bytes that came again stays, or changes always."""

        def stays() -> bool:
            with self._source.opener(file)(end_byte=1) as body:
                return body.entity == record.entity

        try:
            is_same = record.entity is None or self._ask(file, stays, pacing)
        except TransferError:
            return record
        return record if is_same else self._vault.forget_entity(record)

    def _fetch_one(
        self, file: RemoteFile, target: Path, meter: Meter, pool: StoppablePool
    ) -> FetchedFile | str:
        """Fetch a file; give its record, or why it is not here."""

        def count(new_bytes: int) -> None:
            pool.check()
            meter.add_bytes(file.name, new_bytes)

        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            received = receive(
                self._source.opener(file),
                target,
                expected=Expected(
                    uri=file.uri,
                    size_bytes=file.size_bytes,
                    verify=verify_fits if file.name.endswith(".fits") else None,
                ),
                policy=self._policy,
                on_bytes=count,
                pacing=pool.pacing,
            )
            record = self._vault.add(file, received, source=self._source.name)
            is_new = self._vault.locate(record) == target
            return record if is_new else self._settle_entity(file, record, pool.pacing)
        except FileExistsError:  # another process was faster
            return self._vault.find(file) or f"{file.uri} is being fetched by another"
        except (TransferError, ArchiveError) as error:
            return str(error)
        except OSError as error:
            return f"{file.uri} cannot be written to {target.parent}: {error.strerror}"
        finally:
            meter.finish(file.name)

    def _check_room(self, decided: ToFetch) -> None:
        """Refuse what does not fit on the disk."""
        free = self._vault.free_bytes()
        if decided.missing_bytes > free:
            raise ArchiveError(
                f"{len(decided.missing)} files of {decimal(decided.missing_bytes)} are "
                f"to be fetched, but {self._vault.data_dir} has only {decimal(free)} "
                "left; make room, or ask for fewer observations."
            )
