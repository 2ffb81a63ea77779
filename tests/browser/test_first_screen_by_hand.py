"""The screen that stands while Streamlit starts in the browser: what a hand does on it is not lost, and it goes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.explore import FIRST_SCREEN, measure
from tests.browser.serving import AT_REST

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page, Route

expect = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed").expect

pytestmark = pytest.mark.browser

LINK = "/explore?model=nano&recipe=[{%22quantize%22:{%22bits%22:3,%22group_size%22:64}}]"
PLACES = """(inside) => {
  const parts = [];
  const look = (root) => root.querySelectorAll('*').forEach((one) => {
    if (one.matches('.tile, .verdict, .knob, .chart svg')) parts.push(one);
    if (one.shadowRoot) look(one.shadowRoot);
  });
  look(document.querySelector(inside).shadowRoot ?? document.querySelector(inside));
  return parts.map((one) => { const box = one.getBoundingClientRect(); return [box.x, box.y, box.width]; });
}"""
MOVED = 2.0
"""Pixels that nobody sees."""


def started(page: Page, path: str) -> Callable[[], None]:
    """Open an address in a browser that does not get Streamlit's scripts until what is returned is called."""
    waiting: list[Route] = []
    passing = False

    def met(route: Route) -> None:
        if passing:
            route.continue_()
        else:
            waiting.append(route)

    def go_on() -> None:
        nonlocal passing
        passing = True
        for one in waiting:
            one.continue_()

    page.route("**/static/js/*", met)
    page.goto(path, wait_until="commit")
    return go_on


def held_back(page: Page, path: str) -> Callable[[], None]:
    """`started`, once the first screen is there."""
    go_on = started(page, path)
    expect(page.locator(FIRST_SCREEN)).to_be_visible()
    return go_on


def test_what_was_moved_there_stays_moved_and_is_heard(page: Page, errors: list[str]) -> None:
    go_on = held_back(page, LINK)
    bits, size = page.get_by_role("slider", name="Bits"), page.locator("[data-tile=size] .headline")
    before = size.inner_text()
    bits.press("ArrowRight")
    page.get_by_label("Budget (MB)").fill("4")
    bits.focus()
    expect(bits).to_have_attribute("aria-valuetext", "4 bits")
    moved = size.inner_text()
    assert moved != before
    go_on()
    expect(measure(page)).to_be_visible(timeout=60_000)
    expect(page.locator(FIRST_SCREEN)).to_have_count(0)
    assert size.inner_text() == moved
    expect(bits).to_have_attribute("aria-valuetext", "4 bits")
    expect(bits).to_be_focused()
    expect(page.get_by_label("Budget (MB)")).to_have_value("4")
    page.wait_for_url(re.compile("bits%22%3A4"))
    assert errors == []


def test_nothing_moves_when_the_page_takes_its_place(page: Page, errors: list[str]) -> None:
    go_on = held_back(page, LINK)
    before, shown = page.evaluate(PLACES, "#first-screen"), page.locator(".headline, .detail").all_inner_texts()
    go_on()
    expect(page.locator(AT_REST)).to_be_visible(timeout=60_000)
    after = page.evaluate(PLACES, "#root")
    assert len(after) == len(before) == 3 + 1 + 3 + 1
    for one, other in zip(before, after, strict=True):
        assert one == pytest.approx(other, abs=MOVED)
    assert page.locator(".headline, .detail").all_inner_texts()[:4] == shown[:4]  # the speed may be timed meanwhile
    assert errors == []


def test_a_hand_on_a_knob_keeps_it_until_it_lets_go(page: Page) -> None:
    go_on = held_back(page, LINK)
    box = page.get_by_role("slider", name="Sparsity").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    go_on()
    page.wait_for_function("document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'running'")
    page.wait_for_function("document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'")
    expect(page.locator(FIRST_SCREEN)).to_be_visible()
    told = page.get_by_role("slider", name="Sparsity").get_attribute("aria-valuetext")
    page.mouse.up()
    expect(page.locator(FIRST_SCREEN)).to_have_count(0)
    expect(page.get_by_role("slider", name="Sparsity")).to_have_attribute("aria-valuetext", told or "")
    assert told != "0% zeros"


def test_a_browser_that_speaks_otherwise_than_its_requests_waits_for_the_page(
    app: tuple[str, object], browser: Browser
) -> None:
    with browser.new_context(base_url=app[0], locale="zh-CN") as session:
        page = session.new_page()
        page.add_init_script("Object.defineProperty(navigator, 'language', { get: () => 'en-US' })")
        started(page, LINK)
        expect(page.locator("#first-screen-curve")).to_have_count(1)
        expect(page.locator(FIRST_SCREEN)).to_have_count(0)


def test_an_old_address_shows_none_and_another_page_neither(page: Page) -> None:
    for path in ("/frontier", "/learn", "/runs"):
        started(page, path)
        expect(page.locator("#root")).to_have_count(1)
        expect(page.locator(FIRST_SCREEN)).to_have_count(0)
        page.unroute_all(behavior="ignoreErrors")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_it(app: tuple[str, object], browser: Browser, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with browser.new_context(base_url=app[0], color_scheme=scheme, bypass_csp=True) as session:
        page = session.new_page()
        held_back(page, "/")
        result = axe.Axe().run(page).response
    assert len(result["passes"]) > 10
    grave = [one for one in result["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in grave] == []
