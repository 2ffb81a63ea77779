"""The ways of a teacher, of an engineer and of a reader of another language; what a reload in a run may not lose."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optlab.client.client import Client
from optlab.figures import format
from optlab.jobs.latency_grid import LATENCY_GRID
from optlab.jobs.measure import MEASURE
from optlab.recipes import Recipe
from pages.components.shared.language import LANGUAGES
from tests.browser import explore
from tests.browser.conftest import watch
from tests.browser.test_journey import MEASURED_S, QUICK, ready, wait_for_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

expect = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed").expect

pytestmark = pytest.mark.browser


def test_a_teacher_goes_through_a_lesson(page: Page, errors: list[str]) -> None:
    ready(page, "/learn?model=nano", "Learn")
    page.locator(".st-key-learn-open-grid button").click()
    expect(page.get_by_role("heading", name="The quantization grid", level=1)).to_be_visible()
    assert "lesson=" in page.url
    error = page.get_by_test_id("stMetricValue").first
    before = error.inner_text()
    page.get_by_role("slider", name="Bits").press("ArrowLeft")
    expect(error).not_to_have_text(before)
    assert float(error.inner_text().rstrip("%")) > float(before.rstrip("%"))
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    expect(page.locator(".katex").first).to_be_visible()

    for number, wrong in enumerate((True, False, False)):
        question = page.locator(f".st-key-learn-grid-question-{number}")
        question.get_by_role("radio").nth((0, 1, 0)[number]).locator("xpath=ancestor::label[1]").click()
        said = page.get_by_test_id("stAlert").filter(has_text="Not quite" if wrong else "Right.")
        expect(said.first).to_be_visible()
    expect(page.get_by_text("2 of 3 right.")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Next")).click()
    expect(page.get_by_role("heading", name="The quantization grid", level=1)).to_have_count(0)
    assert errors == []


MIXED = """
steps:
  - prune: {method: magnitude, sparsity: 0.2}
    layers: ".*mlp.*"
  - quantize: {bits: 6, group_size: 64}
    layers: ".*self_attn.*"
  - quantize: {bits: 4, group_size: 64}
    layers: ".*mlp.*"
"""


@pytest.mark.slow
def test_an_engineer_brings_a_recipe_measures_it_and_takes_a_report_along(
    page: Page, client: Client, errors: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "mixed.yaml"
    file.write_text(MIXED)
    recipe = Recipe.from_file(file)
    ready(page, f"/explore?{QUICK}", "Explore")
    explore.go(page, "Recipe and export")
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_role("img", name=re.compile("Bits and zeros of"))).to_be_visible()
    expect(page.get_by_role("slider", name="Bits")).to_have_count(0)
    explore.measure(page).click()
    explore.go(page, "Result")
    expect(page.get_by_text(explore.FINISHED)).to_be_visible(timeout=MEASURED_S)
    run = wait_for_run(client, "measure")
    assert MEASURE.spec_of(run).recipe.content_hash == recipe.content_hash
    result = MEASURE.result_of(run)
    assert result is not None
    bits = {layer.name: layer.bits_per_weight or 0.0 for layer in result.layers}
    assert bits["model.layers.0.self_attn.q_proj"] > 6 > bits["model.layers.0.mlp.up_proj"] > 4

    explore.go(page, "Speed")
    page.get_by_role("button", name="Time other batch and prompt sizes").click()
    timed = wait_for_run(client, "latency_grid", seconds=MEASURED_S / 1000)
    grid = LATENCY_GRID.result_of(timed)
    assert grid is not None and grid.cells.candidate is not None
    assert {cell.batch for cell in grid.cells.candidate} == {1, 2, 4, 8}
    expect(page.get_by_text("At batch size 1 the compressed model")).to_be_visible()

    explore.go(page, "Recipe and export")
    expect(page.get_by_text("python -m optlab measure nano").first).to_be_visible()
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", name="Compare", level=1)).to_be_visible()
    expect(page.locator(".scatterlayer .points path").first).to_be_visible()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Report").click()
    report = tmp_path / "report.html"
    caught.value.save_as(report)
    words = report.read_text()
    assert format.megabytes(result.compressed.size_bytes) in words
    assert "python -m optlab measure nano" in words
    assert errors == []


def test_the_language_switches_everywhere_and_stays_in_the_address(page: Page, errors: list[str]) -> None:
    ready(page, f"/explore?{QUICK}", "Explore")
    page.get_by_role("radio", name=LANGUAGES["zh"]).or_(page.get_by_role("button", name=LANGUAGES["zh"])).click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Explore")
    page.wait_for_url(re.compile("lang=zh"))
    page.get_by_test_id("stTopNavLink").nth(2).click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_url(re.compile("lang=zh"))
    chinese = re.compile("[\u4e00-\u9fff]")
    assert chinese.search(page.get_by_role("heading", level=1).inner_text())
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(chinese)
    assert errors == []


def test_the_theme_follows_the_browser(app: tuple[str, Client], browser: Browser, errors: list[str]) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        with browser.new_context(base_url=app[0], color_scheme=scheme) as session:
            page = session.new_page()
            watch(page, errors)
            ready(page, "/learn?model=nano", "Learn")
            colour = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
            grounds[scheme] = sum(int(part) for part in re.findall(r"\d+", colour)[:3])
    assert grounds["dark"] < 150 < 600 < grounds["light"]
    assert errors == []


def test_a_reload_in_the_middle_of_a_run_finds_it_again(page: Page, client: Client, errors: list[str]) -> None:
    ready(page, f"/explore?{QUICK}&seed=11&recipe=[{{%22quantize%22:{{%22bits%22:7}}}}]", "Explore")
    explore.measure(page).click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Explore", level=1)).to_be_visible()
    run = wait_for_run(client, "measure")
    assert MEASURE.spec_of(run).protocol.seed == 11
    expect(page.get_by_text(explore.FINISHED)).to_be_visible()
    expect(page.locator("[data-tile] .badge").filter(has_text="measured")).to_have_count(3)
    assert errors == []
