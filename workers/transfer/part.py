"""A file that is on its way: the bytes so far, and what they belong to.

Beside ``name`` lie ``.name.part``, which only ever grows, and ``.name.part.json``,
which says whose bytes those are. The latter is also what processes lock. After a kill
the length of the part is where to go on.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import TypeAdapter, ValidationError

from ..errors import TransferError
from ..publishing import sync
from .body import Body
from .tries import Pacing

__all__ = ["Label", "Part", "open_part"]

_BLOCK_BYTES: Final = 1 << 20
_POLL_S: Final = 0.2

_NO_LINKS: Final = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
)
"""What file systems without hard links say."""


@dataclass(frozen=True, slots=True)
class Label:
    """What the bytes of a part belong to."""

    uri: str
    """Where they come from."""
    entity: str | None = None
    """ETag of the version, if it is a strong one."""
    total_bytes: int | None = None
    """How long the whole is."""
    modified: str | None = None
    """When it was changed last, as the server says it."""
    is_dated: bool = False
    """Whether that stands for the bytes, as a strong ETag does."""
    boot: str = ""
    """Since when the machine runs: after a crash of it, pages may be missing."""

    @property
    def validator(self) -> str | None:
        """What the rest of the same version is asked for with, if there is anything."""
        return self.entity or (self.modified if self.is_dated else None)


_LABEL: Final = TypeAdapter(Label)


class Part:
    """A part that this process alone may write; made by `open_part`."""

    def __init__(self, target: Path, sidecar: BinaryIO, uri: str) -> None:
        self._target = target
        self._path = _path_of(target)
        self._sidecar = sidecar
        self._label = _read_label(sidecar) or Label("")
        if not self._is_usable(uri):
            self._path.unlink(missing_ok=True)
            self._label = Label(uri, boot=_boot())
        self._stream = _open_part(self._path)
        self._size_bytes = os.fstat(self._stream.fileno()).st_size
        self._is_published = False

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._path

    @property
    def label(self) -> Label:
        """What its bytes belong to."""
        return self._label

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        return self._size_bytes

    def begin(self, body: Body | None = None) -> None:
        """Throw the bytes away and begin with those of another version."""
        # Never truncated: it may be linked to a target that was published before.
        self._stream.close()
        self._path.unlink(missing_ok=True)
        self._write_label(Label(self._label.uri, boot=self._label.boot))
        self._stream = _open_part(self._path)
        self._size_bytes = 0
        if body is not None:
            self.relabel(body, is_dated=body.is_dated)

    def relabel(self, body: Body, *, is_dated: bool) -> None:
        """Say that all bytes are of the version that a body is of."""
        self._write_label(
            replace(
                self._label,
                entity=body.entity,
                total_bytes=body.total_bytes,
                modified=body.modified,
                is_dated=is_dated,
            )
        )

    def cut(self, size_bytes: int) -> None:
        """Forget all bytes from there on."""
        self._stream.truncate(size_bytes)
        self._size_bytes = size_bytes

    def append(self, chunk: bytes) -> None:
        """Write bytes behind the others."""
        left = memoryview(chunk)
        while left:
            written = self._stream.write(left)
            self._size_bytes += written
            left = left[written:]

    def count_equal(self, start_byte: int, chunk: bytes) -> int:
        """Count the bytes at a place that are those of a chunk, up to the first other.

        The chunk ends with the part, or before.
        """
        here = os.pread(self._stream.fileno(), len(chunk), start_byte)
        if here == chunk:
            return len(chunk)
        pairs = enumerate(zip(here, chunk, strict=False))
        return next((place for place, (a, b) in pairs if a != b), len(here))

    def read(self) -> Iterator[bytes]:
        """Read all bytes, in blocks."""
        with self._path.open("rb", buffering=0) as stream:
            while block := stream.read(_BLOCK_BYTES):
                yield block

    def publish(self) -> None:
        """Publish the file under its name.

        Raises
        ------
        FileExistsError
            The name is taken.
        """
        os.fsync(self._stream.fileno())
        _link(self._path, self._target)
        self._is_published = True
        self._remove()
        sync(self._target.parent)

    def close(self) -> None:
        """Leave what can be gone on with, and nothing else."""
        self._stream.close()
        if not (self._is_published or self._size_bytes > 0):
            self._remove()

    def _is_usable(self, uri: str) -> bool:
        label = self._label
        if (label.uri, label.boot) != (uri, _boot()):
            return False
        with suppress(FileNotFoundError):
            return self._path.stat(follow_symlinks=False).st_nlink == 1
        return False

    def _write_label(self, label: Label) -> None:
        # In place, since it is what is locked; half a label is no label.
        self._sidecar.seek(0)
        self._sidecar.truncate()
        self._sidecar.write(json.dumps(asdict(label)).encode())
        self._sidecar.flush()
        self._label = label

    def _remove(self) -> None:
        # The sidecar last: from then on another process may begin.
        self._path.unlink(missing_ok=True)
        _sidecar_of(self._target).unlink(missing_ok=True)


@contextmanager
def open_part(
    target: Path, *, uri: str, lock_wait_s: float, pacing: Pacing
) -> Iterator[Part]:
    """Open the part of a file, with what can be gone on with; nobody else may.

    Bytes of another URI are thrown away; others are waited for, not for ever.

    Raises
    ------
    FileExistsError
        The file is there; perhaps another process has just fetched it.
    TransferError
        Another process goes on fetching it.
    """
    sidecar = _lock(target, lock_wait_s, pacing)
    with sidecar:
        if os.path.lexists(target):
            _leave_target(target)
        part = Part(target, sidecar, uri)
        try:
            yield part
        finally:
            part.close()


def _leave_target(target: Path) -> None:
    """Tidy up what a kill left between publishing and tidying up, and refuse."""
    _path_of(target).unlink(missing_ok=True)
    _sidecar_of(target).unlink(missing_ok=True)
    raise FileExistsError(errno.EEXIST, "is there already", str(target))


def _lock(target: Path, lock_wait_s: float, pacing: Pacing) -> BinaryIO:
    path, end_s = _sidecar_of(target), pacing.clock() + lock_wait_s
    while (sidecar := _try_lock(path)) is None:
        if pacing.clock() >= end_s:
            raise TransferError(
                f"{target} is being fetched by another process; waited "
                f"{lock_wait_s:.0f} s for it. Run again when that has ended."
            )
        pacing.sleep(_POLL_S)
    return sidecar


def _try_lock(path: Path) -> BinaryIO | None:
    """Lock the file at a path, unless another process has it or has removed it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    stream = os.fdopen(os.open(path, flags, 0o666), "r+b")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
            return stream
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        stream.close()
        raise
    stream.close()
    return None


def _read_label(sidecar: BinaryIO) -> Label | None:
    sidecar.seek(0)
    try:
        return _LABEL.validate_json(sidecar.read(), strict=True)
    except ValidationError:
        return None


def _open_part(path: Path) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    return os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(
                errno.EEXIST, "is there already", str(target)
            ) from None
        path.rename(target)


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _path_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _sidecar_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.part.json")
