"""What `rewebb doctor` thinks of what it has found: values in, a line a check out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from rich.filesize import decimal

from workers.references.looking import CacheLook
from workers.rehearsal import Rehearsal

__all__ = [
    "Check",
    "CheckState",
    "ClusterLook",
    "Disk",
    "MastLook",
    "Prefect",
    "Software",
    "judge_archive",
    "judge_cache",
    "judge_clocks",
    "judge_cluster",
    "judge_database",
    "judge_disk",
    "judge_folder",
    "judge_lock",
    "judge_prefect",
    "judge_token",
    "judge_versions",
]

_LEAST_BYTES: Final = 5_000_000_000
"""Free disk below which no program fits: the products of one IFU program take more."""

_AMPLE_BYTES: Final = 50_000_000_000
"""Free disk below which a night of programs may not fit."""

_LEAST_FILES: Final = 10_000
"""Files that a file system must have room for: a job makes some ten."""

_SLOW_MB_S: Final = 10.0
"""A job writes hundreds of megabytes to scratch."""

_CLOCK_S: Final = 5.0
"""How far a clock may be off: files are compared by times, and leases end by them."""

_SHOWN: Final = 5
"""So many names of many are shown."""


class CheckState(StrEnum):
    """What a check came to."""

    OK = "OK"
    """As runs need it."""
    WARNING = "WARNING"
    """Runs begin, and some may not succeed."""
    FAILED = "FAILED"
    """No run should begin before this is mended."""


@dataclass(frozen=True, slots=True)
class Check:
    """A line of the doctor."""

    name: str
    """What was looked at, in one word."""
    state: CheckState
    """What it came to."""
    found: str
    """What was found."""
    remedy: str = ""
    """What to do; empty if nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Software:
    """What is installed, and what should be."""

    python: str
    """Version of Python."""
    python_wanted: str
    """Versions of Python that Rewebb is for."""
    installed: Mapping[str, str]
    """Versions by canonical name."""
    wanted: tuple[str, ...]
    """What Rewebb requires, and what jwst, prefect and distributed do, without
    extras."""
    locked: Mapping[str, str] | None
    """Versions of the lock by canonical name; None where there is no lock."""


@dataclass(frozen=True, slots=True)
class Prefect:
    """The Prefect server of the settings."""

    url: str | None
    """Its API; None if no server is set."""
    client: str
    """Version of Prefect here."""
    server: str | None = None
    """Its version; None if it did not say."""
    error: str = ""
    """Why it did not."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system of the data folder."""

    folder: str
    """The data folder, or the nearest folder above it that is there."""
    is_writable: bool
    """Whether we may write there."""
    free_bytes: int
    """Room for our files."""
    free_files: int | None
    """Files that it has room for; None where it sets no limit."""


@dataclass(frozen=True, slots=True)
class MastLook:
    """What MAST says of us."""

    url: str
    """Its server."""
    has_token: bool
    """Whether a token is set."""
    user: str | None = None
    """Whose the token is; None if MAST knows nobody."""
    error: str = ""
    """Why it does not answer."""


@dataclass(frozen=True, slots=True)
class ClusterLook:
    """The cluster profile that jobs run on."""

    name: str
    """Name of the profile."""
    kind: str
    """Its kind."""
    address: str = ""
    """The scheduler that is there already, if one is."""
    missing: tuple[str, ...] = ()
    """Commands and packages that it needs and that are not here."""
    error: str = ""
    """Why the scheduler cannot be reached."""


def judge_versions(found: Software) -> Check:
    """Judge whether what is installed goes together."""
    wrong = [*_list_misfits(found)]
    shown = ("jwst", "prefect", "distributed")
    named = (f"{name} {found.installed.get(name, 'none')}" for name in shown)
    said = ", ".join((f"Python {found.python}", *named))
    if not wrong:
        return Check("versions", CheckState.OK, said)
    remedy = "install from requirements.lock into an environment of its own"
    return Check("versions", CheckState.FAILED, "; ".join(wrong), remedy)


def _list_misfits(found: Software) -> Iterator[str]:
    if found.python not in SpecifierSet(found.python_wanted):
        yield f"Python {found.python} instead of {found.python_wanted}"
    for text in found.wanted:
        wanted = Requirement(text)
        version = found.installed.get(canonicalize_name(wanted.name))
        if version is None:
            yield f"{wanted.name} is not installed"
        elif not wanted.specifier.contains(version, prereleases=True):
            yield f"{wanted.name} {version} instead of {wanted.specifier}"


