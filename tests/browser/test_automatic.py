"""What a page began by itself goes on while a tab shows it, and ends when the tab is closed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from optlab.client.client import Client
from optlab.client.onlookers import GRACE_S
from optlab.store.run import Run, Status

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
expect = sync_api.expect

pytestmark = pytest.mark.browser

STEPS = [{"quantize": {"method": "rtn", "bits": 4, "group_size": 32}}]
TOKENS = 100_000
"""So many that the measurement is not over before its tab is closed."""


def wait_for(sure: Callable[[], bool], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not sure():
        assert time.monotonic() < deadline, f"{what}: not in {seconds} s"
        time.sleep(0.2)


def test_a_measurement_that_nobody_asked_for_ends_with_its_tab(page: Page, client: Client) -> None:
    page.goto(f"/explore?model=nano&tokens={TOKENS}&context=64&recipe={quote(json.dumps(STEPS))}")
    slider = page.get_by_role("slider", name="Bits")
    expect(slider).to_be_visible(timeout=60_000)
    before = {run.id for run in client.runs("measure")}

    def begun() -> list[Run]:
        return [run for run in client.runs("measure") if run.id not in before]

    slider.press("ArrowLeft")
    wait_for(lambda: any(run.status == Status.RUNNING for run in begun()), "the measurement begins by itself", 60)
    time.sleep(GRACE_S + 3)  # it goes on while it is looked at
    (run,) = begun()
    assert run.status == Status.RUNNING
    page.close()
    wait_for(lambda: client.run(run.id).status == Status.CANCELLED, "it ends", GRACE_S + 30)  # type: ignore[union-attr]
