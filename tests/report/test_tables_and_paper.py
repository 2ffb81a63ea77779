"""Tables as files, and the report on paper."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from pandas import DataFrame

from optlab.client.client import Client
from optlab.errors import OptLabError
from optlab.i18n import use
from optlab.report import pdf, tables
from optlab.report.comparison import Comparison
from optlab.report.document import html
from tests.pages import samples

FRAME = DataFrame(
    {
        "name": ["=HYPERLINK(1)", "model.layers.0", "-3.5"],
        "ratio": [1.0123456789012, float("inf"), -0.5],
        "run": [1, 2, 3],
    }
)


def test_csv_reads_back_and_runs_nothing() -> None:
    rows = list(csv.DictReader(io.StringIO(tables.as_csv(FRAME))))
    assert [row["name"] for row in rows] == ["'=HYPERLINK(1)", "model.layers.0", "-3.5"]
    assert float(rows[0]["ratio"]) == 1.0123456789012
    assert float(rows[2]["ratio"]) == -0.5


def test_json_keeps_every_digit_and_has_no_word_for_infinity() -> None:
    rows = json.loads(tables.as_json(FRAME))
    assert rows[0] == {"name": "=HYPERLINK(1)", "ratio": 1.0123456789012, "run": 1}
    assert rows[1]["ratio"] is None


def test_without_a_browser_the_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pdf.CHROMIUM, "/nowhere/chromium")
    with pytest.raises(OptLabError, match="print it instead"):
        pdf.pdf("<p>report</p>")


@pytest.mark.skipif(pdf.browser() is None, reason="no Chromium to print with")
def test_the_page_is_printed() -> None:
    printed = pdf.pdf("<!doctype html><title>report</title>" + "<p style='break-after:page'>page</p>" * 3)
    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) in (3, 4)


@pytest.mark.skipif(pdf.browser() is None, reason="no Chromium to print with")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_three_runs_take_at_most_three_pages(client: Client, language: str) -> None:
    for bits in samples.MEASURED:
        samples.measured(client, bits)
    use(language)
    try:
        printed = pdf.pdf(html(Comparison.of(client.store.list("measure", "done"))))
    finally:
        use("en")
    assert 1 < len(re.findall(rb"/Type\s*/Page\b", printed)) <= 3
