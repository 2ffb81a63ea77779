"""Five people and what they came for (docs/journeys.md): each way is walked in a browser, its clicks are counted, and
its seconds are printed (`-s` shows them)."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optlab import paths
from optlab.client.client import Client
from optlab.i18n import said
from optlab.jobs.measure import MEASURE
from optlab.store.run import Run
from tests.browser import serving
from tests.browser.conftest import watch
from tests.browser.test_journey import MEASURED_S, QUICK, ready, wait_for_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

expect = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed").expect

pytestmark = pytest.mark.browser


class Way:
    """One person's way through the pages. clicks: presses of the mouse button, or of a key that does the same."""

    def __init__(self, page: Page, who: str) -> None:
        self.page, self.who, self.clicks, self.began = page, who, 0, time.monotonic()

    def click(self, what: Locator, timeout: float = 30_000) -> None:
        what.click(timeout=timeout)
        self.clicks += 1

    def tab_to(self, what: Locator, presses: int = 150) -> None:
        """Go on with the Tab key until `what` has the focus."""
        what.wait_for()
        for _ in range(presses):
            if what.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key never reaches {what}")

    def ends(self, most: int) -> None:
        """Print what it took, and hold the promise."""
        print(f"\n{self.who}: {self.clicks} clicks, {time.monotonic() - self.began:.1f} s")
        assert self.clicks <= most


@pytest.fixture
def newcomer(tmp_path: Path, browser: Browser, errors: list[str]) -> Iterator[tuple[Page, Client]]:
    """A page on a server of its own, whose home is empty."""
    with (
        serving.server(tmp_path / "home") as (address, client),
        browser.new_context(base_url=address, viewport={"width": 1440, "height": 900}) as session,
    ):
        page = session.new_page()
        watch(page, errors)
        yield page, client


def test_a_curious_person_asks_what_four_bits_cost(newcomer: tuple[Page, Client], errors: list[str]) -> None:
    page, client = newcomer
    way = Way(page, "what-if")
    ready(page, "/?tokens=1024&context=256", "Explore")
    expect(page.locator("[data-tile=quality]").first).to_contain_text("predicted", timeout=60_000)
    way.click(page.get_by_role("slider", name="Bits"))  # where the hand falls: the middle of the knob
    way.click(page.get_by_role("button", name=re.compile("^Measure")))
    for tile in ("quality", "size", "speed"):
        expect(page.locator(f"[data-tile={tile}]").first).to_contain_text("measured", timeout=MEASURED_S)
    assert wait_for_run(client, "measure").done
    assert errors == []
    way.ends(most=2)


def test_somebody_who_decides_gets_a_recommendation_on_paper(
    page: Page, client: Client, errors: list[str], tmp_path: Path
) -> None:
    recipe = [{"quantize": {"bits": 8}}]
    ready(page, f"/explore?{QUICK}&recipe={json.dumps(recipe)}", "Explore")
    page.get_by_role("button", name=re.compile("^Measure")).click()
    wait_for_run(client, "measure")  # somebody did this before
    way = Way(page, "demo")
    ready(page, f"/explore?{QUICK}&recipe={json.dumps(recipe)}", "Explore")
    way.click(page.get_by_role("button", name="Compare"))
    with page.expect_download(timeout=120_000) as download:
        way.click(page.get_by_role("button", name="PDF"))
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.read_bytes().startswith(b"%PDF-") and len(re.findall(rb"/Type\s*/Page\b", file.read_bytes())) >= 1
    assert errors == []
    way.ends(most=4)


def test_a_teacher_needs_no_mouse(page: Page, errors: list[str]) -> None:
    way = Way(page, "lesson")
    ready(page, "/learn?model=nano&lesson=grid", "The quantization grid")
    error = page.get_by_test_id("stMetricValue").first
    before = error.inner_text()
    way.tab_to(page.get_by_role("slider", name="Bits"))
    page.keyboard.press("ArrowLeft")
    expect(error).not_to_have_text(before)
    for number in range(3):
        question = page.locator(f".st-key-learn-grid-question-{number}")
        way.tab_to(question.get_by_role("radio").first)
        page.keyboard.press("Space")
        answer = page.get_by_test_id("stAlert").filter(has_text=re.compile(r"Right\.|Not quite"))
        expect(answer).to_have_count(number + 1)
    way.tab_to(page.get_by_role("button", name=re.compile("^Next")))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The quantization grid", level=1)).to_have_count(0)
    assert "lesson=" in page.url and "lesson=grid" not in page.url
    assert errors == []
    way.ends(most=0)


def test_an_engineer_brings_a_model_and_a_text(page: Page, client: Client, errors: list[str], tmp_path: Path) -> None:
    folder, text = tmp_path / "my-model", tmp_path / "notes.txt"
    shutil.copytree(paths.ASSETS / "nano", folder)
    text.write_text("\n\n".join(f"Note {number}: the pump was checked and oiled, and it ran." for number in range(600)))
    ready(page, f"/explore?{QUICK}", "Explore")
    way = Way(page, "engineer")
    way.click(page.get_by_role("button", name="Your own model"))
    page.get_by_role("dialog").get_by_role("textbox").fill(str(folder))
    way.click(page.get_by_role("dialog").get_by_role("button", name="Open"))
    expect(page.get_by_text("my-model").first).to_be_visible(timeout=60_000)
    expect(page.locator(serving.AT_REST)).to_be_visible()
    way.click(page.get_by_text("Advanced"))
    way.click(page.get_by_text("How it is measured"))
    chooser = page.get_by_role("combobox", name=re.compile("Text"))
    way.click(chooser)
    chooser.fill(str(text))
    page.keyboard.press("Enter")
    expect(page.get_by_text("Note 0: the pump was checked").first).to_be_visible()  # what was taken of it
    page.get_by_role("slider", name="Bits").press("Home")
    way.click(page.get_by_role("button", name=re.compile("^Measure")))
    expect(page.locator("[data-tile=speed]").first).to_contain_text("measured", timeout=MEASURED_S)
    run = wait_for_run(client, "measure")
    spec, result = MEASURE.spec_of(run), MEASURE.result_of(run)
    assert spec.model == str(folder) and result is not None and result.text == str(text)
    assert errors == []
    way.ends(most=6)


def test_somebody_with_a_limit_gets_an_answer_and_its_proof(page: Page, client: Client, errors: list[str]) -> None:
    way = Way(page, "decision")
    ready(page, f"/find_best?{QUICK}&seed=3", "Find best")
    prove = page.get_by_role("button", name=re.compile("^Prove it"))
    expect(prove).to_be_visible(timeout=60_000)  # nothing was measured with this seed, and 5% worse is the limit
    name = page.get_by_text("Possibly better").inner_text().partition(": ")[2]
    before = {run.id for run in client.runs(MEASURE.name)}
    way.click(prove)
    run = begun(client, before)
    assert said(MEASURE.spec_of(run).known_recipe.describe()) == name
    run = wait_for_run(client, "measure")
    expect(page.get_by_text(re.compile(r"^(Recommended|Closest)")).first).to_be_visible()
    result = MEASURE.result_of(run)
    assert result is not None and MEASURE.spec_of(run).predicted is not None
    assert errors == []
    way.ends(most=1)


def begun(client: Client, before: set[int]) -> Run:
    """The one measurement that was asked for since."""
    for _ in range(100):
        if new := [run for run in client.runs(MEASURE.name) if run.id not in before]:
            (run,) = new
            return run
        time.sleep(0.1)
    raise AssertionError("no measurement was asked for")
