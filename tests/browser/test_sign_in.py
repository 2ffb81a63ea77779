"""People who sign in by name, each in a real browser: what a viewer and a user can do with somebody's run."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from optlab.client.client import Client
from optlab.protocol import Protocol
from tests.browser.serving import AT_REST
from tests.pages import samples
from tests.server.test_oidc import ANN, Served, served  # noqa: F401  a fixture
from tests.tiny import tiny_model_folder

pytestmark = pytest.mark.browser


def test_a_viewer_sees_and_cannot_stop_what_another_started(
    served: Served, browser: Browser, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    address, client = served
    outside = tiny_model_folder("llama", tmp_path / "model")
    samples.prepare(client)
    run = Client(client.store, ANN).submit_measure("nano", samples.quantized(4), Protocol())
    for who, stops in (("eve", False), ("liar", False), ("ann", True)):
        with browser.new_context(base_url=address) as session:
            page = session.new_page()
            page.goto(f"/runs?run={run.id}")
            page.get_by_role("link", name=who).click()
            page.goto(f"/runs?run={run.id}")
            page.wait_for_selector(AT_REST)
            page.get_by_role("button", name="Cancel").first.click()
            said = "cancelled" if stops else "may look and not start work"
            expect(page.get_by_text(said).first).to_be_visible(timeout=30_000)
            found = client.run(run.id)
            assert found is not None and (found.status == "cancelled") == stops
            page.goto(f"/explore?model={outside}")  # a model, and outside every folder that was named
            expect(page.get_by_text("there is no model", exact=False).first).to_be_visible(timeout=30_000)
