"""Every page, in both themes, with results on it: axe finds nothing serious, and nothing critical."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from optlab.client.client import Client
from optlab.jobs.measure import MEASURE
from pages.components.shared.view import link_to_run
from tests.browser.serving import AT_REST, PAGES
from tests.browser.test_journey import measured

if TYPE_CHECKING:
    from playwright.sync_api import Browser

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser

GRAVE = ("serious", "critical")
VIEWS = PAGES | {"a lesson": "/learn?lesson=whom", "a lesson that is taught": "/learn?lesson=grid&teach=1"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(app: tuple[str, Client], browser: Browser, scheme: str) -> None:
    with browser.new_context(base_url=app[0]) as first:
        first.new_page().goto("/")  # the first session of a server starts its workers
        run = measured(app[1], bits=6)  # no recipe that another test expects to be new
    found: dict[str, list[str]] = {}
    with browser.new_context(base_url=app[0], color_scheme=scheme, viewport={"width": 1440, "height": 1100}) as session:
        for name, path in VIEWS.items():
            page = session.new_page()
            page.goto(f"{path}{'&' if '?' in path else '?'}{urlencode(link_to_run(MEASURE.spec_of(run)))}")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            expect(page.locator(AT_REST)).to_be_visible()
            page.wait_for_load_state("networkidle")
            if name == "explore":  # the words of its knobs come with its script, the picture's with its first data
                for knob in ("bits", "sparsity", "temperature"):
                    expect(page.locator(f"label[for=knob-{knob}]")).not_to_be_empty(timeout=30_000)
                    expect(page.locator(f"#knob-{knob}")).not_to_have_attribute("max", "", timeout=30_000)
                expect(page.locator("svg[role=img][aria-label]").first).to_be_attached(timeout=30_000)
            if name == "a lesson that is taught":
                for act in ("back", "on"):
                    expect(page.locator(f"button[data-act={act}]")).not_to_be_empty(timeout=30_000)
            result = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response
            assert len(result["passes"]) > 10, name  # it did look
            found[name] = [
                f"{violation['id']}: {node['html'][:200]}"
                for violation in result["violations"]
                if violation["impact"] in GRAVE
                for node in violation["nodes"]
            ]
            page.close()
    assert {name: grave for name, grave in found.items() if grave} == {}
