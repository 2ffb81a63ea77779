"""The three ways to prune a matrix choose what the library's methods choose."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from optlab.lessons import moments, pruning
from optlab.lessons.weights import Array, Weights
from optlab.prune.masks import lowest, lowest_of_rows
from optlab.prune.sparsegpt import solve
from optlab.quantize.hessian import factor
from tests.lessons.conftest import LAYER


def test_magnitude_and_wanda_choose_what_the_library_chooses(nano: Weights, gram: Array) -> None:
    W = nano[LAYER]
    smallest = lowest(torch.from_numpy(np.abs(W)), W.size // 2).numpy()
    np.testing.assert_array_equal(pruning.magnitude(W, 0.5), smallest)
    scores = torch.from_numpy(np.abs(W) * np.sqrt(np.diag(gram)).astype(np.float32))
    np.testing.assert_array_equal(pruning.wanda(W, gram, 0.5), lowest_of_rows(scores, 128).numpy())


@pytest.mark.parametrize("sparsity", [0.3, 0.6])
def test_sparsegpt_ends_where_the_library_ends(nano: Weights, gram: Array, sparsity: float) -> None:
    W = nano[LAYER]
    zeros, kept = pruning.sparsegpt(W, gram, sparsity)
    mask, Q = solve(
        torch.from_numpy(W), factor(torch.from_numpy(gram).float(), pruning.DAMPING), sparsity, "unstructured"
    )
    assert (zeros == mask.numpy()).mean() > 0.999  # near ties fall either way in float32
    assert zeros.sum() == round(sparsity * W.size)
    same = (zeros == mask.numpy()).all(1)
    assert same.mean() > 0.5
    np.testing.assert_allclose(kept[same], Q.numpy()[same], atol=2e-3)


def test_looking_at_the_inputs_helps_and_correcting_helps_more(nano: Weights, gram: Array) -> None:
    errors = {method: pruning.pruned(nano[LAYER], gram, method, 0.5).error for method in pruning.METHODS}
    assert errors["sparsegpt"] < errors["wanda"] < errors["magnitude"]


def test_output_error_is_that_of_the_outputs(nano: Weights) -> None:
    random = np.random.default_rng(1)
    x, W = random.normal(size=(50, 20)), random.normal(size=(7, 20))
    Q = W + 0.1 * random.normal(size=W.shape)
    expected = np.square(x @ (Q - W).T).sum() / np.square(x @ W.T).sum()
    assert moments.output_error(W, Q, moments.gram(x)) == pytest.approx(expected, rel=1e-5)


def test_inputs_of_a_layer_are_what_it_reads_on_the_text(nano: Weights) -> None:
    from optlab.lessons import forward
    from optlab.texts import calibration_windows

    found = moments.inputs(nano, count=256, context=128)
    windows = calibration_windows(moments.TEXT, nano.tokenizer, 256, 128)
    again = forward.trace(nano, windows[1]).blocks[2].inputs[LAYER]
    assert found[LAYER].shape == (256, 256)
    np.testing.assert_array_equal(found[LAYER][128:], again)
    assert found[LAYER] is found["model.layers.2.self_attn.k_proj"]
