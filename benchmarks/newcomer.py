"""How long a newcomer waits, in Chromium: from an empty machine to a measured comparison, and from page to page.

    python -m benchmarks.newcomer [MODEL] [--switches 5]

The first part starts the app with nothing in its home (no converted model, no run), opens the address, and clicks what
the page offers, until all three figures of the comparison carry the badge of a measurement. The second part goes
through all pages with the results there, by their links in the sidebar, and stops the clock when the heading of the new
page is drawn and its script has ended.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.protocol import machine
from tests.browser import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE_MS = 600_000
FIGURES = 3


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.newcomer", description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="smollm2-135m")
    parser.add_argument("--switches", type=int, default=5, help="how often every page is gone to")
    asked = parser.parse_args()
    if why := serving.missing():
        raise SystemExit(why)
    print(f"{machine()}\n", flush=True)
    with (
        tempfile.TemporaryDirectory() as home,
        serving.server(Path(home)) as (address, _),
        serving.chromium() as browser,
    ):
        page = browser.new_page(base_url=address, viewport={"width": 1440, "height": 1100})
        began = time.perf_counter()
        steps = first_insight(page, asked.model, began)
        print(f"{asked.model}: a measured comparison after one click and {steps[-1][1]:.1f} s")
        for what, seconds in steps:
            print(f"  {seconds:6.1f} s  {what}")
        print(flush=True)
        for name, times in switches(page, asked.switches).items():
            told = ", ".join(f"{1000 * one:.0f}" for one in times)
            print(f"{name}: {1000 * statistics.median(times):.0f} ms ({told})", flush=True)


def first_insight(page: Page, model: str, began: float) -> list[tuple[str, float]]:
    """[(what is there, seconds since `began`)] on the way that the first page offers, which is one click."""
    steps: list[tuple[str, float]] = []

    def reached(what: str) -> None:
        steps.append((what, time.perf_counter() - began))

    page.goto("/" if model == "smollm2-135m" else f"/?model={model}")
    page.get_by_role("heading", level=1).wait_for(timeout=PATIENCE_MS)
    reached("the first page")
    button = page.get_by_role("button", name="Try 4 bits")
    button.wait_for(timeout=PATIENCE_MS)
    reached("the model is described")
    button.click()
    page.get_by_text("What happened to each layer").wait_for(timeout=PATIENCE_MS)
    page.wait_for_function(
        f"""() => [...document.querySelectorAll('[data-testid="stMain"] .stMarkdownBadge')]
            .filter(one => /measured/.test(one.innerText)).length >= {FIGURES}""",
        timeout=PATIENCE_MS,
    )
    reached("perplexity, size and latency are measured")
    return steps


def switches(page: Page, count: int) -> dict[str, list[float]]:
    """Seconds from the click to the drawn page, for every page."""
    links = page.get_by_test_id("stSidebarNavLink")
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
