"""SparseGPT against magnitude where inputs are independent, against closed forms of two inputs, and against Wanda."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from optlab.prune.masks import lowest, lowest_of_neighbours
from optlab.prune.sparsegpt import BLOCK, solve
from optlab.quantize.hessian import factor
from tests.compressing import compressed, prune, quantize, tiny
from tests.quantize.test_hessian import second_moments


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


def weights(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def output_error(W: Tensor, Q: Tensor, H: Tensor) -> float:
    D = (Q - W).double()
    return float(((D @ H.double()) * D).sum())


@settings(deadline=None, max_examples=30)
@given(share=st.floats(0.0, 0.95), seed=st.integers(0, 1000))
def test_inputs_that_know_nothing_of_each_other_leave_plain_zeroing(share, seed):
    W = weights(6, 40, seed)
    energy = torch.rand(40, generator=torch.Generator().manual_seed(seed)) + 0.1
    mask, Q = solve(W, factor(torch.diag(energy), 0.0), share)
    assert torch.equal(mask, lowest(W.square() * energy, round(share * 240)))
    assert torch.equal(Q, W.masked_fill(mask, 0.0))
    mask, Q = solve(W, factor(torch.diag(energy), 0.0), 0.5, "2:4")
    assert torch.equal(mask, lowest_of_neighbours(W.square() * energy, "2:4"))
    assert torch.equal(Q, W.masked_fill(mask, 0.0))


@settings(deadline=None, max_examples=30)
@given(correlation=st.floats(-0.95, 0.95), seed=st.integers(0, 1000))
def test_of_two_inputs_the_one_with_the_lower_saliency_goes(correlation, seed):
    """Optimal brain surgeon: zeroing w_j costs w_j^2 / [H^-1]_jj; the left column can be made up for by the right."""
    W = weights(1, 2, seed)
    H = torch.tensor([[1.0, correlation], [correlation, 1.0]])
    mask, Q = solve(W, factor(H, 0.0), 0.5)
    inverse = torch.linalg.inv(H.double())
    # When column 0 is settled column 1 is open; when column 1 is settled nothing is open any more.
    saliency = W.double().square() / torch.tensor([inverse[0, 0], 1.0])
    assert int(mask.sum()) == 1
    gone = int(mask[0].nonzero())
    assert gone == int(saliency.argmin())
    if gone == 0:
        assert float(Q[0, 1]) == pytest.approx(float(W[0, 1] + correlation * W[0, 0]), abs=1e-5)
    else:
        assert float(Q[0, 0]) == pytest.approx(float(W[0, 0]))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_the_share_is_exact_over_several_blocks_of_columns(share):
    W = weights(10, 2 * BLOCK + 40)
    mask, Q = solve(W, factor(second_moments(W.shape[1]), 0.01), share)
    assert int(mask.sum()) == round(share * W.numel())
    assert torch.equal(Q == 0, mask)


@pytest.mark.parametrize("pattern", ["unstructured", "2:4", "4:8"])
def test_correlated_inputs_lose_less_than_with_the_best_mask_alone(pattern):
    W = weights(32, 64)
    H = second_moments(64)
    mask, Q = solve(W, factor(H, 0.01), 0.5, pattern)
    S = W.square() * H.diagonal()
    alone = lowest(S, 32 * 32) if pattern == "unstructured" else lowest_of_neighbours(S, pattern)
    assert output_error(W, Q, H) < 0.95 * output_error(W, W.masked_fill(alone, 0.0), H)
    assert output_error(W, Q, H) < 0.8 * output_error(W, W.masked_fill(mask, 0.0), H)


def test_zeros_of_an_earlier_step_stay_and_count(tmp_path):
    model = tiny("llama", tmp_path)
    once = compressed(model, tmp_path, prune(sparsity=0.3))
    twice = compressed(model, tmp_path, prune(sparsity=0.3), prune(method="sparsegpt", sparsity=0.5))
    for name in model.linear_names():
        W = twice.model.weight(name)
        assert (W[once.model.weight(name) == 0] == 0).all()
        assert float((W == 0).float().mean()) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("sequential", [False, True])
def test_the_model_moves_less_than_with_wanda(sequential, tmp_path):
    model = tiny("llama", tmp_path)
    errors = {
        name: [layer.output_error for layer in compressed(model, tmp_path, prune(method=name, **values)).layers]
        for name, values in (("wanda", {"refit": False}), ("sparsegpt", {"sequential": sequential, "refit": False}))
    }
    assert sum(errors["sparsegpt"]) < 0.9 * sum(errors["wanda"])


def test_codes_of_a_quantized_layer_are_kept(tmp_path):
    model = tiny("llama", tmp_path)
    codes = compressed(model, tmp_path, quantize(bits=4)).model
    result = compressed(model, tmp_path, quantize(bits=4), prune(method="sparsegpt")).model
    for name in model.linear_names():
        W = result.weight(name)
        assert torch.equal(W[W != 0], codes.weight(name)[W != 0])
