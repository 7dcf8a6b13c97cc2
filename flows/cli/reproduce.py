"""`rewebb reproduce`, `bundle` and `replay`: products made again, here or elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, Cluster, DataDir
from .output import FAILED, REFUSED, announce, fail, print_json, say, watched
from .records import find_recorded, open_recorded

if TYPE_CHECKING:
    from ..reproduction import JobVerdict, Reproduced

__all__ = ["bundle", "replay", "reproduce"]

_Target = Annotated[
    str,
    typer.Argument(
        help="A product (its path, or just its name), a job (stage:name), or the "
        "beginning of a fingerprint or of the id of a run.",
        metavar="PRODUCT|JOB|RUN",
    ),
]
_Keep = Annotated[
    bool, typer.Option("--keep", help="Keep what was made, and say where it is.")
]


def reproduce(
    target: _Target,
    *,
    chain: Annotated[
        bool,
        typer.Option(
            "--chain", help="Make also what it was made of, from the raw files on."
        ),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--in",
            help="Make it in a fresh folder in this one, which all nodes must see; "
            "else in the scratch of the data folder.",
            metavar="DIR",
        ),
    ] = None,
    keep: _Keep = False,
    cluster: Cluster = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make products again from their record alone, and compare them bit by bit.

    All products of the job are compared, or those of all jobs of a run. Nothing in the
    store is touched. Exit code 1 when anything is DIFFERENT, and 2 when something
    CANNOT be made again.
    """
    from config.settings import load_settings

    from ..reproduction import reproduce as make

    settings = load_settings(data_dir=data_dir, cluster=cluster)
    fingerprints, _ = _find_jobs(target, data_dir)
    with watched(quiet=as_json) as listen:
        made = make(
            *(fingerprints, settings),
            chain=chain,
            folder=folder,
            keep=keep,
            listener=listen("").jobs,
            tell=_ignore if as_json else announce,
        )
    _print(made, as_json=as_json)


def bundle(
    target: _Target,
    file: Annotated[
        Path,
        typer.Argument(
            help="The bundle, a zip file that is not there yet.", metavar="FILE"
        ),
    ],
    *,
    by_uri: Annotated[
        bool,
        typer.Option(
            "--by-uri",
            help="Leave out files that were fetched from an archive; the bundle names "
            "their URIs and sha256.",
        ),
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put all that it takes to make products again into one file.

    It holds raw files, references and mappings of CRDS, parameters, associations,
    recipes and the versions of all packages, with a checksum of each, and an RO-Crate
    description. `rewebb replay` makes the products of it, without a network.
    """
    from config.settings import load_settings

    from ..reproduction import write_bundle

    fingerprints, about = _find_jobs(target, data_dir)
    settings = load_settings(data_dir=data_dir)
    bundled = write_bundle(fingerprints, settings, file, about=about, by_uri=by_uri)
    if as_json:
        print_json(bundled)
        return
    say(
        f"{bundled.path}: {bundled.jobs} jobs, {bundled.members} files, "
        f"{bundled.size_bytes / 1e6:.1f} MB"
    )
    for remote in bundled.remote:
        say(f"not in it: {remote.name}, which is {remote.uri} of {remote.source}")
    say(f"sha256 of the manifest: {bundled.manifest_sha256}")


def replay(
    file: Annotated[Path, typer.Argument(help="The bundle.", metavar="BUNDLE")],
    *,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--in",
            help="Folder to make the products in, empty or not there yet; else "
            "one beside the bundle, named like it.",
            metavar="DIR",
        ),
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the files that the bundle names by URI, anywhere in it.",
            metavar="DIR",
        ),
    ] = None,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Make the products of a bundle again, and compare them with its records.

    Every checksum is verified first. Neither a network nor a database is needed. The
    products are in `products` of the folder. Exit codes are those of `reproduce`.
    """
    from config.settings import load_settings

    from ..reproduction import replay as make

    place = (folder or file.with_name(f"{file.stem}-replay")).absolute()
    settings = load_settings(data_dir=place, cluster=cluster)
    with watched(quiet=as_json) as listen:
        made = make(
            *(file, place, settings),
            inputs=inputs,
            listener=listen("").jobs,
            tell=_ignore if as_json else announce,
        )
    _print(made, as_json=as_json)


def _ignore(_: object) -> None:
    pass


def _find_jobs(target: str, data_dir: Path | None) -> tuple[tuple[str, ...], str]:
    """Find the jobs that a name stands for, and say what it is."""
    from ..models.runs import JobState, Run

    done = {JobState.SUCCEEDED, JobState.REUSED}
    with open_recorded(data_dir) as (database, _):
        found = find_recorded(database, target)
        if not isinstance(found, Run):
            one = found.product
            name = one.product.name if one else found.fingerprint[:16]
            return (found.fingerprint,), name
        jobs = database.runs.get_run_jobs(found.id)
    made = [job.fingerprint for job in jobs if job.fingerprint and job.state in done]
    if not made:
        fail(
            f"The run {found.id} has made nothing; see `rewebb status {found.id[:8]}`."
        )
    return tuple(made), f"run {found.id} of program {found.program}"


def _print(made: "Reproduced", *, as_json: bool) -> None:
    """Print what came of it, and exit."""
    if as_json:
        print_json(made)
    else:
        for job in made.jobs:
            _print_job(job)
        for line in made.environment:
            say(f"the environment differs: {line}")
        if made.folder is not None:
            say(f"what was made is in {made.folder}")
        counted = f"{len(made.jobs)} job{'s' * (len(made.jobs) != 1)}"
        say(f"{made.verdict}: {counted}")
    codes = {"IDENTICAL": 0, "DIFFERENT": FAILED, "CANNOT": REFUSED}
    raise typer.Exit(codes[made.verdict])


def _print_job(job: "JobVerdict") -> None:
    why = f": {job.message}" if job.message else ""
    say(f"{job.verdict} {job.key}{why}")
    for product in job.products:
        why = f": {product.message}" if product.message else ""
        say(f"    {product.verdict} {product.name}{why}")
        for one in product.differences:
            say(f"        {one.part}: {one.message}" if one.part else one.message)
