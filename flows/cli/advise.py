"""`rewebb advise` and `rewebb issues`: the published known issues."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    Archive,
    AsJson,
    Context,
    DataDir,
    Observations,
    RecipeName,
    split,
)
from .output import (
    announce_steps,
    fail,
    print_json,
    print_rows,
    say,
    watched,
)

if TYPE_CHECKING:
    from config.known_issues import KnownIssue

    from ..advice import Advice
    from ..run import Advised

__all__ = [
    "advise",
    "issues_app",
    "list_issues",
    "print_advice",
    "say_state",
    "show_issue",
    "to_records",
]

issues_app = typer.Typer(
    no_args_is_help=True, help="The published known issues of the modes."
)


def advise(
    program: Annotated[
        str, typer.Argument(help="Program id, five digits.", metavar="PROGRAM")
    ],
    *,
    archive: Archive = None,
    observations: Observations = None,
    recipe: RecipeName = "official",
    context: Context = None,
    data_dir: DataDir = None,
    explain: Annotated[
        str | None,
        typer.Option(help="Show one issue in full, by its id.", metavar="ID"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show which known issues apply to a program, and what a recipe does about them.

    Only headers are read, and nothing is resolved: `rewebb plan` knows the effective
    parameters and references as well.
    """
    from config.settings import load_settings

    from ..run import Request, advise_only

    settings = load_settings(archive=archive, data_dir=data_dir)
    request = Request(program, split(observations), recipe, context)
    with watched(quiet=as_json) as listen:
        step = announce_steps(listen(program))
        advised = advise_only(settings, request, step=step)
    wanted = [one for one in advised.advice if _is_asked(one, explain)]
    if explain is not None and not wanted:
        _find_issue(explain)
        fail(f"{explain} does not apply to the exposures of program {program}.")
    if as_json:
        print_json(_to_record(advised, wanted))
    elif explain is not None:
        _print_issue(wanted[0].issue)
        say()
        _print_standing(wanted[0])
    else:
        _print_advised(advised)


@issues_app.command("list")
def list_issues(*, as_json: AsJson = False) -> None:
    """List all known issues."""
    from config.known_issues import load_known_issues

    found = load_known_issues()
    if as_json:
        print_json(found)
        return
    rows = [(one.id, one.mode, one.status, one.title) for one in found]
    print_rows(("issue", "mode", "status", "title"), rows)


@issues_app.command("show")
def show_issue(
    issue: Annotated[str, typer.Argument(help="Its id.", metavar="ID")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a known issue: symptom, cause, versions, what to do."""
    found = _find_issue(issue)
    if as_json:
        print_json(found)
    else:
        _print_issue(found)


def to_records(advice: Sequence["Advice"]) -> list[dict[str, object]]:
    """Make records of advice for JSON."""
    return [
        {
            "id": one.issue.id,
            "title": one.issue.title,
            "state": one.state,
            "why": one.why,
            "add": one.add,
            "exposures": one.count,
            "examples": one.examples,
            "advice": one.issue.advice,
            "link": one.issue.link,
        }
        for one in advice
    ]


def print_advice(advice: Sequence["Advice"]) -> None:
    """Print how known issues stand, one a line."""
    rows = [
        (one.issue.id, say_state(one), one.count, one.issue.title) for one in advice
    ]
    print_rows(("issue", "state", "exposures", "title"), rows)


def say_state(one: "Advice") -> str:
    """Say how an issue stands, in words."""
    return one.state.replace("_", " ").lower()


def _to_record(advised: "Advised", wanted: Sequence["Advice"]) -> dict[str, object]:
    making = advised.making
    return {
        "program": advised.program,
        "recipe": advised.recipe,
        "jwst": making.jwst,
        "jwst_from": making.jwst_from,
        "context": making.context,
        "context_from": making.context_from,
        "exposures": advised.exposures,
        "issues": to_records(wanted),
    }


def _print_advised(advised: "Advised") -> None:
    """Print what applies, then what to add to the recipe, then where it stands."""
    from ..advice import count_states, name_open

    print_advice(advised.advice)
    for one in advised.advice:
        if one.state == "OPEN":
            say()
            say(f"{one.issue.id}: {one.issue.advice}")
            say(f"    {one.why}{':' if one.add else ''}")
            for line in one.add:
                say(f"        {line}".rstrip())
    making = advised.making
    jwst = _say_known("jwst", making.jwst, making.jwst_from)
    context = _say_known("context", making.context, making.context_from)
    say()
    say(f"program {advised.program}, recipe {advised.recipe}, {jwst}, {context}")
    say(
        f"{advised.exposures} exposures; known issues: "
        f"{name_open(count_states(advised.advice))}"
    )
    if any(one.add for one in advised.advice if one.state == "OPEN"):
        say(
            "lines to set go into a recipe of your own, which may extend another: "
            'extends = "official"'
        )
    say(f"one issue in full: `rewebb advise {advised.program} --explain ID`")


def _say_known(what: str, value: str | None, source: str) -> str:
    """Say what is known, and how; of what is not known, the source says so."""
    return f"{what} {value} ({source})" if value else f"{what} {source}"


def _print_standing(one: "Advice") -> None:
    say(f"here         {say_state(one)}: {one.why}")
    named = ", ".join(one.examples)
    more = ", ..." if one.count > len(one.examples) else ""
    say(f"exposures    {one.count}: {named}{more}")
    if one.add:
        say("add to the recipe:")
    for line in one.add:
        say(f"    {line}".rstrip())


def _is_asked(one: "Advice", explain: str | None) -> bool:
    return explain is None or one.issue.id == explain.upper()


def _find_issue(name: str) -> "KnownIssue":
    """Find an issue by its id, or say which one may be meant."""
    from difflib import get_close_matches

    from config.known_issues import load_known_issues

    by_id = {issue.id: issue for issue in load_known_issues()}
    found = by_id.get(name.upper())
    if found is None:
        close = get_close_matches(name.upper(), by_id, n=1)
        hint = f"did you mean {close[0]}?" if close else "see `rewebb issues list`"
        fail(f"There is no known issue {name}; {hint}")
    return found


def _print_issue(issue: "KnownIssue") -> None:
    """Print all of an issue."""
    from ..advice import to_fragment_lines

    versions, contexts = issue.versions, issue.contexts
    fixed = f", mended in {versions.fixed_in}" if versions.fixed_in else ""
    fixed += f" with {versions.fixed_with}" if versions.fixed_with else ""
    for title, text in (
        ("issue", f"{issue.id}: {issue.title}"),
        ("of", f"{issue.match.describe()}  ({issue.mode}, {issue.status})"),
        ("shown by", f"products of {issue.stage} and later"),
        ("symptom", issue.symptom),
        ("cause", issue.cause),
        ("jwst", f"{versions.holds or 'all versions'}{fixed}"),
        (
            "contexts",
            f"before {contexts.holds_before}" if contexts.holds_before else "all",
        ),
        ("measured by", issue.detection.measurement if issue.detection else "-"),
        ("advice", issue.advice),
        ("by hand", issue.by_hand or "-"),
        ("published", issue.link),
    ):
        say(f"{title:12} {text}")
    for caveat in issue.caveats:
        say(f"caveat       {caveat}")
    for fragment in issue.mitigation:
        of = f" (jwst {fragment.jwst})" if fragment.jwst else ""
        say(f"recipe{of}:")
        for line in to_fragment_lines(fragment):
            say(f"    {line}".rstrip())
