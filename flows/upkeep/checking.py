"""Check: the data folder and the database against each other, both ways.

The database that would be made of the data folder is made, in a temporary file, and
compared with the one there is, row by row: so every column of every table is checked,
those of tomorrow too.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from workers.content import file_sha256
from workers.contract import Product

from ..errors import OutcomeError
from ..layout import DATABASE_NAME, STORED_OUTCOMES
from ..models.findings import Finding, FindingKind, RowDifference
from ..models.runs import Run, RunState
from ..provenance import Database, Records, compare, load_outcome
from .living import find_living_runs, is_held
from .rebuilding import Listener, rebuild

__all__ = ["check", "find_damaged_files"]

_REBUILD = "`rewebb db rebuild`"

_REMEDIES = {
    FindingKind.UNRECORDED: f"{_REBUILD} records it, and so does the next run that "
    "needs it",
    FindingKind.ROW_CHANGED: f"{_REBUILD} writes what the record says; look who writes "
    "to the database besides Rewebb",
    FindingKind.ORPHANED: "put the files back from a copy, or leave it: a run that "
    "needs them makes them again",
}

_SHOWN = 120
"""Characters of a value that are shown."""


def check(
    data_dir: Path,
    database: Database,
    *,
    reads_bytes: bool = False,
    listener: Listener = lambda *_: None,
) -> Iterator[Finding]:
    """Compare the data folder with the database; nothing is changed.

    Parameters
    ----------
    reads_bytes
        Whether the products are read, and compared by sha256; else by size alone.

    Raises
    ------
    DatabaseError
        The database cannot be used.
    """
    living: frozenset[str] = frozenset()
    runs: tuple[Run, ...] = ()
    # A row that somebody has changed may not be one; it is found among the rows.
    with suppress(ValueError):
        yield from _check_leases(database)
        living = find_living_runs(database)
        runs = database.runs.list_runs(limit=None)
    yield from _check_runs(runs, living, Records(data_dir))
    yield from _check_rows(data_dir, database, _list_odd(runs, data_dir), listener)
    files = find_damaged_files(data_dir, reads_bytes=reads_bytes, listener=listener)
    # What cannot be read has been named by then.
    yield from (one for one in files if one.kind is not FindingKind.RECORD_DAMAGED)


def find_damaged_files(
    data_dir: Path, *, reads_bytes: bool, listener: Listener = lambda *_: None
) -> Iterator[Finding]:
    """Find products of the store that are not as they were published."""
    paths = sorted(data_dir.glob(STORED_OUTCOMES))
    remedy = "`rewebb db verify --set-aside` moves its job away; run again to make it"
    for number, path in enumerate(paths, 1):
        try:
            products = load_outcome(path).products
        except OutcomeError as error:
            yield _to_damage(f"{path.relative_to(data_dir)}: {error}")
            products = ()
        for product in products:
            file = path.with_name(product.name)
            subject = str(file.relative_to(data_dir))
            if not file.is_file():
                yield Finding(
                    FindingKind.FILE_MISSING, subject, "it is not there", remedy
                )
            elif said := _explain_change(file, product, reads_bytes=reads_bytes):
                yield Finding(FindingKind.FILE_CHANGED, subject, said, remedy)
        listener("products", number, len(paths))


def _explain_change(file: Path, product: Product, *, reads_bytes: bool) -> str:
    """Say how a file differs from what was published; empty if it does not."""
    if reads_bytes:
        found = file_sha256(file)
        is_same = found == product.sha256
        return "" if is_same else f"expected sha256 {product.sha256}, got {found}"
    size = file.stat().st_size
    is_same = size == product.size_bytes
    return "" if is_same else f"expected {product.size_bytes} bytes, got {size}"


def _check_leases(database: Database) -> Iterator[Finding]:
    for lease in database.leases.list_leases():
        if not is_held(lease):
            yield Finding(
                FindingKind.DEAD_LEASE,
                f"lease of program {lease.program}",
                f"process {lease.pid} on {lease.host} took it on "
                f"{lease.acquired_at:%Y-%m-%d %H:%M} and does not hold it any more",
                f"`rewebb run {lease.program}` takes it over",
            )


def _check_runs(
    runs: Iterable[Run], living: frozenset[str], records: Records
) -> Iterator[Finding]:
    for run in runs:
        if run.id in living:
            yield Finding(
                FindingKind.NOT_ASKED,
                f"run {run.id}",
                f"program {run.program} is being run, and what it does is not compared",
                "check again when it is over",
            )
        elif run.state is RunState.RUNNING:
            yield Finding(
                FindingKind.DEAD_RUN,
                f"run {run.id}",
                "it is recorded as RUNNING, and nobody runs it",
                f"`rewebb run {run.program}` goes on where it ended; {_REBUILD} says "
                "that it was interrupted",
            )
        elif not records.has_journal(run):
            yield Finding(
                FindingKind.NO_RECORD,
                f"run {run.id}",
                "it has no journal: without the database it would be forgotten",
                f"{_REBUILD} writes the journal, unless it was lost: then look for a "
                "copy first",
            )


def _list_odd(runs: Iterable[Run], data_dir: Path) -> frozenset[str]:
    """List the runs whose rows are not those of their journals."""
    records = Records(data_dir)
    return frozenset(
        run.id
        for run in runs
        if run.state is RunState.RUNNING or not records.has_journal(run)
    )


def _check_rows(
    data_dir: Path, database: Database, odd: frozenset[str], listener: Listener
) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory(prefix="rewebb-check-") as folder:
        url = f"sqlite:///{Path(folder, DATABASE_NAME)}"
        with Database.open(url) as expected:
            rebuilt = rebuild(data_dir, expected, listener)
            yield from map(_to_damage, rebuilt.damaged)
            differing = defaultdict[tuple[str, object], list[RowDifference]](list)
            for one in compare(database.rows, expected.rows):
                if not _is_of_run(one, odd):
                    differing[one.table, one.key[0]].append(one)
            yield from (_to_finding(group) for group in differing.values())


def _is_of_run(one: RowDifference, odd: frozenset[str]) -> bool:
    """Return whether a difference follows from one of some runs alone."""
    if one.table in {"run", "run_export", "run_job"} and one.key[0] in odd:
        return True
    is_claim = one.found is not None and one.found.keys() == {"run_id"}
    return is_claim and one.found is not None and one.found["run_id"] in odd


def _to_damage(line: str) -> Finding:
    return Finding(
        FindingKind.RECORD_DAMAGED,
        line.partition(" ")[0].rstrip(":"),
        line,
        "put it back from a copy; without one, move it away: what it told is lost to a "
        "database that is made again",
    )


def _to_finding(group: list[RowDifference]) -> Finding:
    """Say what differs in the rows of one job, run or file."""
    first, *others = group
    key = ", ".join(str(part) for part in first.key)
    more = f", and {len(others)} more rows of it" if others else ""
    if first.found is None:
        kind = FindingKind.UNRECORDED
        said = f"the data folder holds it, the database does not{more}"
    elif first.expected is None:
        kind = FindingKind.ORPHANED
        said = f"the database holds it, and nothing in the data folder does{more}"
    else:
        kind = FindingKind.ROW_CHANGED
        expected = first.expected
        columns = (
            f"{name} is {_show(value)}, and {_show(expected[name])} in the record"
            for name, value in first.found.items()
        )
        said = f"{'; '.join(columns)}{more}"
    return Finding(kind, f"{first.table} {key}", said, _REMEDIES[kind])


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
