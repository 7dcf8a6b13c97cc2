"""`rewebb wrap`: calibrated slits of elsewhere become something to start from."""

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson
from .output import fail, print_json, say

__all__ = ["wrap"]


def wrap(
    slits: Annotated[
        list[Path], typer.Argument(help="Files of one calibrated slit each.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the cal products.")],
    as_json: AsJson = False,
) -> None:
    """Wrap single calibrated slits (SlitModel) as cal products of their exposures.

    `rewebb run PROGRAM --archive OUT --start-at spec3` combines them.
    """
    from workers.calls import wrap_slits
    from workers.contract import ErrorInfo

    made = wrap_slits(slits, out)
    if isinstance(made, ErrorInfo):
        fail(made.message)
    if as_json:
        print_json({"folder": out, "products": made})
        return
    for name in made:
        say(name)
    say(f"{len(slits)} slits of {len(made)} exposures: {out}")
