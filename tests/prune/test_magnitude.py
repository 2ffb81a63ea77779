"""Magnitude pruning takes exactly the smallest weights, per layer, over all layers, or below a threshold."""

from pathlib import Path

import pytest
import torch

from optlab.errors import RecipeError
from optlab.methods import method
from optlab.models.language_model import LanguageModel
from tests.compressing import compressed, prune, tiny


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    return tiny("llama", tmp_path)


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.37, 0.5, 0.95])
def test_every_layer_loses_exactly_its_smallest_weights(model, tmp_path, sparsity):
    result = compressed(model, tmp_path, prune(sparsity=sparsity))
    for name in model.linear_names():
        before, after = model.weight(name), result.model.weight(name)
        gone = after == 0
        assert int(gone.sum()) == round(sparsity * before.numel())
        assert torch.equal(after[~gone], before[~gone])
        if sparsity > 0:
            assert before[gone].abs().max() <= before[~gone].abs().min()


def test_over_all_layers_the_total_is_exact_and_one_threshold_divides_all(model, tmp_path):
    result = compressed(model, tmp_path, prune(sparsity=0.4, scope="global"))
    names = model.linear_names()
    before = torch.cat([model.weight(name).flatten() for name in names])
    after = torch.cat([result.model.weight(name).flatten() for name in names])
    gone = after == 0
    assert int(gone.sum()) == round(0.4 * len(before))
    assert before[gone].abs().max() <= before[~gone].abs().min()
    shares = {name: float((result.model.weight(name) == 0).float().mean()) for name in names}
    assert len(set(shares.values())) > 1


def test_a_threshold_takes_what_lies_below_it(model, tmp_path):
    result = compressed(model, tmp_path, prune(scope="threshold", threshold=0.1))
    for name in model.linear_names():
        before, after = model.weight(name), result.model.weight(name)
        assert torch.equal(after == 0, before.abs() < 0.1)


def test_pruning_again_counts_the_zeros_that_are_there(model, tmp_path):
    once = compressed(model, tmp_path, prune(sparsity=0.6))
    twice = compressed(model, tmp_path, prune(sparsity=0.3), prune(sparsity=0.6))
    for name in model.linear_names():
        assert torch.equal(once.model.weight(name), twice.model.weight(name))


def test_scope_and_threshold_belong_together():
    magnitude = method("prune", "magnitude")
    with pytest.raises(RecipeError, match="needs a threshold"):
        magnitude.check({"scope": "threshold"})
    with pytest.raises(RecipeError, match="only used with scope threshold"):
        magnitude.check({"scope": "layer", "threshold": 0.1})
    with pytest.raises(RecipeError, match=r"use 0 to 0\.95"):
        magnitude.check({"sparsity": 0.96})


def test_descriptions_are_short():
    magnitude = method("prune", "magnitude")
    assert magnitude.describe(magnitude.check({})) == "magnitude 50%"
    assert magnitude.describe(magnitude.check({"scope": "global"})) == "magnitude 50% over all layers"
    assert magnitude.describe(magnitude.check({"scope": "threshold", "threshold": 0.01})) == "magnitude below 0.01"
