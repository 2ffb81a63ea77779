"""From a measured result to a file on one's own disk: three clicks, and the file is what was measured."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import optlab
from optlab.client.client import Client
from optlab.jobs.export import EXPORT
from optlab.jobs.measure import MEASURE
from tests.browser.test_journey import QUICK, link, measured, ready, wait_for_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
pytestmark = pytest.mark.browser


@pytest.mark.slow
def test_three_clicks_from_a_measured_result_to_a_gguf(
    page: Page, client: Client, errors: list[str], tmp_path: Path
) -> None:
    ready(page, f"/explore?{QUICK}", "Explore")  # the first visit starts the workers
    run = measured(client, bits=4)
    result = MEASURE.result_of(run)
    assert result is not None
    ready(page, link(run), "Explore")
    page.get_by_role("button", name="Download", exact=True).click()
    page.get_by_role("button", name="GGUF for llama.cpp").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save GGUF").click(timeout=60_000)
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)

    export = EXPORT.result_of(wait_for_run(client, "export"))
    assert export is not None and export.file == file.name and file.suffix == ".gguf"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert digest == export.sha256
    assert digest in page.get_by_test_id("stMain").inner_text()
    assert "The file holds" in export.card or "made from the weights" in export.card
    found = optlab.evaluate(str(file), tokens=result.tokens, context=result.context, dtype=result.dtype,
                            text=result.text)  # fmt: skip
    # Q4_1 keeps the minimum of a block in 16 bits
    assert found.ppl == pytest.approx(result.compressed.ppl, rel=2e-3)
    assert errors == []


def test_the_card_is_beside_the_file_and_nothing_else_is(page: Page, client: Client) -> None:
    ready(page, f"/explore?{QUICK}", "Explore")  # the first visit starts the workers
    run = measured(client, bits=4)
    client.submit_export(run, "safetensors")
    made = wait_for_run(client, "export")
    ready(page, link(run), "Explore")
    place = f"/take-home/{made.id}"
    assert "license: apache-2.0" in page.request.get(f"{place}/README.md").text()
    part = page.request.get(f"{place}/{EXPORT.result_of(made).file}", headers={"Range": "bytes=0-3"})  # type: ignore[union-attr]
    assert (part.status, part.body()) == (206, b"PK\x03\x04")
    for nothing in (f"{place}/..%2Foptlab.db", f"{place}/optlab.db", f"/take-home/{run.id}/model.safetensors"):
        assert page.request.get(nothing).status in (400, 404)
