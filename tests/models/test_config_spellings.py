"""Many ways in which config.json files say what a model is, or do not: computed as transformers does, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from optlab.errors import ModelError
from optlab.models import load
from optlab.models.describe import describe
from optlab.models.transformer import Transformer
from tests.tiny import VOCABULARY, tiny_model_folder

Change = Callable[[dict[str, Any]], object]


def legacy(config: dict[str, Any], scaling: dict[str, Any] | None = None) -> None:
    """As transformers 4 wrote it."""
    config.pop("rope_parameters", None)
    config |= {"rope_theta": 10000.0, "rope_scaling": scaling, "torch_dtype": config.pop("dtype", "float32")}


def without(*keys: str) -> Change:
    return lambda config: [config.pop(key, None) for key in keys]


def saying(**values: Any) -> Change:
    return lambda config: config.update(values)


def old(scaling: dict[str, Any] | None = None, **values: Any) -> Change:
    def change(config: dict[str, Any]) -> None:
        legacy(config, scaling)
        config.update(values)

    return change


LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
FOUR = {"num_key_value_heads": 4}
SPELLINGS: dict[str, tuple[str, Change, dict[str, Any], bool | None]] = {
    # family, what is changed in the file, how the model is made, whether ours computes it (None: nobody does)
    "mistral without a window": ("mistral", without("sliding_window"), {}, True),
    "mistral with a short window": ("mistral", saying(sliding_window=8), {}, True),
    "mistral with a bias that it ignores": ("mistral", saying(attention_bias=True), {}, False),
    "part of a head, in the file": ("llama", old(partial_rotary_factor=0.5), {}, False),
    "part of a head, inside": ("llama", lambda c: c["rope_parameters"].update(partial_rotary_factor=0.5), {}, False),
    "old linear": ("llama", old({"type": "linear", "factor": 4.0}), {}, True),
    "a factor of nothing": ("llama", old({"rope_type": "linear", "factor": 0}), {}, None),
    "an original length of nothing": (
        "llama", old({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 0}), {}, None,
    ),
    "old yarn": ("llama", old({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}), {}, True),
    "yarn that does not say the original length": ("llama", old({"rope_type": "yarn", "factor": 2.0}), {}, True),
    "yarn with the original length outside": (
        "llama", old({"rope_type": "yarn", "factor": 4.0}, original_max_position_embeddings=16), {}, False,
    ),
    "yarn that does not round its range": (
        "llama", old({"rope_type": "yarn", "factor": 4.0, "truncate": False}), {}, False,
    ),
    "old dynamic": ("llama", old({"type": "dynamic", "factor": 4.0}), {}, False),
    "old llama3, length outside": ("llama", old(LLAMA3, original_max_position_embeddings=64), {}, False),
    "llama3 that lacks factors": ("llama", old({"rope_type": "llama3", "factor": 8.0}), {}, None),
    "linear without a factor": ("llama", old({"rope_type": "linear"}), {}, None),
    "a factor in quotes": ("llama", old({"rope_type": "linear", "factor": "4.0"}), {}, None),
    "a whole theta": ("llama", old(rope_theta=500000), {}, True),
    "theta in both places": ("llama", saying(rope_theta=500000.0), {}, True),
    "no head size": ("llama", saying(head_dim=None), {}, True),
    "no count of key heads": ("llama", without("num_key_value_heads"), FOUR, True),
    "no epsilon": ("llama", without("rms_norm_eps"), {}, True),
    "no length": ("llama", without("max_position_embeddings"), {}, True),
    "heads in quotes": ("llama", saying(num_attention_heads="4"), {}, None),
    "a size with a point": ("llama", saying(hidden_size=32.0), {}, None),
    "a truth in quotes": ("llama", saying(tie_word_embeddings="false"), {}, None),
    "heads of no size": ("llama", saying(head_dim=0), {}, None),
    "an epsilon that is no number": ("llama", saying(rms_norm_eps=float("nan")), {}, None),
    "a negative theta": ("llama", lambda c: c["rope_parameters"].update(rope_theta=-1.0), {}, None),
    "theta null inside": ("llama", lambda c: c["rope_parameters"].update(rope_theta=None), {}, None),
    "a billion blocks": ("llama", saying(num_hidden_layers=10**9), {}, None),
    "a billion experts": ("mixtral", saying(num_local_experts=10**9), {}, None),
    "width beyond all memory": ("bert", saying(hidden_size=10**15), {}, None),
    "a type that nobody knows": ("llama", saying(model_type="LLaMA"), {}, None),
    "architectures null": ("llama", saying(architectures=None), {}, True),
    "no dtype": ("llama", without("dtype"), {}, True),
    "length null": ("llama", saying(max_position_embeddings=None), {}, None),
    "no architecture": ("llama", without("architectures"), {}, True),
    "no activation": ("llama", without("hidden_act"), {}, True),
    "gelu_new": ("llama", saying(hidden_act="gelu_new"), {}, True),
    "gelu": ("llama", saying(hidden_act="gelu"), {}, True),
    "quick_gelu": ("llama", saying(hidden_act="quick_gelu"), {}, False),
    "qwen2 without a bias": ("qwen2", saying(attention_bias=False), {}, True),
    "qwen2 with late windows": (
        "qwen2", saying(use_sliding_window=True, sliding_window=8, max_window_layers=1, layer_types=None), {}, True,
    ),
    "qwen2 with windows that it does not use": (
        "qwen2",
        saying(use_sliding_window=False, sliding_window=8, layer_types=["sliding_attention", "full_attention"]),
        {}, None,
    ),
    "gemma's gelu": ("gemma", saying(hidden_act="gelu", hidden_activation=None), {}, True),
    "gemma with silu": ("gemma", saying(hidden_act="silu"), {}, True),
    "gemma with relu": ("gemma", saying(hidden_act="relu"), {}, True),
    "gemma untied": ("gemma", saying(), {"tie_word_embeddings": False}, True),
    "a cap that a llama ignores": ("llama", saying(final_logit_softcapping=5.0), {}, False),
    "pretraining_tp": ("llama", saying(pretraining_tp=2), {}, True),
    "gemma2 that sees both ways": ("gemma2", saying(use_bidirectional_attention=True), {}, False),
    "gemma3 as transformers 4 wrote it": (
        "gemma3",
        lambda c: (
            [c.pop(key) for key in ("rope_parameters", "layer_types")],
            c.update(rope_theta=1e6, rope_local_base_freq=50.0, sliding_window_pattern=2, rope_scaling=None),
        ),
        {}, True,
    ),
    "gpt2 whose scores depend on the layer": ("gpt2", saying(scale_attn_by_inverse_layer_idx=True), {}, False),
    "smollm3 that says which layers rotate": ("smollm3", saying(no_rope_layers=[0, 1]), {}, True),
    "neox as transformers 4 wrote it": (
        "neox",
        lambda c: (c.pop("rope_parameters"), c.update(rotary_pct=0.5, rotary_emb_base=500, rope_theta=7.0)), {}, True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
@torch.no_grad()
def test_it_is_computed_as_transformers_does_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    family, change, made, ours = SPELLINGS[name]
    folder = tiny_model_folder(family, tmp_path / "model", **made)
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    ids = torch.randint(4, VOCABULARY, (1, 40), generator=torch.Generator().manual_seed(1))
    if ours is None:
        for ask in (describe, load):
            with pytest.raises(ModelError) as refused:
                ask(str(folder))
            assert len(str(refused.value)) > 20
            assert "\n" not in str(refused.value)
        return
    model = load(str(folder), "float32", "cpu")
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    torch.testing.assert_close(model.logits(ids), theirs(ids).logits, atol=1e-4, rtol=1e-4)
    assert isinstance(model.module, Transformer) == ours
