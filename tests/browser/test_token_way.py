"""A token's way in the first lesson, with the keyboard alone and with the mouse."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_journey import ready

pytestmark = pytest.mark.browser


def test_it_is_walked_and_played_by_keyboard(page: Page, errors: list[str]) -> None:
    ready(page, "/learn?model=nano&lesson=attention", "How a Transformer computes")
    way = page.locator(".journey")
    slider = way.get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(way.get_by_role("heading")).to_have_text("Block 1: attention")
    expect(way.locator("[aria-current=step]")).to_have_attribute("aria-label", "Block 1: attention")
    shares = [float(text.rstrip("%")) for text in way.locator(".share b").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.5 * len(shares))
    page.keyboard.press("End")
    expect(way.get_by_role("heading")).to_have_text("How surprised the model is")
    expect(way.locator(".picture")).to_contain_text("Nothing comes after the last token")
    chosen = way.get_by_role("radiogroup", name="Token that is followed").get_by_role("radio", checked=True)
    chosen.focus()
    page.keyboard.press("ArrowLeft")
    found = re.search(r"−ln ([\d.e-]+) = ([\d.]+)", way.locator(".big").inner_text())
    assert found is not None
    way.get_by_role("button", name="To the beginning").focus()
    page.keyboard.press("Enter")
    expect(way.locator("output")).to_have_text(re.compile("^1 / "))
    way.get_by_role("button", name="Play").focus()
    page.keyboard.press("Enter")
    # The third step or, where this process looked late, one after it.
    expect(way.locator("output")).to_have_text(re.compile("^([3-9]|[12][0-9]) / "), timeout=15_000)
    way.get_by_role("button", name="Pause").focus()
    page.keyboard.press("Enter")
    expect(way.get_by_role("button", name="Play")).to_be_visible()
    assert errors == []


def test_a_word_lights_its_bar_and_its_term_of_the_formula(page: Page, errors: list[str]) -> None:
    ready(page, "/learn?model=nano&lesson=attention", "How a Transformer computes")
    way = page.locator(".journey")
    way.get_by_role("button", name="Block 2: attention").click()
    term = way.locator(".term").first
    token = term.get_attribute("data-token")
    way.locator(f".words [data-token='{token}']").hover()
    expect(way.locator(f"[data-token='{token}'].lit")).to_have_count(3)  # the word, its bar, its term
    page.mouse.move(0, 0)
    expect(way.locator(".lit")).to_have_count(0)
    way.get_by_role("radiogroup", name="Head").get_by_role("radio", name="2").click()
    expect(way.get_by_role("radiogroup", name="Head").get_by_role("radio", checked=True)).to_have_text("2")
    assert errors == []
