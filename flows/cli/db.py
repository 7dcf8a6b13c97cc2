"""`rewebb db`: the database, which is the index of the store."""

from typing import Annotated

import typer

from .findings import print_findings
from .options import AsJson, DataDir
from .output import FAILED, counted, print_json, say, warn

__all__ = ["check", "db_app", "rebuild", "upgrade", "verify"]

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
    """Record all that the data folder holds; delete nothing."""
    from config.settings import load_settings

    from ..factory import open_database
    from ..upkeep import rebuild as rebuild_database

    settings = load_settings(data_dir=data_dir)
    with (
        open_database(settings, keeps_records=False) as database,
        counted(quiet=as_json) as listener,
    ):
        rebuilt = rebuild_database(settings.data_dir, database, listener)
    if as_json:
        print_json(rebuilt)
    else:
        say(
            f"{rebuilt.outcomes} outcomes, {rebuilt.runs} runs, {rebuilt.fetched} "
            f"fetched files and {rebuilt.measured} measured products are recorded."
        )
    for line in rebuilt.damaged:
        warn(f"not recorded: {line}")
    if rebuilt.damaged:
        raise typer.Exit(FAILED)


@db_app.command()
def check(
    *,
    data_dir: DataDir = None,
    reads_bytes: Annotated[
        bool,
        typer.Option("--bytes", help="Read every product, and compare its sha256."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the data folder with the database, both ways; change nothing."""
    from config.settings import load_settings

    from ..factory import open_database
    from ..upkeep import check as check_all

    settings = load_settings(data_dir=data_dir)
    with (
        open_database(settings, read_only=True) as database,
        counted(quiet=as_json) as listener,
    ):
        found = check_all(
            settings.data_dir, database, reads_bytes=reads_bytes, listener=listener
        )
        print_findings(tuple(found), as_json=as_json)


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

    from ..provenance import set_aside
    from ..upkeep import find_damaged_files

    folder = load_settings(data_dir=data_dir).data_dir
    with counted(quiet=as_json) as listener:
        found = find_damaged_files(folder, reads_bytes=True, listener=listener)
        damaged = list(found)
    for job in {(folder / one.subject).parent for one in damaged if aside}:
        set_aside(job, data_dir=folder)
    lines = [f"{folder / one.subject}: {one.message}" for one in damaged]
    if as_json:
        print_json({"damaged": lines})
    else:
        for line in lines:
            say(line)
        say(f"{len(lines)} damaged products.")
    if lines:
        raise typer.Exit(FAILED)
