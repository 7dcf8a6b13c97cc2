"""`rewebb watch`: what a night of the flow `watch-archive` would start."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Archive, AsJson, Cluster, DataDir
from .output import print_json, print_rows, say, warn, watched

__all__ = ["watch"]


def watch(
    file: Annotated[Path, typer.Argument(help="TOML file of subscriptions.")],
    *,
    archive: Archive = None,
    data_dir: DataDir = None,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Show which programs a night would run again, why, and at what cost.

    Nothing is started: the deployment `watch-archive/rewebb` does that.
    """
    from config.settings import load_settings
    from config.subscriptions import load_subscriptions

    from ..run import Shared
    from ..watching import decide, judge, list_fruitless, look

    wanted = load_subscriptions(file)
    settings = load_settings(archive=archive, data_dir=data_dir, cluster=cluster)
    with watched(quiet=as_json) as listen, Shared(settings, read_only=True) as shared:
        listen("").steps("look")
        candidates = judge(
            settings,
            look(settings, wanted),
            shared=shared,
            tell=lambda program: listen("").steps(f"judge {program}"),
        )
        listen("").steps("")
    decision = decide(candidates, wanted.budget)
    for name in list_fruitless(wanted, candidates):
        warn(f"the subscription {name} finds no exposure that can be had")
    if as_json:
        print_json(decision)
        return
    rows = [
        (
            due.candidate.program,
            due.candidate.subscription,
            said,
            f"{due.candidate.cost.cpu_s / 3600:.1f}",
            "; ".join(due.reasons),
        )
        for said, dues in (("start", decision.start), ("later", decision.later))
        for due in dues
    ]
    print_rows(("program", "subscription", "tonight", "CPU-hours", "why"), rows)
    say()
    say(f"{len(decision.idle)} programs have not changed")
