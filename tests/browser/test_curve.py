"""The curve under the finger in Chromium: what it shows is what Python says, and what a hand does is not lost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from optlab.client.client import Client
from optlab.jobs.measure import MEASURE
from optlab.knobs import knobs_of
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.report import page as one_file
from optlab.store.run import Run
from optlab.store.store import Store
from tests.browser import curves
from tests.browser import explore as on_explore
from tests.browser.conftest import watch
from tests.browser.serving import AT_REST

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
expect = sync_api.expect

pytestmark = pytest.mark.browser

MOVES = 200
SHOWN = """() => [...document.querySelectorAll('.tile')].map(tile => ({...tile.dataset}))"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page of nano, from the probe that OptLab brings along."""
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPTLAB_STORE", raising=False)
    written = tmp_path / "nano.html"
    written.write_text(one_file.of(Client(Store()), "nano", curves.BEGIN), encoding="utf-8")
    return written


@pytest.fixture
def alone(file: Path, browser: Browser, errors: list[str]) -> Iterator[Page]:
    """That page, opened without a network."""
    with browser.new_context(offline=True) as session:
        opened = session.new_page()
        watch(opened, errors)
        opened.goto(file.as_uri())
        yield opened


@pytest.fixture
def explore(page: Page) -> Page:
    """Explore at rest, where nothing is measured by itself."""
    recipe = json.dumps(curves.BEGIN.to_dict()["steps"])
    page.goto(f"/explore?{urlencode({'model': 'nano', 'recipe': recipe, 'tokens': 1024, 'context': 256})}")
    expect(page.locator("section.curve .headline").first).to_be_visible(timeout=60_000)
    on_explore.by_hand(page)
    return page


def test_two_hundred_moves_show_what_python_says(alone: Page, errors: list[str]) -> None:
    client = Client(Store())
    predictor, description = client.predictor("nano", Protocol()), client.description("nano")
    assert predictor is not None and description is not None
    knobs = curves.knobbed(description)
    predicted = 0
    for place in curves.places(knobs, MOVES):
        stops = {"bits": knobs.bits().index(place.bits), "sparsity": knobs.sparsities().index(place.sparsity)}
        for name, stop in stops.items():
            alone.locator(f"#knob-{name}").fill(str(stop))
        quality, size, _speed = alone.evaluate(SHOWN)
        told = predictor.predict(knobs.recipe(place))
        if told.ppl_ratio is None or told.ppl_ratio_band90 is None:
            assert quality["value"] == "" and quality["side"] == "unknown"
            continue
        predicted += 1
        assert float(quality["value"]) == pytest.approx(told.ppl_ratio, rel=1e-6)
        assert (float(quality["low"]), float(quality["high"])) == pytest.approx(told.ppl_ratio_band90, rel=1e-6)
        assert float(size["value"]) == told.size_bytes
    assert predicted > MOVES / 2
    assert errors == []


