"""One file, from a server to its place: tried again, resumed, verified, published."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import TransferError, TransientTransferError
from .body import Body, Opener
from .part import Part, open_part
from .tries import Pacing, RateWatch, RetryPolicy, TooSlowError, Tries

__all__ = ["Expected", "Received", "receive"]

_AGAIN_BYTES: Final = 1 << 16
"""How much of the begin, and of what lies before a cut, is asked for again if nothing
says that the bytes are the same. Raw files of JWST say in their first 30 000 bytes when
they were made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is known of a file before it comes."""

    uri: str
    """How the source and all messages call it; without secrets, for it is stored."""
    size_bytes: int | None = None
    """How long it is listed to be."""
    sha1: str | None = None
    """Its SHA-1, in hexadecimal."""
    verify: Callable[[Path], Sequence[str]] | None = None
    """Looks at the whole file before it is published, names the checks that it made,
    and raises `TransientTransferError` if the bytes are wrong."""


@dataclass(frozen=True, slots=True)
class Received:
    """A file that has arrived, verified."""

    path: Path
    """Where it is."""
    size_bytes: int
    """How long it is."""
    sha256: str
    """Of its bytes, in hexadecimal."""
    sha1: str | None
    """Likewise, where one was expected."""
    entity: str | None
    """Strong validator (ETag), where the server gave one."""
    modified: str | None
    """When it was changed last, as the server says it."""
    checks: tuple[str, ...]
    """What was checked: ``length`` (as the server says it), ``size`` (as it is listed),
    ``sha1``, and what `Expected.verify` names."""
    tries: int
    """How often it was asked for."""
    resumed_bytes: int
    """Bytes that were there before, from a run that was killed or had failed."""


def receive(
    opener: Opener,
    target: Path,
    *,
    expected: Expected,
    policy: RetryPolicy = RetryPolicy(),  # noqa: B008  # frozen
    on_bytes: Callable[[int], object] = lambda _: None,
    pacing: Pacing = Pacing(),  # noqa: B008  # frozen
) -> Received:
    """Fetch one file; it appears under its name when it is whole and verified.

    What a try leaves is kept beside the target, and gone on with, by this call or by
    one after a kill, as long as the server gives the same version. That it is the same
    one is known by a strong ETag, or else by bytes: those at the begin and before the
    cut come again and are compared. Safe to call from many threads and processes, also
    for the same target.

    Parameters
    ----------
    opener
        Asks the server, once.
    target
        The file; its folder exists.
    on_bytes
        Called with the number of bytes that have come and were not here, for each
        block. What it raises ends the transfer; what has come is kept.

    Raises
    ------
    FileExistsError
        The target is there; nothing is ever overwritten.
    AccessDeniedError, NotHeldError
        The server does not give the file.
    TransferError
        It could not be had, or written; it says after how many tries, and why.
    """
    try:
        with open_part(
            target, uri=expected.uri, lock_wait_s=policy.lock_wait_s, pacing=pacing
        ) as part:
            tries = Tries(expected.uri, policy, pacing)
            reception = _Reception(opener, part, expected, tries, on_bytes)
            checks = reception.run(policy, pacing)
            part.publish()
            return reception.describe(target, checks)
    except FileExistsError:
        raise
    except OSError as error:
        raise TransferError(
            f"{expected.uri} cannot be written to {target.parent}: {error.strerror}"
        ) from error


class _Reception:
    """The state of one transfer."""

    def __init__(
        self,
        opener: Opener,
        part: Part,
        expected: Expected,
        tries: Tries,
        on_bytes: Callable[[int], object],
    ) -> None:
        self._opener = opener
        self._part = part
        self._expected = expected
        self._tries = tries
        self._on_bytes = on_bytes
        self._digests = _make_digests(expected)
        self._resumed_bytes = 0
        self._furthest_bytes = 0

    def run(self, policy: RetryPolicy, pacing: Pacing) -> tuple[str, ...]:
        """Try until the part is whole and right; name the checks that were made."""
        self._take_up()
        while True:
            self._tries.begin()
            try:
                self._fetch(RateWatch(policy, pacing, self._tries))
                return self._verify()
            except _WrongContentError as error:
                self._restart()
                self._tries.fail(error, is_fruitful=False, is_wrong=True)
            except TransientTransferError as error:
                fruitful = self._has_advanced() and not isinstance(error, TooSlowError)
                self._tries.fail(error, is_fruitful=fruitful, is_wrong=False)
            except TransferError as error:
                raise type(error)(f"{self._expected.uri}: {error}") from error

    def describe(self, target: Path, checks: tuple[str, ...]) -> Received:
        """Say what has arrived."""
        sha1 = self._digests.get("sha1")
        return Received(
            path=target,
            size_bytes=self._part.size_bytes,
            sha256=self._digests["sha256"].hexdigest(),
            sha1=None if sha1 is None else sha1.hexdigest(),
            entity=self._part.label.entity,
            modified=self._part.label.modified,
            checks=checks,
            tries=self._tries.made,
            resumed_bytes=self._resumed_bytes,
        )

    def _take_up(self) -> None:
        """Go on with what an earlier run left."""
        total = self._part.label.total_bytes
        if total is not None and self._part.size_bytes >= total:
            # A range must ask for something: so the server is asked for the version.
            self._part.cut(max(total - 1, 0))
        self._resumed_bytes = self._furthest_bytes = self._part.size_bytes
        for block in self._part.read():
            self._digest(block)

    def _has_advanced(self) -> bool:
        """Return whether the next try can go on from further than any before."""
        before, self._furthest_bytes = (
            self._furthest_bytes,
            max(self._furthest_bytes, self._part.size_bytes),
        )
        return self._furthest_bytes > before

    def _fetch(self, watch: RateWatch) -> None:
        """Bring what is missing, in one try."""
        part = self._part
        # Of a strong ETag the server says that it is the same; a date may lie.
        again = 0 if part.label.entity else min(_AGAIN_BYTES, part.size_bytes // 2)
        start = part.size_bytes - again
        if start and part.label.validator is None:
            self._compare_begin(min(_AGAIN_BYTES, start), watch)
            start = min(start, part.size_bytes)
        validator = part.label.validator if start else None
        with self._opener(start_byte=start, entity=validator) as body:
            self._join(body)
            self._take(body, watch)
        self._check_whole()

    def _compare_begin(self, end_byte: int, watch: RateWatch) -> None:
        """See that the begin is still the same, where files say when they were made."""
        part = self._part
        with self._opener(end_byte=end_byte) as body:
            place = body.start_byte
            is_same = not place and not self._is_other(body)
            for chunk in watch.over(body.chunks):
                is_same = is_same and part.count_equal(place, chunk) == len(chunk)
                place += len(chunk)
        if not is_same:
            self._restart()
        elif place < end_byte:
            raise TransientTransferError(
                f"expected {end_byte} bytes, the body ended after {place}"
            )

    def _join(self, body: Body) -> None:
        """See that what comes may continue what is there, or begin anew."""
        part, listed = self._part, self._expected.size_bytes
        if listed is not None and body.total_bytes not in {None, listed}:
            raise _WrongContentError(
                f"expected {listed} bytes, as listed; the server has {body.total_bytes}"
            )
        if body.start_byte > part.size_bytes or self._is_other(body):
            self._restart()
            if body.start_byte:
                raise TransientTransferError(
                    f"expected the bytes from 0 on, got those from {body.start_byte} on"
                )
        if not part.size_bytes:
            part.begin(body)

    def _is_other(self, body: Body) -> bool:
        """Return whether a body is of another version than the part, as far as said."""
        part, label = self._part, self._part.label
        if body.total_bytes is not None and (
            body.total_bytes != (label.total_bytes or body.total_bytes)
            or body.total_bytes < part.size_bytes
        ):
            return True
        if body.start_byte:
            return body.entity != label.entity
        # All bytes are compared: no ETag need be said of them.
        return len({body.entity, label.entity} - {None}) > 1

    def _take(self, body: Body, watch: RateWatch) -> None:
        """Compare what comes with what is there, and append the rest."""
        part, place, is_joined = self._part, body.start_byte, False
        for chunk in watch.over(body.chunks):
            known = chunk[: max(part.size_bytes - place, 0)]
            equal = part.count_equal(place, known) if known else 0
            if equal < len(known):
                self._part_ways(body, place + equal)
            place += len(chunk)
            if not is_joined and place >= part.size_bytes:
                is_joined = True
                self._confirm(body)
            self._append(chunk[equal:])
        if place < part.size_bytes:
            self._leave_short(body, place)

    def _part_ways(self, body: Body, place: int) -> None:
        """Keep the bytes before a place, from which on the server has others."""
        if body.start_byte:
            self._restart()
            raise TransientTransferError(
                f"expected the same bytes before the cut, got others at {place}"
            )
        self._part.cut(place)
        self._part.relabel(body, is_dated=body.is_dated)
        self._resumed_bytes = min(self._resumed_bytes, place)
        self._digests = _make_digests(self._expected)
        for block in self._part.read():
            self._digest(block)

    def _confirm(self, body: Body) -> None:
        """Note the version, of which all bytes that are there have come again.

        Equal bytes with another date end the trust in the date.
        """
        label = self._part.label
        if not body.start_byte and self._part.size_bytes:
            is_dated = label.is_dated and body.modified == label.modified
            self._part.relabel(body, is_dated=is_dated)

    def _leave_short(self, body: Body, place: int) -> None:
        """Refuse a body that ends within what is there: it was cut, or is another."""
        before = self._part.size_bytes
        if not body.start_byte and self._wanted() is None:
            self._restart()
        raise TransientTransferError(
            f"expected {before} bytes or more, the body ended after {place}"
        )

    def _append(self, chunk: bytes) -> None:
        if chunk:
            self._part.append(chunk)
            self._digest(chunk)
        self._on_bytes(len(chunk))
        self._check_excess()

    def _restart(self) -> None:
        self._part.begin()
        self._digests = _make_digests(self._expected)
        self._resumed_bytes = 0

    def _wanted(self) -> int | None:
        total = self._part.label.total_bytes
        return self._expected.size_bytes if total is None else total

    def _check_excess(self) -> None:
        wanted = self._wanted()
        if wanted is not None and self._part.size_bytes > wanted:
            raise _WrongContentError(f"expected {wanted} bytes, got more")

    def _check_whole(self) -> None:
        wanted, got = self._wanted(), self._part.size_bytes
        if wanted is not None and got < wanted:
            raise TransientTransferError(
                f"expected {wanted} bytes, the body ended after {got}"
            )

    def _verify(self) -> tuple[str, ...]:
        """Look at the whole file."""
        expected, checks = self._expected, []
        if self._part.label.total_bytes is not None:
            checks.append("length")
        if expected.size_bytes is not None:
            checks.append("size")
        if expected.sha1 is not None:
            wanted, got = expected.sha1.lower(), self._digests["sha1"].hexdigest()
            if got != wanted:
                raise _WrongContentError(f"expected sha1 {wanted}, got {got}")
            checks.append("sha1")
        if expected.verify is not None:
            try:
                checks += expected.verify(self._part.path)
            except TransientTransferError as error:
                raise _WrongContentError(str(error)) from error
        return tuple(checks)

    def _digest(self, block: bytes) -> None:
        for digest in self._digests.values():
            digest.update(block)


class _WrongContentError(TransientTransferError):
    """What came is not the file."""


def _make_digests(expected: Expected) -> dict[str, "hashlib._Hash"]:
    """Make the hashes that are taken as bytes come; CRDS lists sha1."""
    names = ["sha256"] if expected.sha1 is None else ["sha256", "sha1"]
    return {name: hashlib.new(name, usedforsecurity=False) for name in names}
