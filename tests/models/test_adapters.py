"""LoRA adapters: merged into a base that is at hand, as the formulas of the papers say; others are called by name.

Compared once with the package peft 0.21 (`PeftModel.from_pretrained`, float32), the same logits within 1e-5: plain,
rank-stabilized and weight-decomposed adapters, patterns, biases, modules trained whole, of ten families.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from optlab.models import load
from optlab.models.catalog import ready_folder, resolve
from optlab.models.describe import describe
from optlab.models.low_rank import LowRank
from tests.models.test_folders import IDS, configure, edit, logits_of_transformers, refused
from tests.tiny import tiny_model_folder

Q0, V1 = "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.v_proj"
RANK, ALPHA = 4, 6


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def adapter(folder: Path, base: str, tensors: dict[str, torch.Tensor], **said: Any) -> Path:
    """An adapter as peft writes it. tensors: without the prefix of their names."""
    folder.mkdir(parents=True)
    save_file({f"base_model.model.{name}": values for name, values in tensors.items()},
              folder / "adapter_model.safetensors")  # fmt: skip
    about = {"peft_type": "LORA", "base_model_name_or_path": base, "r": RANK, "lora_alpha": ALPHA, **said}
    (folder / "adapter_config.json").write_text(json.dumps(about))
    return folder


def factors(module: str, outputs: int, inputs: int, rank: int = RANK) -> dict[str, torch.Tensor]:
    return {f"{module}.lora_A.weight": drawn(rank, inputs), f"{module}.lora_B.weight": drawn(outputs, rank)}


def product(parts: dict[str, torch.Tensor]) -> torch.Tensor:
    A, B = parts.values()
    return B @ A


def merged(source: Path, base: Path, changes: dict[str, torch.Tensor]) -> None:
    """Check that `source` has the logits of `base` with some of its tensors replaced, and that these matter."""
    before = logits_of_transformers(base)
    found = load(str(source)).logits(IDS)
    edit(base, lambda t: {**t, **changes})
    expected = logits_of_transformers(base)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert (before - expected).abs().max() > 1e-2


@pytest.mark.parametrize("stabilized", [False, True])
@pytest.mark.parametrize("where", ["{base}", "../base"])
def test_an_adapter_is_merged_into_a_base_that_is_at_hand(stabilized: bool, where: str, tmp_path: Path) -> None:
    base = tiny_model_folder("llama", tmp_path / "base")
    q, v = factors(Q0, 32, 32), factors(V1, 16, 32)
    source = adapter(tmp_path / "lora", where.format(base=base), {**q, **v}, use_rslora=stabilized)
    scale = ALPHA / (math.sqrt(RANK) if stabilized else RANK)
    W = load_file(base / "model.safetensors")
    changes = {f"{m}.weight": W[f"{m}.weight"] + scale * product(p) for m, p in ((Q0, q), (V1, v))}
    merged(source, base, changes)


def test_ranks_and_alphas_may_be_said_for_some_layers(tmp_path: Path) -> None:
    base = tiny_model_folder("llama", tmp_path / "base")
    q, v = factors(Q0, 32, 32, rank=2), factors(V1, 16, 32)
    patterns = {"rank_pattern": {"layers.0.self_attn.q_proj": 2}, "alpha_pattern": {"v_proj": 3}}
    source = adapter(tmp_path / "lora", str(base), {**q, **v}, **patterns)
    W = load_file(base / "model.safetensors")
    scaled = ((Q0, ALPHA / 2 * product(q)), (V1, 3 / RANK * product(v)))
    merged(source, base, {f"{module}.weight": W[f"{module}.weight"] + delta for module, delta in scaled})


def test_rows_of_a_weight_decomposed_adapter_have_the_lengths_that_it_says(tmp_path: Path) -> None:
    base = tiny_model_folder("llama", tmp_path / "base")
    q, lengths = factors(Q0, 32, 32), drawn(32).abs() + 1
    source = adapter(tmp_path / "dora", str(base), {**q, f"{Q0}.lora_magnitude_vector": lengths}, use_dora=True)
    W = load_file(base / "model.safetensors")[f"{Q0}.weight"] + ALPHA / RANK * product(q)
    merged(source, base, {f"{Q0}.weight": lengths[:, None] * torch.nn.functional.normalize(W, dim=1)})


@pytest.mark.parametrize("said", [True, False])
def test_weights_that_are_stored_transposed_are_merged_so(said: bool, tmp_path: Path) -> None:
    base = tiny_model_folder("gpt2", tmp_path / "base")
    module = "transformer.h.1.attn.c_proj"  # square: its shape does not tell
    parts = factors(module, 32, 32)
    source = adapter(tmp_path / "lora", str(base), parts, fan_in_fan_out=said)
    W = load_file(base / "model.safetensors")[f"{module}.weight"]
    merged(source, base, {f"{module}.weight": W + (ALPHA / RANK * product(parts)).T})


def test_biases_and_modules_that_were_trained_whole_replace_those_of_the_base(tmp_path: Path) -> None:
    base = tiny_model_folder("qwen2", tmp_path / "base", tie_word_embeddings=False)
    bias, head, norm = drawn(32), drawn(160, 32), drawn(32)
    own = {
        f"{Q0}.base_layer.bias": bias, "lm_head.weight": head, "model.norm.modules_to_save.default.weight": norm,
        **factors(Q0, 32, 32),
    }  # fmt: skip
    source = adapter(tmp_path / "lora", str(base), own, bias="all", modules_to_save=["lm_head", "norm"])
    W = load_file(base / "model.safetensors")[f"{Q0}.weight"] + ALPHA / RANK * product(factors(Q0, 32, 32))
    changes = {f"{Q0}.weight": W, f"{Q0}.bias": bias, "lm_head.weight": head, "model.norm.weight": norm}
    merged(source, base, changes)


def test_more_tokens_than_the_base_has_come_with_their_tokenizer(tmp_path: Path) -> None:
    base = tiny_model_folder("llama", tmp_path / "base")
    rows = {"model.embed_tokens.weight": drawn(163, 32), "lm_head.weight": drawn(163, 32)}
    source = adapter(tmp_path / "lora", str(base), {**rows, **factors(Q0, 32, 32)})
    described = json.loads((base / "tokenizer.json").read_text())
    described["added_tokens"].append({**described["added_tokens"][0], "id": 162, "content": "<tool>", "special": False})
    (source / "tokenizer.json").write_text(json.dumps(described))
    model = load(str(source))
    assert model.description.vocabulary == 163
    assert len(model.tokenizer.encode("<tool>")) == 1 < len(load(str(base)).tokenizer.encode("<tool>"))
    assert torch.equal(model.weight("lm_head"), rows["lm_head.weight"])


def test_a_tied_pair_that_was_trained_apart_is_apart_afterwards(tmp_path: Path) -> None:
    base = tiny_model_folder("qwen3", tmp_path / "base")
    rows = {"model.embed_tokens.weight": drawn(160, 32), "lm_head.weight": drawn(160, 32) + 1}
    source = adapter(tmp_path / "lora", str(base), rows)
    configure(base, tie_word_embeddings=False)
    edit(base, lambda t: {**t, "lm_head.weight": t["model.embed_tokens.weight"]})
    configure(base, tie_word_embeddings=True)
    found = load(str(source)).logits(IDS)
    configure(base, tie_word_embeddings=False)
    edit(base, lambda t: {**t, **rows})
    torch.testing.assert_close(found, logits_of_transformers(base), atol=1e-4, rtol=1e-4)


def test_the_merged_weights_have_the_dtype_of_the_base_and_a_note(tmp_path: Path) -> None:
    base = tiny_model_folder("llama", tmp_path / "base", dtype="bfloat16")
    source = adapter(tmp_path / "lora", str(base), factors(Q0, 32, 32))
    assert ready_folder(str(source)) is None
    found = describe(str(source))
    assert (found.dtype, found.size_bytes) == ("BF16", describe(str(base)).size_bytes)
    assert str(found.checkpoint_note).startswith("The LoRA adapter lora was merged into its base")
    assert found.fingerprint != describe(str(base)).fingerprint
    assert ready_folder(str(source)) == resolve(str(source)) == load(str(source)).folder


def test_another_adapter_under_the_same_name_is_merged_anew(tmp_path: Path) -> None:
    base = tiny_model_folder("llama", tmp_path / "base")
    source = adapter(tmp_path / "lora", str(base), factors(Q0, 32, 32))
    before = load(str(source)).fingerprint
    tensors = load_file(source / "adapter_model.safetensors")
    save_file({name: 2 * values for name, values in tensors.items()}, source / "adapter_model.safetensors")
    assert load(str(source)).fingerprint != before


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"base_model_name_or_path": "someone/base"}, "LoRA adapter of someone/base, not a model, and no such model"),
        ({"base_model_name_or_path": None}, "it does not say which model that is"),
        ({"peft_type": "LOHA"}, "is a LOHA adapter of"),
        ({"init_lora_weights": "pissa_niter_4"}, "its training changed the base as well"),
        ({"trainable_token_indices": [1]}, "its setting trainable_token_indices is not understood"),
        ({"r": 8}, r"gives .*q_proj the rank 8 .* and its file the rank 4"),
        ({"rank_pattern": {"(a+)+$": 4}}, "its rank_pattern holds an expression that is not read"),
        ({"use_dora": True}, "the lengths"),
    ],
)
def test_what_cannot_be_merged_is_said(said: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    base = tiny_model_folder("llama", tmp_path / "base")
    refused(adapter(tmp_path / "lora", str(base), factors(Q0, 32, 32), **said), sentence)


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        (factors("model.layers.7.self_attn.q_proj", 32, 32), "it changes .*layers.7.*, which its base does not have"),
        (factors(Q0, 32, 48), r"has shape \[32, 48\], that of its base \[32, 32\]"),
        ({f"{Q0}.lora_A.weight": drawn(4, 32)}, "it holds only a part of"),
        ({f"{Q0}.trainable_tokens_delta": drawn(4, 32)}, "trainable_tokens_delta, which its base does not have"),
    ],
)
def test_an_adapter_of_another_base_is_refused(tensors: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    base = tiny_model_folder("llama", tmp_path / "base")
    refused(adapter(tmp_path / "lora", str(base), tensors), sentence)


def test_one_of_two_tied_ends_cannot_be_changed_alone(tmp_path: Path) -> None:
    base = tiny_model_folder("qwen3", tmp_path / "base")
    refused(adapter(tmp_path / "head", str(base), {"lm_head.weight": drawn(160, 32)}), "holds one of them")
    refused(adapter(tmp_path / "low", str(base), factors("lm_head", 160, 32)), "changes embedding or head alone")


def test_an_adapter_of_an_adapter_and_one_of_another_tool_are_called_so(tmp_path: Path) -> None:
    base = tiny_model_folder("llama", tmp_path / "base")
    first = adapter(tmp_path / "first", str(base), factors(Q0, 32, 32))
    refused(adapter(tmp_path / "second", str(first), factors(Q0, 32, 32)), "LoRA adapter of .*first, not a model")
    other = tmp_path / "mlx"
    other.mkdir()
    save_file({f"{Q0}.lora_a": drawn(32, 4)}, other / "adapters.safetensors")
    (other / "adapter_config.json").write_text(json.dumps({"model": "someone/base", "lora_parameters": {"rank": 4}}))
    refused(other, "mlx is a LoRA adapter of someone/base, not a model")
    pickled = adapter(tmp_path / "pickled", str(base), {})
    (pickled / "adapter_model.safetensors").rename(pickled / "adapter_model.bin")
    refused(pickled, r"its weights must be in adapter_model\.safetensors")


def test_an_embedding_is_changed_from_what_is_stored_beside_the_change(tmp_path: Path) -> None:
    base = tiny_model_folder("llama", tmp_path / "base")
    module, whole = "model.embed_tokens", drawn(160, 32)
    low_rank = {f"{module}.lora_embedding_A": drawn(RANK, 160), f"{module}.lora_embedding_B": drawn(32, RANK)}
    source = adapter(tmp_path / "lora", str(base), {f"{module}.base_layer.weight": whole, **low_rank})
    merged(source, base, {f"{module}.weight": whole + (ALPHA / RANK * product(low_rank)).T})


def test_an_embedding_has_its_factors_the_other_way_round() -> None:
    A, B, W = drawn(4, 160), drawn(32, 4), drawn(160, 32)
    found = LowRank(A, B, 0.5, None, of_embedding=True)
    assert found.shape == (160, 32)
    torch.testing.assert_close(found.merged(W), W + 0.5 * (B @ A).T)
