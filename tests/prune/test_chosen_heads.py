"""Heads by name: silent where only some go, cut out where every block loses as many; and which the loss would feel."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from optlab.calibrate.gradients import loss
from optlab.calibrate.head_importance import head_importance
from optlab.errors import RecipeError
from optlab.models.heads import heads_of
from optlab.prune.chosen_heads import read, write
from tests.compressing import compressed, prune, tiny
from tests.tiny import CAUSAL, FAMILIES

IDS = torch.arange(4, 24).unsqueeze(0)
WINDOWS = [[5, 9, 77, 31, 8, 60, 12, 40], [3, 4, 5, 6, 7, 8, 9, 10]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


def test_what_is_written_is_read_back() -> None:
    assert read("3.7, 3.0 12.4") == {3: {0, 7}, 12: {4}}
    assert write(read("12.4 3.7 3.0")) == "3.0 3.7 12.4"
    assert write({}) is None
    with pytest.raises(RecipeError, match="is no head"):
        read("3")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_head_alone_is_silent_in_every_family(family, tmp_path):
    """Its output does not reach the layer after it, whatever the head computes."""
    model = tiny(family, tmp_path)
    heads = heads_of(model)
    result = compressed(model, tmp_path, prune(method="chosen_heads", heads="1.2")).model
    expected = model.clone()
    expected.weight(heads.outputs[1])[:, 2 * heads.size : 3 * heads.size] = 0.0
    with torch.inference_mode():
        assert torch.allclose(result.logits(IDS), expected.logits(IDS), atol=2e-3)
    assert not torch.allclose(result.logits(IDS), model.logits(IDS), atol=2e-3)


def test_as_many_in_every_block_are_cut_out(tmp_path):
    model = tiny("llama", tmp_path)  # four heads, two and two of which share keys and values
    cut = compressed(model, tmp_path, prune(method="chosen_heads", heads="0.0 0.1 1.2 1.3"))
    assert cut.model.module.config.heads == 2
    assert cut.model.module.config.kv_heads == 1
    silenced = model.clone()
    size = heads_of(model).size
    silenced.weight("model.layers.0.self_attn.o_proj")[:, : 2 * size] = 0.0
    silenced.weight("model.layers.1.self_attn.o_proj")[:, 2 * size :] = 0.0
    with torch.inference_mode():
        assert torch.allclose(cut.model.logits(IDS), silenced.logits(IDS), atol=1e-3)
    parts = compressed(model, tmp_path, prune(method="chosen_heads", heads="0.0 0.2 1.2 1.3")).model
    assert parts.module.config.heads == 4  # 0 and 2 are half of either group


def test_what_is_not_there_is_one_sentence(tmp_path):
    model = tiny("llama", tmp_path)
    with pytest.raises(RecipeError, match=r"no head 2\.0; use 0\.0 to 1\.3"):
        compressed(model, tmp_path, prune(method="chosen_heads", heads="2.0"))
    with pytest.raises(RecipeError, match="would keep no head"):
        compressed(model, tmp_path, prune(method="chosen_heads", heads="0.0 0.1 0.2 0.3"))


@pytest.mark.parametrize("family", CAUSAL)
def test_importance_is_the_slope_of_the_loss_when_a_head_gets_quieter(family, tmp_path):
    model = tiny(family, tmp_path)
    heads = heads_of(model)
    wanted = [p.requires_grad for p in model.module.parameters()]
    found = head_importance(model, WINDOWS)
    assert [p.requires_grad for p in model.module.parameters()] == wanted
    assert found.shape == (2, heads.count)
    step = 1e-2
    expected = 0.0
    for window in WINDOWS:
        losses = []
        for factor in (1 - step, 1 + step):
            moved = model.clone()
            moved.weight(heads.outputs[0])[:, : heads.size] *= factor
            with torch.inference_mode():
                losses.append(float(loss(moved, torch.tensor([window]), torch.Generator())))
        expected += abs(losses[1] - losses[0]) / (2 * step) / len(WINDOWS)
    assert float(found[0, 0]) == pytest.approx(expected, rel=0.05, abs=1e-4)
