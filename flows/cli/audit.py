"""`rewebb audit`: whether all that products were made of is still what it was."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .findings import print_findings
from .options import Archive, AsJson, DataDir
from .output import counted

if TYPE_CHECKING:
    from config.settings import Settings

    from ..archive import ToFetch
    from ..upkeep import Ask

__all__ = ["audit"]


def audit(
    *,
    caches: Annotated[
        list[Path] | None,
        typer.Option(
            "--cache",
            help="Another CRDS cache, whose files of the same names are compared too.",
            metavar="FOLDER",
        ),
    ] = None,
    archive: Archive = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Read all that products are and were made of, and name what is not as it was.

    Products, references and mappings in their caches, inputs, files of users, records
    and the rows of the database; each with the products that it concerns. An archive
    that is far away is asked whether it has replaced what was fetched.
    """
    from config.settings import load_settings

    from ..factory import open_database
    from ..upkeep import audit as audit_all

    settings = load_settings(data_dir=data_dir, archive=archive)
    with (
        open_database(settings, read_only=True) as database,
        counted(quiet=as_json) as listener,
    ):
        found = audit_all(
            settings.data_dir.absolute(),
            database,
            ask=_make_asker(settings),
            caches=[path.absolute() for path in caches or ()],
            listener=listener,
        )
        print_findings(tuple(found), as_json=as_json)


def _make_asker(settings: "Settings") -> "Ask | None":
    """Make what asks the archive; None if there is none, or it is a folder."""
    from ..archive import Fetcher, FolderArchive, Query
    from ..factory import make_source, make_vault

    if settings.archive is None:
        return None
    source = make_source(settings)
    if isinstance(source, FolderArchive):
        return None
    vault = make_vault(settings)
    fetcher = Fetcher(source, vault, parallel=settings.archive_connections)

    def ask(program: str) -> "ToFetch":
        listing = source.search(Query(program=program))
        return fetcher.decide(file for file in listing if vault.has(file))

    return ask
