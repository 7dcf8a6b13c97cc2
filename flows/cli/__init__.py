"""The command line: parse, call, print.

Nothing heavy is imported before a command needs it, so that `rewebb --help` is quick.
"""

from typing import Any

from typer.core import TyperGroup

from .asn import asn
from .db import db_app
from .demo import demo
from .interrupts import Interruptible
from .output import Told
from .records import runs, show, status
from .refs import refs_app
from .run import plan, run
from .sample import sample_app
from .search import fetch, search
from .wrap import wrap

__all__ = ["app"]


class _Commands(TyperGroup):
    """The commands, none of which ends in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with Told():
            return super().invoke(ctx)


app = Interruptible(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reprocess JWST spectroscopy in bulk, with provenance.",
)
for command in (search, fetch, asn, wrap, plan, run, status, runs, show, demo):
    app.command()(command)
app.add_typer(sample_app, name="sample")
app.add_typer(refs_app, name="refs")
app.add_typer(db_app, name="db")
