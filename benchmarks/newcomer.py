"""How long a newcomer waits, in Chromium: from an empty machine to a measured comparison, and from page to page.

    python -m benchmarks.newcomer [MODEL ...] [--switches 5]

The first part starts the app with nothing in its home (no converted model, no run), opens the address, clicks what the
page offers, and notes when each figure stands on the page: predictions, the size, the first perplexity of a few
windows, the whole one, the latency, the layers. Then it measures a second recipe in the same way, which finds the model
in memory and the original's part done. The last part goes through all pages with the results there, by their links in
the sidebar, and stops the clock when the heading of the new page is drawn and its script has ended.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote

from benchmarks.protocol import machine
from tests.browser import explore, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE_MS = 600_000
POLL_MS = 50
SEEN = """() => {
    const within = (one) => one.shadowRoot ? [one, ...deep(one.shadowRoot)] : [one]
    const deep = (root) => [...root.querySelectorAll("*")].flatMap(within)
    const tile = (name) => deep(document).find((one) => one.dataset?.tile === name)
    const measured = (name) => tile(name)?.dataset.side === "measured"
    const soFar = tile("quality")?.querySelector(".interval").textContent.includes("so far")
    return {
        "size": measured("size"),
        "first perplexity": measured("quality"),
        "perplexity of the whole text": measured("quality") && !soFar,
        "latency": measured("speed"),
        "layers": document.querySelector('[data-testid="stMain"]').innerText.includes("FINISHED"),
    }
}""".replace("FINISHED", explore.FINISHED)
"""Which figures are on the page as measured."""
GOALS = {"predictions": 2.0, "first perplexity": 8.0, "layers": 45.0}
"""Seconds on two quiet cores from a fresh home; after the click, but for the first."""
LATER = [{"quantize": {"method": "rtn", "bits": 5, "group_size": 64}}]


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.newcomer", description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["nano", "smollm2-135m"])
    parser.add_argument("--switches", type=int, default=5, help="how often every page is gone to; 0 leaves that out")
    asked = parser.parse_args()
    if why := serving.missing():
        raise SystemExit(why)
    print(f"{machine()}\n", flush=True)
    for model in asked.models:
        with (
            tempfile.TemporaryDirectory() as home,
            serving.server(Path(home)) as (address, _),
            serving.chromium() as browser,
        ):
            page = browser.new_page(base_url=address, viewport={"width": 1440, "height": 1100})
            told(f"{model}, from a fresh home", first_insight(page, model), GOALS)
            told(f"{model}, a later recipe", later_recipe(page, model))
            for name, times in switches(page, asked.switches).items() if asked.switches else ():
                one_by_one = ", ".join(f"{1000 * one:.0f}" for one in times)
                print(f"{name}: {1000 * statistics.median(times):.0f} ms ({one_by_one})", flush=True)


def told(what: str, steps: list[tuple[str, float]], goals: Mapping[str, float] = MappingProxyType({})) -> None:
    """Print when each step was reached, and what was hoped for."""
    print(what)
    for step, seconds in steps:
        hoped = f" (goal {goals[step]:.0f} s: {'met' if seconds <= goals[step] else 'missed'})" if step in goals else ""
        print(f"  {seconds:6.2f} s  {step}{hoped}")
    print(flush=True)


def first_insight(page: Page, model: str) -> list[tuple[str, float]]:
    """[(what is there, seconds)] on the way that the first page offers, which is one click; figures since the click."""
    began = time.perf_counter()
    page.goto(f"/?model={model}", wait_until="commit")
    page.get_by_text("90% band").first.wait_for(timeout=PATIENCE_MS)
    predicted = time.perf_counter() - began
    page.locator(explore.FIRST_SCREEN).wait_for(state="detached", timeout=PATIENCE_MS)
    opened = time.perf_counter() - began
    button = explore.measure(page)
    button.wait_for(timeout=PATIENCE_MS)
    described = time.perf_counter() - began
    page.wait_for_timeout(1000)  # a person reads the button first
    button.click()
    steps = [("predictions", predicted), ("Streamlit's page", opened)]
    steps += [("the model is described, and the button offered", described)]
    return steps + figures(page)


def later_recipe(page: Page, model: str) -> list[tuple[str, float]]:
    """Figures since the click on Measure, for another recipe."""
    page.goto(f"/explore?model={model}&recipe={quote(json.dumps(LATER))}")
    button = explore.measure(page)
    button.wait_for(timeout=PATIENCE_MS)
    page.locator(serving.AT_REST).wait_for(timeout=PATIENCE_MS)
    button.click()
    return figures(page)


def figures(page: Page) -> list[tuple[str, float]]:
    """[(figure, seconds since now)] as each appears on the page."""
    began, steps = time.perf_counter(), dict[str, float]()
    while time.perf_counter() - began < PATIENCE_MS / 1000:
        seen = page.evaluate(SEEN)
        for name in seen:
            if seen[name] and name not in steps:
                steps[name] = time.perf_counter() - began
        if len(steps) == len(seen):
            break
        page.wait_for_timeout(POLL_MS)
    return sorted(steps.items(), key=lambda step: step[1])


def switches(page: Page, count: int) -> dict[str, list[float]]:
    """Seconds from the click to the drawn page, for every page."""
    links = page.get_by_test_id("stTopNavLink")
    names = [name.split()[-1] for name in links.all_inner_texts()]  # before it stands the name of its icon
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(count + 1):
        for index, name in enumerate(names):
            page.wait_for_timeout(300)
            before = page.get_by_role("heading", level=1).inner_text()
            began = time.perf_counter()
            links.nth(index).click()
            page.wait_for_function(
                "before => document.querySelector('h1') && document.querySelector('h1').innerText !== before",
                arg=before,
                timeout=PATIENCE_MS,
            )
            page.locator(serving.AT_REST).wait_for(timeout=PATIENCE_MS)
            if number:  # the first time round imports what the page needs
                found[name].append(time.perf_counter() - began)
    return found


if __name__ == "__main__":
    main()
