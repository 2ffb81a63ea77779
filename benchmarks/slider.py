"""How long a moved knob takes: a prediction in Python, and from the mouse's release to the redrawn chart in Chromium.

    python -m benchmarks.slider [MODEL] [--moves 50] [--home FOLDER]

The model must have been probed under FOLDER (default: OPTLAB_HOME). In the browser the slider of bits is dragged with
the mouse from place to place; the clock runs from the `pointerup` event to the frame in which the chart of size against
quality holds the new point. Measuring by itself is switched off meanwhile.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import numpy as np

from benchmarks.protocol import machine
from optlab import paths
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from pages.components.shared.view import link
from tests.browser import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

BITS = range(2, 9)
LONGEST_S = 2
WATCH = """() => {
    const chart = () => [...document.querySelectorAll('.js-plotly-plot')].find(
        one => /perplexity/.test(one.layout?.yaxis?.title?.text || ''));
    const now = () => { const one = chart(); return one ? JSON.stringify(one.data.at(-1).x) : ''; };
    window.awaited = new Promise(resolve => {
        const before = now();
        let released = null;
        document.addEventListener('pointerup', () => { released = performance.now(); }, {capture: true, once: true});
        const look = () => {
            if (released !== null && now() !== before) {
                requestAnimationFrame(() => resolve(performance.now() - released));
            } else {
                requestAnimationFrame(look);
            }
        };
        look();
    });
}"""

AWAIT = f"""() => Promise.race([
    window.awaited, new Promise(answer => setTimeout(() => answer(null), {LONGEST_S * 1000}))
])"""


def main() -> None:
    """Print both, as the median and the 95th percentile in milliseconds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slider", description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="nano")
    parser.add_argument("--moves", type=int, default=50)
    parser.add_argument("--home", type=Path)
    asked = parser.parse_args()
    if asked.home:
        os.environ["OPTLAB_HOME"] = str(asked.home)
    rng = random.Random(0)
    places = [4]
    while len(places) <= asked.moves:
        places.append(rng.choice([bits for bits in BITS if bits != places[-1]]))
    in_python = predicted(asked.model, places)
    in_browser = dragged(asked.model, places)
    print(f"{asked.model}, {asked.moves} movements; {machine()}\n")
    print("| | median | 95th percentile | worst |\n|---|---|---|---|")
    for name, found in (("prediction in Python", in_python), ("release to redrawn chart", in_browser)):
        figures = (np.median(found), np.quantile(found, 0.95), max(found))
        print(f"| {name} ({len(found)}) | {' | '.join(f'{one:.1f} ms' for one in figures)} |")


def predicted(model: str, places: list[int]) -> list[float]:
    """Milliseconds of each prediction: of the recipe, its size, its speed and its band."""
    from optlab.models.describe import describe
    from optlab.prediction.predictor import Predictor

    predictor = Predictor.load(describe(model).fingerprint)
    found = []
    for number, bits in enumerate(places[1:]):
        began = time.perf_counter()
        predictor.predict(recipe(bits), 8192 + number)  # never asked before, so it is not remembered
        found.append(1000 * (time.perf_counter() - began))
    return found


def dragged(model: str, places: list[int]) -> list[float]:
    """Milliseconds from each release of the mouse to the redrawn chart."""
    if why := serving.missing():
        raise SystemExit(why)
    query = urlencode(link(model, recipe(places[0]), Protocol()))
    with serving.server(paths.home()) as (address, _), serving.chromium() as browser:
        page = browser.new_page(base_url=address, viewport={"width": 1440, "height": 1100})
        page.goto(f"/explore?{query}")
        page.locator(".js-plotly-plot").first.wait_for(timeout=60_000)
        switch = page.get_by_test_id("stCheckbox").filter(has_text="Measure by itself")
        if switch.locator("input").is_checked():
            switch.get_by_text("Measure by itself").click()
        page.wait_for_timeout(3000)
        return [taken for bits in places[1:] if (taken := drag(page, bits)) is not None]


def drag(page: Page, bits: int) -> float | None:
    """Drag the slider of bits towards `bits`; milliseconds until the chart shows where it was released, None where it
    did not follow the mouse."""
    thumb, track = page.get_by_role("slider").first, page.get_by_test_id("stSlider").first
    handle, room = thumb.bounding_box(), track.bounding_box()
    assert handle is not None and room is not None
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    left, width = room["x"] + handle["width"] / 2, room["width"] - handle["width"]
    share = (bits - BITS[0]) / (BITS[-1] - BITS[0])
    page.mouse.move(left + share * width, handle["y"] + handle["height"] / 2, steps=6)
    page.evaluate(WATCH)
    page.mouse.up()
    taken = page.evaluate(AWAIT)
    page.wait_for_timeout(400)
    return None if taken is None else float(taken)


def recipe(bits: int) -> Recipe:
    """What the slider stands for."""
    return Recipe.of(Step("quantize", "rtn", {"bits": bits}))


if __name__ == "__main__":
    main()
