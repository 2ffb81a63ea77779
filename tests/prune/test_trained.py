"""Pruning while training: the schedule of the paper, exact shares, held masks, and what the price of weights does."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from optlab.errors import RecipeError
from optlab.prune.gradual import cubic
from optlab.prune.trained import zero_lowest
from tests.compressing import compressed, prune, quantize, tiny
from tests.tiny import FAMILIES

SHORT = {"steps": 8, "window": 16, "batch": 2, "learning_rate": 1e-3}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


def test_the_schedule_starts_at_zero_rises_and_ends_at_the_target():
    found = [cubic(step / 10, 0.8) for step in range(11)]
    assert found[0] == 0.0
    assert found[-1] == pytest.approx(0.8)
    assert found[5] == pytest.approx(0.8 * 0.875)
    rises = [b - a for a, b in pairwise(found)]
    assert rises == sorted(rises, reverse=True)


def test_what_is_zero_stays_and_counts():
    W = torch.tensor([[4.0, -1.0, 3.0, 2.0]])
    mask = torch.tensor([[False, True, True, True]])
    zero_lowest(W, mask, 0.5)
    assert W.tolist() == [[0.0, 0.0, 3.0, 2.0]]
    assert mask.tolist() == [[False, False, True, True]]


@pytest.mark.parametrize("method", ["l1", "gradual"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_ends_with_the_share_asked_for(family, method, tmp_path):
    model = tiny(family, tmp_path)
    result = compressed(model, tmp_path, prune(method=method, sparsity=0.6, **SHORT))
    for name in model.linear_names():
        W = result.model.weight(name)
        assert int((W == 0).sum()) >= round(0.6 * W.numel())
        assert float((W == 0).float().mean()) == pytest.approx(0.6, abs=0.02)
        assert torch.equal(W, result.stored[name].dequantize())
        assert not torch.equal(W[W != 0], model.weight(name)[W != 0])


def test_a_price_makes_weights_smaller(tmp_path):
    model = tiny("llama", tmp_path)
    sizes = []
    for strength in (0.0, 50.0):
        values = {**SHORT, "steps": 24, "strength": strength, "learning_rate": 1e-2}
        result = compressed(model, tmp_path, prune(method="l1", sparsity=0.0, **values)).model
        sizes.append(sum(float(result.weight(name).abs().sum()) for name in model.linear_names()))
    assert sizes[1] < 0.97 * sizes[0]


def test_zeros_of_other_layers_are_held_and_codes_are_refused(tmp_path):
    model = tiny("llama", tmp_path)
    first = prune(r"model\.layers\.0", sparsity=0.4)
    result = compressed(model, tmp_path, first, prune(r"model\.layers\.1", method="gradual", sparsity=0.5, **SHORT))
    W = result.model.weight("model.layers.0.mlp.up_proj")
    assert float((W == 0).float().mean()) == pytest.approx(0.4, abs=0.01)
    with pytest.raises(RecipeError, match="put it before quantize"):
        compressed(model, tmp_path, quantize(bits=4), prune(method="gradual", **SHORT))
