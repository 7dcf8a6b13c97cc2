"""Writes the page of known issues for users from their files.

    python tools/write_known_issues.py

A test compares the page with what this makes.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from config.known_issues import Fragment, KnownIssue, load_known_issues
from flows.advice import to_fragment_lines

PAGE = Path(__file__).parents[1] / "docs" / "user" / "known-issues.md"

MODES = ("NIRSpec IFU", "NIRSpec MOS", "NIRSpec BOTS", "MIRI MRS")

HEAD = """\
# Known issues

The published known-issues pages as data, one row or paragraph of advice each
(`config/known_issues/*.toml`). `rewebb advise PROGRAM` says which of them apply to a
program, and `rewebb issues show ID` prints one in full: see
[advice on known issues](advice.md).

This page is made from the files by `tools/write_known_issues.py`. *Status* is `open`,
`resolved` (by a version or a context), or `advice`: a choice, or a limit to know of.
*Versions* are those of `jwst` that have the issue. *Recipe* is what mitigates it; where
several things do, the first is recommended.
"""


def make_page() -> str:
    """Make the page: a table for each mode."""
    issues = sorted(load_known_issues(), key=_find_place)
    lines = [HEAD]
    for mode, of_mode in groupby(issues, key=lambda issue: issue.mode):
        listed = [*of_mode]
        lines += [f"## {mode}", "", f"[The page of STScI]({listed[0].link})", ""]
        lines += ["| issue | | status | versions | recipe |", "|---|---|---|---|---|"]
        lines += [*map(_to_row, listed), ""]
    return "\n".join(lines)


def _find_place(issue: KnownIssue) -> tuple[int, bool, str]:
    """Order by mode; the numbered rows of the page come before its paragraphs."""
    return MODES.index(issue.mode), not issue.id[-1].isdigit(), issue.id


def _to_row(issue: KnownIssue) -> str:
    recipe = "<br>or ".join(map(_to_cell, issue.mitigation))
    cells = (
        *(
            issue.id,
            issue.title,
            issue.status,
            ", ".join(_list_versions(issue)) or "all",
        ),
        recipe or ("by hand" if issue.by_hand else "-"),
    )
    return f"| {' | '.join(cells)} |"


def _list_versions(issue: KnownIssue) -> Iterator[str]:
    versions, before = issue.versions, issue.contexts.holds_before
    if versions.holds:
        yield f"`{versions.holds}`"
    if versions.fixed_with:
        yield f"`<{versions.fixed_in}`, or without a `{versions.fixed_with}` reference"
    if before:
        yield f"contexts before `{before}`"


def _to_cell(fragment: Fragment) -> str:
    """Give the lines of a fragment, without those that only say of what they are."""
    since = f" (jwst `{fragment.jwst}`)" if fragment.jwst else ""
    skipped = ("[", "exp_types", "match", "sha256")
    lines = [one for one in to_fragment_lines(fragment) if not one.startswith(skipped)]
    return ", ".join(f"`{line}`" for line in lines if line) + since


if __name__ == "__main__":
    PAGE.write_text(make_page())
