"""An archive far away: headers are read where they are, files come when needed."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from workers.errors import TransferError
from workers.transfer import Pacing, RetryPolicy, read_begin, retry
from workers.transfer.fits_checks import FitsError

from ..errors import AccessError, ArchiveError, UnknownProgramError
from ..models.exposures import (
    Exposure,
    FetchedFile,
    Inventory,
    Metafile,
    PoolFile,
    UnusableFile,
)
from ..names import ExposureName, parse_exposure_name, parse_file_name
from .access import admit, describe_withheld, explain_withheld, withhold
from .fetch import Fetcher, FetchReport, StoppablePool, ToFetch
from .headers import (
    HeaderValue,
    RawFile,
    read_exposure,
    read_raw_header,
    to_exposure,
    to_unusable,
)
from .metafiles import NO_SUCH_FILE, name_metafile, refuse_metafile
from .source import FetchListener, FileKind, Listing, Query, RemoteFile, Source
from .vault import Recollection, Vault, describe_unchecked

__all__ = ["RemoteArchive"]

_HEADER_BYTES: Final = 64 * 2880
"""More than any primary header of JWST has (some 30 000 bytes)."""


class RemoteArchive:
    """Exposures of a source, and local copies of those that are needed.

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
        self._files: dict[str, RemoteFile] = {}
        self._metafiles: dict[str, FetchedFile] = {}
        self._doubted: dict[str, str] = {}
        self._pool: PoolFile | None = None
        self._headers: dict[str, dict[str, HeaderValue]] = {}
        self._unchecked: dict[str, FetchedFile] = {}
        self._listing = Listing(())
        self._recalled: Recollection | None = None
        self._fetcher = Fetcher(source, vault, parallel=parallel, policy=self._policy)

    def find(self, program: str) -> Inventory:
        """Find the exposures of a program; of files that are not here, the headers.

        If the source cannot be asked, or does not answer, what it said last is taken,
        with the copies that are here; it is an error only if nothing is here.
        """
        try:
            listing = self._source.search(Query(program=program))
        except ArchiveError as error:
            return self._find_here(program, error)
        if not any(file.kind is FileKind.UNCAL for file in listing):
            raise UnknownProgramError(
                f"unknown program {program}: {self._source.name} holds no raw exposure "
                "of it"
            )
        self._begin(listing, None)
        allowed, withheld, denial = self._admit(listing)
        here = [file for file in withheld if self._vault.has(file)]
        self._metafiles, self._doubted = self._find_metafiles(allowed, here)
        self._pool = self._read_pool(allowed)
        found, refound = self._examine_all(allowed), self._examine_all(here, ask=False)
        known = {e.path.name for e in refound if isinstance(e, Exposure)}
        kept_back = [
            file
            for file in withheld
            if file.kind is FileKind.UNCAL and file.name not in known
        ]
        found += [e for e in refound if e.path.name in known]
        return replace(
            self._to_inventory(found, denial or "did not tell of all files"),
            withheld_files=tuple(explain_withheld(file) for file in kept_back),
            withheld=describe_withheld(kept_back),
        )

    def _find_here(self, program: str, error: ArchiveError) -> Inventory:
        """Find what is known of a program without asking; if that is nothing, raise."""
        known = self._vault.recall(program)
        if not any(self._vault.has(file) for file in known.files):
            raise error
        listing = Listing(known.files)
        self._begin(listing, known)
        self._metafiles, self._doubted = self._find_metafiles([], listing)
        self._pool = known.pool
        found = self._examine_all(listing, ask=False)
        since = (
            f"its listing of {known.asked_at:%Y-%m-%d} is taken, and what is new there "
            "since is not known"
            if known.asked_at
            else "what else it has of the program, such as a pool, is not known"
        )
        why = f"could not be asked ({error}); {since}"
        return self._to_inventory(found, why)

    def _begin(self, listing: Listing, recalled: Recollection | None) -> None:
        """Begin with another listing."""
        self._files = {file.name: file for file in listing}
        self._listing = listing
        self._recalled = recalled
        self._headers = dict(recalled.headers) if recalled else {}
        self._unchecked = {}

    def _admit(
        self, listing: Listing
    ) -> tuple[tuple[RemoteFile, ...], tuple[RemoteFile, ...], str]:
        """Separate what we may have; say what is wrong with a token.

        It is an error only if nothing of what needs the token is here.
        """
        try:
            return *admit(self._source, listing), ""
        except AccessError as error:
            allowed, withheld = withhold(listing, has_token=False)
            if not any(self._vault.has(file) for file in withheld):
                raise
            return allowed, withheld, f"gave no access ({error})"

    def _examine_all(
        self, files: Iterable[RemoteFile], *, ask: bool = True
    ) -> list[Exposure | UnusableFile]:
        """Read the headers of raw files, here or where they are."""
        raw = [file for file in files if file.kind is FileKind.UNCAL]
        with StoppablePool(self._parallel) as pool:
            examine = partial(self._examine, pacing=pool.pacing, ask=ask)
            return list(pool.map(examine, raw))

    def _to_inventory(
        self, found: Iterable[Exposure | UnusableFile], why: str
    ) -> Inventory:
        """Sort what was found; say why some copies were not compared."""
        listed = sorted(found, key=lambda one: one.path.name)
        unusable = [one for one in listed if isinstance(one, UnusableFile)]
        exposures = [one for one in listed if isinstance(one, Exposure)]
        return Inventory(
            exposures=tuple(self._with_metafile(e) for e in exposures),
            unusable=(*unusable, *self._listing.unlisted),
            pool=self._pool,
            refused=self._listing.refused,
            unchecked=describe_unchecked(self._unchecked, f"{self._source.name} {why}"),
        )

    def fetch(
        self, exposures: Iterable[Exposure], *, listener: FetchListener
    ) -> tuple[Exposure, ...]:
        """Fetch the files of exposures that `find` has found; see `Archive`."""
        wanted = tuple(exposures)
        self._remember()
        missing = self._list_missing(e for e in wanted if e.is_remote)
        report = self._fetcher.fetch(ToFetch({}, missing, {}), listener=listener)
        return tuple(self._settle(e, report) if e.is_remote else e for e in wanted)

    def _remember(self) -> None:
        """Keep what the source has said, for when it cannot be asked."""
        if self._recalled is None:
            files, now = self._listing.files, datetime.now(UTC)
            known = Recollection(now, files, self._headers, self._pool)
            for program in {file.program for file in files}:
                self._vault.remember(program, known)

    def _list_missing(self, remote: Iterable[Exposure]) -> dict[Path, RemoteFile]:
        """List raw files and metafiles that are not here, by their places."""
        missing: dict[Path, RemoteFile] = {}
        for exposure in remote:
            if not exposure.path.is_file():
                missing[exposure.path] = self._files[exposure.path.name]
            name = name_metafile(exposure)
            if name in self._files and name not in self._metafiles:
                file = self._files[name]
                missing[self._vault.path_of_next(file)] = file
        return missing

    def _with_metafile(self, exposure: Exposure) -> Exposure:
        """Add its metafile to an exposure, if it is here, as the archive has it."""
        name = name_metafile(exposure)
        if not name:
            return exposure
        why = None if name in self._files else NO_SUCH_FILE
        if why := self._doubted.get(name, why):
            return replace(exposure, metafile=refuse_metafile(exposure, name, why))
        copy = self._metafiles.get(name)
        if copy is None:
            return replace(exposure, is_remote=True)
        path = self._vault.locate(copy)
        metafile = Metafile(name, path, copy.size_bytes, copy.mtime_ns)
        return replace(exposure, metafile=metafile)

    def _find_metafiles(
        self, allowed: Iterable[RemoteFile], here: Iterable[RemoteFile]
    ) -> tuple[dict[str, FetchedFile], dict[str, str]]:
        """Find the metafiles that are here, and those of which one cannot tell."""
        metafiles = [
            [f for f in files if f.kind is FileKind.MSA] for files in (allowed, here)
        ]
        asked = self._fetcher.decide(metafiles[0])
        kept = self._fetcher.decide(metafiles[1], ask=False)
        have = {**asked.have, **kept.have}
        unchecked = {**asked.unchecked, **kept.unchecked}
        self._unchecked |= {name: have[name] for name in unchecked}
        return have, {**asked.unknown, **kept.unknown}

    def _read_pool(self, allowed: Iterable[RemoteFile]) -> PoolFile | None:
        """Read the newest pool; its name tells the time it was made."""
        pools = [file for file in allowed if file.kind is FileKind.POOL]
        newest = max(pools, key=lambda file: file.name, default=None)
        if newest is None:
            return None
        try:
            data = self._read(newest, newest.size_bytes, Pacing())
        except TransferError as error:
            known = self._vault.recall(newest.program).pool
            if known is not None and known.name == newest.name:
                return known  # its name has the time that it was made
            raise ArchiveError(
                f"{self._source.name}: the pool {newest.name}: {error}"
            ) from error
        return PoolFile(newest.name, data.decode("utf-8", "replace"))

    def _examine(
        self, file: RemoteFile, pacing: Pacing, *, ask: bool
    ) -> Exposure | UnusableFile:
        """Read the header of a file, here or where it is."""
        name = parse_file_name(file.name).of
        assert isinstance(name, ExposureName)
        path = self._vault.path_of_next(file)
        try:
            copy = self._fetcher.find_copy(file, pacing, ask=ask)
            if copy is not None:
                if copy.unchecked:
                    self._unchecked[file.name] = copy.record
                return read_exposure(self._vault.locate(copy.record), name)
            header = self._peek(file, pacing)
        except (TransferError, FitsError, ArchiveError, OSError) as error:
            return to_unusable(path, name, str(error))
        self._headers[file.name] = header.header
        found = to_exposure(path, name, header, size_bytes=file.size_bytes, mtime_ns=0)
        if isinstance(found, Exposure):
            return replace(found, is_remote=True)
        return found

    def _peek(self, file: RemoteFile, pacing: Pacing) -> RawFile:
        """Read the header of a file that is not here; or recall it."""
        if self._recalled is not None:
            if (header := self._headers.get(file.name)) is None:
                raise ArchiveError("is not here, and its archive could not be asked")
            return RawFile(header, None)
        return read_raw_header(self._read(file, _HEADER_BYTES, pacing))

    def _read(self, file: RemoteFile, end_byte: int, pacing: Pacing) -> bytes:
        """Read the begin of a file into memory."""
        opener = self._source.opener(file)
        return retry(
            file.uri,
            lambda: read_begin(opener, end_byte, file.size_bytes),
            policy=self._policy,
            pacing=pacing,
        )

    def _settle(self, exposure: Exposure, report: FetchReport) -> Exposure:
        """Say where an exposure and its metafile are, or why they are not here."""
        name = exposure.path.name
        if name in report.failed:
            return replace(exposure, defect=report.failed[name])
        try:
            copy = report.files.get(name) or self._vault.find(self._files[name])
            assert copy is not None
            path = self._vault.locate(copy)
            found = read_exposure(path, parse_exposure_name(exposure.name))
        except (FitsError, ArchiveError, OSError) as error:
            return replace(exposure, defect=f"{name}: {error}")
        if not isinstance(found, Exposure) or found.header != exposure.header:
            why = "the archive changed it while it was fetched; run again"
            return replace(exposure, defect=f"{name}: {why}")
        return self._settle_metafile(found, report)

    def _settle_metafile(self, exposure: Exposure, report: FetchReport) -> Exposure:
        name = name_metafile(exposure)
        if why := report.failed.get(name):
            return replace(exposure, metafile=refuse_metafile(exposure, name, why))
        if name in report.files:
            self._metafiles[name] = report.files[name]
        return self._with_metafile(exposure)
