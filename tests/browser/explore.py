"""Where things are on Explore, and how a hand gets there: what the browser tests and benchmarks both need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.browser.serving import AT_REST

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

FIRST_SCREEN = "#first-screen"
"""What stands until Streamlit has drawn the page; the page behind it is not seen until it has gone."""
FINISHED = "All figures"
"""The words of a box that only a finished measurement has."""


def measure(page: Page) -> Locator:
    """The button; its words say what it takes."""
    return page.get_by_role("button", name=re.compile("^Measure( |$)"))


def go(page: Page, view: str) -> None:
    """Open one of the views at the right."""
    page.get_by_role("tab", name=view).click()
    page.locator(AT_REST).wait_for()


def advanced(page: Page) -> None:
    """Open everything that is more than three knobs."""
    page.get_by_test_id("stExpander").filter(has_text="Advanced").locator("summary").click()
    page.get_by_text("Measure automatically").wait_for()
    page.locator(AT_REST).wait_for()


def by_hand(page: Page) -> None:
    """Have nothing measured by itself."""
    advanced(page)
    switch = page.get_by_test_id("stCheckbox").filter(has_text="Measure automatically")
    if switch.locator("input").is_checked():
        switch.get_by_text("Measure automatically").click()
    page.locator(AT_REST).wait_for()