def judge_lock(found: Software) -> Check:
    """Judge whether what is installed is what was tested together."""
    if found.locked is None:
        said = "there is no requirements.lock here to compare with"
        return Check("lock", CheckState.OK, said)
    other = [
        f"{name} {found.installed[name]} instead of {version}"
        for name, version in sorted(found.locked.items())
        if found.installed.get(name, version) != version
    ]
    if not other:
        return Check("lock", CheckState.OK, "what is installed is as locked")
    remedy = (
        "install with `pip install --no-deps --require-hashes -r requirements.lock`; "
        "other versions of what makes pixels make everything anew"
    )
    return Check("lock", CheckState.WARNING, _shorten(other), remedy)


def judge_prefect(found: Prefect) -> Check:
    """Judge the server that flow runs are told to."""
    if found.url is None:
        said = "no server is set: `rewebb run` starts one for its own time"
        return Check("prefect", CheckState.OK, said)
    if found.server is None:
        remedy = (
            "start the server, or mend PREFECT_API_URL (and PREFECT_API_AUTH_STRING, "
            "if it wants a password); unset, a command starts a server of its own"
        )
        said = f"{found.url} does not answer: {found.error}"
        return Check("prefect", CheckState.FAILED, said, remedy)
    if found.server != found.client:
        said = f"{found.url} is of version {found.server}, this is {found.client}"
        remedy = "run server, worker and flows from one environment"
        return Check("prefect", CheckState.FAILED, said, remedy)
    return Check("prefect", CheckState.OK, f"{found.url} answers, {found.server}")


def judge_cache(found: CacheLook, server: str | None) -> Check:
    """Judge a CRDS cache and its server: one of them must have the context.

    Parameters
    ----------
    server
        URL of the server, if one is set.
    """
    missing = found.missing_mappings
    here = (
        f"{found.context}: {found.mappings} mappings and {found.references} references "
        "are here"
    )
    if found.absence is None:
        lack = len(missing) + found.missing_references
        said = f"{here}, {server} has the other {lack}"
        return Check("crds", CheckState.OK, said)
    if missing:
        remedy = "set CRDS_SERVER_URL and run `rewebb refs sync`"
        if server is not None:
            remedy = f"see that {server} can be reached (a proxy?), and try again"
        said = f"{found.absence}, and the cache lacks {_shorten(missing)}"
        return Check("crds", CheckState.FAILED, said, remedy)
    if found.missing_references or server is not None:
        lack = found.missing_references
        said = f"{here}, {lack} references are not; {found.absence}"
        remedy = "`rewebb refs sync PROGRAM`, where a server can be reached"
        return Check("crds", CheckState.WARNING, said, remedy)
    return Check("crds", CheckState.OK, f"{here}: the cache is complete")


def judge_archive(archive: str | None, error: str = "") -> Check:
    """Judge where exposures come from.

    Parameters
    ----------
    archive
        The setting.
    error
        Why it cannot be used.
    """
    if archive is None:
        remedy = "set REWEBB_ARCHIVE, or give --archive with each command"
        return Check("archive", CheckState.WARNING, "no archive is set", remedy)
    if error:
        remedy = "try again later, or mend REWEBB_ARCHIVE, `mast_url` or the proxy"
        return Check("archive", CheckState.FAILED, error, remedy)
    return Check("archive", CheckState.OK, archive)


def judge_token(found: MastLook) -> Check:
    """Judge the token of MAST, which is never shown."""
    if not found.has_token:
        said = "no token of MAST is set: public data alone can be had"
        return Check("token", CheckState.OK, said)
    if found.error:
        said = "the token of MAST could not be tried: it does not answer"
        return Check("token", CheckState.WARNING, said, "try again later")
    if found.user is None:
        said = f"{found.url} does not know the token: it is expired, or mistyped"
        remedy = (
            "make a new one at https://auth.mast.stsci.edu/token and set it as "
            "MAST_API_TOKEN"
        )
        return Check("token", CheckState.FAILED, said, remedy)
    return Check(
        "token", CheckState.OK, f"{found.url} knows it as that of {found.user}"
    )


