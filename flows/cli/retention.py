"""`rewebb tag`, `untag`, `du` and `gc`: what is kept, and how much room it takes."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from .options import AsJson, DataDir, split
from .output import FAILED, counted, print_json, print_rows, say, warn
from .records import open_recorded

if TYPE_CHECKING:
    from ..models.retention import Selection

__all__ = ["du", "gc", "tag", "untag"]


class _By(StrEnum):
    PROGRAM = "program"
    RUN = "run"
    STAGE = "stage"
    KIND = "kind"


def tag(
    run: Annotated[str, typer.Argument(help="Id of a run, or its beginning.")],
    name: Annotated[str, typer.Argument(help="Its name: dr1, for instance.")],
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give a run a name; a run that has one is kept whole by `rewebb gc`."""
    from ..provenance import Tags

    with open_recorded(data_dir) as (database, folder):
        found = database.runs.get_run(run)
        Tags(folder).put(found, name)
    if as_json:
        print_json({"run": found.id, "tag": name})
    else:
        say(f"The run {found.id} of program {found.program} has the name {name}.")


def untag(
    name: Annotated[str, typer.Argument(help="Name of a run.")],
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take a name away from its run."""
    from ..provenance import Tags

    with open_recorded(data_dir) as (_, folder):
        Tags(folder).remove(name)
    if as_json:
        print_json({"tag": name})
    else:
        say(f"No run has the name {name} any more.")


def du(
    *,
    by: Annotated[_By, typer.Option("--by", help="What it is told by.")] = _By.PROGRAM,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say how much of the disk is of what; files with several links count once."""
    from ..upkeep import measure_disk

    with open_recorded(data_dir) as (database, folder):
        used = measure_disk(folder, database, by.value)
    if as_json:
        print_json({"by": by, "bytes": used})
        return
    total = sum(used.values())
    rows = [(name, decimal(size)) for name, size in used.items()]
    print_rows((by.value, "size"), [*rows, ("all", decimal(total))])


def gc(
    *,
    keep: Annotated[
        int | None,
        typer.Option(
            help="Of each program keep this many runs that succeeded, the newest, and "
            "all since; else the setting `keep_runs`.",
            min=1,
        ),
    ] = None,
    kinds: Annotated[
        str | None,
        typer.Option(
            help="Only jobs that made nothing else than these, comma-separated: "
            "rate,rateints for countrates. Else the setting `remove_kinds`."
        ),
    ] = None,
    programs: Annotated[
        str | None, typer.Option(help="Only of these programs, comma-separated.")
    ] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove it; else it is only listed.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List, or remove, products that no run needs which is to be kept.

    Runs under way, runs with names (`rewebb tag`), published ones (`rewebb export`) and
    the newest stay whole, with all that their products were made of. Inputs, and all
    records, stay.
    """
    from config.settings import load_settings

    from ..factory import open_records
    from ..models.retention import Policy
    from ..names import check_program
    from ..upkeep import collect, look

    settings = load_settings(data_dir=data_dir)
    policy = Policy(
        runs=keep or settings.keep_runs,
        kinds=frozenset(split(kinds) or settings.remove_kinds),
        programs=frozenset(split(programs)),
    )
    for program in policy.programs:
        check_program(program)
    folder = settings.data_dir.absolute()
    with open_records(settings, writes=delete) as database:
        if not delete:
            _print_selection(look(folder, database, policy), as_json=as_json)
            return
        with counted(quiet=as_json) as listener:
            done = collect(folder, database, policy, listener)
    if as_json:
        print_json(done)
    else:
        size = decimal(sum(one.size_bytes for one in done.removals))
        say(f"The products of {len(done.removals)} jobs were removed: {size}.")
    for why in done.busy:
        warn(f"nothing was removed of a program: {why}")
    if done.busy:
        raise typer.Exit(FAILED)


def _print_selection(selection: "Selection", *, as_json: bool) -> None:
    if as_json:
        print_json(selection)
        return
    rows = [
        (one.key, one.program, decimal(one.size_bytes), ", ".join(one.products))
        for one in selection.removals
    ]
    if rows:
        print_rows(("job", "program", "size", "products"), rows)
    size = decimal(sum(one.size_bytes for one in selection.removals))
    say(
        f"{len(rows)} jobs of {size} would be removed (`--delete`); "
        f"{len(selection.kept_runs)} runs stay whole."
    )
    if selection.unclaimed:
        say(f"{selection.unclaimed} jobs are of no recorded run, and stay.")
