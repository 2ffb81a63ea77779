"""The combined lesson counts bytes as the library does, and a block that writes nothing is a block that is gone."""

from __future__ import annotations

import numpy as np
import pytest

from optlab.lessons import combination, forward, next_token, weights
from optlab.lessons.combination import FLOAT_BITS, outcome, stored

TEXT = "To be, or not to be, that is the question"


def test_nothing_done_is_the_original() -> None:
    model = weights.load()
    found = outcome(model, TEXT, FLOAT_BITS, 0.0, 0)
    assert found.perplexity == pytest.approx(next_token.reading(model, TEXT).perplexity)
    assert found.bytes == 2 * sum(model[name].size for name in model.linear_names())
    assert found.products == found.bytes // 2


def test_a_dropped_block_leaves_the_stream_as_it_came() -> None:
    model = weights.load()
    (gone,) = combination.middle(model.blocks, 1)
    zeroed = {f"model.layers.{gone}.{part}": np.zeros_like(model[f"model.layers.{gone}.{part}"])
              for part in combination.WRITES}  # fmt: skip
    trace = forward.trace(model.replaced(zeroed), [1, 2, 3])
    np.testing.assert_array_equal(trace.blocks[gone].before, trace.blocks[gone].after)
    assert outcome(model, TEXT, FLOAT_BITS, 0.0, 1).perplexity == pytest.approx(
        next_token.reading(model.replaced(zeroed), TEXT).perplexity
    )


def test_bytes_are_numbers_mask_scales_and_zero_points() -> None:
    shape, n = (64, 128), 64 * 128
    assert stored(shape, 0.0, 4) == n // 2 + n // 64 * 3
    assert stored(shape, 0.5, 16) == n // 8 + n // 2 * 2
    assert stored(shape, 0.0, 16) == 2 * n


def test_middle_blocks_go_first() -> None:
    assert combination.middle(6, 0) == []
    assert combination.middle(6, 2) == [2, 3]
    assert combination.middle(5, 4) == [0, 1, 2, 3]
