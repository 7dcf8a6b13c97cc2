"""How findings are printed, and which exit code they are."""

from collections.abc import Sequence

import typer

from ..models.findings import Finding, FindingKind
from .output import FAILED, print_json, say

__all__ = ["print_findings"]


def print_findings(found: Sequence[Finding], *, as_json: bool) -> None:
    """Print what is not as it was recorded, and exit with 1 if anything is.

    What was not compared is told, and is nothing wrong.
    """
    wrong = [one for one in found if one.kind is not FindingKind.NOT_ASKED]
    if as_json:
        print_json({"findings": found})
    else:
        for one in found:
            say(f"{one.kind} {one.subject}: {one.message}")
            if one.affected:
                say(f"  products: {', '.join(one.affected)}")
            say(f"  {one.remedy}")
        say(f"{len(wrong)} findings." if wrong else "All is as it was recorded.")
    if wrong:
        raise typer.Exit(FAILED)
