"""A lesson in front of a class: step by step with the keyboard alone, a link to a step, and scores at the end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.test_journey import ready

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed").expect

pytestmark = pytest.mark.browser

LESSON = "The quantization grid"


def test_a_lesson_is_taught_by_keyboard_alone(page: Page, errors: list[str]) -> None:
    ready(page, "/learn?model=nano&lesson=grid", LESSON)
    begin = page.get_by_role("button", name="Present")
    begin.focus()
    page.keyboard.press("Enter")
    bar = page.get_by_role("navigation", name="Presentation")
    told = bar.locator("output")
    expect(told).to_have_text(re.compile("^Step 1 of"))
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    keep = page.get_by_text("That is the whole trade.")
    expect(keep).to_be_hidden()
    count = int(told.inner_text().split()[-1])
    for step in range(2, count + 1):
        page.keyboard.press("PageDown" if step % 2 else "ArrowRight")
        expect(told).to_have_text(f"Step {step} of {count}")
    expect(keep).to_be_visible()
    assert f"step={count}" in page.url
    for number in range(3):
        option = page.locator(f".st-key-learn-grid-question-{number}").get_by_role("radio").first
        option.focus()
        page.keyboard.press("Space")
        expect(
            page.get_by_test_id("stAlert").filter(
                has_text=re.compile(
                    r"Right\.|Not "
                    "quite"
                )
            )
        ).to_have_count(number + 1)
    expect(told).to_have_text(f"Step {count} of {count}")
    right = page.get_by_text(re.compile(r"^\d of 3 right\.$")).inner_text()[0]
    bar.get_by_role("button", name="End presentation").focus()
    page.keyboard.press("Enter")
    expect(bar).to_have_count(0)
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    page.get_by_role("button", name="All lessons").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"So far {right} of 3 questions right, in 1 lesson.")).to_be_visible()
    assert errors == []


def test_a_link_opens_a_lesson_at_its_step(page: Page, errors: list[str]) -> None:
    ready(page, "/learn?model=nano&lesson=grid&teach=1&step=2", LESSON)
    told = page.get_by_role("navigation", name="Presentation").locator("output")
    expect(told).to_have_text(re.compile("^Step 2 of"))
    expect(page.get_by_text("That is the whole trade.")).to_be_hidden()
    page.get_by_role("slider", name="Bits").press("ArrowLeft")  # a knob keeps its arrows
    expect(told).to_have_text(re.compile("^Step 2 of"))
    page.keyboard.press("PageUp")
    expect(told).to_have_text(re.compile("^Step 1 of"))
    assert "step=1" in page.url
    assert errors == []
