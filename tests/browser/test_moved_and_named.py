"""Addresses of old lead to the page that shows it now, with what they asked for; a run is named in Runs."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from optlab.client.client import Client
from optlab.store.run import Label
from pages.components.shared.moved import EXPLORE, MOVED
from tests.browser.test_journey import measured, ready

pytestmark = pytest.mark.browser

WAIT_MS = 30_000


@pytest.mark.parametrize("path", sorted(MOVED))
def test_an_old_address_leads_on_and_keeps_what_it_asked_for(page: Page, path: str) -> None:
    page.goto(f"/{path}?model=nano&seed=3")
    title, address = ("Explore", "explore") if MOVED[path] == EXPLORE else ("Find best", "find_best")
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible(timeout=WAIT_MS)
    expect(page).to_have_url(re.compile(f"/{address}\\?.*seed=3"))


def test_a_run_is_named_noted_and_starred_in_runs(page: Page, client: Client, errors: list[str]) -> None:
    run = measured(client)
    ready(page, "/runs?model=nano", "Runs")
    page.locator(f".st-key-edit-{run.id} button").first.click()
    page.get_by_label("Name", exact=True).fill("phone build")
    page.get_by_label("Note", exact=True).fill("small and fast enough")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("phone build")).to_be_visible()
    expect(page.get_by_text("small and fast enough")).to_be_visible()
    kept = client.run(run.id)
    assert kept is not None
    assert kept.label == Label("phone build", "small and fast enough")
    assert errors == []
