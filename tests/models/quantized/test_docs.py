"""docs/models.md names every quant_method that is read, and no others."""

from __future__ import annotations

import re
from pathlib import Path

from optlab.models.quantized.registry import FORMATS

DOCS = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")


def test_the_table_has_every_method_that_is_read() -> None:
    section = DOCS.partition("## Files that other tools quantized")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {method for row in rows for method in re.findall(r"`([^`]+)`", row)}
    assert named == {method for format in FORMATS for method in format.methods}
