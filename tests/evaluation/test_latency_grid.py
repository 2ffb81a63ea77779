"""The grid of prompt lengths and batches: every size, models in turn, with a clock that the tests turn by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from optlab.errors import MeasurementError
from optlab.evaluation.latency_grid import NEW_TOKENS, latency_grid, paired_ratio, sizes


class Texts:
    """`count` texts of a model that takes 1 ms for 10 prompt tokens, and for a step a constant and a bit for each."""

    def __init__(self, name: str, world: dict[str, Any], count: int, constant_ms: float) -> None:
        self.name, self.world, self.count, self.constant_ms = name, world, count, constant_ms

    def start(self, prompts: list[list[int]]) -> Tensor:
        assert len(prompts) == self.count
        self.world["diary"].append((self.name, self.count, len(prompts[0])))
        self.world["prompts"] = prompts
        self.world["now"] += sum(map(len, prompts)) / 10_000
        return torch.eye(3)[[1] * self.count]

    def step(self, tokens: list[int]) -> Tensor:
        assert tokens == [1] * self.count
        self.world["now"] += (self.constant_ms + self.count) / 1000
        return torch.eye(3)[[1] * self.count]


def grid(prompts: list[int], batches: list[int], rounds: int = 2, progress: Any = lambda f, m, p=None: None) -> Any:
    world: dict[str, Any] = {"now": 0.0, "diary": [], "prompts": []}
    speeds = {"base": 10, "candidate": 4}
    models = {name: lambda count, name=name, ms=ms: Texts(name, world, count, ms) for name, ms in speeds.items()}
    found = latency_grid(
        models, [5, 6, 7], prompts, batches, rounds=rounds, progress=progress, clock=lambda: world["now"]
    )
    return world, found


def test_every_size_is_timed_with_the_models_in_turn() -> None:
    world, found = grid([8, 20], [1, 3])
    for _, cells in found.sides():
        assert [(cell.prompt_tokens, cell.batch) for cell in cells] == [(8, 1), (8, 3), (20, 1), (20, 3)]
    turns = [(name, 3, 20) for name in ("base", "candidate")] * 2
    assert world["diary"][-6:] == [("base", 3, 1), ("candidate", 3, 1), *turns]  # a warm-up of one token first


def test_figures_are_those_of_the_clock() -> None:
    _, found = grid([20], [4])
    base, other = found.base[0], found.candidate[0]
    assert (base.step_ms, other.step_ms) == pytest.approx((14, 8))
    assert base.tokens_per_s == pytest.approx(4 / 0.014)
    assert base.time_to_first_token_ms == pytest.approx(8)
    assert base.prefill_tokens_per_s == pytest.approx(10_000)
    assert (base.step_ms_p5, base.step_ms_p95) == pytest.approx((14, 14))


def test_the_speedup_is_that_of_rounds_beside_each_other() -> None:
    base = [10.0] * 4 + [20.0] * 4  # the second round found the machine half as fast, for both
    gain = paired_ratio(base, [5.0] * 4 + [10.0] * 4, rounds=2)
    assert gain.decode_speedup == pytest.approx(2.0)
    assert gain.decode_speedup_ci95 == pytest.approx((2.0, 2.0))
    _, found = grid([20], [4])
    assert found.base[0].speedup is None
    assert found.candidate[0].speedup == pytest.approx(14 / 8)


def test_texts_differ() -> None:
    world, _ = grid([4], [3])
    assert world["prompts"] == [[5, 6, 7, 5], [6, 7, 5, 6], [7, 5, 6, 7]]


def test_progress_rises_and_brings_finished_cells() -> None:
    seen: list[tuple[float, int]] = []

    def progress(fraction: float, message: str, partial: Any = None) -> None:
        seen.append((fraction, -1 if partial is None else len(partial.base)))

    grid([8, 20], [1, 2], progress=progress)
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert [count for _, count in seen if count >= 0] == [0, 1, 2, 3, 4]


def test_sizes_that_do_not_fit_are_left_out_or_refused() -> None:
    assert sizes([64, 64, 500, 16], [4, 1, 4], context_length=64 + NEW_TOKENS) == ([16, 64], [1, 4])
    assert sizes(None, None, context_length=300) == ([64, 256, 284], [1, 2, 4, 8])
    with pytest.raises(MeasurementError, match="no prompt of 64, 500 tokens can be timed"):
        sizes([500, 64], [1], context_length=64)
    with pytest.raises(MeasurementError, match="whole numbers from 1 on"):
        sizes([64], [0], context_length=512)
