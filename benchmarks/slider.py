"""How long a moved knob takes: the table in Python, and each frame of the curve under the finger in Chromium.

    python -m benchmarks.slider [MODEL] [--moves 200] [--home FOLDER]

The model must have been probed under FOLDER (default: OPTLAB_HOME), or its probe be brought along. On Explore the knobs
of bits and sparsity are dragged with the mouse from stop to stop. A frame is what the browser does for a movement: the
event, in which the stop is looked up and drawn, and the style, layout and paint that follow; not the wait for the next
refresh of the screen. After every tenth movement the hand rests, so that Python hears of it and draws the page anew
while the next movement is under way. Measuring by itself is switched off meanwhile.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import numpy as np

from benchmarks.protocol import machine
from optlab import foreground, paths
from optlab.client.client import Client
from optlab.client.knob_predictions import knob_predictions
from optlab.knobs import knobs_of
from optlab.protocol import Protocol
from optlab.store.store import Store
from pages.components.shared.view import link
from tests.browser import curves, explore, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

RESTS = 10
"""Movements after which the hand rests."""
REST_MS = 450
"""Longer than the pause after which the curve tells Python (`assets/curve/knobs.js`)."""
FRAME_MS = 16.0
"""Of a screen that is drawn sixty times a second."""
WATCH = """() => {
    window.frames_ms = [];
    const rendered = new MessageChannel();
    let began, drawn = 0, started = null;
    rendered.port1.onmessage = () => {  // after style, layout and paint of the frame
        window.frames_ms.push(drawn + performance.now() - started);
        drawn = 0; started = null;
    };
    addEventListener('input', () => { began = performance.now(); }, {capture: true});
    addEventListener('input', () => {  // after the curve has drawn
        drawn += performance.now() - began;
        if (started === null) {
            started = 0;
            requestAnimationFrame(() => { started = performance.now(); rendered.port2.postMessage(null); });
        }
    });
}"""


def main() -> None:
    """Print each as the median, the 95th percentile and the worst, in milliseconds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slider", description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="nano")
    parser.add_argument("--moves", type=int, default=200)
    parser.add_argument("--home", type=Path)
    asked = parser.parse_args()
    if asked.home:
        os.environ["OPTLAB_HOME"] = str(asked.home)
    if why := serving.missing():
        raise SystemExit(why)
    tables, again = tabulated(asked.model)
    frames = dragged(asked.model, asked.moves)
    print(f"{asked.model}, {asked.moves} movements; {machine()}\n")
    print(f"| | median | 95th percentile | worst |\n|---|---|---|---|\n{row('frame in Chromium', frames)}")
    print(f"| table of all stops, in Python, first and again | {tables:.0f} ms | {again:.1f} ms | |")
    late = sum(frame > FRAME_MS for frame in frames)
    print(f"\n{late} of {len(frames)} frames took longer than {FRAME_MS:.0f} ms")


def row(name: str, found: list[float]) -> str:
    """A line of the table."""
    figures = (np.median(found), np.quantile(found, 0.95), max(found))
    return f"| {name} ({len(found)}) | {' | '.join(f'{one:.1f} ms' for one in figures)} |"


def tabulated(model: str) -> tuple[float, float]:
    """Milliseconds until all stops are predicted by a predictor that is ready, and when they were asked for before."""
    client = Client(Store())
    foreground.prepare(client, model)
    description = client.description(model)
    assert description is not None and client.predictor(model, Protocol()) is not None, "probe the model first"
    knobs, found = curves.knobbed(description), []
    for _ in range(2):
        began = time.perf_counter()
        knob_predictions(client, model, knobs, knobs_of(curves.BEGIN), Protocol())
        found.append(1000 * (time.perf_counter() - began))
    return found[0], found[1]


def dragged(model: str, moves: int) -> list[float]:
    """Milliseconds of each frame while the knobs are dragged on Explore."""
    description = Client(Store()).description(model)
    assert description is not None
    knobs = curves.knobbed(description)
    query = urlencode(link(model, curves.BEGIN, Protocol()))
    with serving.server(paths.home()) as (address, _), serving.chromium() as browser:
        page = browser.new_page(base_url=address, viewport={"width": 1440, "height": 1100})
        page.goto(f"/explore?{query}")
        page.locator("section.curve .headline").first.wait_for(timeout=60_000)
        explore.by_hand(page)
        page.locator(serving.AT_REST).wait_for(timeout=60_000)
        page.evaluate(WATCH)
        for number, place in enumerate(curves.places(knobs, moves)):
            if number % RESTS == RESTS - 1:
                page.wait_for_timeout(REST_MS)
            move(page, "#knob-bits", knobs.bits().index(place.bits))
            move(page, "#knob-sparsity", knobs.sparsities().index(place.sparsity))
        found: list[float] = page.evaluate("window.frames_ms")
    return found


def move(page: Page, knob: str, stop: int) -> None:
    """Drag a knob to a stop, and let go once it is there; nothing where it is already."""
    handle = page.locator(knob)
    if int(handle.input_value()) != stop:
        curves.hold(page, handle, stop)
        page.mouse.up()


if __name__ == "__main__":
    main()
