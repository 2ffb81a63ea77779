"""One walk that zeroes and rounds against the two it joins: its limits are theirs, and it loses less than they do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from optlab.errors import RecipeError
from optlab.kernels.artefact import load_artefact, save
from optlab.prune.sparsegpt import BLOCK, chooser
from optlab.prune.sparsegpt import solve as sparse
from optlab.quantize.gptq import frozen
from optlab.quantize.gptq import solve as coded
from optlab.quantize.hessian import factor
from tests.compressing import compressed, prune, quantize, tiny
from tests.prune.test_sparsegpt import output_error, weights
from tests.quantize.test_hessian import second_moments


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


def joint(W: Tensor, R: Tensor, share: float, pattern: str, bits: int, size: int) -> Tensor:
    order = torch.arange(W.shape[1])
    return coded(W, R, order, size, bits, "integer", zeros=chooser(share, pattern)).dequantize()


def test_without_zeros_it_is_gptq():
    W, R = weights(16, 64), factor(second_moments(64), 0.1)
    assert torch.equal(
        joint(W, R, 0.0, "unstructured", 4, 32), coded(W, R, torch.arange(64), 32, 4, "integer").dequantize()
    )


def test_with_many_levels_it_is_sparsegpt():
    W, H = weights(16, 2 * BLOCK), second_moments(2 * BLOCK)
    R = factor(H, 0.1)
    Q = joint(W, R, 0.5, "unstructured", 8, BLOCK)
    mask, expected = sparse(W, R, 0.5)
    assert float(((Q == 0) == mask).float().mean()) > 0.99
    assert output_error(W, Q, H) < 1.05 * output_error(W, expected, H)


@pytest.mark.parametrize("pattern", ["unstructured", "2:4"])
@pytest.mark.parametrize("bits", [3, 4])
def test_one_pass_loses_less_than_one_after_the_other(pattern, bits):
    lost = {"after": 0.0, "held": 0.0, "joint": 0.0}
    for seed in range(8):
        W, H = weights(32, 128, seed), second_moments(128, seed)
        R, order = factor(H, 0.01), torch.arange(128)
        mask, Q = sparse(W, R, 0.5, pattern)
        after = coded(Q, R, order, 32, bits, "integer").with_zeros(mask).dequantize()
        held = coded(Q, R, order, 32, bits, "integer", zeros=frozen).dequantize()
        assert bool((held[mask] == 0).all())
        lost["after"] += output_error(W, after, H)
        lost["held"] += output_error(W, held, H)
        lost["joint"] += output_error(W, joint(W, R, 0.5, pattern, bits, 32), H)
    assert lost["held"] < lost["after"]
    assert lost["joint"] < lost["after"]


def test_what_is_written_comes_back_and_is_smaller_than_the_codes_alone(tmp_path):
    model = tiny("llama", tmp_path)
    result = compressed(model, tmp_path, prune(method="sparsegpt_gptq", sparsity=0.5, bits=4, group_size=16))
    only = compressed(model, tmp_path, quantize(method="gptq", bits=4))
    assert all(one.pruned for one in result.stored.values())  # type: ignore[union-attr]
    assert sum(one.stored_bits() for one in result.stored.values()) < sum(o.stored_bits() for o in only.stored.values())
    save(result, tmp_path / "out")
    again = load_artefact(tmp_path / "out").model
    for name in model.linear_names():
        assert torch.equal(again.weight(name), result.model.weight(name))


def test_pruning_distilling_and_quantizing_follow_each_other_in_one_recipe(tmp_path):
    model = tiny("llama", tmp_path)
    training = {"distill": {"steps": 4, "window": 16, "batch": 2}}
    result = compressed(
        model, tmp_path, prune(method="sparsegpt", pattern="2:4"), training, quantize(method="gptq", bits=4)
    )
    for name in model.linear_names():
        W = result.model.weight(name)
        assert int((W.reshape(-1, 4) != 0).sum(1).amax()) <= 2
        assert len(W[:, :16][0].unique()) <= 16
        assert torch.equal(W, result.stored[name].dequantize())


def test_what_it_cannot_do_is_one_sentence(tmp_path):
    model = tiny("llama", tmp_path)
    with pytest.raises(RecipeError, match=r"group_size 24 does not divide 32"):
        compressed(model, tmp_path, prune(method="sparsegpt_gptq", group_size=24))
    with pytest.raises(RecipeError, match="already quantized"):
        compressed(model, tmp_path, quantize(bits=4), prune(method="sparsegpt_gptq", group_size=16))
