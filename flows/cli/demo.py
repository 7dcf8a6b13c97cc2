"""`rewebb demo`: the main job on sample programs, checked against the truth."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, DataDir, split
from .output import (
    FAILED,
    print_json,
    print_rows,
    print_summary,
    say,
    watched,
)
from .run import run_flow, start_prefect

if TYPE_CHECKING:
    from workers.sample import Check, Mode, SampleSet

    from ..reports import RunSummary

__all__ = ["demo"]


def demo(
    *,
    sample_dir: Annotated[
        Path, typer.Option(help="Folder of the sample programs; made when missing.")
    ] = Path("rewebb-sample"),
    modes: Annotated[
        str, typer.Option(help="Modes, comma-separated, or all; see the docs.")
    ] = "nirspec-ifu-prism,nirspec-bots-prism",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make sample programs, reprocess them, and check the spectra."""
    from config.settings import load_settings
    from workers.sample import make_sample

    chosen = _parse_modes(modes)
    folder = load_settings(data_dir=data_dir).data_dir
    sample = make_sample(
        sample_dir.absolute(),
        modes=chosen,
        on_progress=(lambda _: None) if as_json else say,
    )
    _use_crds_of(sample)
    start_prefect(quiet=as_json)
    summaries = [_run(sample, mode, folder, quiet=as_json) for mode in chosen]
    checks = _check(sample, summaries, folder)
    if as_json:
        told = [{**asdict(check), "passed": check.passed} for check in checks]
        print_json({"runs": summaries, "checks": told})
    else:
        _print(summaries, checks, folder)
    sound = all(check.passed for check in checks)
    if not sound or any(summary.state != "SUCCEEDED" for summary in summaries):
        raise typer.Exit(FAILED)


def _use_crds_of(sample: "SampleSet") -> None:
    """Ignore variables of this machine that point to real references."""
    for name in ("CRDS_SERVER_URL", "CRDS_CONTEXT"):
        os.environ.pop(name, None)
        os.environ.pop(f"REWEBB_{name}", None)
    os.environ["REWEBB_CRDS_PATH"] = str(sample.crds)


def _parse_modes(text: str) -> "tuple[Mode, ...]":
    from workers.sample import Mode

    if text == "all":
        return Mode.list_usual()
    known = {str(mode): mode for mode in Mode.list_usual()}
    if unknown := [name for name in split(text) if name not in known]:
        raise typer.BadParameter(
            f"unknown mode {', '.join(unknown)}: expected all, or some of "
            f"{', '.join(known)}"
        )
    return tuple(known[name] for name in split(text))


def _run(
    sample: "SampleSet", mode: "Mode", data_dir: Path, *, quiet: bool
) -> "RunSummary":
    if not quiet:
        say()
        say(f"reprocessing program {mode.program}")
    parameters = {
        "program": mode.program,
        "recipe": mode.recipe,
        "archive": str(sample.archive),
        "data_dir": data_dir,
    }
    with watched(quiet=quiet) as listen:
        return run_flow(parameters, listen(mode.program))


def _check(
    sample: "SampleSet", summaries: list["RunSummary"], data_dir: Path
) -> list["Check"]:
    from workers.sample import check_products

    return [
        check
        for summary in summaries
        for check in check_products(data_dir / summary.folder, sample.truth)
    ]


def _print(
    summaries: list["RunSummary"], checks: list["Check"], data_dir: Path
) -> None:
    for summary in summaries:
        say()
        print_summary(summary)
        say(f"{len(summary.products)} products: {data_dir / summary.folder}")
    print_rows(
        ("check", "measured", "expected", "tolerance", "unit", ""),
        [
            (
                check.name,
                f"{check.measured:.5g}",
                f"{check.expected:.5g}",
                f"{check.tolerance:.3g}",
                check.unit,
                "passed" if check.passed else "FAILED",
            )
            for check in checks
        ],
        title="against the injected truth",
    )
