"""Pictures of all pages for the README and for the eye: `python -m tests.browser.screenshots`, or `make images`.

From a real server with real runs, light and dark, wide and on a phone, in every language, into `docs/images/`
({page}-{theme}-{width}.png, behind it -zh for Chinese). What has to be measured first is kept in `OPTLAB_HOME/images`
between calls. `--page`, `--language`, `--scheme` and `--width` take fewer, `--into` puts them elsewhere.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from optlab import i18n, paths
from optlab.client.client import Client
from optlab.i18n import _
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from pages.components.shared.language import KEY, LANGUAGES
from pages.components.shared.view import link
from tests.browser import serving
from tests.browser.serving import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = serving.ROOT / "docs" / "images"
MODEL = "nano"
PATIENCE_S = 900.0
SIZES = {"1440": 900, "390": 844}
"""Width of the window -> its height, in pixels."""
TALLEST = 4000


def quantized(bits: int) -> Step:
    return Step("quantize", "rtn", {"bits": bits})


PRUNED = Step("prune", "magnitude", {"sparsity": 0.5})
SHOWN = Recipe.of(quantized(4))
RECIPES = (
    Recipe.of(quantized(8)), Recipe.of(quantized(6)), SHOWN, Recipe.of(quantized(3)), Recipe.of(PRUNED),
    Recipe.of(PRUNED, quantized(4)), Recipe.of(quantized(2)),
)  # fmt: skip


def measure_all(client: Client) -> None:
    """Probe the model and measure every recipe, as far as that was not done before."""
    runs = [client.submit_probe(MODEL)]
    runs += [client.submit_measure(MODEL, recipe, Protocol()) for recipe in RECIPES]
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        states = [client.store.get(run.id) for run in runs]
        failed = [run for run in states if run is not None and run.retryable]
        if failed:
            raise SystemExit(f"{failed[0].title}: {failed[0].error or failed[0].message}")
        done = sum(run is not None and run.status == "done" for run in states)
        if done == len(runs):
            return
        time.sleep(1)
    raise SystemExit("the measurements did not finish")


def shoot(page: Page, path: Path, width: int) -> None:
    """The whole page in one picture: Streamlit scrolls inside the window, so the window must be as tall as it."""
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_timeout(2500)
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": min(int(height), TALLEST)})
    page.wait_for_timeout(1200)
    page.screenshot(path=path)
    print(path, file=sys.stderr)


def main() -> None:
    """Take all pictures that were asked for."""
    if why := serving.missing():
        raise SystemExit(why)
    asked = arguments()
    asked.into.mkdir(parents=True, exist_ok=True)
    query = link(MODEL, SHOWN, Protocol())
    with serving.server(paths.folder("images")) as (address, client), serving.chromium() as browser:
        browser.new_page(base_url=address).goto("/")  # the first session starts the workers
        measure_all(client)
        for language in asked.language:
            i18n.use(language)  # the labels by which buttons are found
            ending = "" if language == i18n.ENGLISH else f"-{language}"
            for scheme in asked.scheme:
                for width in asked.width:
                    for name in asked.page:
                        with browser.new_context(
                            base_url=address,
                            color_scheme=scheme,
                            viewport={"width": int(width), "height": SIZES[width]},
                        ) as session:
                            page = session.new_page()
                            page.goto(f"{PAGES[name]}?{urlencode(query | {KEY: language})}")
                            if name in ("explore", "playground"):
                                write(page)
                            shoot(page, asked.into / f"{name}-{scheme}-{width}{ending}.png", int(width))


def arguments() -> argparse.Namespace:
    """What the command line asks for; everything when it asks for nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, choices in (
        ("page", PAGES), ("language", LANGUAGES), ("scheme", ("light", "dark")), ("width", SIZES),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", nargs="+", choices=list(choices), default=list(choices))
    parser.add_argument("--into", type=Path, default=IMAGES)
    return parser.parse_args()


def write(page: Page) -> None:
    """Have both models continue the prompt, and wait for it."""
    page.get_by_role("button", name=_("Generate"), exact=True).click()
    told = max(re.split(r"\{\w+\}", _("{count} tokens, {speed} tokens per second in this run")), key=len).strip()
    page.get_by_text(told).nth(1).wait_for(timeout=120_000)


if __name__ == "__main__":
    main()
