"""The database: migrations, concurrency, and what goes wrong."""

import socket
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from outcomes import make_outcome, make_run
from sqlalchemy import Engine, event, inspect, text
from sqlalchemy.orm import Session

from flows.errors import ConflictError, DatabaseError
from flows.provenance import Database, make_engine, upgrade
from flows.provenance.migration import HEAD, make_config
from flows.provenance.schema import SQLBase
from flows.provenance.sessions import Sessions
from workers.contract import Caveat, CaveatKind, ReferenceFile, ReferenceUse


def test_migrations_make_the_tables_of_the_schema(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLBase.metadata) == []


def test_migrations_name_constraints_as_the_schema_does(engine: Engine) -> None:
    inspector = inspect(engine)
    for table in SQLBase.metadata.sorted_tables:
        named = {str(constraint.name) for constraint in table.constraints}
        found = {inspector.get_pk_constraint(table.name)["name"]}
        found |= {key["name"] for key in inspector.get_foreign_keys(table.name)}
        assert found == named


def test_text_is_compared_by_its_bytes(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        other = "SELECT name FROM sqlite_master WHERE sql LIKE '%COLLATE%'"
    else:
        other = (
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND data_type = 'text' "
            "AND table_name IN (SELECT tablename FROM pg_tables) "
            "AND collation_name IS DISTINCT FROM 'C'"
        )
    with engine.connect() as connection:
        assert connection.execute(text(other)).all() == []


def test_the_newest_revision_is_the_one_the_code_expects(engine: Engine) -> None:
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(make_config(connection))
        assert scripts.get_heads() == [HEAD]


def test_an_upgrade_with_nothing_to_do_only_looks(engine: Engine) -> None:
    said: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    upgrade(engine)
    assert 0 < len(said) < 10
    assert {text.split()[0].upper() for text in said} <= {"BEGIN", "SELECT", "PRAGMA"}


def test_what_was_known_before_a_job_goes_to_the_run_that_knew_it(
    database_url: str,
) -> None:
    engine = make_engine(database_url)
    with engine.begin() as connection:
        command.upgrade(make_config(connection), "0003")
        for statement in _BEFORE_0004.split(";"):
            connection.execute(text(statement.replace(": ", "\\: ")))
    upgrade(engine)
    database = Database(engine)
    use = database.runs.find_last_use("f")
    assert use is not None
    assert use[0].recipe_text == ""
    assert use[1].caveats == (Caveat(CaveatKind.PARTIAL, "no NRS2"),)
    (found,) = database.jobs.find_outcomes(["f"]).values()
    assert [caveat.kind for caveat in found.caveats] == [CaveatKind.ALL_NAN]
    job = database.jobs.get_job("f").job
    assert (job.parameters, job.overrides, job.origins) == ({"maximum": inf}, {}, None)
    dark = ReferenceFile("dark.fits", "sha1-dark", 8, 9)
    assert job.references == (ReferenceUse("dark", dark), ReferenceUse("photom", None))
    assert (job.pars, job.mappings) == ((), (ReferenceFile("a.imap", "sha1-a", 8, 9),))
    assert job.versions == {"jwst": "3.0.0"}
    engine.dispose()


_BEFORE_0004 = """
INSERT INTO run (id, program, recipe_name, recipe_sha256, context, environment, request,
requested_by, started_at, state)
VALUES ('r', '02736', 'official', 'abc', 'jwst_1.pmap', '{}', '{}',
'me', '2026-11-20 12:00:00', 'SUCCEEDED');
INSERT INTO job (fingerprint, stage, name, program, exp_type, context, parameters,
overrides, versions, crds_path, partial, elsewhere)
VALUES ('f', 'spec3', 'a', '02736', 'NRS_IFU', 'jwst_1.pmap', '{"maximum": Infinity}',
'{}', '{"jwst": "3.0.0"}', '/crds', '["no NRS2"]', '[]');
INSERT INTO job_reference VALUES
('f', 'reference', 0, 'dark', 'dark.fits', 'sha1-dark', 8, 9),
('f', 'reference', 1, 'photom', NULL, NULL, NULL, NULL),
('f', 'mapping', 2, '', 'a.imap', 'sha1-a', 8, 9);
INSERT INTO run_job (run_id, key, stage, name, fingerprint, state, why, blocked_by,
updated_at)
VALUES ('r', 'spec3:a', 'spec3', 'a', 'f', 'SUCCEEDED', 'never done', '[]',
'2026-11-20 12:00:00');
INSERT INTO attempt (id, fingerprint, run_id, status, started_at, finished_at, host,
elapsed_s, cpu_s, peak_bytes, granted_bytes, folder, content_version)
VALUES ('t', 'f', 'r', 'SUCCEEDED', '2026-11-20 12:00:00', '2026-11-20 12:00:00', 'h',
1, 1, 1, 1, 'store/f/f', 1);
INSERT INTO caveat VALUES ('t', 0, 'ALL_NAN', 'SCI of a');
INSERT INTO caveat VALUES ('t', 1, 'PARTIAL', 'no NRS2')
"""


def test_many_may_upgrade_at_once(database_url: str) -> None:
    engine = make_engine(database_url)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, [engine] * 4))
    Database(engine).jobs.record_outcome(make_outcome())
    engine.dispose()


