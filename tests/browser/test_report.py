"""A project taken in by its file, and a report that opens without the server that made it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optlab.client.client import Client
from optlab.figures import format
from optlab.report import archive
from optlab.store.store import Store
from tests.browser.conftest import watch
from tests.pages import samples

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
expect = sync_api.expect

pytestmark = pytest.mark.browser


def test_a_project_comes_in_and_its_report_opens_offline(
    page: Page, browser: Browser, errors: list[str], tmp_path: Path
) -> None:
    elsewhere = Client(Store(f"sqlite:///{tmp_path / 'elsewhere.db'}"))
    samples.prepare(elsewhere)
    for bits in samples.MEASURED:
        samples.measured(elsewhere, bits)
    packed = tmp_path / "project.zip"
    packed.write_bytes(archive.write(elsewhere.store.list()))

    page.goto("/runs?model=nano")
    page.get_by_role("button", name="Project").click()
    page.locator("input[type=file]").set_input_files(packed)
    expect(page.get_by_text("3 runs added, 0 already present.")).to_be_visible()

    page.goto("/compare?model=nano")
    with page.expect_download() as caught:
        page.get_by_role("button", name="Report").click()
    file = tmp_path / caught.value.suggested_filename
    caught.value.save_as(file)
    assert file.suffix == ".html"

    with browser.new_context(offline=True) as session:
        report = session.new_page()
        watch(report, errors)
        asked: list[str] = []
        report.on("request", lambda request: asked.append(request.url))
        report.goto(file.as_uri())
        expect(report.locator(".js-plotly-plot").first).to_be_visible()
        text = report.inner_text("main")
        for ratio, size, _ in samples.MEASURED.values():
            assert format.number(20.0 * ratio) in text
            assert format.megabytes(size) in text
        assert asked == [file.as_uri()]
        assert report.locator(".js-plotly-plot").count() >= 4
        size = report.locator("[data-tile=size] .headline")
        before = size.inner_text()
        report.get_by_role("slider", name="Bits").press("End")
        expect(size).not_to_have_text(before)  # the last chapter moves
    assert errors == []
