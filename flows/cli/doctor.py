"""`rewebb doctor`: whether this site can run, before anything does."""

import typer

from .options import Archive, AsJson, Cluster, Context, DataDir
from .output import FAILED, print_json, print_rows, say

__all__ = ["doctor"]


def doctor(
    *,
    archive: Archive = None,
    context: Context = None,
    data_dir: DataDir = None,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Check what runs need: versions, servers, token, disk, database, cluster, clock.

    Each check is a line, with what to do. Nothing is made or changed. Exit code 1 when
    a check failed; a warning does not count.
    """
    from config.settings import load_settings

    from ..upkeep import CheckState, examine

    settings = load_settings(
        archive=archive, crds_context=context, data_dir=data_dir, cluster=cluster
    )
    checks = list(examine(settings))
    failed = [check.name for check in checks if check.state is CheckState.FAILED]
    if as_json:
        print_json({"checks": checks})
    else:
        rows = [(one.state, one.name, one.found, one.remedy) for one in checks]
        print_rows(("state", "check", "found", "what to do"), rows)
        say()
        said = f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}"
        say(said if failed else "no check failed")
    if failed:
        raise typer.Exit(FAILED)