def test_an_upgrade_that_breaks_leaves_no_table(database_url: str) -> None:
    engine = make_engine(database_url)
    event.listen(engine, "before_cursor_execute", _break_at_lease)
    with pytest.raises(KeyboardInterrupt):
        upgrade(engine)
    event.remove(engine, "before_cursor_execute", _break_at_lease)
    assert inspect(engine).get_table_names() == []
    upgrade(engine)
    engine.dispose()


def _break_at_lease(*arguments: object) -> None:
    if "CREATE TABLE lease" in str(arguments[2]):
        raise KeyboardInterrupt


def test_a_database_newer_than_the_code_is_refused(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match=r"revision 9999.* made by a newer version"):
        upgrade(engine)


def test_foreign_keys_hold_after_an_upgrade(database_url: str) -> None:
    engine = make_engine(database_url)
    upgrade(engine)
    with pytest.raises(DatabaseError, match="cannot be used"):
        Database(engine).jobs.record_outcome(make_outcome(), run_id="unknown")
    engine.dispose()


def test_readers_go_on_while_somebody_writes(
    database: Database, engine: Engine
) -> None:
    database.runs.start_run(make_run())
    writers = Sessions(engine)

    def write(session: Session) -> int:
        session.execute(text("DELETE FROM run"))
        return len(database.runs.list_runs())

    assert writers.write(write) == 1
    assert database.runs.list_runs() == ()


def test_a_reader_sees_one_state_of_the_tables(
    database: Database, engine: Engine
) -> None:
    count = text("SELECT count(*) FROM run")
    with Sessions(engine).read() as session:
        before = session.scalar(count)
        database.runs.start_run(make_run())
        assert session.scalar(count) == before == 0


def test_a_write_that_meets_another_is_done_again(engine: Engine) -> None:
    tries = []

    def write(session: Session) -> int:
        tries.append(session)
        if len(tries) < 3:
            raise ConflictError("Another was faster.")
        return len(tries)

    assert Sessions(engine).write(write) == 3


def test_a_write_that_always_meets_another_gives_up(engine: Engine) -> None:
    def write(session: Session) -> None:
        raise ConflictError(f"Another was faster than {type(session).__name__}.")

    with pytest.raises(ConflictError, match="was faster than Session"):
        Sessions(engine).write(write)


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        engine = make_engine(f"postgresql://me:secret@127.0.0.1:{port}/rewebb")
        with pytest.raises(DatabaseError, match="refused") as caught:
            upgrade(engine)
    assert "me:***@127.0.0.1" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_wrong_password_is_told_but_not_shown(postgresql_url: str) -> None:
    engine = make_engine(postgresql_url.replace("of-the-tests", "guess"))
    with pytest.raises(DatabaseError, match="password authentication failed") as caught:
        upgrade(engine)
    assert "guess" not in str(caught.value)


@pytest.mark.parametrize("url", ["secret", "mysql://me:secret@h/d", "", "a:b:secret"])
def test_a_url_that_means_nothing_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        make_engine(url)
    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match=r"folder .*/file/deep .* cannot be made"):
        make_engine(f"sqlite:///{tmp_path}/file/deep/rewebb.db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rewebb.db"
    path.write_text("This is a letter, not a database.\n" * 50)
    engine = make_engine(f"sqlite:///{path}")
    with pytest.raises(
        DatabaseError, match=r"rewebb\.db cannot be used: file is not a"
    ):
        upgrade(engine)
    engine.dispose()


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/rewebb.db")
    upgrade(engine)
    database = Database(engine)
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DatabaseError, match="full"):
        record_many(database)
    assert database.jobs.get_job("ff").attempts
    engine.dispose()


def record_many(database: Database) -> None:
    for number in range(1000):
        database.jobs.record_outcome(make_outcome(attempt=f"{number}"))


def test_a_database_in_memory_works() -> None:
    engine = make_engine("sqlite://")
    upgrade(engine)
    Database(engine).jobs.record_outcome(make_outcome())
    engine.dispose()
