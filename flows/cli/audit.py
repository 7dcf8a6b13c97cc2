"""`rewebb audit`: whether all that products were made of is still what it was."""

from pathlib import Path
from typing import Annotated

import typer

from .findings import print_findings
from .options import AsJson, DataDir
from .output import counted

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
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Read all that products are and were made of, and name what is not as it was.

    Products, references and mappings in their caches, inputs, files of users, records
    and the rows of the database; each with the products that it concerns.
    """
    from config.settings import load_settings

    from ..factory import open_database
    from ..upkeep import audit as audit_all

    settings = load_settings(data_dir=data_dir)
    with (
        open_database(settings, read_only=True) as database,
        counted(quiet=as_json) as listener,
    ):
        found = audit_all(
            settings.data_dir.absolute(),
            database,
            caches=[path.absolute() for path in caches or ()],
            listener=listener,
        )
        print_findings(tuple(found), as_json=as_json)
