"""The from-scratch Transformer against transformers' own classes and against itself."""

import pytest
import torch

from optlab.errors import ModelError
from optlab.models.transformer import Config, KVCache, Transformer

LLAMA = {
    "model_type": "llama", "vocab_size": 97, "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 80, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
}  # fmt: skip
VARIANTS = {
    "llama": LLAMA,
    "llama with biases and a head size of its own": {**LLAMA, "attention_bias": True, "mlp_bias": True, "head_dim": 20},
    "llama tied": {**LLAMA, "tie_word_embeddings": True},
    "llama 3 positions": {
        **LLAMA,
        "rope_parameters": {
            "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    },
    "llama linear positions": {
        **LLAMA, "rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}
    },
    "qwen2": {**LLAMA, "model_type": "qwen2"},
    "mistral": {**LLAMA, "model_type": "mistral", "sliding_window": None},
    "gemma": {**LLAMA, "model_type": "gemma", "head_dim": 16, "hidden_act": "gelu_pytorch_tanh"},
}  # fmt: skip


def both(hub: dict) -> tuple[Transformer, torch.nn.Module]:
    """Ours and transformers' with the same random weights."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    theirs = AutoModelForCausalLM.from_config(AutoConfig.for_model(**hub), attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(0.0, 0.2)
    ours = Transformer(Config.from_hub(theirs.config.to_dict())).eval()
    weights = dict(theirs.state_dict())
    ours.load_state_dict(weights)
    return ours, theirs


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_equal_transformers(variant: str) -> None:
    ours, theirs = both(VARIANTS[variant])
    ids = torch.randint(0, 97, (2, 100), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = theirs(ids).logits
        assert expected.abs().max() > 0.1
        torch.testing.assert_close(ours(ids), expected, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("cuts", [[40], [1] * 40, [7, 1, 20, 12], [39, 1]])
def test_cache_gives_the_logits_of_one_pass(cuts: list[int]) -> None:
    ours, _ = both(LLAMA)
    ids = torch.randint(0, 97, (2, 40), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        cache = KVCache(ours.config, 2, 40, torch.float32, "cpu")
        pieces = [ours(piece, cache) for piece in ids.split(cuts, dim=1)]
        torch.testing.assert_close(torch.cat(pieces, dim=1), ours(ids), atol=1e-4, rtol=1e-4)


def test_a_full_cache_refuses_more_tokens() -> None:
    ours, _ = both(LLAMA)
    cache = KVCache(ours.config, 1, 4, torch.float32, "cpu")
    with pytest.raises(ValueError, match="the cache holds 4 tokens; 5 are needed"):
        ours(torch.zeros(1, 5, dtype=torch.long), cache)


def test_later_tokens_do_not_change_earlier_logits() -> None:
    ours, _ = both(LLAMA)
    ids = torch.randint(0, 97, (1, 30), generator=torch.Generator().manual_seed(3))
    changed = ids.clone()
    changed[0, 20:] = (changed[0, 20:] + 1) % 97
    with torch.inference_mode():
        a, b = ours(ids), ours(changed)
    assert torch.equal(a[:, :20], b[:, :20])
    assert not torch.equal(a[:, 20:], b[:, 20:])


def test_config_survives_the_hub_layout() -> None:
    config = Config(4096, 256, 6, 4, 2, 64, 640, 512)
    assert Config.from_hub(config.to_hub()) == config


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model_type": "mamba"}, "not one that this Transformer computes"),
        ({"hidden_size": None}, "malformed"),
        ({"num_key_value_heads": 3}, "multiple of key-value heads"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rotary positions of type 'yarn'"),
        ({"rope_parameters": {"rope_type": "linear"}}, "'linear' and does not say their factor"),
        ({"final_logit_softcapping": 5.0}, "says final_logit_softcapping, which this Transformer does not know"),
        ({"hidden_act": "quick_gelu"}, "activation 'quick_gelu'"),
        ({"model_type": "qwen3", "layer_types": ["chunked_attention"] * 3}, "attention of type 'chunked_attention'"),
        ({"model_type": "gemma3_text", "attn_logit_softcapping": 5.0}, "attn_logit_softcapping 5.0 is not part"),
        ({"model_type": "phi3", "rope_scaling": {"type": "longrope"}}, "rotary positions of type 'longrope'"),
    ],
)
def test_foreign_structures_are_refused_in_words(change: dict, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        Config.from_hub({**LLAMA, **change})


def test_a_measurement_leaves_nothing_behind_that_a_training_would_refuse():
    """Tables of positions that were made in inference mode cannot be part of a later backward pass."""
    model, _ = both(LLAMA)
    ids = torch.arange(4, 24).unsqueeze(0)
    with torch.inference_mode():
        model(ids)
    model(ids).sum().backward()
    assert model.get_parameter("model.layers.0.self_attn.q_proj.weight").grad is not None
