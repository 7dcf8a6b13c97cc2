"""An archive far away: headers are read where they are, files come when needed."""

import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from flows.errors import ArchiveError, UnknownProgramError
from flows.models import (
    Exposure,
    FetchedFile,
    Inventory,
    Metafile,
    PoolFile,
    RejectedFile,
)
from flows.names import ExposureName, parse_exposure_name, parse_file_name
from workers.errors import TransferError, TransientTransferError
from workers.transfer import Pacing, RetryPolicy, retry

from .access import admit, explain_withheld
from .crew import assembled
from .fetch import Fetcher, FetchReport, ToFetch
from .headers import reject, to_exposure
from .listing import FileKind, Query, RemoteFile, Source
from .metafiles import name_metafile, refuse_metafile
from .progress import FetchListener
from .rawfile import RawFile, UnreadableHeaderError, read_raw_file, read_raw_header
from .tokens import tell_withheld
from .vault import Vault

__all__ = ["RemoteArchive"]

_HEADER_BYTES: Final = 64 * 2880
"""More than any primary header of JWST has (some 30 000 bytes)."""


class RemoteArchive:
    """Exposures of a source, and local copies of those that are needed.

    Parameters
    ----------
    parallel
        Requests at a time.
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
        self._fetcher = Fetcher(source, vault, parallel=parallel, policy=self._policy)

    def find(self, program: str) -> Inventory:
        """Find the exposures of a program; of files that are not here, the headers.

        Raises
        ------
        UnknownProgramError
            There is no raw file of the program.
        AccessError
            The token is expired, or gives no access to the program.
        ArchiveError
            The source gave no whole answer.
        """
        listing = self._source.search(Query(program=program))
        if not any(file.kind is FileKind.UNCAL for file in listing):
            raise UnknownProgramError(
                f"unknown program {program}: {self._source.name} holds no raw exposure "
                "of it"
            )
        self._files = {file.name: file for file in listing}
        allowed, barred = admit(self._source, listing)
        self._metafiles, self._doubted = self._find_metafiles(allowed)
        raw = [file for file in allowed if file.kind is FileKind.UNCAL]
        kept_back = [file for file in barred if file.kind is FileKind.UNCAL]
        with assembled(self._parallel) as crew:
            looks = [crew.submit(self._examine, file, crew.pacing) for file in raw]
            found = [look.result() for look in looks]
        exposures = [self._with_metafile(e) for e in found if isinstance(e, Exposure)]
        return Inventory(
            exposures=tuple(exposures),
            rejected=tuple(e for e in found if isinstance(e, RejectedFile)),
            barred=tuple(explain_withheld(file) for file in kept_back),
            withheld=tell_withheld(kept_back),
            pool=self._read_pool(allowed),
            refused=listing.refused,
        )

    def fetch(
        self, exposures: Iterable[Exposure], *, listener: FetchListener
    ) -> tuple[Exposure, ...]:
        """Fetch the files of exposures that `find` has found.

        Returns
        -------
        tuple of Exposure
            The same ones, with where they are; one that could not be fetched has that
            as its defect.

        Raises
        ------
        ArchiveError
            There is no room for them.
        """
        wanted = tuple(exposures)
        missing = self._list_missing(e for e in wanted if e.is_remote)
        report = self._fetcher.fetch(ToFetch({}, missing, {}), listener=listener)
        return tuple(self._settle(e, report) if e.is_remote else e for e in wanted)

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
        """Give an exposure its metafile, if it is here, as the archive has it."""
        name = name_metafile(exposure)
        if not name:
            return exposure
        if name not in self._files or name in self._doubted:
            why = self._doubted.get(
                name, "expected it in the archive, got no such file"
            )
            return replace(exposure, metafile=refuse_metafile(exposure, name, why))
        copy = self._metafiles.get(name)
        if copy is None:
            return replace(exposure, is_remote=True)
        path = self._vault.locate(copy)
        metafile = Metafile(name, path, copy.size_bytes, copy.mtime_ns)
        return replace(exposure, metafile=metafile)

    def _find_metafiles(
        self, allowed: Iterable[RemoteFile]
    ) -> tuple[dict[str, FetchedFile], dict[str, str]]:
        """Find the metafiles that are here, and those of which one cannot tell."""
        files = [file for file in allowed if file.kind is FileKind.MSA]
        decided = self._fetcher.decide(files)
        return dict(decided.have), dict(decided.unknown)

    def _read_pool(self, allowed: Iterable[RemoteFile]) -> PoolFile | None:
        """Read the newest pool; its name tells the time it was made."""
        pools = [file for file in allowed if file.kind is FileKind.POOL]
        newest = max(pools, key=lambda file: file.name, default=None)
        if newest is None:
            return None
        try:
            data = self._read(newest, newest.size_bytes, Pacing())
        except TransferError as error:
            raise ArchiveError(
                f"{self._source.name}: the pool {newest.name}: {error}"
            ) from error
        return PoolFile(newest.name, data.decode("utf-8", "replace"))

    def _examine(self, file: RemoteFile, pacing: Pacing) -> Exposure | RejectedFile:
        """Read the header of a file, here or where it is."""
        name = parse_file_name(file.name).of
        assert isinstance(name, ExposureName)
        path = self._vault.path_of_next(file)
        try:
            copy = self._fetcher.find_copy(file, pacing)
            if copy is not None:
                return _read_copy(self._vault.locate(copy), name)
            header = self._peek(file, pacing)
        except (TransferError, UnreadableHeaderError, ArchiveError, OSError) as error:
            return reject(path, name, str(error))
        found = to_exposure(path, name, header, size_bytes=file.size_bytes, mtime_ns=0)
        if isinstance(found, Exposure):
            return replace(found, is_remote=True)
        return found

    def _peek(self, file: RemoteFile, pacing: Pacing) -> RawFile:
        """Read the header of a file that is not here."""
        return read_raw_header(io.BytesIO(self._read(file, _HEADER_BYTES, pacing)))

    def _read(self, file: RemoteFile, end_byte: int, pacing: Pacing) -> bytes:
        """Read the begin of a file into memory."""

        def read() -> bytes:
            begin = bytearray()
            with self._source.open(file, end_byte=end_byte) as body:
                for chunk in body.chunks:
                    begin += chunk
                    if len(begin) >= end_byte:  # a server may know no ranges
                        break
            if len(begin) < min(end_byte, file.size_bytes):
                raise TransientTransferError(
                    f"{file.uri}: the body ended after {len(begin)} bytes"
                )
            return bytes(begin)

        return retry(file.uri, read, policy=self._policy, pacing=pacing)

    def _settle(self, exposure: Exposure, report: FetchReport) -> Exposure:
        """Say where an exposure and its metafile are, or why they are not here."""
        name = exposure.path.name
        if name in report.failed:
            return replace(exposure, defect=report.failed[name])
        try:
            copy = report.files.get(name) or self._vault.find(self._files[name])
            assert copy is not None
            path = self._vault.locate(copy)
            found = _read_copy(path, parse_exposure_name(exposure.name))
        except (UnreadableHeaderError, ArchiveError, OSError) as error:
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


def _read_copy(path: Path, name: ExposureName) -> Exposure | RejectedFile:
    """Read the header of a local copy."""
    status = path.stat()
    return to_exposure(
        path,
        name,
        read_raw_file(path, status.st_size),
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
    )