def test_the_page_asks_for_nothing_and_follows_the_reader(file: Path, browser: Browser, errors: list[str]) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        with browser.new_context(offline=True, color_scheme=scheme, viewport={"width": 390, "height": 844}) as session:
            opened = session.new_page()
            watch(opened, errors)
            asked: list[str] = []
            opened.on("request", lambda request, asked=asked: asked.append(request.url))
            opened.goto(file.as_uri())
            expect(opened.get_by_role("slider", name="Bits")).to_have_attribute("aria-valuetext", "4 bits")
            expect(opened.get_by_role("checkbox")).to_have_count(0)  # nobody is there who could train
            assert opened.evaluate("document.documentElement.scrollWidth") <= 390
            assert asked == [file.as_uri()]
            grounds.append(opened.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(set(grounds)) == 2
    assert errors == []


def test_where_nothing_is_predicted_it_says_why(alone: Page) -> None:
    sparsity = alone.get_by_role("slider", name="Sparsity")
    sparsity.press("End")
    expect(sparsity).to_have_attribute("aria-valuetext", "95% zeros")
    expect(alone.locator(".note").last).to_contain_text("outside what was probed")
    expect(alone.locator("[data-tile=quality] .headline")).to_have_text("not measured yet")


def test_a_budget_is_a_line_and_a_word(alone: Page) -> None:
    alone.get_by_label("Budget (MB)").fill("4.5")
    expect(alone.locator(".budget-line")).to_have_count(1)
    bits = alone.get_by_role("slider", name="Bits")
    bits.press("End")
    expect(alone.locator(".fits")).to_have_text("over the budget")
    bits.press("Home")
    expect(alone.locator(".fits")).to_have_text("within the budget")
    alone.get_by_label("Budget (MB)").fill("")
    expect(alone.locator(".budget-line")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_the_page(file: Path, browser: Browser, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with browser.new_context(color_scheme=scheme, bypass_csp=True) as session:  # the page forbids what axe brings
        opened = session.new_page()
        opened.goto(file.as_uri())
        opened.get_by_label("Budget (MB)").fill("5")
        result = axe.Axe().run(opened).response
    assert len(result["passes"]) > 10
    grave = [one for one in result["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in grave] == []


def test_python_hears_a_dragged_knob_when_it_rests(explore: Page, errors: list[str]) -> None:
    bits, headline = explore.get_by_role("slider", name="Bits"), explore.locator("[data-tile=size] .headline")
    before, address = headline.inner_text(), explore.url
    curves.hold(explore, bits, 0)
    expect(bits).to_have_attribute("aria-valuetext", "2 bits")
    assert headline.inner_text() != before, "drawn while the hand is on it"
    explore.wait_for_timeout(600)
    assert explore.url == address, "nobody is asked for every step on the way"
    explore.mouse.up()
    explore.wait_for_url(re.compile("bits%22%3A2"))
    expect(explore.locator(AT_REST)).to_be_visible()
    expect(bits).to_have_attribute("aria-valuetext", "2 bits")
    assert errors == []


def test_keys_that_are_pressed_while_the_page_is_drawn_again_are_not_lost(explore: Page, errors: list[str]) -> None:
    sparsity = explore.get_by_role("slider", name="Sparsity")
    sparsity.focus()
    for pause in (500, 380, 420, 0, 450, 0):  # some rest long enough for Python to begin, and go on while it works
        sparsity.press("ArrowRight")
        explore.wait_for_timeout(pause)
    expect(sparsity).to_have_attribute("aria-valuetext", "50% zeros")
    explore.wait_for_url(re.compile("sparsity%22%3A0.5%2C"))
    expect(explore.locator(AT_REST)).to_be_visible()
    expect(sparsity).to_have_attribute("aria-valuetext", "50% zeros")
    expect(sparsity).to_be_focused()
    expect(explore.locator(".spoken")).to_contain_text("smaller")
    assert errors == []


@pytest.mark.parametrize(("steps", "pause"), [(1, 0), (2, 200), (3, 380), (4, 450)])
def test_measure_is_pressed_while_the_page_is_drawn_again(
    explore: Page, client: Client, steps: int, pause: int
) -> None:
    """pause: milliseconds between the knob and the button; the page begins to be drawn after 350."""
    before = {run.id for run in client.runs("measure")}
    sparsity = explore.get_by_role("slider", name="Sparsity")
    for _ in range(steps):
        sparsity.press("ArrowRight")
    explore.wait_for_timeout(pause)
    on_explore.measure(explore).first.click(no_wait_after=True)
    begun: list[Run] = []
    for _ in range(100):  # the page may be at rest for a moment before it hears of the press
        if begun := [run for run in client.runs("measure") if run.id not in before]:
            break
        explore.wait_for_timeout(100)
    assert len(begun) == 1
    told = MEASURE.spec_of(begun[0]).recipe
    assert isinstance(told, Recipe)
    expect(sparsity).to_have_attribute("aria-valuetext", f"{knobs_of(told).sparsity:.0%} zeros")


def test_what_else_moves_the_recipe_moves_the_knobs(explore: Page, errors: list[str]) -> None:
    explore.get_by_test_id("stCheckbox").filter(has_text="Prune").locator("label").first.click()
    expect(explore.get_by_role("slider", name="Sparsity")).to_have_attribute("aria-valuetext", "0% zeros")
    explore.get_by_role("button", name="No visible loss").click()
    expect(explore.get_by_role("slider", name="Bits")).to_have_attribute("aria-valuetext", "8 bits")
    assert errors == []


def test_the_knobs_are_where_they_were_left_after_another_page(explore: Page, errors: list[str]) -> None:
    explore.get_by_role("slider", name="Bits").press("ArrowRight")
    explore.wait_for_url(re.compile("bits%22%3A5"))
    explore.get_by_role("link", name="Runs").click()
    expect(explore.get_by_role("heading", name="Runs", level=1)).to_be_visible()
    explore.get_by_role("link", name="Explore").click()
    expect(explore.get_by_role("slider", name="Bits")).to_have_attribute("aria-valuetext", "5 bits", timeout=30_000)
    assert errors == []


def test_one_file_to_send_begins_where_the_knobs_are(explore: Page, browser: Browser, tmp_path: Path) -> None:
    explore.get_by_role("slider", name="Bits").press("ArrowLeft")
    explore.wait_for_url(re.compile("bits%22%3A3"))
    on_explore.go(explore, "Recipe and export")
    with explore.expect_download() as caught:
        explore.get_by_role("button", name="One file to send").click()
    sent = tmp_path / caught.value.suggested_filename
    caught.value.save_as(sent)
    assert sent.name == "optlab-nano.html"
    with browser.new_context(offline=True) as session:
        opened = session.new_page()
        opened.goto(sent.as_uri())
        expect(opened.get_by_role("slider", name="Bits")).to_have_attribute("aria-valuetext", "3 bits")
