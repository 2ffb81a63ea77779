"""Removed units: smaller matrices that compute what masking the unit would, in our files and in plain transformers."""

from pathlib import Path

import pytest
import torch

from optlab.calibrate.influence import influences
from optlab.compression import Compressed
from optlab.errors import RecipeError
from optlab.kernels.artefact import load_artefact, save
from optlab.kernels.runtime import runtime
from optlab.models.language_model import LanguageModel
from optlab.progress import silent
from optlab.prune.structured import least_squares
from tests.compressing import compressed, prune, quantize, tiny
from tests.quantize.test_hessian import second_moments
from tests.tiny import CAUSAL, FAMILIES

WITH_HEADS = ("llama", "mistral", "qwen2", "gemma", "qwen3", "gemma2", "gemma3", "smollm3")
"""Families whose heads can be removed."""
FIXED = ("gpt2", "neox", "opt", "bert", "roberta", "distilbert")
"""Families whose code derives the size of a head from the width."""
IDS = torch.arange(4, 24).unsqueeze(0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


def removed(model: LanguageModel, folder: Path, pattern: str, share: float, method: str = "wanda") -> Compressed:
    return compressed(model, folder, prune(method=method, pattern=pattern, sparsity=share))


def in_transformers(result: Compressed, folder: Path) -> torch.Tensor:
    """Logits of plain transformers on the saved folder."""
    import transformers

    save(result, folder)
    kind = (
        transformers.AutoModelForCausalLM if result.model.objective == "causal" else transformers.AutoModelForMaskedLM
    )
    with torch.inference_mode():
        return kind.from_pretrained(folder, dtype=torch.float32)(input_ids=IDS).logits


def test_what_a_matrix_of_several_holds_is_not_cut(tmp_path):
    fused = tiny("phi3", tmp_path / "phi3")
    with pytest.raises(RecipeError, match="keeps queries, keys and values in one matrix"):
        removed(fused, tmp_path, "heads", 0.5)
    with pytest.raises(RecipeError, match="keep gate and up in one matrix"):
        removed(fused, tmp_path, "neurons", 0.5)
    with pytest.raises(RecipeError, match="normalizes queries over all heads together"):
        removed(tiny("olmo2", tmp_path / "olmo2"), tmp_path, "heads", 0.5)


@pytest.mark.parametrize("method", ["magnitude", "wanda", "sparsegpt", "taylor", "random"])
@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "phi3"])
def test_neurons_leave_every_family_smaller_and_plain_transformers_reads_it(family, method, tmp_path):
    model = tiny(family, tmp_path)
    result = removed(model, tmp_path, "neurons", 0.5, method)
    before = sum(p.numel() for p in model.module.parameters())
    assert sum(p.numel() for p in result.model.module.parameters()) < before
    downs = [n for n in result.model.linear_names() if model.structure.kinds[n] == "mlp.down"]
    widths = {model.weight(n).shape[1]: result.model.weight(n).shape[1] for n in downs}
    assert all(after * 2 == whole for whole, after in widths.items())
    with torch.inference_mode():
        logits = result.model.logits(IDS)
    assert torch.allclose(in_transformers(result, tmp_path / "out"), logits, atol=1e-4)
    again = load_artefact(tmp_path / "out").model
    for (name, a), (_, b) in zip(again.module.named_parameters(), result.model.module.named_parameters(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_leave_every_family_and_plain_transformers_reads_it(family, tmp_path):
    model = tiny(family, tmp_path)
    result = removed(model, tmp_path, "layers", 0.5)
    assert len(result.model.blocks()) == 1
    with torch.inference_mode():
        logits = result.model.logits(IDS)
    assert torch.allclose(in_transformers(result, tmp_path / "out"), logits, atol=1e-4)
    again = load_artefact(tmp_path / "out").model
    assert torch.equal(again.logits(IDS), result.model.logits(IDS))


@pytest.mark.parametrize("family", WITH_HEADS)
def test_heads_leave_with_the_keys_that_they_share(family, tmp_path):
    model = tiny(family, tmp_path)
    result = removed(model, tmp_path, "heads", 0.5)
    before, after = model.module.config, result.model.module.config
    assert after.heads == before.heads // 2
    assert after.kv_heads == max(1, before.kv_heads // 2)
    assert after.head_dim == before.head_dim
    with torch.inference_mode():
        logits = result.model.logits(IDS)
    assert torch.allclose(in_transformers(result, tmp_path / "out"), logits, atol=1e-4)


@pytest.mark.parametrize("family", FIXED)
def test_heads_of_a_fixed_size_are_refused_in_one_sentence(family, tmp_path):
    with pytest.raises(RecipeError, match="derives the size of a head from the width"):
        removed(tiny(family, tmp_path), tmp_path, "heads", 0.5)


def test_a_removed_group_of_heads_is_one_whose_output_weights_are_zero(tmp_path):
    """Zeroing the columns that read a group is the independent way to silence it."""
    model = tiny("llama", tmp_path)
    result = removed(model, tmp_path, "heads", 0.5, "magnitude").model
    masked = model.clone()
    for number in range(2):
        W = masked.weight(f"model.layers.{number}.self_attn.o_proj")
        halves = W.square().view(32, 2, 16).sum((0, 2))
        W.view(32, 2, 16)[:, int(halves.argmin())] = 0.0
    assert torch.allclose(result.logits(IDS), masked.logits(IDS), atol=1e-4)


def test_the_least_important_block_is_the_one_that_changes_nothing(tmp_path):
    model = tiny("llama", tmp_path, num_hidden_layers=4)
    for leaf in ("self_attn.o_proj", "mlp.down_proj"):
        model.weight(f"model.layers.2.{leaf}").zero_()
    windows = [[5, 9, 77, 31, 8, 60, 12, 40]] * 2
    found = influences(model, windows, silent)
    assert found[2] == pytest.approx(0.0, abs=1e-6)
    assert min(found[:2] + found[3:]) > 1e-3


def test_kept_columns_make_up_by_least_squares():
    W = torch.randn(6, 12, generator=torch.Generator().manual_seed(0))
    H = second_moments(12)
    kept = torch.tensor([0, 2, 3, 7, 8, 11])
    V = least_squares(W, H, kept, 0.0)
    L = torch.linalg.cholesky(H.double() + 1e-12 * torch.eye(12))
    # Row by row, an ordinary least-squares problem in the rows of L.
    expected = torch.linalg.lstsq(L.T[:, kept], L.T @ W.double().T).solution.T
    assert torch.allclose(V[:, kept].double(), expected, atol=1e-2, rtol=1e-2)
    assert int(torch.count_nonzero(V[:, [1, 4, 5, 6, 9, 10]])) == 0


@pytest.mark.parametrize("pattern", ["neurons", "heads", "layers"])
@pytest.mark.parametrize("quantizer", ["rtn", "gptq", "awq", "hqq"])
def test_what_is_left_can_be_quantized(pattern, quantizer, tmp_path):
    model = tiny("llama", tmp_path, num_hidden_layers=4)
    steps = prune(method="wanda", pattern=pattern, sparsity=0.5), quantize(method=quantizer, bits=4)
    result = compressed(model, tmp_path, *steps)
    assert set(result.stored) == set(result.model.linear_names())
    alone = removed(model, tmp_path, pattern, 0.5).model
    with torch.inference_mode():
        distance = (result.model.logits(IDS) - alone.logits(IDS)).norm() / alone.logits(IDS).norm()
    assert distance < 0.6


def test_blocks_take_their_zeros_with_them(tmp_path):
    model = tiny("llama", tmp_path, num_hidden_layers=4)
    first = prune(r"model\.layers\.[23]", method="magnitude", sparsity=0.6)
    result = compressed(model, tmp_path, first, prune(method="random", pattern="layers", sparsity=0.5))
    for name, stored in result.stored.items():
        W = result.model.weight(name)
        assert torch.equal(W, stored.dequantize())
        assert float((W == 0).float().mean()) == pytest.approx(0.6, abs=0.01)
    zeros = [n for n in result.model.linear_names() if bool((result.model.weight(n) == 0).any())]
    assert set(zeros) == set(result.stored)


@pytest.mark.parametrize("pattern", ["neurons", "heads", "layers"])
def test_the_runtime_says_the_same_as_the_model(pattern, tmp_path):
    result = removed(tiny("llama", tmp_path), tmp_path, pattern, 0.5)
    fast = runtime(result, "float32")
    assert torch.allclose(fast.prefill(IDS[0].tolist()), result.model.logits(IDS)[0, -1], atol=1e-3)


@pytest.mark.parametrize("family", CAUSAL)
def test_a_share_that_leaves_nothing_says_what_would_do(family, tmp_path):
    with pytest.raises(RecipeError, match="of 2 layers leaves"):
        removed(tiny(family, tmp_path), tmp_path, "layers", 0.9)


def test_what_cannot_be_cut_is_one_sentence(tmp_path):
    model = tiny("llama", tmp_path)
    with pytest.raises(RecipeError, match="treats all blocks alike"):
        compressed(model, tmp_path, prune(r"model\.layers\.0", method="wanda", pattern="neurons"))
    with pytest.raises(RecipeError, match="prune before quantize"):
        compressed(model, tmp_path, quantize(bits=4), prune(method="wanda", pattern="neurons"))
    with pytest.raises(RecipeError, match="cannot tell which blocks matter"):
        removed(model, tmp_path, "layers", 0.5, "magnitude")
    with pytest.raises(RecipeError, match="put taylor before"):
        compressed(model, tmp_path, prune(method="wanda", pattern="neurons"), prune(method="taylor", sparsity=0.5))


@pytest.mark.parametrize("pattern", ["neurons", "heads", "layers"])
def test_the_damage_of_a_smaller_layer_is_that_of_zeros_in_its_place(pattern, tmp_path):
    model = tiny("llama", tmp_path, num_hidden_layers=4)
    layers = {layer.name: layer.output_error for layer in removed(model, tmp_path, pattern, 0.5).layers}
    errors = [error for error in layers.values() if error]
    if pattern == "layers":
        assert set(layers.values()) == {0.0}  # those that stay are as they were
        return
    assert all(error is not None for error in layers.values())
    assert len(errors) == {"neurons": 3, "heads": 4}[pattern] * 4
    assert all(0 < error < 1 for error in errors)
