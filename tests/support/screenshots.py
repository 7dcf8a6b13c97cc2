"""Pictures of pages, for people to look at."""

import os
from pathlib import Path

from playwright.sync_api import Page

__all__ = ["keep_screenshot"]


def keep_screenshot(page: Page, name: str) -> None:
    """Keep a picture of a page in the folder of the variable SCREENSHOTS, if it is set.

    Parameters
    ----------
    name
        Name of the file, without its ending; what it cannot hold becomes ``-``.
    """
    if folder := os.environ.get("SCREENSHOTS"):
        safe = "".join(one if one.isalnum() else "-" for one in name).strip("-")
        page.screenshot(path=Path(folder) / f"{safe[:100]}.png", full_page=True)
