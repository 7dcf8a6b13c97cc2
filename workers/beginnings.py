"""Where an attempt began: what is left of one whose worker died with it.

The note is in the scratch of the attempt, and the attempt goes on only as long as it is
there: whoever clears the scratch of a run that is over ends its children with it.
"""

import json
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .contract import CHILD_LOST, ErrorInfo, Job, Outcome, Status, Usage, to_json
from .job_layout import OUTCOME_NAME, SCRATCH, get_attempt_folder, get_store_folder
from .trees import remove_tree

__all__ = [
    "Beginning",
    "begin",
    "find_beginning",
    "find_earlier_end",
    "find_told",
    "get_scratch",
]

_NOTE = "begun.json"

_PATIENCE_S = 10.0
"""How long an attempt may take to end where it began, when it begins again elsewhere
since its worker leaves on purpose."""

_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where and when an attempt began."""

    host: str
    """The machine."""
    node: str
    """The Dask worker."""
    started_at: datetime
    """UTC."""


def get_scratch(data_dir: Path, program: str, attempt: str) -> Path:
    """Return the folder in which an attempt works."""
    return data_dir / SCRATCH / program / attempt


def begin(scratch: Path, node: str) -> Path:
    """Note that an attempt begins on this machine; gives the note, in its scratch."""
    told = [socket.gethostname(), node, datetime.now(UTC).isoformat()]
    note = scratch / _NOTE
    scratch.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(told))
    return note


def find_beginning(scratch: Path) -> Beginning | None:
    """Find where an attempt began, if it did."""
    try:
        host, node, started_at = json.loads((scratch / _NOTE).read_text())
    except (OSError, ValueError):  # there is none, or half of one
        return None
    return Beginning(host, node, datetime.fromisoformat(started_at))


def find_told(job: Job, attempt: str, data_dir: Path) -> str | None:
    """Find the outcome, as text, of an attempt that ended but could not answer."""
    folder = get_attempt_folder(job.fingerprint, attempt)
    try:
        return (data_dir / folder / OUTCOME_NAME).read_text()
    except FileNotFoundError:
        return None


def find_earlier_end(
    job: Job,
    *,
    attempt: str,
    data_dir: Path,
    granted_bytes: int,
    patience_s: float = _PATIENCE_S,
) -> str | None:
    """Find the outcome, as text, of an attempt that has begun before.

    A scheduler begins it again elsewhere, without a word to us, when its worker leaves
    or, if that is so configured, when it died. None if it did not begin before, or has
    published its products. It is given `patience_s` to end where it began.
    """
    scratch = get_scratch(data_dir, job.program, attempt)
    done = data_dir / get_store_folder(job.fingerprint) / OUTCOME_NAME
    begun = find_beginning(scratch)
    end_s = time.monotonic() + (patience_s if begun else 0)
    while (told := find_told(job, attempt, data_dir)) is None and not done.is_file():
        if time.monotonic() >= end_s:
            break
        time.sleep(_PAUSE_S)
    if told is not None or begun is None or done.is_file():
        return told
    remove_tree(scratch, below=data_dir / SCRATCH)  # it ends without its note
    return to_json(_make_lost(begun, job, attempt, granted_bytes))


def _make_lost(begun: Beginning, job: Job, attempt: str, granted_bytes: int) -> Outcome:
    now = datetime.now(UTC)
    why = f"The Dask worker {begun.node} went away with {job.stage} of {job.name}."
    return Outcome(
        job=job,
        attempt=attempt,
        status=Status.LOST,
        started_at=begun.started_at,
        finished_at=now,
        host=begun.host,
        usage=Usage((now - begun.started_at).total_seconds(), 0.0, 0, granted_bytes),
        folder="",
        error=ErrorInfo(CHILD_LOST, why, ""),
        node=begun.node,
    )
