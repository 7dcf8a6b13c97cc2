"""`rewebb db`: the database, which is the index of the store."""

from typing import Annotated

import typer

from .options import AsJson, DataDir
from .output import FAILED, print_json, say

__all__ = ["db_app", "rebuild", "upgrade", "verify"]

db_app = typer.Typer(no_args_is_help=True, help="The provenance database.")


@db_app.command()
def upgrade(*, data_dir: DataDir = None) -> None:
    """Upgrade the database to the newest schema, as every command does by itself."""
    from config.settings import load_settings

    from ..factory import open_database

    settings = load_settings(data_dir=data_dir)
    with open_database(settings):
        say("The database is at the newest schema.")


@db_app.command()
def rebuild(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Record all outcomes and fetched files of the data folder; delete nothing."""
    from config.settings import load_settings

    from ..archive import find_records, load_record
    from ..factory import open_database
    from ..provenance import (
        find_environments,
        find_outcomes,
        load_environment,
        load_outcome,
    )

    settings = load_settings(data_dir=data_dir)
    with open_database(settings) as database:
        outcomes = fetched = 0
        for path in find_outcomes(settings.data_dir):
            database.jobs.record_outcome(load_outcome(path))
            outcomes += 1
        for path in find_environments(settings.data_dir):
            database.environments.record(load_environment(path))
        for path in find_records(settings.data_dir):
            database.files.remember_fetched(load_record(path))
            fetched += 1
    if as_json:
        print_json({"outcomes": outcomes, "fetched": fetched})
    else:
        say(f"{outcomes} outcomes and {fetched} fetched files are recorded.")
        say("Runs are not in the store, nor are measurements: `rewebb measure`.")


@db_app.command()
def verify(
    *,
    data_dir: DataDir = None,
    aside: Annotated[
        bool,
        typer.Option("--set-aside", help="Move damaged jobs away, to be redone."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read every product of the store and compare it with its recorded sha256."""
    from config.settings import load_settings

    from ..provenance import find_damaged, set_aside

    folder = load_settings(data_dir=data_dir).data_dir
    damaged = list(find_damaged(folder))
    for job in {job for job, _ in damaged if aside}:
        set_aside(job, data_dir=folder)
    lines = [line for _, line in damaged]
    if as_json:
        print_json({"damaged": lines})
    else:
        for line in lines:
            say(line)
        say(f"{len(lines)} damaged products.")
    if lines:
        raise typer.Exit(FAILED)
