"""Wanda against the paper's formula on inputs written down by hand, in every pattern, and on tied embeddings."""

from pathlib import Path

import pytest
import torch

from optlab.calibrate.statistics import statistics
from optlab.models.language_model import LanguageModel
from optlab.texts import calibration_windows
from tests.compressing import calibration_file, compressed, prune, tiny
from tests.tiny import FAMILIES


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


def inputs_of(model: LanguageModel, name: str, folder: Path) -> torch.Tensor:
    """What layer `name` reads on the calibration text of `compressed`, [tokens, in]."""
    seen: list[torch.Tensor] = []
    handle = model.module_named(name).register_forward_pre_hook(lambda module, args: seen.append(args[0].flatten(0, 1)))
    with torch.inference_mode():
        for window in calibration_windows(calibration_file(folder), model.tokenizer, 512, 32):
            model.hidden(torch.tensor([window]))
    handle.remove()
    return torch.cat(seen)


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_every_row_loses_what_the_paper_says(share, tmp_path):
    model = tiny("llama", tmp_path)
    result = compressed(model, tmp_path, prune(method="wanda", sparsity=share, refit=False))
    refitted = compressed(model, tmp_path, prune(method="wanda", sparsity=share))
    for name in model.linear_names()[-3:]:
        W, X = model.weight(name), inputs_of(model, name, tmp_path)
        S = W.abs() * X.norm(dim=0)
        after = result.model.weight(name)
        threshold = S.sort(dim=1).values[:, round(share * W.shape[1]) - 1 : round(share * W.shape[1]) + 1].mean(1)
        assert torch.equal(after == 0, threshold.unsqueeze(1) > S)
        assert torch.equal(after[after != 0], W[after != 0])
        assert torch.equal(refitted.model.weight(name) == 0, after == 0)


def test_sequential_judges_by_what_pruned_layers_make(tmp_path):
    model = tiny("llama", tmp_path)
    result = compressed(model, tmp_path, prune(method="wanda", sequential=True))
    name = "model.layers.1.self_attn.q_proj"
    # q reads what block 0 makes, whose layers are all pruned; nothing in its own block lies before it.
    S = model.weight(name).abs() * inputs_of(result.model, name, tmp_path).norm(dim=0)
    keep = result.model.weight(name) != 0
    assert (S.masked_fill(~keep, torch.inf).amin(1) >= 0.9999 * S.masked_fill(keep, 0.0).amax(1)).all()
    shared = compressed(model, tmp_path, prune(method="wanda"))
    assert not torch.equal(shared.model.weight(name) == 0, ~keep)


def test_a_tied_embedding_is_judged_as_the_head_and_an_untied_one_by_its_size(tmp_path):
    for family, seed in (("qwen2", 0), ("llama", 0)):
        model = tiny(family, tmp_path, seed=seed)
        name = model.structure.embedding
        result = compressed(model, tmp_path, prune("model.embed_tokens", method="wanda"))
        W = model.weight(name)
        energy = torch.ones(W.shape[1])
        if model.structure.tied:
            energy = statistics(model, calibration_file(tmp_path), 512, 32).gram(model.structure.head).diagonal()
        S, keep = W.abs() * energy.sqrt(), result.model.weight(name) != 0
        assert (keep.sum(1) == W.shape[1] // 2).all()
        assert (S.masked_fill(~keep, torch.inf).amin(1) >= S.masked_fill(keep, 0.0).amax(1)).all()
        assert torch.equal(result.model.weight(model.structure.head) != 0, keep) == model.structure.tied


@pytest.mark.parametrize("method", ["magnitude", "wanda", "sparsegpt", "random"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_keeps_n_of_m_in_every_family(family, method, tmp_path):
    model = tiny(family, tmp_path)
    for pattern, of in (("2:4", 4), ("4:8", 8)):
        result = compressed(model, tmp_path, prune(method=method, pattern=pattern))
        for name in model.linear_names():
            zeros = (result.model.weight(name) == 0).reshape(-1, of).sum(1)
            assert (zeros == of // 2).all()
            assert torch.equal(result.model.weight(name), result.stored[name].dequantize())


def test_chance_is_repeatable_and_differs_between_layers(tmp_path):
    model = tiny("llama", tmp_path)
    a, b = (compressed(model, tmp_path, prune(method="random", sparsity=0.4), seed=s).model for s in (0, 0))
    other = compressed(model, tmp_path, prune(method="random", sparsity=0.4), seed=1).model
    first, second = "model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj"
    assert torch.equal(a.weight(first), b.weight(first))
    assert not torch.equal(a.weight(first) == 0, other.weight(first) == 0)
    assert not torch.equal(a.weight(first) == 0, a.weight(second) == 0)
    alone = compressed(model, tmp_path, prune(".*layers.1.mlp.up_proj", method="random", sparsity=0.4)).model
    assert torch.equal(alone.weight(second), a.weight(second))
