"""What many jobs have in common, once; recipes and notes of runs."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from flows.provenance.migrations.tables import create_table

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0010"
down_revision = "0009"

_SETS = {
    "parameters_sha256": "parameter_set",
    "versions_sha256": "version_set",
    "references_sha256": "reference_set",
    "mappings_sha256": "reference_set",
}
"""New columns of jobs, and the tables that they lead to."""

_DROPPED = ("parameters", "overrides", "versions")
_BATCH = 500


def upgrade() -> None:
    """Bring the tables to this revision."""
    _create_tables()
    _move_recipes()
    for name in _SETS:
        op.add_column("job", sa.Column(name, sa.Text(), nullable=True))
    _move_sets()
    with op.batch_alter_table("job") as job:
        for name, table in _SETS.items():
            job.alter_column(name, existing_type=sa.Text(), nullable=False)
            job.create_foreign_key(op.f(f"fk_job_{name}"), table, [name], ["sha256"])
            job.create_index(op.f(f"ix_job_{name}"), [name])
        for name in _DROPPED:
            job.drop_column(name)
    with op.batch_alter_table("run") as run:
        run.drop_column("recipe_text")
        name = "recipe_sha256"
        run.create_foreign_key(op.f(f"fk_run_{name}"), "recipe", [name], ["sha256"])
        run.create_index(op.f(f"ix_run_{name}"), [name])
    op.drop_table("job_reference")


def _create_tables() -> None:
    create_table("recipe", "sha256 text", key="sha256")
    create_table(
        *("run_note", "run_id position:int text"),
        key="run_id position",
        foreign={"run_id": "run.id"},
    )
    create_table("parameter_set", "sha256 parameters overrides origins?", key="sha256")
    create_table(
        *("parameter", "set_sha256 name value origin?"),
        key="set_sha256 name",
        foreign={"set_sha256": "parameter_set.sha256"},
        indexes=("name",),
    )
    create_table("version_set", "sha256", key="sha256")
    create_table(
        *("version", "set_sha256 name version"),
        key="set_sha256 name",
        foreign={"set_sha256": "version_set.sha256"},
        indexes=("name version",),
    )
    create_table(
        *("reference", "sha1 name size_bytes:int"), key="sha1 name", indexes=("name",)
    )
    create_table("reference_set", "sha256", key="sha256")
    create_table(
        "reference_use",
        "set_sha256 position:int kind reftype name? sha1? mtime_ns:int?",
        key="set_sha256 position",
        foreign={
            "set_sha256": "reference_set.sha256",
            "sha1 name": "reference.sha1 reference.name",
        },
        indexes=("name", "sha1 name"),
    )


def _move_recipes() -> None:
    recipe, run = (
        sa.table("recipe", *map(sa.column, ("sha256", "text"))),
        sa.table("run", *map(sa.column, ("recipe_sha256", "recipe_text"))),
    )
    text = sa.func.max(run.c.recipe_text)
    found = sa.select(run.c.recipe_sha256, text).group_by(run.c.recipe_sha256)
    op.execute(sa.insert(recipe).from_select(["sha256", "text"], found))


def _move_sets() -> None:
    """Take the sets of all jobs, as `flows.provenance.sets` took them then."""
    job = sa.table("job", *map(sa.column, ("fingerprint", *_DROPPED, *_SETS)))
    statement = (
        sa.update(job)
        .where(job.c.fingerprint == sa.bindparam("of_job"))
        .values({name: sa.bindparam(name) for name in _SETS})
    )
    written: set[tuple[str, str]] = set()
    for rows, uses in _read_jobs():
        own: list[dict[str, str]] = []
        for fingerprint, *texts in rows:
            trees = [json.loads(text) for text in texts]
            hashes = _move_set(written, trees, uses[fingerprint])
            own.append({"of_job": fingerprint, **hashes})
        op.get_bind().execute(statement, own)


def _move_set(
    written: set[tuple[str, str]], trees: Sequence[Any], uses: Sequence[Any]
) -> dict[str, str]:
    """Write the sets of a job that are not written yet; give the columns of the job."""
    parameters, overrides, versions = trees
    used = [use for use in uses if use[0] != "mapping"]
    read = [use for use in uses if use[0] == "mapping"]
    hashes = {
        "parameters_sha256": _hash([parameters, overrides, None]),
        "versions_sha256": _hash(versions),
        "references_sha256": _hash([*map(_to_facts, used)]),
        "mappings_sha256": _hash([*map(_to_facts, read)]),
    }
    new = {key for name, sha in hashes.items() if (key := (name, sha)) not in written}
    for name, sha256 in sorted(new):
        match name:
            case "parameters_sha256":
                _insert_parameters(sha256, parameters, overrides)
            case "versions_sha256":
                _insert_versions(sha256, versions)
            case "references_sha256":
                _insert_files(sha256, used)
            case _:
                _insert_files(sha256, read)
    written |= new
    return hashes


def _read_jobs() -> Iterator[tuple[Sequence[Any], dict[str, list[Any]]]]:
    """Read jobs with the files that they use, some at a time."""
    job = sa.table("job", *map(sa.column, ("fingerprint", *_DROPPED)))
    columns = (
        *("fingerprint", "kind", "position", "reftype"),
        *("name", "sha1", "size_bytes", "mtime_ns"),
    )
    file = sa.table("job_reference", *map(sa.column, columns))
    connection, last = op.get_bind(), ""
    while True:
        query = sa.select(job).where(job.c.fingerprint > last)
        query = query.order_by(job.c.fingerprint).limit(_BATCH)
        rows = connection.execute(query).tuples().all()
        if not rows:
            return
        keys = [row[0] for row in rows]
        asked = sa.select(file).where(file.c.fingerprint.in_(keys))
        uses = defaultdict[str, list[Any]](list)
        for found in connection.execute(asked.order_by(file.c.position)):
            uses[found.fingerprint].append((found.kind, *found[3:]))
        yield rows, uses
        last = keys[-1]


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _to_facts(use: Sequence[Any]) -> Sequence[Any]:
    return use[:2] if use[2] is None else use


def _insert_parameters(sha256: str, parameters: Any, overrides: Any) -> None:
    texts = [json.dumps(tree, sort_keys=True) for tree in (parameters, overrides)]
    _insert("parameter_set", "sha256 parameters overrides", [(sha256, *texts)])
    given = dict(_flatten(overrides))
    rows = [
        (sha256, name, json.dumps(value), "recipe" if name in given else None)
        for name, value in dict(_flatten(parameters)).items()
    ]
    _insert("parameter", "set_sha256 name value origin", rows)


def _insert_versions(sha256: str, versions: dict[str, str]) -> None:
    _insert("version_set", "sha256", [(sha256,)])
    rows = [(sha256, *pair) for pair in versions.items()]
    _insert("version", "set_sha256 name version", rows)


def _insert_files(sha256: str, uses: Sequence[Any]) -> None:
    own = sa.table("reference_set", sa.column("sha256"))
    if op.get_bind().execute(sa.select(own).where(own.c.sha256 == sha256)).first():
        return  # neither references nor mappings
    _insert("reference_set", "sha256", [(sha256,)])
    reference = sa.table("reference", *map(sa.column, ("sha1", "name", "size_bytes")))
    known = {
        tuple(row)
        for row in op.get_bind().execute(
            sa.select(reference.c.sha1, reference.c.name).where(
                reference.c.sha1.in_([use[3] for use in uses if use[2] is not None])
            )
        )
    }
    files = {(use[3], use[2]): use[4] for use in uses if use[2] is not None}
    rows = [(*key, size) for key, size in files.items() if key not in known]
    _insert("reference", "sha1 name size_bytes", rows)
    _insert(
        "reference_use",
        "set_sha256 position kind reftype name sha1 mtime_ns",
        [
            (sha256, position, kind, reftype, name, sha1, mtime_ns)
            for position, (kind, reftype, name, sha1, _, mtime_ns) in enumerate(uses)
        ],
    )


def _insert(table: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
    names = columns.split()
    if rows:
        into = sa.insert(sa.table(table, *map(sa.column, names)))
        values = [dict(zip(names, row, strict=True)) for row in rows]
        op.get_bind().execute(into, values)


def _flatten(parameters: Any, where: str = "") -> Iterator[tuple[str, object]]:
    for name, value in parameters.items():
        path = f"{where}.{name}".removeprefix(".").removeprefix("steps.")
        if isinstance(value, dict):
            yield from _flatten(value, path)
        else:
            yield path, value
