"""`rewebb serve`: server, schedules and runs on one host, for who has no Prefect."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cluster import start_behind
from .options import Archive, Cluster, DataDir
from .output import announce, watched

if TYPE_CHECKING:
    from config.settings import Settings

__all__ = ["serve"]

_NIGHTLY = "0 3 * * *"

_PREFECT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
}
"""Defaults for Prefect; variables that are set win."""


def serve(
    subscriptions: Annotated[
        Path | None,
        typer.Argument(help="TOML file of what is watched; none watches nothing."),
    ] = None,
    *,
    cron: Annotated[
        str, typer.Option(help="When the archive is looked at, in UTC.")
    ] = _NIGHTLY,
    at_once: Annotated[
        int, typer.Option("--at-once", min=1, help="Flow runs at a time.")
    ] = 4,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Of 127.0.0.1, for Prefect's server.")
    ] = 4200,
    archive: Archive = None,
    data_dir: DataDir = None,
    cluster: Cluster = None,
) -> None:
    """Serve flow runs on this host until it is stopped: on demand, and on a schedule.

    A Prefect server is started, unless PREFECT_API_URL names one, and one cluster that
    all runs share, unless it stands. The deployments are `reprocess-program/rewebb`
    and `watch-archive/rewebb`.
    """
    from config.settings import load_settings
    from config.subscriptions import load_subscriptions

    settings = load_settings(archive=archive, data_dir=data_dir, cluster=cluster)
    settings.find_profile()
    if subscriptions is not None:
        load_subscriptions(subscriptions)
    os.environ.update(_to_variables(settings))
    for name, value in _PREFECT.items():
        os.environ.setdefault(name, value)
    from ..factory import get_prefect_folder, make_dask_scratch
    from ..prefect_server import ensure_site_server
    from ..serving import check_cron, serve_flows

    check_cron(cron)
    make_dask_scratch(settings)  # the data folder can be written
    with watched(quiet=False) as listen:
        listen("").steps("start")
        server = ensure_site_server(get_prefect_folder(settings), port=port)
    if server is not None:
        announce(f"the pages of Prefect are at {server.url.removesuffix('/api')}")
        announce(f"other commands need PREFECT_API_URL={server.url}")
    if server is not None and server.password is not None:
        announce(f"and, as PREFECT_API_AUTH_STRING, what is in {server.password}")
    _share_cluster(settings)
    watching = " and watch-archive/rewebb" if subscriptions else ""
    announce(f"serving reprocess-program/rewebb{watching}")
    serve_flows(subscriptions, cron=cron, at_once=at_once)


def _to_variables(settings: "Settings") -> dict[str, str]:
    """Turn what was given to the command into variables, which runs inherit."""
    given = {"REWEBB_DATA_DIR": str(settings.data_dir.absolute())}
    given["REWEBB_CLUSTER"] = settings.cluster
    if settings.archive is not None:
        given["REWEBB_ARCHIVE"] = settings.archive
    return given


def _share_cluster(settings: "Settings") -> None:
    """Start the cluster that all runs share, unless it is there."""
    from config.clusters import AddressProfile

    from ..execution import find_standing
    from ..factory import get_clusters_folder

    is_there = isinstance(settings.find_profile(), AddressProfile)
    if not is_there and not find_standing(
        get_clusters_folder(settings), settings.cluster
    ):
        standing, log = start_behind(settings)
        announce(f"the cluster {standing.name} stands at {standing.address}")
        announce(f"its log is {log}")
