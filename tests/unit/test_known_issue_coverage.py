"""The known issues stand against the five published pages, line by line."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

import pytest
from beside import ISSUE_PAGES, needs

from config.known_issues import KnownIssue, Source, load_known_issues

pytestmark = needs(ISSUE_PAGES)

ISSUES = load_known_issues()
ROW = re.compile(r"(NS-[A-Z]+[0-9]{2}):")

TITLE = "the title of the page, or what it is for"
HEADING = "a heading whose parts are named one by one"
FIGURE = "a figure: what is seen is said in the text"
LINK = "refers to another page"
CODE = "the rest of an example, named by its first line"
LIST = "introduces what follows"
PRODUCTS = "describes products and metadata, and advises nothing"

UNADVISING: Mapping[str, Mapping[str, str]] = {
    "nirspec-ifu": {
        "NIRSpec IFU Known Issues": TITLE,
        "Known issues specific to NIRSpec IFU data processing": TITLE,
        "On this page": TITLE,
        "Specific artifacts are described": TITLE,
        "Please also refer to NIRSpec IFU Calibration Status": LINK,
        "Artifacts": HEADING,
        "Figure ": FIGURE,
        "Click on the figure": FIGURE,
        "Normalized JWST/NIRSpec G395H/F290LP spectra": FIGURE,
        "Pipeline notes": HEADING,
        "The topics below affect": LIST,
        "# when importing": CODE,
        "from astropy.io import fits": CODE,
        "cube = fits.open": CODE,
        "wavelength_array = ": CODE,
        "# or when opening": CODE,
        "from jwst import datamodels": CODE,
        "cube = datamodels.open": CODE,
        "ReadTheDocs documentation": LINK,
        "For more information see Beck": LINK,
        "Distortions have been seen": LIST,
        "The x and y position of the PSF from 2-D Gaussian fits": FIGURE,
        "Spectral shifts seen in the emission line data": FIGURE,
        "Summary of common issues": HEADING,
        "The sections above provide detail": LIST,
        "SymptomsCauseWorkaround": HEADING,
    },
    "nirspec-ifu-earlier-edition": {
        "NIRSpec IFU Known Issues": TITLE,
        "Known issues specific to NIRSpec IFU data processing": TITLE,
        "On this page": TITLE,
        "Specific artifacts are described": TITLE,
        "Please also refer to NIRSpec IFU Calibration Status": LINK,
        "Artifacts": HEADING,
        "Pipeline notes": HEADING,
        "The topics below affect": LIST,
        "WEIGHTING": CODE,
        "=DRIZZLE": CODE,
        "=emsm": CODE,
        "ormsm": CODE,
        "= ifualign": CODE,
        "ReadTheDocs documentation": LINK,
        "Credit: T. Beck": LINK,
        "Distortions have been seen": LIST,
        "Summary of common issues": HEADING,
        "The sections above provide detail": LIST,
        "Symptoms | Cause": HEADING,
        "---|": HEADING,
    },
    "nirspec-mos": {
        "JWST NIRSpec MOS Pipeline Caveats": TITLE,
        "Content Migration": TITLE,
        "WARNING: This page has been deprecated": LINK,
        "An overview of data products specific to": TITLE,
        "On this page": TITLE,
        "See also: NIRSpec Multi-Object Spectroscopy": LINK,
        "Summary of specific MOS pipeline issues": HEADING,
        "The information in this table": LINK,
        "SymptomsCauseWorkaround": HEADING,
        "Pipeline caveats": HEADING,
        "The automated JWST pipeline for MOS data processing": LIST,
    },
    "nirspec-bots": {
        "NIRSpec BOTS Known Issues": TITLE,
        "Known issues specific to NIRSpec BOTS": TITLE,
        "On this page": TITLE,
        "Specific artifacts are described": TITLE,
        "Please also refer to NIRSpec BOTS Calibration Status": LINK,
        "Artifacts": HEADING,
        "Information on NIRSpec instrument artifacts": LINK,
        "Pipeline notes": HEADING,
        "Early in the mission, our understanding": LIST,
        "However, at this moment, there are some caveats": LIST,
        "Stage 1 processing": HEADING,
        "See also: JWST Time-Series Observations": LINK,
        "Figure 1.": FIGURE,
        "Click on the figure": FIGURE,
        "An uncertainty of 20% should be considered": FIGURE,
        "The NIRSpec focal plane uses 2 individual detectors": PRODUCTS,
        "Summary of common issues": HEADING,
        "The sections above provide details": LIST,
        "Symptoms | Cause": HEADING,
        "---|---|": HEADING,
    },
    "miri-mrs": {
        "JWST MIRI MRS Pipeline Caveats": TITLE,
        "Features and potential caveats": TITLE,
        "On this page": TITLE,
        "Words in bold are GUI menus/": TITLE,
        "panels or data software packages": TITLE,
        "bold italics are buttons": TITLE,
        "tools or package parameters": TITLE,
        "Caveats specific to MIRI MRS data processing": TITLE,
        "An example Jupyter notebook": LINK,
        "MIRI MRS pipeline": HEADING,
        "Figure ": FIGURE,
        "Spectrum for calibration star HD76534": FIGURE,
        "3-D cubes of a point source are shown before": FIGURE,
        "Channel 2 spectrum of a point source": FIGURE,
        "Software documentation outside JDox": LINK,
        "Improved fringe flats and more sophisticated": LIST,
    },
}
"""Beginnings of lines that advise nothing, with why."""

ENDS = {
    "nirspec-ifu": "References",
    "nirspec-ifu-earlier-edition": "References",
    "nirspec-mos": "Latest updates",
    "nirspec-bots": "References",
    "miri-mrs": "Kavanagh, P., et al.",
}
"""Where references and notable updates begin, which advise nothing."""

DESCRIPTIONS = {
    "nirspec-mos": ("MOS pipeline and products overview", "Pipeline caveats"),
}
"""Parts that describe products and metadata and advise nothing: the heading of each,
and the next one."""

SHARED = {
    ("nirspec-ifu", "Background subtraction is automatically applied"): 2,
    ("nirspec-ifu-earlier-edition", "Background subtraction is automatically"): 2,
    ("miri-mrs", "The original commissioning wavelength solution"): 2,
    ("miri-mrs", "Flux calibration of the MIRI MRS data is presently"): 2,
    ("miri-mrs", "At present, there is a known bug"): 2,
}
"""Paragraphs that say of several issues, and of how many."""


@cache
def read_lines(page: str) -> Sequence[str]:
    """Read the lines of a page that advise, or may; of a row only how it begins."""
    text = (ISSUE_PAGES / f"{page}.txt").read_text()
    lines = [" ".join(line.removeprefix("|").split()) for line in text.splitlines()]
    return [*_leave_out(page, filter(None, lines))]


def _leave_out(page: str, lines: Iterable[str]) -> Iterator[str]:
    """Leave out what follows the beginning of a row, descriptions, and the end."""
    heading, after = DESCRIPTIONS.get(page, ("", ""))
    skips = False
    for line in lines:
        if line.startswith(ENDS[page]):
            return
        if (is_row := ROW.match(line)) or (heading and line == heading):
            skips = True
        elif line.startswith("SymptomsCause") or line == after:
            skips = False
        if is_row or not skips:
            yield line


def find_lines(source: Source) -> set[str]:
    """Find the lines of a source: the heading of that name, or those that begin so.

    A sentence in a paragraph may begin so, too.
    """
    lines = {*read_lines(source.page)}
    words = source.section
    begun = {one for one in lines if one.startswith(words) or f". {words}" in one}
    return lines & {words} or begun


def list_problems(issues: Sequence[KnownIssue]) -> list[str]:
    """List lines of the pages that no issue names, and issues too few of others."""
    found: list[str] = []
    for page, unadvising in UNADVISING.items():
        by_issue = [
            {line for s in one.sources if s.page == page for line in find_lines(s)}
            for one in issues
        ]
        for line in read_lines(page):
            named = sum(line in lines for lines in by_issue)
            known = [w for (p, w) in SHARED if p == page and line.startswith(w)]
            needed = SHARED[page, known[0]] if known else 1
            is_unadvising = any(line.startswith(words) for words in unadvising)
            if named < needed and not is_unadvising:
                found.append(f"{page}: {line[:70]!r} has {named} of {needed} issues")
    ids = {one.id for one in issues}
    rows = {m[1] for page in UNADVISING for m in map(ROW.match, read_lines(page)) if m}
    return [*found, *(f"no file of {row}" for row in sorted(rows - ids))]


def test_every_row_and_paragraph_has_an_issue() -> None:
    assert list_problems(ISSUES) == []


@pytest.mark.parametrize("issue", ISSUES, ids=lambda issue: issue.id)
def test_no_issue_can_be_taken_away(issue: KnownIssue) -> None:
    assert list_problems([one for one in ISSUES if one is not issue])


@pytest.mark.parametrize("issue", ISSUES, ids=lambda issue: issue.id)
def test_every_source_is_in_its_page(issue: KnownIssue) -> None:
    for source in issue.sources:
        assert find_lines(source), source.section


def test_every_row_of_the_pages_is_read() -> None:
    texts = [(ISSUE_PAGES / f"{page}.txt").read_text() for page in UNADVISING]
    ids = {match for text in texts for match in ROW.findall(text)}
    assert len(ids) == 18
    assert ids <= {one.id for one in ISSUES}


def test_what_advises_nothing_is_in_the_pages_and_named_by_no_issue() -> None:
    for page, unadvising in UNADVISING.items():
        sections = {s.section for one in ISSUES for s in one.sources if s.page == page}
        for words in unadvising:
            lines = [line for line in read_lines(page) if line.startswith(words)]
            assert lines, f"{page} has no line {words!r}"
            assert not sections & {words}, f"{page}: {words!r} is named by an issue"
