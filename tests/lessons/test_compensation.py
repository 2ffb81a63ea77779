"""GPTQ as the paper writes it ends where the library's walk ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from optlab.lessons import compensation
from optlab.lessons.weights import Array, Weights
from optlab.quantize.gptq import solve
from optlab.quantize.hessian import factor
from tests.lessons.conftest import LAYER


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_the_last_step_is_what_gptq_stores(nano: Weights, gram: Array, bits: int) -> None:
    H = gram[64:128, 64:128]
    row = nano[LAYER][7, 64:128]
    found = compensation.steps(row, H, bits)
    R = factor(torch.from_numpy(H).float(), compensation.DAMPING)
    stored = solve(torch.from_numpy(row)[None], R, torch.arange(64), 64, bits, "integer").dequantize()[0].numpy()
    np.testing.assert_allclose(found.targets[-1], stored, atol=1e-6)


def test_settled_weights_stay_and_are_levels(nano: Weights, gram: Array) -> None:
    found = compensation.steps(nano[LAYER][0, :32], gram[:32, :32], 3)
    for k in range(33):
        np.testing.assert_array_equal(found.targets[k, :k], found.targets[-1, :k])
    assert set(np.round(found.targets[-1], 6)) <= set(np.round(found.levels.astype(float), 6))
    np.testing.assert_array_equal(found.targets[0], found.before.astype(float))


def test_each_correction_is_the_best_answer_of_the_open_weights(nano: Weights, gram: Array) -> None:
    H = gram[:16, :16]
    found = compensation.steps(nano[LAYER][0, :16], H, 3, damping=0.0)
    for k in range(1, 16):
        change = found.targets[k] - found.before
        # least squares: moving an open weight either way makes the output worse, so the slope there is 0
        slope = H[k:] @ change
        np.testing.assert_allclose(slope, 0.0, atol=1e-6 * np.abs(H).max())


def test_inputs_that_have_nothing_in_common_cannot_compensate(nano: Weights) -> None:
    found = compensation.steps(nano[LAYER][0, :32], np.eye(32), 3)
    np.testing.assert_allclose(found.targets[-1], found.plain, atol=1e-7)
    assert not found.inverse_share.any()


def test_the_end_is_better_than_rounding_on_correlated_inputs(nano: Weights, gram: Array) -> None:
    rows = [compensation.steps(row[:64], gram[:64, :64], 3) for row in nano[LAYER][:16]]
    assert np.mean([one.errors[-1] for one in rows]) < 0.75 * np.mean([one.plain_errors[-1] for one in rows])


def test_all_rows_at_once_end_where_each_row_ends(nano: Weights, gram: Array) -> None:
    W, H = nano[LAYER][:12, :32], gram[:32, :32]
    found, alone = compensation.rows(W, H, 2), [compensation.steps(row, H, 2) for row in W]
    np.testing.assert_allclose(found.errors, [one.errors[-1] for one in alone], rtol=1e-9)
    np.testing.assert_allclose(found.plain_errors, [one.plain_errors[-1] for one in alone], rtol=1e-6)
    gains = found.errors - found.plain_errors
    assert (gains <= gains[found.typical]).sum() == len(W) // 2 + 1
