"""The roofline and the grid: worked out from bytes and times that the test knows."""

from __future__ import annotations

import pytest

from optlab.figures import latency_grid
from optlab.recipes import Recipe
from optlab.results.latency_grid import Cell, Cells, GridSide, GridSides, LatencyGrid, Limits


def cell(prompt: int, batch: int, step_ms: float, speedup: float | None = None) -> Cell:
    return Cell(
        prompt_tokens=prompt, batch=batch, step_ms=step_ms, step_ms_p5=step_ms * 0.9, step_ms_p95=step_ms * 1.1,
        tokens_per_s=1000 * batch / step_ms, prefill_tokens_per_s=1000.0, time_to_first_token_ms=float(prompt * batch),
        speedup=speedup,
    )  # fmt: skip


def result(known: bool = True, alone: bool = False, bandwidth: float | None = 1e9) -> LatencyGrid:
    base = GridSide(path="loop", bytes_per_token=2_000_000 if known else None, weights_per_token=1_000_000,
                    bytes_per_position=100)  # fmt: skip
    packed = base.model_copy(update={"bytes_per_token": 500_000 if known else None})
    candidate = (cell(92, 1, 1.0, 4.0), cell(92, 8, 8.0, 1.0), cell(992, 1, 1.0, 4.0), cell(992, 8, 9.0, 1.0))
    return LatencyGrid(
        model="nano", recipe=Recipe(), dtype="float32", device="cpu",
        cells=Cells(base=(cell(92, 1, 4.0), cell(92, 8, 8.0), cell(992, 1, 4.0), cell(992, 8, 9.0)),
                    candidate=None if alone else candidate),
        sides=GridSides(base=base, candidate=None if alone else packed),
        limits=Limits(read_bytes_per_s=bandwidth, operations_per_s=1e11),
    )  # fmt: skip


def test_points_are_operations_over_bytes_and_over_seconds() -> None:
    found = latency_grid.points(result())
    decode = found[(found["side"] == "candidate") & (found["work"] == "decode")].set_index(["prompt_tokens", "batch"])
    one = decode.loc[(92, 1)]
    assert one["intensity"] == pytest.approx(2e6 / (500_000 + 100 * 100))  # half of the new tokens lie before it
    assert one["speed"] == pytest.approx(2e6 / 1e-3)
    eight = decode.loc[(992, 8)]
    assert eight["intensity"] == pytest.approx(16e6 / (500_000 + 8 * 100 * 1000))
    prompt = found[(found["side"] == "base") & (found["work"] == "prompt")].set_index("prompt_tokens").loc[992]
    assert prompt["intensity"] == pytest.approx(2e6 * 992 / 2e6)
    assert prompt["speed"] == pytest.approx(2e6 * 1000)


def test_the_roof_is_the_lower_of_both_limits() -> None:
    figure = latency_grid.roofline(result())
    assert figure is not None
    roof = figure.data[0]
    for x, y in zip(roof.x, roof.y, strict=True):
        assert y == pytest.approx(min(1e9 * x, 1e11))
    assert {trace.name for trace in figure.data[1:]} == {
        "original: new tokens", "original: prompts", "compressed: new tokens", "compressed: prompts",
    }  # fmt: skip


def test_without_bytes_there_is_no_roofline() -> None:
    assert latency_grid.roofline(result(known=False)) is None
    assert latency_grid.roofline(result(bandwidth=None)) is None


def test_lines_are_those_of_one_prompt_length() -> None:
    figure = latency_grid.by_batch(result(), 992)
    base, candidate = figure.data
    assert list(base.x) == list(candidate.x) == [1, 8]
    assert list(candidate.y) == pytest.approx([1000, 8000 / 9])
    assert candidate.error_y.array[0] == pytest.approx(1000 / 0.9 - 1000)
    assert candidate.error_y.arrayminus[0] == pytest.approx(1000 - 1000 / 1.1)


def test_the_sentence_says_how_the_gain_shrinks() -> None:
    said = latency_grid.sentence(result())
    assert "4.0 x faster" in said
    assert "at 8: same speed" in said
    assert latency_grid.sentence(result(alone=True)) == ""


def test_the_table_has_a_row_for_each_size() -> None:
    found = latency_grid.table(result())
    assert list(found["prompt, tokens"]) == [92, 92, 992, 992]
    assert list(found["times faster"]) == [4.0, 1.0, 4.0, 1.0]
    assert next(iter(found["compressed: tokens/s"])) == 1000.0