def judge_cluster(found: ClusterLook) -> Check:
    """Judge the cluster, as far as can be told without starting it."""
    where = f" at {found.address}" if found.address else ""
    said = f"{found.name} ({found.kind}{where})"
    if found.error:
        said = f"the scheduler of {said} cannot be reached: {found.error}"
        remedy = "start it (`rewebb cluster scheduler`), or mend the profile"
        return Check("cluster", CheckState.FAILED, said, remedy)
    if found.missing:
        said = f"{said} needs {', '.join(found.missing)}, not found here"
        remedy = "install what is missing, or choose another profile (REWEBB_CLUSTER)"
        return Check("cluster", CheckState.FAILED, said, remedy)
    said = f"{said}; `rewebb cluster check` tries its nodes"
    return Check("cluster", CheckState.OK, said)


def judge_disk(found: Disk) -> Check:
    """Judge the room for products and scratch."""
    room = f"{decimal(found.free_bytes)} are free below {found.folder}"
    remedy = "make room (`rewebb du`, `rewebb gc`), or set REWEBB_DATA_DIR elsewhere"
    if not found.is_writable:
        said = f"{found.folder} cannot be written"
        remedy = "set REWEBB_DATA_DIR to a folder of yours, or mend its permissions"
        return Check("disk", CheckState.FAILED, said, remedy)
    if found.free_files is not None and found.free_files < _LEAST_FILES:
        said = f"{found.folder} has room for {found.free_files} files"
        return Check("disk", CheckState.FAILED, said, remedy)
    if found.free_bytes < _LEAST_BYTES:
        return Check("disk", CheckState.FAILED, room, remedy)
    if found.free_bytes < _AMPLE_BYTES:
        remedy = f"`rewebb plan PROGRAM` says what a program takes; {remedy}"
        return Check("disk", CheckState.WARNING, room, remedy)
    return Check("disk", CheckState.OK, room)


def judge_folder(found: Rehearsal | None) -> Check:
    """Judge what was tried in the data folder; None if there is no such folder yet."""
    if found is None:
        said = "the data folder is not there yet: the first run makes it"
        return Check("folder", CheckState.OK, said)
    if found.scratch_error:
        said = f"scratch cannot be written: {found.scratch_error}"
        remedy = "mend the permissions of the data folder, or make room"
        return Check("folder", CheckState.FAILED, said, remedy)
    if found.link_error:
        said = f"no hard link can be made: {found.link_error}"
        remedy = "set REWEBB_DATA_DIR to a file system with hard links"
        return Check("folder", CheckState.FAILED, said, remedy)
    speed = f"scratch takes {found.scratch_mb_s:.0f} MB/s"
    if found.scratch_mb_s < _SLOW_MB_S:
        remedy = "set REWEBB_DATA_DIR to a faster file system"
        return Check("folder", CheckState.WARNING, speed, remedy)
    return Check("folder", CheckState.OK, f"{speed}, hard links can be made")


def judge_database(where: str, revision: str | None, head: str) -> Check:
    """Judge the revision of a database.

    Parameters
    ----------
    where
        What messages call it.
    revision
        None where there are no tables yet.
    head
        The newest that this version knows.
    """
    if revision is None:
        said = f"{where} has no tables yet: the first run makes them"
        return Check("database", CheckState.OK, said)
    if revision == head:
        return Check("database", CheckState.OK, f"{where} is of revision {head}")
    said = f"{where} is of revision {revision} instead of {head}"
    remedy = "back it up and run `rewebb db upgrade`"
    if revision > head:
        remedy = "a newer version of rewebb made it: use that one"
    return Check("database", CheckState.FAILED, said, remedy)


def judge_clocks(offsets_s: Mapping[str, float]) -> Check:
    """Judge by how much the clock of this host is ahead of those of others."""
    wrong = [
        f"{abs(s):.0f} s {'ahead of' if s > 0 else 'behind'} {who}"
        for who, s in offsets_s.items()
        if abs(s) > _CLOCK_S
    ]
    if wrong:
        said = f"the clock of this host is {' and '.join(wrong)}"
        remedy = "set the clocks by NTP (`timedatectl set-ntp true`)"
        return Check("clock", CheckState.FAILED, said, remedy)
    if not offsets_s:
        said = "there is nobody to compare the clock of this host with"
        return Check("clock", CheckState.OK, said)
    return Check("clock", CheckState.OK, f"in step with {', '.join(offsets_s)}")


def _shorten(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
