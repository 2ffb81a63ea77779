"""The notebook runs from top to bottom, and its results can be shown."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import optlab
from optlab.results.measurement import Measurement

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "tour.ipynb"


def run(cell: str, names: dict[str, Any]) -> Any:
    """Execute a cell; the value of its last line, as a notebook shows it."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if isinstance(last, ast.Expr) else None


def test_the_tour_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    monkeypatch.delenv("OPTLAB_STORE", raising=False)
    names: dict[str, Any] = {}
    cells = [cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 5
    shown = [run("".join(cell["source"]), names) for cell in cells]
    assert shown[0] == optlab.__version__
    (found,) = (value for value in shown if isinstance(value, Measurement))
    assert "perplexity" in repr(found)
    assert "<table>" in found._repr_html_()
    table = next(value for value in shown if hasattr(value, "columns"))
    assert table.ratio.is_monotonic_increasing
    assert table.bytes.is_monotonic_decreasing
    assert (names["folder"] / "nano.gguf").stat().st_size > 0
    assert (names["folder"] / "nano-hub" / "config.json").is_file()
    assert all(not cell["outputs"] for cell in cells), "outputs are made when it is opened, not kept"
