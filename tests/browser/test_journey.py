"""A person's way through the dashboard, in a real browser, on the real nano model, with real workers."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from optlab.client.client import Client
from optlab.figures import format, pairs, verdict
from optlab.jobs.generate import GENERATE
from optlab.jobs.measure import MEASURE
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.store.run import Run
from pages.components.shared.view import link_to_run
from tests.browser import explore
from tests.browser.explore import FIRST_SCREEN
from tests.browser.serving import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
expect = sync_api.expect
expect.set_options(timeout=30_000)

pytestmark = pytest.mark.browser

MEASURED_S = 180_000
"""Milliseconds; far more than nano needs, because other work may share the machine."""
QUICK = "model=nano&tokens=1024&context=256"


def ready(page: Page, path: str, heading: str | re.Pattern[str]) -> None:
    page.goto(path)
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
    expect(page.locator(FIRST_SCREEN)).to_have_count(0)


def wait_for_run(client: Client, kind: str, status: str = "done", seconds: float = 180) -> Run:
    """The newest run of a kind, once it has that status."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        runs = client.store.list(kind=kind, limit=1)
        if runs and runs[0].status == status:
            return runs[0]
        assert not (runs and runs[0].status == "failed"), runs[0].error
        time.sleep(0.2)
    raise AssertionError(f"no {kind} became {status} in {seconds} s")


def test_a_deep_link_into_a_fresh_server_has_its_frame(page: Page, errors: list[str]) -> None:
    ready(page, f"/explore?{QUICK}", "Explore")
    expect(page.get_by_role("link", name="Compare")).to_be_visible()
    expect(page.get_by_test_id("stSidebar").get_by_role("combobox")).to_have_value("nano")
    expect(page.get_by_test_id("stSidebar")).to_contain_text(re.compile("worker|running"), timeout=60_000)
    assert errors == []


def test_from_the_slider_to_a_measured_result(page: Page, client: Client, errors: list[str]) -> None:
    ready(page, "/?tokens=1024&context=256&model=smollm2-135m", "Explore")
    page.get_by_test_id("stSidebar").get_by_role("combobox").click()
    page.get_by_role("option", name="nano").click()
    expect(page.get_by_text("What does compressing nano cost?")).to_be_visible()
    page.get_by_role("button", name="No visible loss").click()

    slider = page.get_by_role("slider", name="Bits")
    expect(slider).to_have_attribute("aria-valuetext", "8 bits")
    page.get_by_text("Embedding and head too").click()  # off again: what is left is predicted
    expect(page.locator("[data-tile=quality]")).to_contain_text("predicted")
    for _ in range(5):
        slider.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "3 bits")
    page.wait_for_url(re.compile("bits%22%3A(%20)?3|bits%22:3"))
    for tile in ("quality", "size"):
        expect(page.locator(f"[data-tile={tile}]")).to_contain_text("predicted")  # by the probe that is brought along

    explore.measure(page).click()
    expect(page.get_by_text(explore.FINISHED)).to_be_visible(timeout=MEASURED_S)
    run = wait_for_run(client, "measure")
    assert MEASURE.spec_of(run).known_recipe.steps[0].values["bits"] == 3
    result = MEASURE.result_of(run)
    assert result is not None and result.latency is not None and result.delta.ppl_ratio_ci95 is not None
    expect(page.locator(".verdict")).to_have_text(verdict.measured(result))
    expect(page.locator("[data-tile] .badge").filter(has_text="measured")).to_have_count(3)
    shown = " ".join(page.locator("[data-tile]").all_inner_texts())
    for side in (result.baseline, result.compressed):
        assert format.number(side.ppl) in shown
        assert format.megabytes(side.size_bytes) in shown
    assert pairs.quality(result).headline in shown
    assert format.change_range(*result.delta.ppl_ratio_ci95) in shown
    for timed in (result.latency.base, result.latency.candidate):
        assert format.significant(1000 / timed.decode_ms) in shown
    assert errors == []


