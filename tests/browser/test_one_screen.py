"""Explore on one screen, and few clicks: what a newcomer, and a person with a deadline, can do without scrolling."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from optlab.client.client import Client
from optlab.presets import PRESETS
from optlab.recipes import Recipe, Step
from tests.browser import explore, serving
from tests.browser.conftest import watch
from tests.browser.serving import AT_REST

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

expect = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed").expect

pytestmark = pytest.mark.browser

WIDE, HIGH = 1440, 900
MEASURED_MS = 180_000
MOST_CLICKS = 5
THREE = Recipe.of(
    Step("prune", "magnitude", {"sparsity": 0.3}), Step("distill", "forward_kl", {"steps": 20}),
    Step("quantize", "rtn", {"bits": 4, "group_size": 64}),
)  # fmt: skip


@pytest.fixture
def screen(app: tuple[str, Client], browser: Browser, errors: list[str]) -> Iterator[Page]:
    """A laptop's."""
    with browser.new_context(base_url=app[0], viewport={"width": WIDE, "height": HIGH}) as session:
        opened = session.new_page()
        watch(opened, errors)
        yield opened


def everything_in_sight(page: Page) -> None:
    """Knobs, Measure, the three figures and the chart lie on the screen as it is, none of them over another."""
    knobs = [page.get_by_role("slider", name=name) for name in ("Bits", "Sparsity", "Temperature")]
    tiles = [page.locator(f"[data-tile={name}]") for name in ("quality", "size", "speed")]
    parts = [*knobs, *tiles, explore.measure(page), page.locator(".verdict"), page.locator(".chart svg")]
    boxes = [on_screen(part) for part in parts]
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            assert apart(one, other), (one, other)
    main = page.get_by_test_id("stMain")
    assert main.evaluate("main => main.scrollTop") == 0


def on_screen(part: Locator) -> tuple[float, float, float, float]:
    """Its edges: left, top, right, bottom."""
    expect(part).to_be_visible()
    box = part.bounding_box()
    assert box is not None
    edges = box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]
    assert edges[0] >= 0 and edges[1] >= 0 and edges[2] <= WIDE and edges[3] <= HIGH, (part, edges)
    middle = [(edges[0] + edges[2]) / 2, (edges[1] + edges[3]) / 2]
    # nothing lies over it: what a click in its middle would meet is it, or a part of it
    assert part.evaluate("(one, [x, y]) => one.getRootNode().elementFromPoint(x, y) !== null", middle)
    return edges


def apart(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize("goal", [preset.title for preset in PRESETS])
def test_a_goal_its_knobs_and_its_result_are_on_one_screen(screen: Page, errors: list[str], goal: str) -> None:
    screen.goto("/explore?model=nano")
    expect(screen.get_by_role("button", name=goal)).to_be_visible()
    expect(screen.locator(AT_REST)).to_be_visible()
    screen.get_by_role("button", name=goal).click()
    expect(screen.get_by_role("button", name=goal)).to_be_disabled()
    expect(screen.locator(AT_REST)).to_be_visible()
    everything_in_sight(screen)
    assert errors == []


def test_three_steps_at_once_are_on_one_screen(screen: Page, errors: list[str]) -> None:
    screen.goto(f"/explore?{urlencode({'model': 'nano', 'recipe': json.dumps(THREE.to_dict()['steps'])})}")
    expect(screen.get_by_role("slider", name="Temperature")).to_be_enabled()
    expect(screen.locator(AT_REST)).to_be_visible()
    everything_in_sight(screen)
    assert errors == []


def test_the_strip_stays_while_the_rest_scrolls(screen: Page) -> None:
    screen.goto("/explore?model=nano")
    explore.advanced(screen)
    screen.get_by_role("slider", name="Bits").hover()
    screen.mouse.wheel(0, 4000)
    screen.wait_for_timeout(300)
    for part in (explore.measure(screen), screen.locator("[data-tile=quality]")):
        on_screen(part)


def test_a_newcomer_takes_a_gguf_home(browser: Browser, tmp_path: Path) -> None:
    """From an empty home; what is waited for is said, and only what is pressed counts."""
    clicks, began = 0, time.perf_counter()
    errors: list[str] = []
    with (
        serving.server(tmp_path / "home") as (address, _client),
        browser.new_context(base_url=address, viewport={"width": WIDE, "height": HIGH}) as session,
    ):
        page = session.new_page()
        watch(page, errors)
        page.goto("/")
        expect(page.locator("[data-tile=size] .badge")).to_have_text("predicted", timeout=60_000)
        # what is seen first is measured by itself
        expect(page.get_by_text(explore.FINISHED)).to_be_visible(timeout=MEASURED_MS)
        expect(page.locator("[data-tile=quality] .badge")).to_have_text("measured")
        for wanted in (
            page.get_by_role("button", name="Download", exact=True),
            page.get_by_role("button", name="GGUF for llama.cpp"),
        ):
            wanted.click()
            clicks += 1
        with page.expect_download() as caught:
            page.get_by_role("link", name="Save GGUF").click(timeout=60_000)
            clicks += 1
        file = tmp_path / caught.value.suggested_filename
        caught.value.save_as(file)
    assert file.read_bytes()[:4] == b"GGUF"
    print(f"a newcomer had a GGUF after {clicks} clicks and {time.perf_counter() - began:.0f} s")
    assert clicks <= MOST_CLICKS
    assert errors == []
