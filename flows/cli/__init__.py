"""The command line: parse, call, print.

Nothing heavy is imported before a command needs it, so that `rewebb --help` is quick.
"""

from .asn import asn
from .db import db_app
from .demo import demo
from .interrupts import Interruptible
from .records import runs, show, status
from .refs import refs_app
from .run import plan, run
from .sample import sample_app
from .search import fetch, search
from .wrap import wrap

__all__ = ["app"]

app = Interruptible(
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