def test_a_link_reopens_the_same_view(page: Page, browser: Browser, app: tuple[str, Client]) -> None:
    client = app[1]
    ready(page, f"/explore?{QUICK}", "Explore")
    run = measured(client)
    ready(page, link(run), "Explore")
    expect(page.get_by_text(explore.FINISHED)).to_be_visible()
    address = page.url
    with browser.new_context(base_url=app[0]) as other:
        second = other.new_page()
        second.goto(address)
        expect(second.get_by_text(explore.FINISHED)).to_be_visible()
        result = MEASURE.result_of(run)
        assert result is not None
        expect(second.get_by_test_id("stMain")).to_contain_text(pairs.quality(result).headline)


def test_two_sessions_see_the_same_runs(page: Page, browser: Browser, app: tuple[str, Client]) -> None:
    run = measured(app[1])
    ready(page, "/runs", "Runs")
    with browser.new_context(base_url=app[0]) as other:
        second = other.new_page()
        ready(second, "/runs", "Runs")
        for session in (page, second):
            expect(session.get_by_test_id("stMain")).to_contain_text(f"#{run.id}")


def test_a_closed_tab_loses_nothing(browser: Browser, app: tuple[str, Client], page: Page) -> None:
    ready(page, "/runs", "Runs")
    with browser.new_context(base_url=app[0]) as short:
        tab = short.new_page()
        ready(tab, f"/explore?{QUICK}&seed=7&recipe=[{{%22quantize%22:{{%22bits%22:5}}}}]", "Explore")
        explore.measure(tab).click()
        expect(tab.get_by_role("button", name="Cancel")).to_be_visible()
    run = wait_for_run(app[1], "measure")
    assert MEASURE.spec_of(run).protocol.seed == 7
    expect(page.get_by_test_id("stMain")).to_contain_text(f"#{run.id}")


def test_both_models_write(page: Page, client: Client, errors: list[str]) -> None:
    run = measured(client)
    ready(page, link(run), "Explore")
    page.get_by_role("button", name="Generate", exact=True).click()
    written = wait_for_run(client, "generate")
    generation = GENERATE.result_of(written)
    assert generation is not None and generation.candidate is not None
    beginning = GENERATE.spec_of(written).prompt.split()[0]
    texts = page.get_by_test_id("stHtml").filter(has_text=beginning)
    expect(texts.first).to_be_visible()
    for index, side in enumerate((generation.base, generation.candidate)):
        last = side.text.split()[-1]
        expect(texts.nth(index)).to_contain_text(last)
    assert errors == []


def test_compare_opens_a_recipe_in_explore(page: Page, client: Client, errors: list[str]) -> None:
    run = measured(client)
    ready(page, "/compare?model=nano", "Compare")
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    points = page.locator(".scatterlayer .points path")
    expect(points.first).to_be_visible()
    point = points.first  # the last is the original
    box = point.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    opener = page.get_by_role("link", name=re.compile("in Explore"))
    expect(opener).to_be_visible()
    opener.click()
    expect(page.get_by_role("heading", name="Explore", level=1)).to_be_visible()
    expect(page.get_by_text(explore.FINISHED)).to_be_visible()
    assert MEASURE.result_of(run) is not None
    assert errors == []


@pytest.mark.parametrize("path", list(PAGES.values()))
def test_every_page_fits_a_phone(page: Page, path: str, errors: list[str]) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{path}?{QUICK}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_load_state("networkidle")
    wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    assert wide <= 390
    assert errors == []


def measured(client: Client, bits: int = 3) -> Run:
    """A measurement of nano that is done, made when it is not there yet."""
    recipe = Recipe.of(Step("quantize", "rtn", {"bits": bits}))
    protocol = Protocol(tokens=1024, context=256)
    client.submit_measure("nano", recipe, protocol)
    deadline = time.monotonic() + MEASURED_S / 1000
    while time.monotonic() < deadline:
        run = client.find("nano", recipe, protocol)
        if run is not None and run.status == "done":
            return run
        assert run is None or run.live, run.error
        time.sleep(0.2)
    raise AssertionError("the measurement of nano did not finish")


def link(run: Run) -> str:
    return f"/explore?{urlencode(link_to_run(MEASURE.spec_of(run)))}"
