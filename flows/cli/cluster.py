"""`rewebb cluster`: schedulers and workers with our policy and TLS, and a rehearsal."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, DataDir
from .output import FAILED, announce, fail, print_json, print_rows, say

if TYPE_CHECKING:
    from config.settings import Settings

    from ..execution import Standing
    from ..run import NodeReport

__all__ = [
    "check",
    "cluster_app",
    "list_clusters",
    "scheduler",
    "start",
    "start_behind",
    "stop",
    "worker",
]

cluster_app = typer.Typer(no_args_is_help=True, help="Where jobs run.")

_POLL_S = 0.2

_Profile = Annotated[
    str | None,
    typer.Argument(help="Cluster profile; else REWEBB_CLUSTER, else this machine."),
]

_Credentials = Annotated[
    Path,
    typer.Option(
        help="Folder of the keys of this cluster, yours alone; the scheduler makes it."
    ),
]


@cluster_app.command()
def scheduler(
    *,
    credentials: _Credentials,
    host: Annotated[
        str, typer.Option(help="Address to listen on; workers must reach it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for any that is free.")] = 8786,
) -> None:
    """Serve as a Dask scheduler for many runs, with TLS, until it is stopped."""
    from ..execution import serve_scheduler

    def tell(address: str) -> None:
        announce(f"the scheduler listens at {address}")
        announce(
            f"on each node: rewebb cluster worker {address} --credentials {credentials}"
        )

    serve_scheduler(host=host, port=port, credentials=credentials, on_start=tell)


@cluster_app.command()
def worker(
    address: Annotated[str, typer.Argument(help="Of the scheduler, tls://HOST:PORT.")],
    *,
    credentials: _Credentials,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on; else the one facing the scheduler."),
    ] = None,
    slots: Annotated[
        int | None,
        typer.Option(min=1, help="Jobs at a time; else the cores of this machine."),
    ] = None,
    memory_bytes: Annotated[
        int | None,
        typer.Option(
            min=1, help="Memory for the jobs together; else 90 % of this machine's."
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve as the worker of this node, until its scheduler is gone."""
    from config.settings import load_settings

    from ..execution import serve_worker
    from ..factory import make_dask_scratch

    serve_worker(
        address,
        host=host,
        credentials=credentials,
        slots=slots,
        memory_bytes=memory_bytes,
        scratch=make_dask_scratch(load_settings(data_dir=data_dir)),
    )


@cluster_app.command()
def start(
    profile: _Profile = None,
    *,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay, for a service manager.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Start the cluster of a profile for many runs, which share it until it is stopped.

    Its nodes come and go with the work of all runs.
    """
    from config.settings import load_settings

    from ..execution import stand
    from ..factory import get_clusters_folder, make_dask_scratch

    settings = load_settings(cluster=profile, data_dir=data_dir)
    if not foreground:
        standing, log = start_behind(settings)
        if as_json:
            print_json(standing)
        else:
            say(f"the cluster {standing.name} stands at {standing.address}")
            say(f"its log is {log}")
        return
    stand(
        settings.find_profile(),
        name=settings.cluster,
        folder=get_clusters_folder(settings),
        scratch=make_dask_scratch(settings),
        on_start=lambda address: announce(f"the scheduler listens at {address}"),
    )


def start_behind(settings: "Settings") -> tuple["Standing", Path]:
    """Start the cluster of settings behind this command; give it, and its log."""
    from ..companions import start_daemon
    from ..execution import find_standing
    from ..factory import get_clusters_folder, make_dask_scratch

    settings.find_profile()
    make_dask_scratch(settings)
    name, folder = settings.cluster, get_clusters_folder(settings)
    (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    log = folder / name / "log"
    data_dir = str(settings.data_dir.absolute())
    arguments = ("cluster", "start", name, "--foreground", "--data-dir", data_dir)
    process = start_daemon(arguments, log=log)
    while (found := find_standing(folder, name)) is None or found.pid != process.pid:
        if process.poll() is not None:
            fail(log.read_text("utf-8", "replace").strip().removeprefix("error: "))
        time.sleep(_POLL_S)
    return found, log


@cluster_app.command()
def stop(
    profile: _Profile = None, *, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Stop a cluster that was started, with all its nodes."""
    from config.settings import load_settings

    from ..execution import stop_standing
    from ..factory import get_clusters_folder

    settings = load_settings(cluster=profile, data_dir=data_dir)
    stopped = stop_standing(get_clusters_folder(settings), settings.cluster)
    if as_json:
        print_json(stopped)
    else:
        say(f"the cluster {stopped.name} is stopped")


@cluster_app.command("list")
def list_clusters(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the cluster profiles, and which of them stand."""
    from config.clusters import LOCAL, LocalProfile
    from config.settings import load_settings

    from ..execution import list_standing
    from ..factory import get_clusters_folder

    settings = load_settings(data_dir=data_dir)
    standing = {one.name: one for one in list_standing(get_clusters_folder(settings))}
    profiles = {LOCAL: LocalProfile(), **settings.clusters}
    if as_json:
        print_json(
            {
                n: {"kind": p.kind, "standing": standing.get(n)}
                for n, p in profiles.items()
            }
        )
        return
    rows = [
        (
            name,
            profile.kind,
            f"at {standing[name].address}" if name in standing else "-",
        )
        for name, profile in profiles.items()
    ]
    print_rows(("cluster", "kind", "stands"), rows)


@cluster_app.command()
def check(
    profile: _Profile = None,
    *,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes to wait for.")] = 1,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Start the cluster of a profile, try what jobs need on each node, and stop it.

    Exit code 1 when something is wrong with a node.
    """
    from config.settings import load_settings

    from ..run import check_cluster

    settings = load_settings(cluster=profile, data_dir=data_dir)
    tell = (lambda _: None) if as_json else announce
    reports = check_cluster(settings, nodes=nodes, tell=tell)
    if as_json:
        print_json(reports)
    else:
        _print_reports(reports)
    if any(report.flaws for report in reports):
        raise typer.Exit(FAILED)


def _print_reports(reports: "Sequence[NodeReport]") -> None:
    from rich.filesize import decimal

    columns = ("node", "host", "slots", "memory", "of", "cores", "scratch", "clock")
    rows = [
        (
            report.node,
            report.rehearsal.host,
            report.slots,
            decimal(report.offered_bytes),
            decimal(report.rehearsal.memory_bytes),
            report.rehearsal.cores,
            f"{report.rehearsal.scratch_mb_s:.0f} MB/s",
            f"{report.clock_s:.0f} s off" if report.clock_s else "in step",
        )
        for report in reports
    ]
    print_rows(columns, rows)
    say()
    flaws = [f"{report.node}: {flaw}" for report in reports for flaw in report.flaws]
    for flaw in flaws:
        say(f"wrong: {flaw}")
    if not flaws:
        say("versions, CRDS cache, data folder, hard links and scratch are as needed")
