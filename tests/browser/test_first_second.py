"""A fresh home: predictions stand on Explore and Find best before any probe, before a worker has read a weight, and
before Streamlit has started in the browser; the speed follows by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optlab.client.client import Client
from tests.browser import serving
from tests.browser.conftest import watch
from tests.browser.explore import FIRST_SCREEN

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

expect = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed").expect

pytestmark = pytest.mark.browser

LINK = "model=nano&recipe=[{%22quantize%22:{%22bits%22:3,%22group_size%22:64}}]"
WAIT_MS = 60_000
TIMED_MS = 180_000


@pytest.fixture
def fresh(tmp_path: Path, browser: Browser) -> Iterator[tuple[Page, Client, list[str]]]:
    """A page of an app whose home was empty when it started."""
    errors: list[str] = []
    with (
        serving.server(tmp_path / "home") as (address, client),
        browser.new_context(base_url=address, viewport={"width": 1440, "height": 1100}) as session,
    ):
        page = session.new_page()
        watch(page, errors)
        yield page, client, errors


def figures(page: Page) -> list[dict[str, str]]:
    """Of the tiles of quality and size, with every digit, and their words."""
    tiles = [page.locator(f"[data-tile={name}]") for name in ("quality", "size")]
    return [tile.evaluate("one => ({...one.dataset, words: one.innerText})") for tile in tiles]


def test_a_fresh_home_is_predicted_at_once_and_then_timed(fresh: tuple[Page, Client, list[str]]) -> None:
    page, client, errors = fresh
    began = time.perf_counter()
    page.goto(f"/explore?{LINK}", wait_until="commit")
    expect(page.get_by_text("90% band").first).to_be_visible(timeout=WAIT_MS)
    first = time.perf_counter() - began
    stood = figures(page)
    expect(page.locator(FIRST_SCREEN)).to_have_count(0, timeout=WAIT_MS)
    print(f"predictions stood on Explore {first:.2f} s after it was opened, in Streamlit's page after "
          f"{time.perf_counter() - began:.2f} s")  # fmt: skip
    assert figures(page) == stood
    assert stood[0]["side"] == stood[1]["side"] == "predicted" and stood[0]["value"]
    assert not client.runs("probe")
    assert not client.runs("measure")
    expect(page.get_by_text("Timed on this machine").first).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("Timed on this machine")).to_have_count(0, timeout=TIMED_MS)
    (run,) = client.runs("speed_anchors")
    assert run.done
    for path in ("frontier", "advisor"):  # addresses of old, which lead on
        page.goto(f"/{path}?model=nano")
        expect(page.get_by_text("predicted").first).to_be_visible(timeout=WAIT_MS)
    assert not client.runs("probe")
    assert errors == []
