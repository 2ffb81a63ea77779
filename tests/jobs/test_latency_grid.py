"""The run that times a grid: real timings of a tiny model, the machine's limits, and refusals in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optlab.client.client import Client
from optlab.client.summary import latency_grid_in_words
from optlab.errors import MeasurementError
from optlab.evaluation.latency_grid import NEW_TOKENS
from optlab.jobs.latency_grid import LATENCY_GRID, execute, time_grid
from optlab.progress import silent
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.store.store import Store
from tests.tiny import tiny_model_folder

RECIPE = Recipe.from_dict({"steps": [{"quantize": {"method": "rtn", "bits": 4, "group_size": 32}}]})
CONTEXT = 64


def test_original_and_compressed_model_are_timed_at_every_size(model: str) -> None:
    partial: list[int] = []

    def progress(fraction: float, message: str, some: Any = None) -> None:
        if some is not None and some.cells.base:
            partial.append(len(some.cells.base))

    found = time_grid(model, RECIPE, Protocol(), [8, CONTEXT - NEW_TOKENS, 5000], [1, 3], progress)
    expected = [(8, 1), (8, 3), (CONTEXT - NEW_TOKENS, 1), (CONTEXT - NEW_TOKENS, 3)]
    for side, cells in found.cells.sides():
        assert side in ("base", "candidate")
        assert [(cell.prompt_tokens, cell.batch) for cell in cells] == expected
        for cell in cells:
            assert 0 < cell.step_ms_p5 <= cell.step_ms <= cell.step_ms_p95
            assert cell.tokens_per_s == pytest.approx(1000 * cell.batch / cell.step_ms)
    assert partial[-1] == len(expected)
    assert found.limits.operations_per_s > 1e8
    told = found.sides
    if told.base.bytes_per_token:  # the C++ loop says what it reads
        assert told.candidate.bytes_per_token < told.base.bytes_per_token
        assert told.candidate.weights_per_token == told.base.weights_per_token
        assert told.base.bytes_per_token == 2 * told.base.weights_per_token
        # two blocks, two heads of 8 numbers that are kept, keys and values, two bytes each
        assert told.base.bytes_per_position == 2 * 2 * 8 * 2 * 2
    words = latency_grid_in_words(found)
    assert len(words.splitlines()) == 2 + len(expected) + 2


def test_without_a_recipe_only_the_original_is_timed(model: str) -> None:
    found = time_grid(model, Recipe(), Protocol(), [8], [2])
    assert found.cells.candidate is None and found.sides.candidate is None
    assert "compressed" not in latency_grid_in_words(found)


def test_what_cannot_be_timed_says_why(model: str, tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="no prompt of 5000 tokens"):
        time_grid(model, RECIPE, Protocol(), [5000], [1])
    with pytest.raises(MeasurementError, match="one text only"):
        time_grid(model, Recipe.from_dict({"steps": [{"cache": {"bits": 8}}]}), Protocol(), [8], [1])
    with pytest.raises(MeasurementError, match="fills gaps"):
        time_grid(str(tiny_model_folder("bert", tmp_path / "bert")), Recipe(), Protocol())


def test_the_same_grid_is_timed_once(model: str, tmp_path: Path) -> None:
    client = Client(Store(f"sqlite:///{tmp_path / 'runs.db'}"))
    assert client.find_latency_grid(model, RECIPE, Protocol()) is None
    run = client.submit_latency_grid(model, RECIPE, Protocol())
    assert client.submit_latency_grid(model, RECIPE, Protocol(tokens=1024)).id == run.id
    assert client.find_latency_grid(model, Recipe(), Protocol()) is None
    found = execute(LATENCY_GRID.spec_of(run), silent, lambda line: None)
    assert found.cells.candidate is not None
