"""The command line: parse, call, print.

Nothing heavy is imported before a command needs it, so that `rewebb --help` is quick.
"""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .advise import advise, issues_app
from .again import cancel, retry
from .asn import asn
from .audit import audit
from .cluster import cluster_app
from .compare import compare
from .config import config_app
from .context import context_app
from .db import db_app
from .demo import demo
from .diff import diff
from .doctor import doctor
from .export import export, withdraw
from .find import find_app
from .interrupts import Interruptible
from .lineage import lineage, prov
from .measure import measure
from .memory import memory_app
from .output import Told, say
from .put import put
from .recipes import recipes_app
from .records import logs, runs, status
from .refs import refs_app
from .report import report
from .reproduce import bundle, replay, reproduce
from .retention import du, gc, tag, untag
from .run import plan, run
from .sample import sample_app
from .search import fetch, search
from .serve import serve
from .show import show
from .stale import stale
from .trial import trial
from .watch import watch
from .web import web
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
    pretty_exceptions_enable=False,
)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        names = ("rewebb", "jwst", "crds")
        say(", ".join(f"{name} {metadata.version(name)}" for name in names))
        raise typer.Exit


@app.callback()
def _begin(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the versions of rewebb, jwst and crds.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Reprocess JWST spectroscopy in bulk, with provenance."""


for command in (
    *(search, fetch, asn, advise, wrap, plan, run, stale, trial, cancel, retry),
    *(watch, serve, web),
    *(status, runs, show, lineage, prov, diff, compare, logs),
    *(export, withdraw),
    *(measure, report, put, demo, doctor, audit),
    *(tag, untag, du, gc),
    *(reproduce, bundle, replay),
):
    app.command()(command)
app.add_typer(find_app, name="find")
app.add_typer(recipes_app, name="recipes")
app.add_typer(issues_app, name="issues")
app.add_typer(config_app, name="config")
app.add_typer(cluster_app, name="cluster")
app.add_typer(sample_app, name="sample")
app.add_typer(refs_app, name="refs")
app.add_typer(context_app, name="context")
app.add_typer(db_app, name="db")
app.add_typer(memory_app, name="memory")
